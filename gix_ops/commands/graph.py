"""`gixctl graph`."""

from pathlib import Path
from typing import Annotated

import typer

from gix_ops import graph, graph_svg
from gix_ops.commands.options import StackOption, read_stack
from gix_ops.errors import StackError

FileArgument = Annotated[Path | None, typer.Argument(help="File to write. Default: standard output.", dir_okay=False)]


def command(file: FileArgument = None, stack: StackOption = None) -> None:
    """Draw the stack as an SVG picture.

    Shows services with health, published ports, network and ledger, as the engine has them now. The picture contains no
    times and no ids: the same stack gives the same file.

    Exits with 1 if a container, the network or the volume is missing; the picture is still written and shows it.

    Example: gixctl graph docs/architecture.svg
    """
    read = read_stack(stack)
    found = graph.read(read, read.connect())
    picture = graph_svg.draw(found)
    if file is None:
        typer.echo(picture, nl=False)
    else:
        try:
            file.write_text(picture, encoding="utf-8")
        except OSError as error:
            raise StackError(f"{file} cannot be written: {error.strerror}") from error
    if found.missing:
        raise StackError(f"missing: {', '.join(found.missing)}; to create them again: pulumi up --refresh")
