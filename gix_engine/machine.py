"""Reads the routes, addresses, ports and free disk space of this machine, for an engine that runs on it."""

import errno
import ipaddress
import os
import shutil
import socket
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

_ROUTES = Path("/proc/net/route")
_IPVS = Path("/proc/net/ip_vs")
_MODULES = Path("/lib/modules")
_PRIVATE = tuple(map(ipaddress.IPv4Network, ("10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16")))
_UP, _GATEWAY, _REJECT = 0x1, 0x2, 0x200
_ANY_PORT = 0


@dataclass(frozen=True, kw_only=True)
class Route:
    """An IPv4 route. `on_link` says that the network is directly attached, without a gateway."""

    network: ipaddress.IPv4Network
    device: str
    on_link: bool

    def collides(self, wanted: ipaddress.IPv4Network) -> bool:
        """Whether this route and a bridge network with the private range `wanted` would break each other.

        The kernel uses the most specific route. A route to `wanted`, or to a part of it, therefore always collides. A
        wider route loses only the range `wanted`, so it collides only if the machine is part of its network. A route
        that is wider than the private block around `wanted`, such as a VPN's 0.0.0.0/1 and 128.0.0.0/1, replaces the
        default route and does not collide. Docker Engine 23 and later choose ranges by the same rules.
        """
        if self.network.subnet_of(wanted):
            return True
        block = next((each for each in _PRIVATE if wanted.subnet_of(each)), wanted)
        return self.on_link and self.network.subnet_of(block) and self.network.overlaps(wanted)


def has_ipvs() -> bool:
    """Whether the kernel of this machine has IPVS, or a module that it can load for it."""
    lists = (_MODULES / os.uname().release / name for name in ("modules.dep", "modules.builtin"))
    return _IPVS.exists() or any(each.is_file() and "/ip_vs.ko" in each.read_text(errors="replace") for each in lists)


def routes() -> list[Route]:
    """The IPv4 routes of this machine; none if its kernel does not list them."""
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
    """Read an address of /proc/net/route: hexadecimal, in the machine's byte order."""
    return ipaddress.IPv4Address(socket.ntohl(int(word, 16)))


def has_address(address: str) -> bool:
    """Whether a port can be bound to `address`: it is an address of this machine, or 0.0.0.0."""
    return _bind_error(address, _ANY_PORT) != errno.EADDRNOTAVAIL


def is_taken(address: str, port: int) -> bool:
    """Whether a process of this machine listens on a TCP port."""
    return _bind_error(address, port) == errno.EADDRINUSE


def _bind_error(address: str, port: int) -> int | None:
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
        # The engine's own proxy sets it too: a connection that is still closing does not block the port.
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((address, port))
        except OSError as error:
            return error.errno
    return None


def free_bytes(directory: str) -> int | None:
    """Free space on the disk that has `directory`; None if it cannot be read."""
    try:
        return shutil.disk_usage(directory).free
    except (OSError, ValueError):
        return None
