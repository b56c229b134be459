"""`gixctl delete-ledger`."""

from pathlib import Path
from typing import Annotated

import typer

from gix_ops import pulumi_command, stack_ledger
from gix_ops.commands.options import StackOption
from gix_ops.stack import StackReference, program_directory

HEADING = "Ledger"

VolumeArgument = Annotated[str, typer.Argument(help="Name of the volume on the engine, for example gcam-data.")]
DestroyOption = Annotated[
    bool, typer.Option("--destroy", help="Destroy the stack first, if the volume may be deleted then.")
]
NodeOption = Annotated[
    str | None, typer.Option(metavar="NODE", help="Node with the volume, in Swarm. Default: the only one that has it.")
]


def command(
    volume: VolumeArgument, stack: StackOption = None, destroy: DestroyOption = False, node: NodeOption = None
) -> None:
    """Delete a stack's ledger volume. Its content is lost.

    The volume is deleted on the stack's engine: the engine that the stack runs on, or the engine that its configuration
    names if the stack is down. In Swarm, it is deleted on the node in gix:engine.nodes that has it. The volume must
    belong to the stack, by its label or because the stack adopted it. It must not be protected (gix:ledger.protect) or
    in use. Otherwise nothing changes.

    Example: gixctl delete-ledger gcam-data --stack dev --destroy
    """
    found = StackReference.find(stack, program_directory(Path.cwd()))
    kept = stack_ledger.deletable(found, volume, destroyed_first=destroy, node=node)
    if destroy:
        pulumi_command.show(found.directory, "destroy", "--yes", "--skip-preview", stack=found.name)
    kept.delete()
    typer.echo(f"deleted the volume {volume} on {kept.engine}")
