"""`gixctl nodes`."""

import typer
from rich.console import Console

from gix_ops import nodes
from gix_ops.commands.options import JsonOption, StackOption, read_stack, write_json

HEADING = "Inspect"


def command(stack: StackOption = None, as_json: JsonOption = False) -> None:
    """List the nodes of the stack's Swarm with their tasks.

    Shows role, state, availability and address of each node, which one has the ledger, and the stack's tasks on it.

    Exits with 0 if all nodes are ready, otherwise with 1. A drained node is ready.

    Example: gixctl nodes --stack prod
    """
    read = read_stack(stack)
    found = nodes.read(read, read.connect())
    if as_json:
        write_json(found)
    else:
        Console().print(nodes.table(read, found))
    if not all(each.state == "ready" for each in found):
        raise typer.Exit(1)
