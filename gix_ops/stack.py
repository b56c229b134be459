"""A stack as the Pulumi CLI knows it: its name, its outputs, and the engine that it runs on."""

import json
from dataclasses import dataclass
from pathlib import Path

import docker
from docker.errors import DockerException

from gix_engine import connection
from gix_model.outputs import StackOutputs
from gix_model.settings import EngineSettings
from gix_ops import pulumi_command
from gix_ops.errors import StackError


@dataclass(frozen=True, kw_only=True)
class StackReference:
    """A stack that exists, whether or not it is up.

    `directory` is the program's; `label` is PROJECT/STACK, the value of STACK_LABEL on everything that it creates.
    """

    name: str
    directory: Path
    label: str
    engine: EngineSettings

    def connect(self) -> docker.DockerClient:
        """A client of the stack's engine. Raises StackError if the engine does not answer."""
        return connect(self.engine, self.directory)


@dataclass(frozen=True, kw_only=True)
class Stack(StackReference):
    """A stack that is up."""

    outputs: StackOutputs

    @classmethod
    def of(cls, outputs: StackOutputs, directory: Path, name: str | None = None) -> "Stack":
        """The stack with these outputs. `name` defaults to the one in its label."""
        return cls(
            name=name or outputs.label.partition("/")[2],
            directory=directory,
            label=outputs.label,
            engine=outputs.engine,
            outputs=outputs,
        )

    @classmethod
    def read(cls, name: str | None, directory: Path) -> "Stack":
        """Read the stack `name`, or the selected stack.

        Raises StackError if there is no Pulumi CLI or no such stack, or if the stack is not up.
        """
        answer = pulumi_command.ask(directory, "stack", "output", "--json", "--show-secrets", stack=name)
        if answer.returncode:
            raise StackError(f"the stack cannot be read: {answer.stderr.strip()}")
        outputs = json.loads(answer.stdout)
        if "services" not in outputs:
            raise StackError(f"the stack {name or '(selected)'} is not up; to bring it up: pulumi up")
        try:
            return cls.of(StackOutputs.read(outputs), directory, name)
        except ValueError:
            raise StackError(
                f"the outputs of the stack {name or '(selected)'} are not those of this version; to update: pulumi up"
            ) from None


def connect(settings: EngineSettings, directory: Path) -> docker.DockerClient:
    """A client of the engine that `settings` name; relative paths start at `directory`.

    Raises StackError if the engine does not answer.
    """
    try:
        client = connection.connect(settings, directory)
        client.ping()
    except (DockerException, OSError) as error:
        raise StackError(f"the Docker engine does not answer ({error}); to start it: make setup") from error
    return client


def program_directory(start: Path) -> Path:
    """The directory of the Pulumi program: the nearest one at or above `start` that has a Pulumi.yaml.

    Raises StackError if there is none.
    """
    for directory in (start, *start.parents):
        if (directory / "Pulumi.yaml").is_file():
            return directory
    raise StackError(f"there is no Pulumi.yaml in {start} or above it; run this inside the clone, or give --cwd")
