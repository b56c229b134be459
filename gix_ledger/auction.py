"""The auction as a backup or restore holds it: a container, or the service of a Swarm with a task on the ledger's node.

Swarm replaces a task that is stopped. So an auction in Swarm is stopped with its service, which gets no tasks, and one
again at the end.
"""

import time
from dataclasses import dataclass
from functools import cached_property
from http import HTTPStatus
from typing import Literal, Protocol

import docker
from docker.errors import APIError, DockerException, NotFound
from docker.models.containers import Container

from gix_engine import connection, swarm_scale, swarm_state
from gix_engine.swarm_state import ENDED
from gix_ledger import writers
from gix_ledger.errors import ENGINE_ERRORS, LedgerError
from gix_ledger.helper import Owed
from gix_ledger.location import LedgerLocation
from gix_model.settings import EngineSettings

Hold = Literal["pause", "stop"]
"""How the auction is kept from writing: paused, or stopped with its own signal."""

_PAUSE_TRIES = 5
_CANNOT_FREEZE = "unable to freeze"
_NANO = 10**9
_POLL_SECONDS = 0.25
_STOP_ALLOWANCE_SECONDS = 60
"""How long Swarm may take to stop a task, besides the time that the task itself has."""


class Auction(Protocol):
    """The auction that may write to a ledger."""

    def state(self) -> str | None:
        """Its state as the engine names it; None if there is none. `restarting` if Swarm is about to start it."""

    def owed(self, how: Hold) -> Owed:
        """How to resume it after it has been held in this way."""

    def pause(self) -> None:
        """Pause it. It may end meanwhile; its state tells. Raises LedgerError if it runs and cannot be paused."""

    def stop(self) -> None:
        """Stop it with its own signal, so that nothing starts it again. Raises LedgerError if that is not possible."""

    def resume(self, owed: str) -> list[str]:
        """Resume it as `owed` says, and return what was done. It may be missing."""

    def containers(self) -> frozenset[str]:
        """The names of its containers that are active."""


def auction(client: docker.DockerClient, ledger: LedgerLocation) -> Auction:
    """The auction of a ledger. `client` is one of the ledger's engine."""
    if ledger.manager is None:
        return _ContainerAuction(client=client, name=ledger.container)
    return _SwarmAuction(client=client, ledger=ledger, settings=ledger.manager)


@dataclass(frozen=True, kw_only=True)
class _ContainerAuction:
    client: docker.DockerClient
    name: str

    def state(self) -> str | None:
        container = self._container()
        return None if container is None else container.status

    def owed(self, how: Hold) -> Owed:
        state = self.state()
        if state == "restarting" or (how == "stop" and state in writers.ACTIVE):
            return "start"
        return "unpause" if state == "running" else "nothing"

    def pause(self) -> None:
        _pause(self.client, self.name, self)

    def stop(self) -> None:
        writers.stop(self.client, self.name)

    def resume(self, owed: str) -> list[str]:
        container = self._container()
        if container is None:
            return []
        if owed == "unpause" and container.status == "paused":
            return _unpause(container)
        # An auction that waits for its restart policy would wait for up to a minute.
        if owed == "start" and container.status in {"exited", "created", "restarting"}:
            return writers.start(self.client, self.name)
        return []

    def containers(self) -> frozenset[str]:
        return frozenset({self.name}) if self.state() in writers.ACTIVE else frozenset()

    def _container(self) -> Container | None:
        try:
            return self.client.containers.get(self.name)
        except NotFound:
            return None


@dataclass(kw_only=True)
class _SwarmAuction:
    client: docker.DockerClient
    """One of the engine of the ledger's node."""
    ledger: LedgerLocation
    settings: EngineSettings
    """A manager's engine."""

    @cached_property
    def manager(self) -> docker.DockerClient:
        try:
            return connection.connect(self.settings, self.ledger.directory)
        except (*ENGINE_ERRORS, OSError) as error:
            raise LedgerError(f"the manager of the Swarm does not answer ({error}); start it") from error

    @property
    def name(self) -> str:
        return self.ledger.container

    def state(self) -> str | None:
        for each in self._active():
            return each.status
        wanted = self._replicas()
        return None if wanted is None else "restarting" if wanted else "exited"

    def owed(self, how: Hold) -> Owed:
        active = self._active()
        if how == "pause" and active:
            return "unpause" if active[0].status == "running" else "nothing"
        return "start" if self._replicas() else "nothing"

    def pause(self) -> None:
        for each in self._active()[:1]:
            _pause(self.client, str(each.name), self)

    def stop(self) -> None:
        try:
            swarm_scale.scale(self.manager, self.name, 0)
            self._await_end()
        except NotFound:
            return
        except DockerException as error:
            raise LedgerError(f"{self.name} cannot be stopped: {_reason(error)}") from error

    def _await_end(self) -> None:
        """Wait until no task runs: neither as the manager knows, nor on the node itself."""
        service = swarm_state.observe_service(self.manager, self.name)
        grace = (service.spec["TaskTemplate"]["ContainerSpec"].get("StopGracePeriod") or 10 * _NANO) / _NANO
        deadline = time.monotonic() + grace + _STOP_ALLOWANCE_SECONDS
        while self._active() or any(each.state not in ENDED for each in service.tasks):
            if service.replicas:
                raise LedgerError(
                    f"{self.name} was scaled to {service.replicas} while it was being stopped; find out what "
                    "scales or updates it, and try again"
                )
            if time.monotonic() > deadline:
                raise LedgerError(
                    f"{self.name} has no tasks any more, but one still runs after {grace + _STOP_ALLOWANCE_SECONDS:g} "
                    f"s; docker service ps {self.name} shows it"
                )
            time.sleep(_POLL_SECONDS)
            service = swarm_state.observe_service(self.manager, self.name)

    def resume(self, owed: str) -> list[str]:
        if owed == "unpause":
            return [done for each in self._active() if each.status == "paused" for done in _unpause(each)]
        if owed != "start":
            return []
        try:
            return [f"started {self.name}"] if swarm_scale.scale(self.manager, self.name, 1) else []
        except NotFound:
            return []
        except DockerException as error:
            raise LedgerError(
                f"{self.name} cannot be started: {_reason(error)}; on a manager: docker service scale {self.name}=1"
            ) from error

    def containers(self) -> frozenset[str]:
        return frozenset(str(each.name) for each in self._active())

    def _active(self) -> list[Container]:
        return [each for each in writers.of_service(self.client, self.name) if each.status in writers.ACTIVE]

    def _replicas(self) -> int | None:
        try:
            return swarm_scale.replicas(self.manager, self.name)
        except NotFound:
            return None
        except DockerException as error:
            raise LedgerError(
                f"the manager of the Swarm does not say whether {self.name} runs: {_reason(error)}"
            ) from error


def _pause(client: docker.DockerClient, container: str, auction: Auction) -> None:
    for tries_left in reversed(range(_PAUSE_TRIES)):
        try:
            client.api.pause(container)
        except APIError as error:
            if auction.state() not in writers.ACTIVE:
                return
            # On a busy machine, the runtime cannot pause a container in which a process is just being started.
            if not (tries_left and _CANNOT_FREEZE in str(error.explanation)):
                raise LedgerError(f"{container} cannot be paused: {error.explanation}; try again") from error
        else:
            return


def _reason(error: DockerException) -> object:
    return error.explanation if isinstance(error, APIError) else error


def _unpause(container: Container) -> list[str]:
    try:
        container.unpause()
    except NotFound:
        # An update removed it meanwhile.
        return []
    except APIError as error:
        if error.status_code == HTTPStatus.CONFLICT:
            # Another process resumed it meanwhile.
            return []
        raise LedgerError(f"{container.name} cannot be unpaused: {error.explanation}") from error
    return [f"unpaused {container.name}"]
