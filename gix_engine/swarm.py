"""The observed state of a Swarm: its nodes, and what became of a service. Only a manager's engine knows it."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import docker

from gix_model.environment import STACK_LABEL

Record = Mapping[str, Any]

_MOST_ERRORS = 3
_PULLING = frozenset({"preparing", "assigned", "accepted", "ready"})


@dataclass(frozen=True, kw_only=True)
class Node:
    """A node. `labels` are those of the Swarm, not of the engine."""

    hostname: str
    address: str
    is_manager: bool
    is_ready: bool
    """Whether the managers reach it."""
    availability: str
    """active, pause or drain."""
    labels: Mapping[str, str]

    @property
    def takes_tasks(self) -> bool:
        """Whether Swarm starts tasks on it."""
        return self.is_ready and self.availability == "active"


@dataclass(frozen=True, kw_only=True)
class ServiceEntry:
    """A service in the list of a Swarm. `stack` is PROJECT/STACK, or None if no stack made it."""

    name: str
    stack: str | None
    ports: frozenset[int] = frozenset()
    """The TCP ports that it publishes on nodes."""


@dataclass(frozen=True, kw_only=True)
class ServiceState:
    """What became of a service."""

    wanted: int
    """Number of tasks that should run."""
    running: int
    """Number of tasks with the present declaration that run and are healthy."""
    outcome: str
    """`rolled back` or `paused` if Swarm gave up the update, otherwise empty."""
    is_updating: bool
    is_pulling: bool
    """Whether a node gets the image of a task."""
    errors: tuple[str, ...]
    """What tasks reported, the newest first."""

    @property
    def is_done(self) -> bool:
        """Whether all tasks run as declared."""
        return not self.is_updating and not self.outcome and self.running == self.wanted > 0

    @property
    def has_failed(self) -> bool:
        """Whether Swarm gave up, and does nothing more."""
        return bool(self.outcome) and not self.is_updating


class Service:
    """A service of the Swarm. Methods raise docker.errors.DockerException if the manager does not answer."""

    def __init__(self, client: docker.DockerClient, service_id: str) -> None:
        # The SDK's types lack what it has for Swarm.
        self._api: Any = client.api
        self._id = service_id

    def state(self) -> ServiceState:
        """The present state."""
        service = self._api.inspect_service(self._id)
        return read_state(service, self._api.tasks(filters={"service": self._id}))


def read_state(service: Record, tasks: Iterable[Record]) -> ServiceState:
    """The state of a service from its record and those of its tasks."""
    spec, status = service["Spec"], (service.get("UpdateStatus") or {}).get("State") or ""
    newest = sorted(tasks, key=lambda each: str(each["CreatedAt"]), reverse=True)
    desired = [each for each in newest if each["DesiredState"] in ("running", "ready")]
    running = [each for each in desired if _state(each) == "running" and _is_current(each, spec)]
    replicated = (spec["Mode"].get("Replicated") or {}).get("Replicas")
    outcome = "rolled back" if "rollback" in status else "paused" if status == "paused" else ""
    failures = [
        str(each["Status"]["Err"])
        for each in newest
        if each["Status"].get("Err") and (_state(each) in ("failed", "rejected", "pending"))
    ]
    return ServiceState(
        wanted=len(desired) if replicated is None else int(replicated),
        running=len(running),
        outcome=outcome,
        is_updating=status in ("updating", "rollback_started"),
        is_pulling=any(_state(each) in _PULLING for each in desired),
        errors=tuple(dict.fromkeys(failures))[:_MOST_ERRORS],
    )


def _state(task: Record) -> str:
    return str(task["Status"]["State"])


def _is_current(task: Record, spec: Record) -> bool:
    """Whether a task was made from the present declaration."""
    template = spec["TaskTemplate"]
    return all(task["Spec"].get(part) == template.get(part) for part in ("ContainerSpec", "Resources", "LogDriver"))


def is_manager(client: docker.DockerClient) -> bool:
    """Whether the engine manages a Swarm. Raises docker.errors.DockerException if it does not answer."""
    return bool((client.info().get("Swarm") or {}).get("ControlAvailable"))


def nodes(client: docker.DockerClient) -> tuple[Node, ...]:
    """The nodes of the manager's Swarm. Raises docker.errors.DockerException."""
    return tuple(
        Node(
            hostname=each["Description"]["Hostname"],
            address=each["Status"].get("Addr", ""),
            is_manager=each["Spec"]["Role"] == "manager",
            is_ready=each["Status"]["State"] == "ready",
            availability=each["Spec"]["Availability"],
            labels=each["Spec"].get("Labels") or {},
        )
        for each in client.api.nodes()
    )


def services(client: docker.DockerClient) -> tuple[ServiceEntry, ...]:
    """The services of the manager's Swarm. Raises docker.errors.DockerException."""
    api: Any = client.api
    return tuple(
        ServiceEntry(
            name=each["Spec"]["Name"],
            stack=(each["Spec"].get("Labels") or {}).get(STACK_LABEL),
            ports=frozenset(
                port["PublishedPort"]
                for port in (each.get("Endpoint") or {}).get("Ports") or []
                if port.get("PublishedPort") and port.get("Protocol") == "tcp"
            ),
        )
        for each in api.services()
    )
