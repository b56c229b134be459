"""`gixctl status`."""

import typer
from rich.console import Console

from gix_ops import status
from gix_ops.commands.options import JsonOption, StackOption, read_stack, write_json

HEADING = "Inspect"


def command(stack: StackOption = None, as_json: JsonOption = False) -> None:
    """List the services with their image, address and health.

    The address is the published one. For a service that is not published, it is the address inside the network. A
    container that does not run shows its state instead of its health: exited, paused or missing.

    Exits with 0 if all services are healthy, otherwise with 1.
    """
    read = read_stack(stack)
    found = status.statuses(read)
    if as_json:
        write_json(found)
    else:
        Console().print(status.table(read, found))
    if not all(each.is_healthy for each in found):
        raise typer.Exit(1)
