"""The options that verbs share, and the stack that they lead to."""

import dataclasses
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any

import typer

from gix_ops.stack import Stack, program_directory

StackOption = Annotated[
    str | None, typer.Option("--stack", "-s", help="The stack; without it, the one that Pulumi has selected.")
]
JsonOption = Annotated[bool, typer.Option("--json", help="Write JSON, for programs.")]


def read_stack(name: str | None) -> Stack:
    """The stack `name`, or the selected one, of the program here or above; raises StackError where it can't be read."""
    return Stack.read(name, program_directory(Path.cwd()))


def write_json(value: Any) -> None:
    """Write a dataclass, or a list of them, to standard output."""
    plain = [dataclasses.asdict(each) for each in value] if isinstance(value, Sequence) else dataclasses.asdict(value)
    typer.echo(json.dumps(plain, indent=2))
