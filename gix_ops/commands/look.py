"""Verbs that look at a stack, and change nothing."""

from typing import Annotated

import typer
from rich.console import Console

from gix_ops import status
from gix_ops.commands.options import JsonOption, StackOption, read_stack, write_json

PANEL = "Look"

app = typer.Typer()


@app.command("status", rich_help_panel=PANEL)
def status_command(stack: StackOption = None, as_json: JsonOption = False) -> None:
    """Show every service: container, image digest, address, health. Exits with 1 where one is not healthy."""
    read = read_stack(stack)
    found = status.statuses(read)
    if as_json:
        write_json(found)
    else:
        Console().print(status.table(read, found))
    if not all(each.is_healthy for each in found):
        raise typer.Exit(1)


@app.command("address", rich_help_panel=PANEL)
def address_command(
    service: Annotated[str, typer.Argument(help="router, auction or enclave.")], stack: StackOption = None
) -> None:
    """Print the HOST:PORT at which the host publishes a service. Exits with 1 where it does not."""
    typer.echo(read_stack(stack).endpoint(service))
