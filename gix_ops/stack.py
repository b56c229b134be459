"""What a stack says of itself: its outputs, read through the Pulumi CLI, and the engine that it runs on."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import docker
from docker.errors import DockerException

from gix_engine import connection
from gix_model.settings import EngineSettings
from gix_ops import pulumi_command
from gix_ops.errors import StackError


@dataclass(frozen=True, kw_only=True)
class Stack:
    """A stack that has been brought up: its `name` and its `outputs`. `directory` is the program's."""

    name: str
    directory: Path
    outputs: Mapping[str, Any]

    @classmethod
    def read(cls, name: str | None, directory: Path) -> "Stack":
        """Read the outputs of the stack `name`, or of the selected one.

        Raises StackError where there is no Pulumi CLI, no such stack, or one that was never brought up.
        """
        answer = pulumi_command.ask(directory, "stack", "output", "--json", "--show-secrets", stack=name)
        if answer.returncode:
            raise StackError(f"the stack can't be read: {answer.stderr.strip()}")
        outputs = json.loads(answer.stdout)
        if "services" not in outputs:
            raise StackError(f"the stack {name or '(selected)'} is not up; bring it up with: pulumi up")
        return cls(name=name or outputs["label"].partition("/")[2], directory=directory, outputs=outputs)

    def engine(self) -> docker.DockerClient:
        """A client of the engine that the stack runs on; raises StackError where it does not answer."""
        return reach(EngineSettings.model_validate(self.outputs["engine"]), self.directory)


def reach(settings: EngineSettings, directory: Path) -> docker.DockerClient:
    """A client of the engine that `settings` name; relative paths start at `directory`.

    Raises StackError where the engine does not answer.
    """
    try:
        client = connection.connect(settings, directory)
        client.ping()
    except (DockerException, OSError) as error:
        raise StackError(f"the Docker engine does not answer ({error}); start it: make setup") from error
    return client


def program_directory(start: Path) -> Path:
    """The directory of the Pulumi program: the nearest one at or above `start` that has a Pulumi.yaml.

    Raises StackError where there is none.
    """
    for directory in (start, *start.parents):
        if (directory / "Pulumi.yaml").is_file():
            return directory
    raise StackError(f"there is no Pulumi.yaml in {start} or above it; run this inside the clone, or give --cwd")
