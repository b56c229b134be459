"""Verbs that care for the ledger."""

from pathlib import Path
from typing import Annotated

import typer

from gix_components.settings import EngineSettings
from gix_ops import ledger
from gix_ops.stack import reach

PANEL = "Ledger"

app = typer.Typer()


@app.command("delete-ledger", rich_help_panel=PANEL)
def delete_ledger(
    volume: Annotated[str, typer.Argument(help="The volume's name on the engine, e.g. gcam-data.")],
) -> None:
    """Delete a ledger's volume for good, by its name, on the engine of DOCKER_HOST or else this machine's.

    Its stack must be down: pulumi destroy leaves the volume.
    """
    ledger.delete(reach(EngineSettings(), Path.cwd()), volume)
    typer.echo(f"deleted the volume {volume}")
