"""`gixctl delete-ledger`."""

from pathlib import Path
from typing import Annotated

import typer

from gix_model.settings import EngineSettings
from gix_ops import ledger
from gix_ops.stack import connect

VolumeArgument = Annotated[str, typer.Argument(help="Name of the volume on the engine, for example gcam-data.")]


def command(volume: VolumeArgument) -> None:
    """Delete a ledger's volume. Its content is lost.

    Its stack must be down: pulumi destroy leaves the volume.
    """
    ledger.delete(connect(EngineSettings(), Path.cwd()), volume)
    typer.echo(f"deleted the volume {volume}")
