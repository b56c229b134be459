"""The containers of a stack's services and of its edge on its engine, for the verbs that inspect them."""

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final, Literal

import docker
from docker.errors import DockerException

from gix_engine import observed_state
from gix_engine.swarm_state import SwarmNode, SwarmService, SwarmState, Task
from gix_model.catalog import CATALOG, ServiceName
from gix_model.environment import TLS_PORT_OFFSET
from gix_model.outputs import ServiceOutputs
from gix_ops import swarm
from gix_ops.errors import StackError
from gix_ops.stack import Stack

EDGE: Final = "edge"
"""What the edge is called where services are named."""
Named = ServiceName | Literal["edge"]
MISSING = "missing"
"""The state of a container that is not on the engine."""
_ANY_ADDRESS = "0.0.0.0"  # noqa: S104 - shown, not bound


@dataclass(frozen=True, kw_only=True)
class Port:
    """A port of a container that the host publishes."""

    internal: int
    protocol: str
    address: str
    external: int

    @property
    def published(self) -> str:
        """ADDRESS:PORT on the host."""
        return f"[{self.address}]:{self.external}" if ":" in self.address else f"{self.address}:{self.external}"

    def __str__(self) -> str:
        return f"{self.published}->{self.internal}/{self.protocol}"


@dataclass(frozen=True, kw_only=True)
class ServiceContainer:
    """A container of a service, or of the edge: its name, and the engine's record of it.

    `found` is empty if the container is missing, and in Swarm also if the engine of its node cannot be read. Then its
    task tells its state.
    """

    service: Named
    name: str
    found: Mapping[str, Any]
    number: int | None = None
    """Number of the container, if the service has several; from 1 on."""
    outputs: ServiceOutputs | None = None
    """The outputs of the service; None for the edge."""
    edge: Mapping[str, Any] | None = None
    """The engine's record of the edge, which publishes the ports; None if the service's own container does."""
    task: Task | None = None
    """The task of which it is the container, in Swarm."""
    has_health_check: bool = False
    """Whether its task counts as running only while it is healthy."""
    swarm_ports: tuple[Port, ...] = ()
    """The ports that edges publish on the nodes, in Swarm."""

    @property
    def node(self) -> str | None:
        """Host name of its node, in Swarm; None outside, and if no node runs it."""
        return None if self.task is None else self.task.node or None

    @property
    def error(self) -> str:
        """What its task reports, in Swarm; empty if there is nothing."""
        return "" if self.task is None else self.task.error

    @property
    def title(self) -> str:
        """The service, and the number if there are several: `router`, `router-2`."""
        return title(self.service, self.number)

    @property
    def state(self) -> str:
        """The container's state, as the engine names it, or `missing`; the state of its task if that does not run."""
        if self.task is not None and (self.task.state != "running" or not self.found):
            return self.task.state
        return state(self.found)

    @property
    def health(self) -> str:
        """The health of a running container, as the engine names it, otherwise the state."""
        if self.task is not None and (self.task.state != "running" or not self.found):
            # Swarm counts a task with a health check as running only while it is healthy.
            return "healthy" if self.state == "running" and self.has_health_check else self.state
        return health(self.found)

    @property
    def digest(self) -> str:
        """The image that runs: its digest in the registry, or its id if it was built here."""
        if self.task is not None:
            return self.task.image
        declared = "" if self.outputs is None else self.outputs.digest
        is_local = self.outputs is None or declared.startswith("sha256:")
        return str(self.found["Image"]) if self.found and is_local else declared

    @property
    def address(self) -> str:
        """The address for clients: on the host, or in the network. The edge, which has those of all services: `-`."""
        if self.outputs is None:
            return "-"
        return self.outputs.endpoint or f"{self.outputs.address} (in the network)"

    @property
    def fix(self) -> str | None:
        """The command that makes it healthy or shows why it is not; None if it is healthy."""
        if self.health == "healthy":
            return None
        why = f"gixctl logs {self.service} shows why"
        if self.task is not None:
            if self.task.state == "pending":
                return f"{self.error or 'no node has run it yet'}; gixctl nodes shows the nodes"
            return f"{self.error}; {why}" if self.error else why
        fixes = {
            "running": why,
            "restarting": why,
            "paused": f"docker unpause {self.name}",
            MISSING: "pulumi up --refresh creates it again",
        }
        return fixes.get(self.state, f"{why}, pulumi up --refresh starts it again")

    @property
    def ports(self) -> list[Port]:
        """The ports that the host publishes now: the service's own port first, then by number. None for the edge."""
        if self.service == EDGE:
            return []
        if self.task is not None:
            wanted = inside(CATALOG[self.service].port) | inside(CATALOG[self.service].metrics_port)
            return [port for port in self.swarm_ports if port.internal in wanted]
        spec = CATALOG[self.service]
        publisher = self.found if self.edge is None else self.edge
        published = ((publisher.get("NetworkSettings") or {}).get("Ports") or {}).items()
        found = [
            Port(
                internal=int(inside.partition("/")[0]),
                protocol=inside.partition("/")[2],
                address=each["HostIp"] or _ANY_ADDRESS,
                external=int(each["HostPort"]),
            )
            for inside, bindings in published
            for each in bindings or ()
        ]
        own = inside(spec.port)
        if self.edge is not None:
            found = [port for port in found if port.internal in own | inside(spec.metrics_port)]
        return sorted(found, key=lambda port: (port.internal not in own, port.internal, port.address, port.external))


def inside(port: int | None) -> set[int]:
    """The ports to which a published port of a service may lead: that of the service, and the edge's with TLS."""
    return set() if port is None else {port, port + TLS_PORT_OFFSET}


def title(service: str, number: int | None) -> str:
    """The name of a container for people: its service, and its number if there are several."""
    return service if number is None else f"{service}-{number}"


def names(stack: Stack, wanted: Collection[str] = ()) -> list[Named]:
    """The `wanted` services in the catalog's order, and the edge at the end. Default: all services, and the edge.

    Raises StackError if the stack does not run one of them.
    """
    running: list[Named] = [service for service in CATALOG if service in stack.outputs.services]
    running += [] if stack.outputs.edge is None else [EDGE]
    for service in wanted:
        if service not in running:
            raise StackError(f"the stack runs no service {service}; it runs {', '.join(running)}")
    return [service for service in running if not wanted or service in wanted]


def endpoint(stack: Stack, service: str) -> str:
    """HOST:PORT at which the host publishes `service`. Raises StackError if the stack does not run or publish it."""
    [name] = names(stack, [service])
    if name == EDGE:
        raise StackError("the edge has the addresses of all services; name one of them")
    published = stack.outputs.services[name].endpoint
    if published is None:
        raise StackError(f"the {name} is not published on the host; set gix:{name}.publish to true")
    return published


def read(stack: Stack, client: docker.DockerClient, wanted: Collection[str] = ()) -> list[ServiceContainer]:
    """The containers of the `wanted` services, or of the edge. Default: all. In Swarm, one for each task.

    Raises StackError as `names` and `inspect` do.
    """
    if swarm.is_swarm(stack):
        return list(_tasks(stack, swarm.observe(client), names(stack, wanted)))
    edge = None if stack.outputs.edge is None else inspect(client, stack.outputs.edge)
    return [each for service in names(stack, wanted) for each in _read(stack, client, service, edge)]


def _tasks(stack: Stack, observed: SwarmState, wanted: Collection[Named]) -> Iterator[ServiceContainer]:
    engines = swarm.NodeEngines(stack=stack)
    ports = tuple(_published(stack, observed))
    for name in wanted:
        swarm_name = swarm.service_name(stack, name) or name
        found = observed.service(swarm_name)
        outputs = None if name == EDGE else stack.outputs.services[name]
        tasks = () if found is None else found.current
        # While an update is at work, a replica may have two tasks.
        missing = 1 if found is None else max(found.wanted - len({each.slot or each.node for each in tasks}), 0)
        several = len(tasks) + missing > 1
        for number, task in enumerate(tasks, 1):
            yield ServiceContainer(
                service=name,
                name=found.task_name(task) if found else swarm_name,
                found=engines.container(task),
                number=(task.slot or number) if several else None,
                outputs=outputs,
                task=task,
                has_health_check=found is not None and found.has_health_check,
                swarm_ports=ports,
            )
        for number in range(len(tasks) + 1, len(tasks) + missing + 1):
            yield ServiceContainer(
                service=name, name=swarm_name, found={}, number=number if several else None, outputs=outputs
            )


def _published(stack: Stack, observed: SwarmState) -> Iterator[Port]:
    """The ports that the running edges publish, each with the address of its node."""
    edge: SwarmService | None = observed.service(stack.outputs.edge or "")
    for task in () if edge is None else edge.current:
        node: SwarmNode | None = observed.node(task.node)
        for internal, protocol, external in edge.ports_of(task) if edge else ():
            address = node.address if node is not None and node.address else task.node
            yield Port(internal=internal, protocol=protocol, address=address, external=external)


def containers(stack: Stack, service: Named) -> list[tuple[str, int | None]]:
    """The declared names of the containers of a service, or of the edge, each with its number if there are several."""
    if service == EDGE:
        return [] if stack.outputs.edge is None else [(stack.outputs.edge, None)]
    declared = stack.outputs.services[service].containers
    return [(name, number if len(declared) > 1 else None) for number, name in enumerate(declared, 1)]


def inspect(client: docker.DockerClient, name: str) -> Mapping[str, Any]:
    """The engine's record of the container `name`; empty if the container is missing.

    Raises StackError if the engine does not answer.
    """
    try:
        return observed_state.inspect_container(client, name) or {}
    except (DockerException, OSError) as error:
        raise StackError(f"the Docker engine no longer answers: {error}") from error


def replacement(
    client: docker.DockerClient, stack: str, service: str, *, but: Collection[str] = ()
) -> Mapping[str, Any]:
    """The engine's record of a container that runs `service` of `stack`, PROJECT/STACK, by now; empty if none does.

    Behind an edge, an update replaces a container by one with another name. Those with a name in `but` are left out.
    Raises StackError if the engine does not answer.
    """
    try:
        own = observed_state.observe(client).created_by(stack).containers
    except (DockerException, OSError) as error:
        raise StackError(f"the Docker engine no longer answers: {error}") from error
    running = (
        each
        for each in own
        if each.service == service and each.helper is None and each.is_running and each.name not in but
    )
    return next((inspect(client, each.id) for each in running), {})


def running(stack: Stack, client: docker.DockerClient, service: str) -> ServiceContainer:
    """The first running container of a service. Raises StackError with the fix if none runs.

    In Swarm, it is one whose record the engine of its node shows, if there is one. It may not be healthy yet.
    """
    found = read(stack, client, [service])
    for container in found:
        if state(container.found) == "running":
            return container
    for container in found:
        if container.state == "running":
            return container
    raise StackError(f"the {service}'s container {found[0].name} is {found[0].state}: {found[0].fix}")


def _read(
    stack: Stack, client: docker.DockerClient, service: Named, edge: Mapping[str, Any] | None
) -> Iterator[ServiceContainer]:
    declared = containers(stack, service)
    if service == EDGE:
        yield from (ServiceContainer(service=EDGE, name=name, found=edge or {}) for name, _ in declared)
        return
    taken = {name for name, _ in declared}
    for name, number in declared:
        found = inspect(client, name)
        if not found and edge is not None:
            found = replacement(client, stack.label, service, but=taken)
        by_now = name_in(found) or name
        taken.add(by_now)
        outputs = stack.outputs.services[service]
        yield ServiceContainer(service=service, name=by_now, found=found, number=number, outputs=outputs, edge=edge)


def name_in(found: Mapping[str, Any]) -> str:
    """The name in the engine's record of a container; empty if the record is empty."""
    return str(found.get("Name", "")).removeprefix("/")


def state(found: Mapping[str, Any]) -> str:
    """The state in the engine's record of a container, as the engine names it; `missing` if the record is empty."""
    return str(found["State"]["Status"]) if found else MISSING


def health(found: Mapping[str, Any]) -> str:
    """The health in the engine's record of a running container, as the engine names it, otherwise its state."""
    if state(found) != "running" or "Health" not in found["State"]:
        return state(found)
    return str(found["State"]["Health"]["Status"])


def short_digest(digest: str) -> str:
    """The first 12 digits of a digest, without the repository."""
    return f"sha256:{digest.rpartition('sha256:')[2][:12]}"
