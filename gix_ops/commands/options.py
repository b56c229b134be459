"""What several verbs share: options, arguments, and how they read a stack and write JSON."""

import dataclasses
import json
from collections.abc import Sequence
from datetime import timedelta
from pathlib import Path
from typing import Annotated, Any

import typer

from gix_model import units
from gix_model.catalog import CATALOG
from gix_ops.stack import Stack, program_directory


def service_names(incomplete: str) -> list[str]:
    """The services whose names begin with `incomplete`, for shell completion."""
    return [service for service in CATALOG if service.startswith(incomplete)]


def parse_time(text: str | timedelta) -> timedelta:
    """Read the TIME of an option: 10s, 1m30s, 500ms. Use it as `parser` of the option.

    Typer passes the option's default, too. Raises typer.BadParameter if the text is no such time.
    """
    try:
        return text if isinstance(text, timedelta) else units.parse_duration(text)
    except ValueError as error:
        raise typer.BadParameter(f"{text} {error}") from None


StackOption = Annotated[
    str | None, typer.Option("--stack", "-s", help="Stack to use. Default: the stack that Pulumi has selected.")
]
JsonOption = Annotated[bool, typer.Option("--json", help="Print JSON.")]
ServiceArgument = Annotated[
    str, typer.Argument(help=f"One of: {', '.join(CATALOG)}.", autocompletion=service_names, show_default=False)
]


def read_stack(name: str | None) -> Stack:
    """Read the stack `name`, or the selected stack, of the program in this directory or above.

    Raises StackError if the stack cannot be read.
    """
    return Stack.read(name, program_directory(Path.cwd()))


def write_json(value: Any) -> None:
    """Print a dataclass, or a list of dataclasses, as JSON."""
    plain = [dataclasses.asdict(each) for each in value] if isinstance(value, Sequence) else dataclasses.asdict(value)
    typer.echo(json.dumps(plain, indent=2))
