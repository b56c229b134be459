"""`gixctl verify`."""

import typer
from rich.console import Console

from gix_ops import verify
from gix_ops.commands.options import JsonOption, StackOption, read_stack, write_json

HEADING = "Check"


def command(stack: StackOption = None, as_json: JsonOption = False) -> None:
    """Compare the declared state with the engine.

    Compares the fields of every container, network, volume and image.

    Exits with 1 if there is a difference.
    """
    report = verify.verify(read_stack(stack))
    if as_json:
        write_json(report)
    else:
        verify.show(report, Console())
    if report.differences:
        raise typer.Exit(1)
