"""`gixctl graph`."""

from pathlib import Path
from typing import Annotated

import typer

from gix_ops import graph, graph_mermaid
from gix_ops.commands.options import StackOption, read_stack
from gix_ops.errors import StackError

HEADING = "Inspect"

FileArgument = Annotated[Path | None, typer.Argument(help="File to write. Default: standard output.", dir_okay=False)]


def command(file: FileArgument = None, stack: StackOption = None) -> None:
    """Draw the stack as a Mermaid flowchart.

    Shows services with health, published ports, network and ledger, as the engine has them now. The flowchart contains
    no times and no ids: the same stack gives the same file.

    Exits with 1 if a container, the network or the volume is missing; the flowchart is still written and shows it.

    Example: gixctl graph stack.mmd
    """
    read = read_stack(stack)
    found = graph.read(read, read.connect())
    flowchart = graph_mermaid.draw(found)
    if file is None:
        typer.echo(flowchart, nl=False)
    else:
        try:
            file.write_text(flowchart, encoding="utf-8")
        except OSError as error:
            raise StackError(f"{file} cannot be written: {error.strerror}") from error
    if found.missing:
        raise StackError(f"missing: {', '.join(found.missing)}; to create them again: pulumi up --refresh")
