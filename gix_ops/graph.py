"""`gixctl graph`: the services, network, volume and ports of a stack, from its outputs and its engine.

It has no times and no ids, so it stays the same as long as the stack does.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import docker
from docker.errors import DockerException

from gix_engine import observed_state
from gix_model.catalog import CATALOG, DATA_DIRECTORY, ServiceName
from gix_ops import services, swarm
from gix_ops.errors import StackError
from gix_ops.services import MISSING, ServiceContainer
from gix_ops.stack import Stack


@dataclass(frozen=True, kw_only=True)
class HostPort:
    """A port of a service that the host publishes."""

    published: str
    internal: int
    is_metrics: bool


@dataclass(frozen=True, kw_only=True)
class Node:
    """A service with its containers.

    `peers` are the services in the graph that it calls, `mount` is the path of the ledger in it.
    """

    service: ServiceName
    title: str
    containers: tuple[str, ...]
    address: str
    health: str
    """The health of its containers: the first that is not healthy, if they differ."""
    ports: tuple[HostPort, ...]
    peers: tuple[ServiceName, ...]
    mount: str | None
    missing: tuple[str, ...] = ()
    """The names of those of its containers that the engine does not have."""


@dataclass(frozen=True, kw_only=True)
class Edge:
    """The edge, which publishes the ports of all services. In Swarm, it has a task on each node."""

    containers: tuple[str, ...]
    health: str
    """The health of its containers: the first that is not healthy, if they differ."""


@dataclass(frozen=True, kw_only=True)
class Graph:
    """A stack's graph. `volume` is None if no service keeps the ledger, `edge` if the services publish their ports."""

    label: str
    network: str
    subnet: str
    driver: str
    """The network's driver, or `missing`."""
    volume: str | None
    has_volume: bool
    """Whether the engine has the volume."""
    nodes: tuple[Node, ...]
    edge: Edge | None = None

    @property
    def missing(self) -> list[str]:
        """What the stack declares and the engine does not have, each with its kind."""
        found = [f"the container {name}" for node in self.nodes for name in node.missing]
        found += (
            [f"the container {name}" for name in self.edge.containers]
            if self.edge and self.edge.health == MISSING
            else []
        )
        found += [f"the network {self.network}"] if self.driver == MISSING else []
        return found + ([f"the volume {self.volume}"] if self.volume and not self.has_volume else [])


def read(stack: Stack, client: docker.DockerClient) -> Graph:
    """Read the graph of a stack. Raises StackError if its engine does not answer."""
    containers = services.read(stack, client)
    here = [service for service in CATALOG if service in stack.outputs.services]
    network, volume = stack.outputs.network, stack.outputs.volume
    try:
        found_network = observed_state.inspect_network(client, network.name) or {}
        has_volume = volume is not None and _has_volume(stack, client, volume)
    except (DockerException, OSError) as error:
        raise StackError(f"the Docker engine no longer answers: {error}") from error
    edges = [each for each in containers if each.service == services.EDGE]
    return Graph(
        label=stack.label,
        network=network.name,
        subnet=_subnet(found_network) or network.subnet,
        driver=found_network.get("Driver") or MISSING,
        volume=volume,
        has_volume=has_volume,
        nodes=tuple(
            _node(service, [each for each in containers if each.service == service], here, volume) for service in here
        ),
        edge=Edge(containers=tuple(each.name for each in edges), health=_health(edges)) if edges else None,
    )


def _has_volume(stack: Stack, client: docker.DockerClient, volume: str) -> bool:
    """Whether the engine has the volume; in Swarm, that of its node. Raises StackError if that does not answer."""
    if swarm.is_swarm(stack):
        node = swarm.ledger_node(stack, swarm.observe(client))
        return node is not None and _is_there(swarm.connect_to_node(stack, node), volume)
    return _is_there(client, volume)


def _is_there(client: docker.DockerClient, volume: str) -> bool:
    return observed_state.inspect_volume(client, volume) is not None


def _health(containers: Sequence[ServiceContainer]) -> str:
    return next((each.health for each in containers if each.health != "healthy"), "healthy")


def _subnet(network: Mapping[str, Any]) -> str:
    pools = (network.get("IPAM") or {}).get("Config") or []
    return ", ".join(sorted(pool["Subnet"] for pool in pools if pool.get("Subnet")))


def _node(
    service: ServiceName, containers: Sequence[ServiceContainer], here: Collection[ServiceName], volume: str | None
) -> Node:
    spec, first = CATALOG[service], containers[0]
    mounts = {mount.get("Name"): mount["Destination"] for mount in first.found.get("Mounts") or []}
    return Node(
        service=spec.name,
        title=spec.title,
        containers=tuple(each.name for each in containers),
        address=f"{spec.hostname}:{spec.port}",
        health=_health(containers),
        ports=tuple(
            HostPort(
                published=port.published,
                internal=port.internal,
                is_metrics=port.internal in services.inside(spec.metrics_port),
            )
            for port in first.ports
        ),
        peers=tuple(peer for peer in spec.peers if peer in here),
        mount=mounts.get(volume, DATA_DIRECTORY) if volume and spec.keeps_ledger else None,
        missing=tuple(each.name for each in containers if each.state == MISSING),
    )
