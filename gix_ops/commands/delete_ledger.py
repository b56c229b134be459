"""`gixctl delete-ledger`."""

from pathlib import Path
from typing import Annotated

import typer

from gix_ops import pulumi_command, stack_ledger, swarm
from gix_ops.commands.options import StackOption
from gix_ops.stack import StackReference, program_directory

HEADING = "Ledger"

VolumeArgument = Annotated[str, typer.Argument(help="Name of the volume on the engine, for example gcam-data.")]
DestroyOption = Annotated[
    bool, typer.Option("--destroy", help="Destroy the stack first, if the volume may be deleted then.")
]


def command(volume: VolumeArgument, stack: StackOption = None, destroy: DestroyOption = False) -> None:
    """Delete a stack's ledger volume. Its content is lost.

    The volume is deleted on the stack's engine: the engine that the stack runs on, or the engine that its configuration
    names if the stack is down. The volume must belong to the stack, by its label or because the stack adopted it. It
    must not be protected (gix:ledger.protect) or in use. Otherwise nothing changes.

    Example: gixctl delete-ledger gcam-data --stack dev --destroy
    """
    found = StackReference.find(stack, program_directory(Path.cwd()))
    swarm.refuse(found.engine, "delete-ledger")
    kept = stack_ledger.deletable(found, volume, destroyed_first=destroy)
    if destroy:
        pulumi_command.show(found.directory, "destroy", "--yes", "--skip-preview", stack=found.name)
    kept.delete()
    typer.echo(f"deleted the volume {volume} on {kept.engine}")
