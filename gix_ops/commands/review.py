"""Verbs for throw-away stacks."""

from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from gix_ops import status
from gix_ops.delivery import review
from gix_ops.stack import Stack, program_directory

NumberArgument = Annotated[int, typer.Argument(help="The pull request's number.", min=1)]

app = typer.Typer(help="Throw-away stacks for pull requests.", no_args_is_help=True)


@app.command("up")
def review_up(number: NumberArgument) -> None:
    """Bring up the stack pr-NUMBER: like `dev`, with names, ports and a subnet of its own."""
    directory = program_directory(Path.cwd())
    review.bring_up(directory, number)
    stack = Stack.read(f"pr-{number}", directory)
    Console().print(status.table(stack, status.statuses(stack)))


@app.command("down")
def review_down(number: NumberArgument) -> None:
    """Remove the stack pr-NUMBER for good: containers, network, ledger, images, and its file."""
    review.take_down(program_directory(Path.cwd()), number)
    typer.echo(f"pr-{number} is gone")
