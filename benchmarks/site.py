"""What one stack of a benchmark has on the engine: names, ports and a subnet of its own."""

import contextlib
import ipaddress
import random
import secrets
import socket
from collections.abc import Collection, Iterator
from dataclasses import dataclass, field
from typing import Any

import docker
from docker.errors import ImageNotFound

from gix_model.catalog import CATALOG, ServiceName

_PORTS = range(32_000, 32_768)
"""Above the ports of the tests, below the ephemeral ports of the kernel."""
_SUBNETS = range(250 * 256, 254 * 256)
"""The /24 networks from 10.250.0.0 to 10.253.255.0 by their second and third byte. Those of the tests are below."""


@dataclass(frozen=True)
class Site:
    """Everything on the engine whose name starts with `prefix` belongs to one stack."""

    client: docker.DockerClient
    prefix: str
    ports: dict[ServiceName, int]
    subnet: str
    _kept: set[str] = field(default_factory=set)
    """Names of images that `remove` removes, besides those of the services."""

    def container(self, service: ServiceName) -> Any:
        """The container of a service. Raises docker.errors.NotFound if there is none."""
        return self.client.containers.get(f"{self.prefix}-{CATALOG[service].container}")

    def containers(self) -> dict[str, Any]:
        """The containers of the stack by name, whatever their state."""
        start = f"{self.prefix}-"
        listed = self.client.containers.list(all=True, filters={"name": start}, ignore_removed=True)
        return {str(each.name): each for each in listed if str(each.name).startswith(start)}

    def image_size(self, service: ServiceName) -> int:
        """The size of a service's image in bytes."""
        return int(self.client.images.get(self.image(service)).attrs["Size"])

    def note_images(self) -> None:
        """Give the images of the stack a second name, by which `remove` finds them after the first one has moved.

        Other stacks may have the same images. The engine removes an image with its last name.
        """
        for service in CATALOG:
            with contextlib.suppress(ImageNotFound):
                image = self.client.images.get(self.image(service))
                name = f"{self.prefix}-kept:{str(image.id).removeprefix('sha256:')}"
                image.tag(name)
                self._kept.add(name)

    def tag_images_for(self, other: "Site") -> None:
        """Give this stack's images the names of another one's, so that the other one has nothing to build."""
        for service in CATALOG:
            with contextlib.suppress(ImageNotFound):
                self.client.images.get(self.image(service)).tag(other.image(service))

    def remove(self) -> None:
        """Remove all containers, networks, volumes and images of the stack. The build cache stays."""
        start = f"{self.prefix}-"
        for container in self.containers().values():
            container.remove(v=True, force=True)
        for network in self.client.networks.list():
            if str(network.name).startswith(start):
                network.remove()
        for volume in self.client.volumes.list():
            if volume.name.startswith(start):
                volume.remove()
        for name in (*map(self.image, CATALOG), *self._kept):
            with contextlib.suppress(ImageNotFound):
                # Only by force, the last name of an image that a container of another stack uses can be removed.
                self.client.images.remove(name, force=True)

    def image(self, service: ServiceName) -> str:
        """The name of a service's image."""
        return f"{self.prefix}-{CATALOG[service].container}:latest"


def new_site(client: docker.DockerClient, others: Collection[Site]) -> Site:
    """Names, ports and a subnet that neither the engine nor `others` use."""
    taken = {port for site in others for port in site.ports.values()}
    ports = (port for port in _shuffled(_PORTS) if port not in taken and _is_free(port))
    networks = [
        ipaddress.ip_network(pool["Subnet"])
        for network in client.networks.list()
        for pool in (network.attrs["IPAM"]["Config"] or [])
        if "Subnet" in pool
    ]
    networks += [ipaddress.ip_network(site.subnet) for site in others]
    subnets = (ipaddress.ip_network(f"10.{number // 256}.{number % 256}.0/24") for number in _shuffled(_SUBNETS))
    return Site(
        client=client,
        prefix=f"bench-{secrets.token_hex(4)}",
        ports=dict(zip(CATALOG, ports, strict=False)),
        subnet=str(next(subnet for subnet in subnets if not any(map(subnet.overlaps, networks)))),
    )


def _shuffled(numbers: range) -> Iterator[int]:
    return iter(random.sample(numbers, len(numbers)))


def _is_free(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) != 0
