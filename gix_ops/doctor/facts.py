"""The facts about a stack that the doctor's checks use. Each is read once; one that cannot be read says why."""

import importlib.metadata
import json
import os
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Generic, TypeVar

import docker
from docker.errors import DockerException

from gix_engine import connection, observed_state
from gix_engine.observed_state import ObservedState
from gix_engine.swarm_state import SwarmState
from gix_model import parsing, stack_file
from gix_model.environment import Environment
from gix_model.problems import ConfigurationError
from gix_model.settings import EngineSettings
from gix_ops import resources, stack, swarm, verify
from gix_ops.differences import Report
from gix_ops.doctor import locks
from gix_ops.doctor.locks import Lock
from gix_ops.errors import StackError
from gix_ops.pulumi_command import ask
from gix_ops.resources import State
from gix_ops.stack import Stack, StackReference

T = TypeVar("T")


class _Fact(Generic[T]):
    """A property that is read once. If that raises StackError, each access raises the same error."""

    def __init__(self, read: "Callable[[Facts], T]") -> None:
        self.read = read
        self.__doc__ = read.__doc__

    def __get__(self, facts: "Facts", _owner: type) -> T:
        if self not in facts.known:
            try:
                facts.known[self] = self.read(facts)
            except StackError as error:
                facts.known[self] = error
        known = facts.known[self]
        if isinstance(known, StackError):
            raise known
        value: T = known
        return value


class Facts:
    """The facts about the stack `wanted` of the program at or above `start`. Default: the selected stack.

    Each fact raises StackError if it cannot be read.
    """

    def __init__(self, start: Path, wanted: str | None) -> None:
        self.start = start
        self.wanted = wanted
        self.known: dict[object, Any] = {}

    def error(self, fact: str) -> StackError | None:
        """The error with which the fact of this name was read; None if it was read, or not yet."""
        known = self.known.get(vars(Facts)[fact])
        return known if isinstance(known, StackError) else None

    def observe(self) -> ObservedState:
        """Observe the stack's engine now, for what may have changed since `observed`."""
        try:
            return observed_state.observe(self.client, local=self.is_local)
        except (DockerException, OSError) as error:
            raise StackError(f"the Docker engine cannot be read: {error}") from error

    @_Fact
    def directory(self) -> Path:
        """The program's directory."""
        return stack.program_directory(self.start)

    @_Fact
    def pulumi(self) -> str:
        """The version of the pulumi command."""
        return ask(Path.cwd(), "version").strip().removeprefix("v")

    @_Fact
    def packages(self) -> Mapping[str, str]:
        """Versions of the Python packages in the program's .venv, by normalized name."""
        libraries = sorted((self.directory / ".venv").glob("lib/python3*/site-packages"))
        if not libraries:
            raise StackError("there is no .venv in the program's directory")
        found = importlib.metadata.distributions(path=[str(library) for library in libraries])
        return {each.metadata["Name"].lower().replace("_", "-").replace(".", "-"): each.version for each in found}

    @_Fact
    def project(self) -> str:
        """The project's name."""
        return stack.project_name(self.directory)

    @_Fact
    def name(self) -> str:
        """The stack's name; the stack exists."""
        return ask(self.directory, "stack", "--show-name", stack=self.wanted).strip().rpartition("/")[2]

    @_Fact
    def label(self) -> str:
        """The value of the label on everything that the stack creates: PROJECT/STACK."""
        return f"{self.project}/{self.name}"

    @_Fact
    def back_end(self) -> str:
        """The address of the back end that keeps the stack's state."""
        return str(json.loads(ask(self.directory, "whoami", "--verbose", "--json"))["url"])

    @_Fact
    def locks(self) -> list[Lock] | None:
        """The locks on the stack; None if its back end does not keep them in files."""
        where = locks.directory(self.back_end, self.project, self.name, self.directory)
        return None if where is None else locks.found(where)

    @_Fact
    def configuration(self) -> Environment | ConfigurationError:
        """The stack's configuration, or the problems that it has."""
        config = json.loads(ask(self.directory, "config", "--json", "--show-secrets", stack=self.name))
        try:
            return parsing.parse(
                {key: each["value"] for key, each in config.items() if "value" in each},
                project=self.project,
                stack=self.name,
                directory=self.directory,
                secret_keys={key for key, each in config.items() if each["secret"]},
                stated=stack_file.read(self.directory, self.name),
                machine=os.environ,
            )
        except ConfigurationError as error:
            return error

    @_Fact
    def environment(self) -> Environment:
        """The stack's configuration. It has no problems."""
        if isinstance(self.configuration, ConfigurationError):
            raise StackError("the stack's configuration has problems")
        return self.configuration

    @_Fact
    def up(self) -> Stack:
        """The stack, which is up."""
        return Stack.read(self.name, self.directory)

    @_Fact
    def engine_settings(self) -> EngineSettings:
        """The engine that the stack names. Default: that of DOCKER_HOST or this machine."""
        try:
            return self.environment.settings.engine
        except StackError:
            pass
        try:
            return self.up.engine
        except StackError:
            return EngineSettings()

    @_Fact
    def client(self) -> docker.DockerClient:
        """A client of the stack's engine. The engine answers."""
        try:
            directory = self.directory
        except StackError:
            directory = self.start
        return stack.connect(self.engine_settings, directory)

    @_Fact
    def is_local(self) -> bool:
        """Whether the engine is this machine's."""
        return connection.is_local(self.engine_settings)

    @_Fact
    def observed(self) -> ObservedState:
        """What the stack's engine has."""
        return self.observe()

    @_Fact
    def reference(self) -> StackReference:
        """The stack, whether or not it is up."""
        try:
            return self.up
        except StackError:
            return StackReference(
                name=self.name, directory=self.directory, label=self.label, engine=self.engine_settings
            )

    @_Fact
    def state(self) -> State:
        """What the stack's state records."""
        return resources.export(self.reference)

    @_Fact
    def swarm(self) -> SwarmState:
        """What the stack's Swarm has."""
        return swarm.observe(self.client)

    @_Fact
    def ledger_node(self) -> str | None:
        """The host name of the node with the ledger; None outside a Swarm, and if there is no ledger."""
        if self.engine_settings.mode != "swarm":
            return None
        tied = swarm.ledger_node(self.reference, self.swarm)
        if tied is not None:
            return tied
        try:
            return self.environment.settings.ledger.node
        except StackError:
            return None

    @_Fact
    def at_ledger(self) -> ObservedState:
        """What the engine with the ledger has: in Swarm, that of its node."""
        node = self.ledger_node
        if node is None:
            return self.observed
        engine = swarm.node_engine(self.engine_settings, node)
        try:
            return observed_state.observe(stack.connect(engine, self.directory))
        except (StackError, DockerException, OSError) as error:
            raise StackError(f"the engine of {node}, the node of the ledger, cannot be read: {error}") from error

    @_Fact
    def comparison(self) -> Report:
        """What `gixctl verify` finds, also for a stack whose first update was interrupted."""
        # Observed before the state is read: what a running update creates meanwhile is not in the observation.
        observed = self.observed
        if self.engine_settings.mode == "swarm":
            # Read first, so that a manager that does not answer is reported once.
            _ = self.swarm
        try:
            return verify.compare(self.reference, self.state, self.client, observed)
        except (DockerException, OSError) as error:
            raise StackError(f"the Docker engine cannot be read: {error}") from error
