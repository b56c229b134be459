"""Verbs that look at a stack, and change nothing."""

import contextlib
import dataclasses
import itertools
import json
import os
import re
import select
import sys
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.live import Live

from gix_components import units
from gix_components.catalog import CATALOG
from gix_components.settings import EngineSettings
from gix_ops import graph, graph_svg, health, log_text, logs, services, shell, status
from gix_ops.commands.options import JsonOption, StackOption, read_stack, write_json
from gix_ops.errors import StackError
from gix_ops.health import ServiceHealth
from gix_ops.logs import Line, UnreadableLogError
from gix_ops.stack import Stack

PANEL = "Look"


def _services(incomplete: str) -> list[str]:
    return [service for service in CATALOG if service.startswith(incomplete)]


ServiceArgument = Annotated[
    str, typer.Argument(help="router, auction or enclave.", autocompletion=_services, show_default=False)
]
WaitOption = Annotated[
    str | None,
    typer.Option("--wait", metavar="TIME", help="Wait until all are healthy, at the most so long: 60s, 1m30s."),
]
WatchOption = Annotated[bool, typer.Option("--watch", "-w", help="Look again each second, until Ctrl-C.")]
ServicesArgument = Annotated[
    list[str] | None,
    typer.Argument(metavar="SERVICE", help="Of which services; of all without.", autocompletion=_services),
]
FollowOption = Annotated[bool, typer.Option("--follow", "-f", help="Go on with what is written, until Ctrl-C.")]
SinceOption = Annotated[
    str | None,
    typer.Option(metavar="TIME", help="From when on: 10m ago, 2026-01-02, 2026-01-02T15:04:05Z, seconds since 1970."),
]
TailOption = Annotated[int | None, typer.Option("--tail", "-n", min=0, help="The last so many lines of each service.")]
GrepOption = Annotated[
    str | None, typer.Option(metavar="REGEX", help="Of these, the lines that hold this regular expression.")
]
TimestampsOption = Annotated[bool, typer.Option("--timestamps", "-t", help="Show when each line was written.")]
CommandArgument = Annotated[
    list[str] | None,
    typer.Argument(metavar="COMMAND", help="What to run; bash without, or sh where there is no bash."),
]
UserOption = Annotated[
    str | None, typer.Option("--user", "-u", metavar="USER", help="As whom: UID, UID:GID or root; 1000:1000 without.")
]
FileArgument = Annotated[
    Path | None, typer.Argument(help="Where to write the picture; standard output without.", dir_okay=False)
]

app = typer.Typer()


@app.command("status", rich_help_panel=PANEL)
def status_command(stack: StackOption = None, as_json: JsonOption = False) -> None:
    """Show every service in a line: container, image digest, address, health.

    The address is the host's, or where the service is not published, that in the network. A container that does not run
    has its state in place of its health: exited, paused, missing. gixctl health shows more, and waits.

    Exits with 0 only if all are healthy, and with 1 otherwise.
    """
    read = read_stack(stack)
    found = status.statuses(read)
    if as_json:
        write_json(found)
    else:
        Console().print(status.table(read, found))
    if not all(each.is_healthy for each in found):
        raise typer.Exit(1)


@app.command("health", rich_help_panel=PANEL)
def health_command(
    stack: StackOption = None, wait: WaitOption = None, watch: WatchOption = False, as_json: JsonOption = False
) -> None:
    """Show how every service is: health, uptime, restarts, image digest, published ports, last probe.

    The probe is the container's own health check; exit code, output and time of the last one are shown, and with
    --json those of the last five. A container that is not there is missing.

    With --wait the answer comes as soon as all are healthy, or when the time is over; what is unhealthy, stopped or
    missing now is given its time, too. With --watch the table is kept up to date; with --json, too, that is one JSON
    document a line.

    Exits with 0 only if all are healthy, and with 1 otherwise, which names those that are not. Ctrl-C ends --watch
    with 0.

    For a script, after an update: gixctl health --wait 60s --stack staging
    """
    if wait is not None and watch:
        raise typer.BadParameter("give --wait or --watch, not both")
    seconds = 0.0 if wait is None else _seconds(wait)
    read = read_stack(stack)
    client = read.engine()
    if watch:
        with _until_left():
            _show(read, health.watch(read, client), as_json=as_json, each=True)
        return
    found = _show(read, health.wait(read, client, seconds), as_json=as_json, each=False)
    if not all(each.is_healthy for each in found):
        raise StackError(f"{'' if wait is None else f'after {wait}: '}{health.unhealthy(found)}")


@app.command("logs", rich_help_panel=PANEL)
def logs_command(
    wanted: ServicesArgument = None,
    stack: StackOption = None,
    follow: FollowOption = False,
    since: SinceOption = None,
    tail: TailOption = None,
    grep: GrepOption = None,
    timestamps: TimestampsOption = False,
    as_json: JsonOption = False,
) -> None:
    """Show what the services wrote, put together by time, each line with its service.

    With --follow, containers that are restarted, or replaced by pulumi up, are followed further; while one is missing,
    that is told. Ctrl-C ends it, and so does the end of what reads the output, both with 0.

    --tail and --since choose lines first, and --grep picks from those; its expression is one of Python's. --json writes
    one object a line: time, service, stream (stdout or stderr), line. Services have colours on a terminal, and none
    where NO_COLOR is set.

    Exits with 1 where a container is missing, or its log driver keeps nothing to read (none, for one), after the lines
    of the others. A --grep or --since that can't be read gives 2.

    The auction's errors of the last hour: gixctl logs auction --since 1h --grep 'ERROR|WARN'
    """
    pattern = _pattern(grep)
    read = read_stack(stack)
    try:
        sources = logs.of(read, read.engine(), wanted or (), since=since, tail=tail)
    except ValueError as error:
        raise typer.BadParameter(f"{since} {error}", param_hint="--since") from None
    unread: list[UnreadableLogError] = []
    lines: Iterator[Line | None] = logs.history(sources, unread.append)
    if follow:
        # It tells of the same logs, and goes on to look for them.
        unread = []
        lines = itertools.chain(lines, logs.follow(sources, lambda error: typer.echo(f"gixctl: {error}", err=True)))
    if pattern is not None:
        lines = (line for line in lines if line is None or pattern.search(line.line))
    style = log_text.Style.of(Console(), [each.service for each in sources], timestamps=timestamps)
    with _until_left():
        for line in lines:
            if line is not None:
                text = json.dumps(dataclasses.asdict(line)) if as_json else style.text(line)
                sys.stdout.write(f"{text}\n")
            elif not _is_read():
                return
            if follow:
                sys.stdout.flush()
        sys.stdout.flush()
    if unread:
        raise StackError("; ".join(map(str, unread)))


@app.command("shell", rich_help_panel=PANEL)
def shell_command(
    service: ServiceArgument, command: CommandArgument = None, stack: StackOption = None, user: UserOption = None
) -> None:
    """Open a shell in a service's container, or run a command there.

    That is docker exec on the stack's own engine; the docker command is the one of PATH, or that which GIX_DOCKER
    names. Standard input is passed on, and there is a terminal where gixctl has one. What changes in there is gone with
    the container, but for the ledger under the auction's /data.

    Exits with what the command exits with; with 1 where the container is not running.

    gixctl shell auction

    gixctl shell auction --user root -- ls -l /data
    """
    read = read_stack(stack)
    container = services.running(read, read.engine(), service)
    call = shell.invocation(
        EngineSettings.model_validate(read.outputs["engine"]),
        read.directory,
        container.name,
        command or (),
        user=user,
        terminal=sys.stdin.isatty() and sys.stdout.isatty(),
        environment=os.environ,
    )
    os.execve(call.words[0], call.words, call.environment)  # noqa: S606 - the command gets the terminal and the signals


@app.command("graph", rich_help_panel=PANEL)
def graph_command(file: FileArgument = None, stack: StackOption = None) -> None:
    """Draw the stack as SVG: services with their health, host ports, network, ledger, and who asks whom.

    The picture shows what the engine has now. It has no times and no ids in it: the same stack gives the same bytes.

    Exits with 1 where a container, the network or the volume is missing; the picture is drawn all the same, and says
    so.

    gixctl graph docs/architecture.svg
    """
    read = read_stack(stack)
    found = graph.read(read, read.engine())
    picture = graph_svg.draw(found)
    if file is None:
        typer.echo(picture, nl=False)
    else:
        try:
            file.write_text(picture, encoding="utf-8")
        except OSError as error:
            raise StackError(f"the picture can't be written to {file}: {error.strerror}") from error
    if found.missing:
        raise StackError(f"missing: {', '.join(found.missing)}; pulumi up --refresh makes them anew")


@app.command("address", rich_help_panel=PANEL)
def address_command(service: ServiceArgument, stack: StackOption = None) -> None:
    """Print the HOST:PORT at which the host publishes a service.

    Exits with 1 where it is not published, or the stack does not run it.
    """
    typer.echo(services.endpoint(read_stack(stack), service))


def _seconds(text: str) -> float:
    try:
        return units.seconds(text)
    except ValueError as error:
        raise typer.BadParameter(f"{text} {error}", param_hint="--wait") from None


def _pattern(text: str | None) -> re.Pattern[str] | None:
    try:
        return None if text is None else re.compile(text)
    except re.error as error:
        raise typer.BadParameter(f"{text} is no regular expression: {error}", param_hint="--grep") from None


def _show(stack: Stack, readings: Iterable[list[ServiceHealth]], *, as_json: bool, each: bool) -> list[ServiceHealth]:
    """Show each of the readings, or only the last: on a terminal one in the other's place. Returns the last."""
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


@contextlib.contextmanager
def _until_left() -> Iterator[None]:
    """End quietly on Ctrl-C, and when nobody reads the output any more."""
    try:
        yield
    except KeyboardInterrupt:
        return
    except BrokenPipeError:
        # What is still buffered has nowhere to go, and the interpreter would complain of that at its end.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def _is_read() -> bool:
    """Whether anybody is there to read the output: a pipe or a terminal tells when nobody is."""
    output = select.poll()
    output.register(sys.stdout, 0)
    return not output.poll(0)
