"""`gixctl drift`."""

from pathlib import Path
from typing import Annotated

import typer

from gix_ops.delivery import drift
from gix_ops.stack import program_directory

HEADING = "Check"

StacksArgument = Annotated[list[str], typer.Argument(help="Stacks to check.")]
IssueOption = Annotated[bool, typer.Option("--issue", help="Keep one GitHub issue for each stack that has drift.")]


def command(stacks: StacksArgument, issue: IssueOption = False) -> None:
    """Check whether stacks are still as they were deployed.

    Compares with a refresh, and field by field as `gixctl verify` does. Changes nothing. It compares the images that
    the stack runs, not those that HEAD would build. --issue needs the gh command, GH_TOKEN and GITHUB_REPOSITORY.

    Exits with 1 if there is drift, or if a stack cannot be read.

    Example: gixctl drift staging prod
    """
    directory = program_directory(Path.cwd())
    found = [drift.detect(directory, stack) for stack in stacks]
    typer.echo(drift.report(found))
    if issue:
        for each in found:
            typer.echo(drift.tell(each))
    if any(each.is_there for each in found):
        raise typer.Exit(1)
