"""`gixctl health`."""

import dataclasses
import json
from collections.abc import Iterable
from datetime import timedelta
from typing import Annotated

import typer
from rich.console import Console
from rich.live import Live

from gix_model import units
from gix_ops import health
from gix_ops.commands.options import JsonOption, StackOption, parse_time, read_stack, write_json
from gix_ops.commands.streaming import until_interrupted
from gix_ops.errors import StackError
from gix_ops.health import ServiceHealth
from gix_ops.stack import Stack

HEADING = "Inspect"

WaitOption = Annotated[
    timedelta | None,
    typer.Option(
        "--wait", metavar="TIME", parser=parse_time, help="Wait up to TIME for all services to be healthy: 60s, 1m30s."
    ),
]
WatchOption = Annotated[bool, typer.Option("--watch", "-w", help="Refresh every second until Ctrl-C.")]


def command(
    stack: StackOption = None, wait: WaitOption = None, watch: WatchOption = False, as_json: JsonOption = False
) -> None:
    """Show the health of each service in detail.

    Lists state, uptime, restarts, image digest, published ports and the last probe.

    A probe is one run of the container's own health check. The table shows exit code, output and time of the last
    probe; --json prints the last five.

    --wait returns as soon as all services are healthy, or when TIME is over. It also waits for services that are
    unhealthy, stopped or missing. --watch with --json prints one JSON document per line.

    Exits with 0 if all services are healthy, otherwise with 1. Ctrl-C ends --watch with 0.

    Example: gixctl health --stack staging --wait 60s
    """
    if wait is not None and watch:
        raise typer.BadParameter("--wait and --watch exclude each other; give one of them")
    read = read_stack(stack)
    client = read.connect()
    if watch:
        with until_interrupted():
            _show(read, health.watch(read, client), as_json=as_json, each=True)
        return
    found = _show(read, health.wait(read, client, wait or timedelta()), as_json=as_json, each=False)
    if not all(each.is_healthy for each in found):
        raise StackError(f"{'' if wait is None else f'after {units.format_duration(wait)}: '}{health.unhealthy(found)}")


def _show(stack: Stack, readings: Iterable[list[ServiceHealth]], *, as_json: bool, each: bool) -> list[ServiceHealth]:
    """Show each of the readings, or only the last, and return the last. A terminal shows each in the same place."""
    console = Console()
    last: list[ServiceHealth] = []
    if console.is_terminal and not as_json:
        with Live(console=console, auto_refresh=False) as live:
            for last in readings:
                live.update(health.table(stack, last), refresh=True)
        return last
    for last in readings:
        if each and as_json:
            typer.echo(json.dumps([dataclasses.asdict(service) for service in last]))
        elif each:
            console.print(health.table(stack, last))
    if as_json and not each:
        write_json(last)
    elif not each:
        console.print(health.table(stack, last))
    return last
