"""What preflight reads from this machine itself: its routes, its addresses and ports, its free disk space."""

import errno
import ipaddress
import shutil
import socket
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

_ROUTES = Path("/proc/net/route")
_PRIVATE = tuple(map(ipaddress.IPv4Network, ("10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16")))
_UP, _GATEWAY, _REJECT = 0x1, 0x2, 0x200
_ANY_PORT = 0


@dataclass(frozen=True, kw_only=True)
class Route:
    """One IPv4 route. `on_link` says that the network is directly attached: no gateway leads there."""

    network: ipaddress.IPv4Network
    device: str
    on_link: bool

    def collides(self, wanted: ipaddress.IPv4Network) -> bool:
        """Whether a bridge network with the range `wanted`, which is private, would break this route or be broken.

        The kernel takes the most specific route. A route that leads to `wanted` or to a part of it therefore always
        collides. A wider one loses only `wanted` itself, so it collides only where the machine is part of that network.
        A route that is wider than the private block around `wanted`, such as a VPN's 0.0.0.0/1 and 128.0.0.0/1, stands
        for a default route and says nothing about `wanted`. Docker Engine 23 and later choose ranges alike.
        """
        if self.network.subnet_of(wanted):
            return True
        block = next((each for each in _PRIVATE if wanted.subnet_of(each)), wanted)
        return self.on_link and self.network.subnet_of(block) and self.network.overlaps(wanted)


def routes() -> list[Route]:
    """The IPv4 routes of this machine; none where its kernel does not list them."""
    try:
        lines = _ROUTES.read_text().splitlines()[1:]
    except OSError:
        return []
    return list(_parsed(lines))


def _parsed(lines: list[str]) -> Iterator[Route]:
    for line in lines:
        device, destination, _gateway, flags, _references, _use, _metric, mask, *_ = line.split()
        if int(flags, 16) & _UP:
            yield Route(
                network=ipaddress.IPv4Network((_from_kernel(destination), str(_from_kernel(mask)))),
                device=device,
                on_link=not int(flags, 16) & (_GATEWAY | _REJECT),
            )


def _from_kernel(word: str) -> ipaddress.IPv4Address:
    """An address as /proc/net/route has it: hexadecimal, in the machine's own order of bytes."""
    return ipaddress.IPv4Address(socket.ntohl(int(word, 16)))


def has_address(address: str) -> bool:
    """Whether a port can be bound to `address`: it is one of this machine's own, or 0.0.0.0."""
    return _bind_error(address, _ANY_PORT) != errno.EADDRNOTAVAIL


def is_taken(address: str, port: int) -> bool:
    """Whether a process of this machine listens on a TCP port."""
    return _bind_error(address, port) == errno.EADDRINUSE


def _bind_error(address: str, port: int) -> int | None:
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
        # As the engine's own proxy does: a connection that is still closing does not hold the port.
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((address, port))
        except OSError as error:
            return error.errno
    return None


def free_bytes(directory: str) -> int | None:
    """Free space on the disk that has `directory`; None where it can't be seen."""
    try:
        return shutil.disk_usage(directory).free
    except (OSError, ValueError):
        return None
