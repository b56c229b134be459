"""`gixctl history`."""

from pathlib import Path

import typer
from rich.console import Console

from gix_ops import history
from gix_ops.commands.options import JsonOption, StackOption, write_json
from gix_ops.stack import StackReference, program_directory

HEADING = "Delivery"


def command(stack: StackOption = None, as_json: JsonOption = False) -> None:
    """List the updates of a stack, the newest first.

    Shows their time, commit, images, result and message, from Pulumi's own history. Pulumi records the author of the
    commit, and not who ran the update. Images that were built from source have no digest.
    """
    read = StackReference.find(stack, program_directory(Path.cwd()))
    found = [entry.update for entry in history.read(read)]
    if as_json:
        write_json(found)
    elif found:
        Console().print(history.table(read, found))
    else:
        typer.echo("the stack has had no update")
