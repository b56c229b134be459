"""The observed state of a stack in Swarm: its services, their tasks, and the nodes. Only a manager's engine knows it.

A task is a container of a service on a node. Swarm makes a new task in the place of one that ends, and keeps the last
few that ended. A task with a health check is `starting` until it is healthy, and one that becomes unhealthy fails.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

import docker
from docker.errors import APIError

from gix_model.environment import EDGE_LABEL, SERVICE_LABEL, STACK_LABEL

Record = Mapping[str, Any]

WANTED = frozenset({"running", "ready"})
"""The states that Swarm wants of a task that serves or is about to."""
ENDED = frozenset({"complete", "shutdown", "failed", "rejected", "remove", "orphaned"})
"""The states of a task that runs no more."""
GIVEN_UP = {
    "paused": "Swarm has paused the update",
    "rollback_paused": "Swarm has paused the rollback of the update",
    "rollback_completed": "Swarm rolled the update back, and the former version serves",
}
"""The states of an update that Swarm has given up, each as a text."""
UPDATING = frozenset({"updating", "rollback_started"})
"""The states of an update that is at work."""
_PULLING = frozenset({"preparing", "assigned", "accepted", "ready"})
_REPORTING = frozenset({"failed", "rejected", "pending"})
"""The states of a task whose error says why it does not run."""
_MOST_ERRORS = 3
_NO_MANAGER = 503
_NO_LEADER = "does not have a leader"


class NoManagerError(Exception):
    """The engine does not answer for its Swarm: it is no manager, or too few managers are left. The text says which."""


@dataclass(frozen=True, kw_only=True)
class SwarmNode:
    """A node of the Swarm."""

    id: str
    hostname: str
    address: str
    role: str
    """manager or worker."""
    state: str
    """ready, down, disconnected or unknown: what the managers know of it."""
    availability: str
    """active, pause or drain."""
    reachability: str = ""
    """What the other managers say of a manager: reachable or unreachable. Empty for a worker."""
    is_leader: bool = False
    engine: str = ""
    """Version of its engine."""
    labels: Mapping[str, str] = field(default_factory=dict)

    @property
    def is_manager(self) -> bool:
        """Whether it is a manager."""
        return self.role == "manager"

    @property
    def is_ready(self) -> bool:
        """Whether the managers reach it."""
        return self.state == "ready"

    @property
    def takes_tasks(self) -> bool:
        """Whether Swarm starts tasks on it."""
        return self.is_ready and self.availability == "active"


@dataclass(frozen=True, kw_only=True)
class Task:
    """A task of a service. `node` is the host name of its node, and empty if Swarm has not found one."""

    id: str
    service_id: str
    slot: int | None
    """Its place among the replicas, from 1 on; None for a service on all nodes."""
    node: str
    state: str
    """new, pending, preparing, starting, running, complete, failed, rejected, shutdown, orphaned and others."""
    wanted: str
    """The state that Swarm wants: running or ready, otherwise the task is to end."""
    error: str
    image: str
    """The image that it runs, as its service named it when the task was made."""
    created: str
    changed: str
    """When its state changed last."""
    container: str
    """Id of its container on the node; empty if it has none yet."""
    exit_code: int | None
    spec: Record = field(default_factory=dict, repr=False)
    ports: tuple[tuple[int, str, int], ...] = ()
    """The ports that its node publishes for it: in the container, protocol, on the node."""

    @property
    def serves(self) -> bool:
        """Whether Swarm wants it to run, and it does."""
        return self.wanted in WANTED and self.state == "running"


@dataclass(frozen=True, kw_only=True)
class SwarmService:
    """A service of the Swarm with its tasks: first those that should run, by slot or node, then those that ended."""

    id: str
    name: str
    stack: str | None
    """PROJECT/STACK of the stack that made it; None if no stack did."""
    service: str | None
    """The service of the catalog that it runs; None for the edge, and for others."""
    is_edge: bool
    is_global: bool
    replicas: int | None
    """The number of tasks that it should have; None if it is global."""
    update: str
    """State of the last update: updating, paused, completed, rollback_started, rollback_paused, rollback_completed."""
    update_message: str
    spec: Record = field(repr=False)
    ports: frozenset[int] = frozenset()
    """The TCP ports that it publishes on nodes."""
    tasks: tuple[Task, ...] = ()

    @property
    def current(self) -> tuple[Task, ...]:
        """The tasks that should run. While an update is at work, a slot may have two."""
        return tuple(each for each in self.tasks if each.wanted in WANTED)

    @property
    def image(self) -> str:
        """The image that its tasks should run."""
        return str(self.spec["TaskTemplate"]["ContainerSpec"]["Image"])

    @property
    def has_health_check(self) -> bool:
        """Whether its tasks have a health check of their own."""
        test = (self.spec["TaskTemplate"]["ContainerSpec"].get("Healthcheck") or {}).get("Test")
        return bool(test) and test != ["NONE"]

    @property
    def wanted(self) -> int:
        """The number of tasks that should run. A service on all nodes has at least one."""
        return max(len(self.current), 1) if self.replicas is None else self.replicas

    @property
    def up_to_date(self) -> tuple[Task, ...]:
        """The tasks with the present declaration that run and are healthy."""
        return tuple(each for each in self.current if each.serves and self.runs_declaration(each))

    @property
    def given_up(self) -> str:
        """What Swarm did, as a text, if it gave up the last update, otherwise empty."""
        return GIVEN_UP.get(self.update, "")

    @property
    def is_done(self) -> bool:
        """Whether all tasks run as declared."""
        return not self.given_up and self.update not in UPDATING and len(self.up_to_date) == self.wanted

    @property
    def is_pulling(self) -> bool:
        """Whether a node gets the image of a task."""
        return any(each.state in _PULLING for each in self.current)

    @property
    def errors(self) -> tuple[str, ...]:
        """What tasks reported that failed or that no node can run: the newest first, each once, and three at most."""
        reports = sorted((each for each in self.tasks if each.error), key=lambda each: each.changed, reverse=True)
        return tuple(dict.fromkeys(each.error for each in reports if each.state in _REPORTING))[:_MOST_ERRORS]

    def ports_of(self, task: Task) -> tuple[tuple[int, str, int], ...]:
        """The ports that the node of a task publishes for it, as `Task.ports`; none if it does not run.

        After a loss of the leader, a manager does not know them of tasks that run. Then they are as declared.
        """
        declared = (self.spec.get("EndpointSpec") or {}).get("Ports") or ()
        fixed = (
            (each["TargetPort"], each.get("Protocol", "tcp"), each["PublishedPort"])
            for each in declared
            if each.get("PublishMode") == "host" and each.get("PublishedPort")
        )
        # A manager lists a port for each family of addresses.
        return tuple(dict.fromkeys(task.ports or fixed)) if task.serves else ()

    def runs_declaration(self, task: Task) -> bool:
        """Whether a task was made from the service's present declaration."""
        template = self.spec["TaskTemplate"]
        return all(task.spec.get(part) == template.get(part) for part in ("ContainerSpec", "Resources", "LogDriver"))

    def task_name(self, task: Task) -> str:
        """The name of a task as `docker service ps` shows it, with the host name for a service on all nodes."""
        return f"{self.name}.{task.slot or task.node}"


@dataclass(frozen=True, kw_only=True)
class SwarmState:
    """What a Swarm had when it was observed."""

    nodes: tuple[SwarmNode, ...] = ()
    services: tuple[SwarmService, ...] = ()

    def created_by(self, stack: str) -> tuple[SwarmService, ...]:
        """The services with the label of `stack`, PROJECT/STACK."""
        return tuple(each for each in self.services if each.stack == stack)

    def service(self, name: str) -> SwarmService | None:
        """The service `name`; None if the Swarm does not have it."""
        return next((each for each in self.services if name in (each.name, each.id)), None)

    def node(self, name: str) -> SwarmNode | None:
        """The node with a host name or an id; None if the Swarm does not have it."""
        return next((each for each in self.nodes if name in (each.hostname, each.id)), None)


def observe(client: docker.DockerClient) -> SwarmState:
    """List the nodes, services and tasks of the manager's Swarm, whoever made them.

    Raises NoManagerError, or docker.errors.DockerException or OSError if the engine does not answer.
    """
    # The SDK's types lack what it has for Swarm.
    api: Any = client.api
    try:
        return read(nodes=api.nodes(), services=api.services(), tasks=api.tasks())
    except APIError as error:
        # An engine that has just lost the leader answers with 500.
        if error.status_code == _NO_MANAGER or _NO_LEADER in str(error.explanation):
            raise NoManagerError(str(error.explanation)) from error
        raise


def observe_service(client: docker.DockerClient, service_id: str) -> SwarmService:
    """Read one service with its tasks, which name nodes by id. Raises docker.errors.DockerException or OSError."""
    api: Any = client.api
    tasks = api.tasks(filters={"service": service_id})
    return _service(api.inspect_service(service_id), [_task(each, {}) for each in tasks])


def read(*, nodes: Iterable[Record], services: Iterable[Record], tasks: Iterable[Record]) -> SwarmState:
    """Make the observed state of a manager's records."""
    known = {each["ID"]: _node(each) for each in nodes}
    by_service: dict[str, list[Task]] = {}
    for each in tasks:
        by_service.setdefault(each["ServiceID"], []).append(_task(each, known))
    return SwarmState(
        nodes=tuple(sorted(known.values(), key=lambda each: (not each.is_manager, each.hostname))),
        services=tuple(
            _service(each, by_service.get(each["ID"], ()))
            for each in sorted(services, key=lambda each: str(each["Spec"]["Name"]))
        ),
    )


def _node(record: Record) -> SwarmNode:
    manager = record.get("ManagerStatus") or {}
    address = manager.get("Addr", "").rpartition(":")[0] or record["Status"].get("Addr", "")
    return SwarmNode(
        id=record["ID"],
        hostname=record["Description"]["Hostname"],
        address=address,
        role=record["Spec"]["Role"],
        state=record["Status"]["State"],
        availability=record["Spec"]["Availability"],
        reachability=manager.get("Reachability", ""),
        is_leader=bool(manager.get("Leader")),
        engine=(record["Description"].get("Engine") or {}).get("EngineVersion", ""),
        labels=record["Spec"].get("Labels") or {},
    )


def _task(record: Record, nodes: Mapping[str, SwarmNode]) -> Task:
    status = record["Status"]
    container = status.get("ContainerStatus") or {}
    node = nodes.get(record.get("NodeID", ""))
    return Task(
        id=record["ID"],
        service_id=record["ServiceID"],
        slot=record.get("Slot"),
        node=record.get("NodeID", "") if node is None else node.hostname,
        state=status["State"],
        wanted=record["DesiredState"],
        error=status.get("Err") or "",
        image=str((record["Spec"].get("ContainerSpec") or {}).get("Image", "")),
        created=record["CreatedAt"],
        changed=status.get("Timestamp") or record["CreatedAt"],
        container=container.get("ContainerID") or "",
        exit_code=container.get("ExitCode"),
        spec=record["Spec"],
        ports=tuple(
            (each["TargetPort"], each.get("Protocol", "tcp"), each["PublishedPort"])
            for each in (status.get("PortStatus") or {}).get("Ports") or []
            if each.get("PublishedPort")
        ),
    )


def _service(record: Record, tasks: Iterable[Task]) -> SwarmService:
    spec, update = record["Spec"], record.get("UpdateStatus") or {}
    labels = spec.get("Labels") or {}
    is_global = "Global" in (spec.get("Mode") or {})
    replicas = ((spec.get("Mode") or {}).get("Replicated") or {}).get("Replicas", 0)
    newest = sorted(tasks, key=lambda each: each.created, reverse=True)
    return SwarmService(
        id=record["ID"],
        name=spec["Name"],
        stack=labels.get(STACK_LABEL),
        service=labels.get(SERVICE_LABEL),
        is_edge=EDGE_LABEL in labels,
        is_global=is_global,
        replicas=None if is_global else replicas,
        update=update.get("State") or "",
        update_message=update.get("Message") or "",
        spec=spec,
        ports=frozenset(
            port["PublishedPort"]
            for port in (record.get("Endpoint") or {}).get("Ports") or []
            if port.get("PublishedPort") and port.get("Protocol") == "tcp"
        ),
        tasks=tuple(sorted(newest, key=lambda each: (each.wanted not in WANTED, each.slot or 0, each.node))),
    )
