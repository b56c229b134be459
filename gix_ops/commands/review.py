"""`gixctl review`: temporary stacks for pull requests."""

from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from gix_ops import status
from gix_ops.delivery import review
from gix_ops.stack import Stack, program_directory

HEADING = "Delivery"

NumberArgument = Annotated[int, typer.Argument(help="Number of the pull request.", min=1)]

app = typer.Typer(help="Create and remove temporary stacks for pull requests.", no_args_is_help=True)


@app.command("up")
def up_command(number: NumberArgument) -> None:
    """Create the stack pr-NUMBER.

    It is configured like dev, with its own names, ports and subnet.
    """
    directory = program_directory(Path.cwd())
    review.bring_up(directory, number)
    stack = Stack.read(f"pr-{number}", directory)
    Console().print(status.table(stack, status.statuses(stack)))


@app.command("down")
def down_command(number: NumberArgument) -> None:
    """Remove the stack pr-NUMBER.

    Containers, network, ledger, images and the stack file are deleted.
    """
    review.stack(program_directory(Path.cwd()), number).remove()
    typer.echo(f"removed pr-{number}")
