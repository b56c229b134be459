"""`gixctl graph`: what of a stack its picture shows, from the stack's outputs and the engine's inspection.

Nothing of it changes while the stack stays the same: no times, no ids.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import docker
from docker.errors import DockerException, NotFound

from gix_model.catalog import CATALOG, DATA_DIRECTORY, ServiceName
from gix_ops import services
from gix_ops.errors import StackError
from gix_ops.services import MISSING, ServiceContainer
from gix_ops.stack import Stack


@dataclass(frozen=True, kw_only=True)
class HostPort:
    """Where the host publishes a port of a service."""

    published: str
    internal: int
    is_metrics: bool


@dataclass(frozen=True, kw_only=True)
class Node:
    """A service. `peers` are the others in the picture that it asks, `mount` is where it has the ledger."""

    service: ServiceName
    title: str
    container: str
    address: str
    health: str
    ports: tuple[HostPort, ...]
    peers: tuple[ServiceName, ...]
    mount: str | None


@dataclass(frozen=True, kw_only=True)
class Graph:
    """A stack as its picture shows it. `volume` is None where no service keeps the ledger."""

    label: str
    network: str
    subnet: str
    driver: str
    """The network's driver, or `missing`."""
    volume: str | None
    has_volume: bool
    """Whether the engine has the volume."""
    nodes: tuple[Node, ...]

    @property
    def missing(self) -> list[str]:
        """What the stack has and the engine has not, each with its kind."""
        found = [f"the container {node.container}" for node in self.nodes if node.health == MISSING]
        found += [f"the network {self.network}"] if self.driver == MISSING else []
        return found + ([f"the volume {self.volume}"] if self.volume and not self.has_volume else [])


def read(stack: Stack, client: docker.DockerClient) -> Graph:
    """Look at the stack; raises StackError where its engine does not answer."""
    containers = services.read(stack, client)
    network, volume = stack.outputs.network, stack.outputs.volume
    try:
        found_network = _found(client.api.inspect_network, network.name)
        found_volume = _found(client.api.inspect_volume, volume) if volume else {}
    except (DockerException, OSError) as error:
        raise StackError(f"the Docker engine does not answer any more: {error}") from error
    here = [each.service for each in containers]
    return Graph(
        label=stack.label,
        network=network.name,
        subnet=_subnet(found_network) or network.subnet,
        driver=found_network.get("Driver") or MISSING,
        volume=volume,
        has_volume=bool(found_volume),
        nodes=tuple(_node(each, here, volume) for each in containers),
    )


def _found(inspect: Callable[[str], Any], name: str) -> dict[str, Any]:
    try:
        return dict(inspect(name))
    except NotFound:
        return {}


def _subnet(network: Mapping[str, Any]) -> str:
    pools = (network.get("IPAM") or {}).get("Config") or []
    return ", ".join(sorted(pool["Subnet"] for pool in pools if pool.get("Subnet")))


def _node(container: ServiceContainer, here: list[ServiceName], volume: str | None) -> Node:
    spec = CATALOG[container.service]
    mounts = {mount.get("Name"): mount["Destination"] for mount in container.found.get("Mounts") or []}
    return Node(
        service=spec.name,
        title=spec.title,
        container=container.name,
        address=container.outputs.address,
        health=container.health,
        ports=tuple(
            HostPort(
                published=port.published,
                internal=port.internal,
                is_metrics=port.internal == spec.metrics_port,
            )
            for port in container.ports
        ),
        peers=tuple(peer for peer in spec.peers if peer in here),
        mount=mounts.get(volume, DATA_DIRECTORY) if volume and spec.keeps_ledger else None,
    )
