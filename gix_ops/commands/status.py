"""`gixctl status`."""

from typing import Annotated

import typer
from rich.console import Console

from gix_ops import status, verify
from gix_ops.commands.options import JsonOption, StackOption, read_stack, write_json

HEADING = "Inspect"


def command(
    stack: StackOption = None,
    as_json: JsonOption = False,
    with_verify: Annotated[
        bool, typer.Option("--verify", help="Also compare the declared state with the engine, as gixctl verify does.")
    ] = False,
) -> None:
    """List the services with their image, address and health.

    The address is the published one. For a service that is not published, it is the address inside the network. A
    container that does not run shows its state instead of its health: exited, paused or missing.

    Exits with 0 if all services are healthy, otherwise with 1. With --verify, also with 1 if there is a difference.
    """
    if as_json and with_verify:
        raise typer.BadParameter("--json and --verify exclude each other; gixctl verify --json prints the differences")
    read = read_stack(stack)
    found = status.statuses(read)
    if as_json:
        write_json(found)
    else:
        Console().print(status.table(read, found))
    differences = False
    if with_verify:
        report = verify.verify(read)
        verify.show(report, Console())
        differences = bool(report.differences)
    if differences or not all(each.is_healthy for each in found):
        raise typer.Exit(1)
