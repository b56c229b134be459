"""A stack as the Pulumi CLI knows it: its name, its outputs, and the engine that it runs on."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import docker
from docker.errors import DockerException
from pydantic import ValidationError

from gix_engine import connection
from gix_model import yaml_text
from gix_model.outputs import StackOutputs
from gix_model.raw_values import key_of
from gix_model.settings import EngineSettings
from gix_ops.errors import StackError
from gix_ops.fields import SIGNATURE
from gix_ops.pulumi_command import ask

_STACK = "pulumi:pulumi:Stack"


@dataclass(frozen=True, kw_only=True)
class StackReference:
    """A stack that exists, whether or not it is up.

    `directory` is the program's; `label` is PROJECT/STACK, the value of STACK_LABEL on everything that it creates.
    """

    name: str
    directory: Path
    label: str
    engine: EngineSettings

    @classmethod
    def find(cls, name: str | None, directory: Path) -> "StackReference":
        """Find the stack `name`, or the selected stack, which need not be up.

        The engine of a stack that is down is the one that its configuration names. Raises StackError if there is no
        Pulumi CLI or no such stack.
        """
        outputs = _outputs(name, directory)
        if "services" in outputs:
            return Stack.from_outputs(_read(outputs, name), directory, name)
        found = ask(directory, "stack", "--show-name", stack=name).strip().rpartition("/")[2]
        engine = _configured_engine(found, directory)
        return StackReference(
            name=found, directory=directory, label=f"{project_name(directory)}/{found}", engine=engine
        )

    def connect(self) -> docker.DockerClient:
        """A client of the stack's engine. Raises StackError if the engine does not answer."""
        return connect(self.engine, self.directory)


@dataclass(frozen=True, kw_only=True)
class Stack(StackReference):
    """A stack that is up."""

    outputs: StackOutputs

    @classmethod
    def from_outputs(cls, outputs: StackOutputs, directory: Path, name: str | None = None) -> "Stack":
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
        outputs = _outputs(name, directory)
        if "services" not in outputs:
            raise StackError(f"the stack {name or '(selected)'} is not up; to bring it up: pulumi up")
        return cls.from_outputs(_read(outputs, name), directory, name)


def _outputs(name: str | None, directory: Path) -> dict[str, Any]:
    """The outputs of a stack.

    `pulumi stack export` does not decrypt. `pulumi stack output` derives the key from the passphrase, which takes up to
    a second, so it runs only if an output is a secret.
    """
    deployment = json.loads(ask(directory, "stack", "export", stack=name))["deployment"]
    stacks = [each for each in deployment.get("resources") or [] if each["type"] == _STACK]
    outputs: dict[str, Any] = stacks[0].get("outputs") or {} if stacks else {}
    if SIGNATURE in json.dumps(outputs):
        outputs = json.loads(ask(directory, "stack", "output", "--json", "--show-secrets", stack=name))
    return outputs


def _read(outputs: Mapping[str, Any], name: str | None) -> StackOutputs:
    try:
        return StackOutputs.read(outputs)
    except ValueError:
        raise StackError(
            f"the outputs of the stack {name or '(selected)'} are not those of this version; to update: pulumi up"
        ) from None


def _configured_engine(name: str, directory: Path) -> EngineSettings:
    try:
        return EngineSettings.model_validate_json(configured(name, directory, "engine"))
    except ValidationError as error:
        keys = ", ".join(key_of(("engine", *each["loc"])) for each in error.errors())
        raise StackError(f"Pulumi.{name}.yaml: {keys} cannot be read; pulumi preview says what is wrong") from None


def configured(name: str, directory: Path, section: str) -> str:
    """A section of a stack's configuration as JSON, with secrets in plain text. Raises StackError as `ask` does."""
    config = json.loads(ask(directory, "config", "--json", "--show-secrets", stack=name))
    return str(config.get(key_of((section,)), {}).get("value", "{}"))


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


def project_name(directory: Path) -> str:
    """The name of the project in the program's directory. Raises StackError if Pulumi.yaml does not have one."""
    try:
        return str(yaml_text.load((directory / "Pulumi.yaml").read_text())["name"])
    except (OSError, KeyError, TypeError, *yaml_text.ERRORS) as error:
        raise StackError(f"{directory / 'Pulumi.yaml'} does not name a project: {error}") from None
