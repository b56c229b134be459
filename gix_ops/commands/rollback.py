"""`gixctl rollback`."""

from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from gix_ops import rollback
from gix_ops.commands.options import StackOption
from gix_ops.planning import plan_text
from gix_ops.stack import StackReference, program_directory

HEADING = "Delivery"

VersionArgument = Annotated[
    int | None,
    typer.Argument(
        help="Version in gixctl history. Default: the last successful update with other images or settings than the "
        "newest update.",
        show_default=False,
    ),
]
YesOption = Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")]


def command(version: VersionArgument = None, stack: StackOption = None, yes: YesOption = False) -> None:
    """Run the images and settings of an earlier update again.

    Writes them into the stack's file, shows the plan, asks, and updates the stack. Without a yes, the file stays as it
    was. The ledger stays, and so do gix:ledger, gix:prefix, gix:engine, gix:rollout, gix:takeOver and secrets. An
    auction that cannot read the present ledger fails in its trial, and nothing is replaced.

    Changes nothing if an image is gone, if the images were built from source, if a secret is missing, or if the plan
    puts data at risk.

    Example: gixctl rollback --stack prod
    """
    read = StackReference.find(stack, program_directory(Path.cwd()))
    found = rollback.find(read, version)
    with found.prepared() as plan:
        Console().print(plan_text.terminal(plan), highlight=False)
        if not yes:
            version, message = found.target.version, found.target.message or "no message"
            typer.confirm(f"Go back to version {version} ({message})?", abort=True)
    found.run()
