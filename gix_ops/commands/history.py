"""`gixctl history`."""

from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from gix_ops import history
from gix_ops.commands.options import JsonOption, StackOption, write_json
from gix_ops.stack import StackReference, program_directory

HEADING = "Delivery"

LimitOption = Annotated[int, typer.Option("--limit", "-n", min=1, help="Number of updates to list.")]


def command(stack: StackOption = None, limit: LimitOption = 10, as_json: JsonOption = False) -> None:
    """List the updates of a stack, the newest first.

    Shows their version, time, result, message, commit and images, from Pulumi's own history. Pulumi records the author
    of the commit, and not who ran the update. Images that were built from source have no digest.
    """
    read = StackReference.find(stack, program_directory(Path.cwd()))
    found = [entry.update for entry in history.read(read)][:limit]
    if as_json:
        write_json(found)
    elif found:
        typer.echo(f"{read.label}:")
        Console().print(history.text(found), end="", highlight=False)
    else:
        typer.echo(f"{read.label} has had no update")
