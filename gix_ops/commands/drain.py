"""`gixctl drain`."""

from typing import Annotated

import typer

from gix_ops import nodes, swarm
from gix_ops.commands.options import StackOption, read_stack

HEADING = "Inspect"

NodeArgument = Annotated[str, typer.Argument(metavar="NODE", help="Host name of the node, as gixctl nodes shows it.")]
UndoOption = Annotated[bool, typer.Option("--undo", help="Let the node take tasks again: docker's active.")]
LedgerOption = Annotated[
    bool, typer.Option("--including-ledger", help="Also drain the node of the ledger. The auction stops.")
]
YesOption = Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")]


def command(
    node: NodeArgument,
    stack: StackOption = None,
    undo: UndoOption = False,
    including_ledger: LedgerOption = False,
    yes: YesOption = False,
) -> None:
    """Move all tasks away from a node of the stack's Swarm.

    Swarm starts the tasks of the services on other nodes, also those of other stacks. The edge of the node ends, and so
    do its published ports. The node of the ledger is refused without --including-ledger, since the auction runs only
    there.

    --undo lets the node take tasks again. Swarm does not move running tasks back to it.

    Examples: gixctl drain worker-2 --yes; gixctl drain worker-2 --undo
    """
    read = read_stack(stack)
    nodes.refuse_containers(read, "drain")
    client = read.connect()
    observed = swarm.observe(client)
    found = nodes.find(read, observed, node, including_ledger=including_ledger or undo)
    wanted = "active" if undo else "drain"
    if found.availability == wanted:
        typer.echo(f"the node {found.hostname} is {wanted} already")
        return
    if not undo and not yes:
        tasks = ", ".join(nodes.tasks_on(read, observed, found.hostname)) or "no task of the stack"
        typer.confirm(f"Drain {found.hostname}, which runs {tasks}?", abort=True)
    nodes.set_availability(client, found, wanted)
    after = "takes tasks again" if undo else "is drained; to wait for the tasks elsewhere: gixctl health --wait 60s"
    typer.echo(f"the node {found.hostname} {after}")
