"""`gixctl logs`."""

import dataclasses
import itertools
import json
import re
import sys
from collections.abc import Iterator
from typing import Annotated

import typer
from rich.console import Console

from gix_ops import log_text, logs
from gix_ops.commands.options import JsonOption, StackOption, read_stack, service_names
from gix_ops.commands.streaming import has_reader, until_interrupted
from gix_ops.errors import StackError
from gix_ops.log_stream import Line, UnreadableLogError

HEADING = "Inspect"

ServicesArgument = Annotated[
    list[str] | None,
    typer.Argument(
        metavar="SERVICE", help="Services to show, or edge. Default: all services.", autocompletion=service_names
    ),
]
FollowOption = Annotated[bool, typer.Option("--follow", "-f", help="Follow the log output until Ctrl-C.")]
SinceOption = Annotated[
    str | None, typer.Option(metavar="TIME", help="Show lines since TIME: 10m, or 2026-01-02T15:04:05Z.")
]
TailOption = Annotated[
    int | None, typer.Option("--tail", "-n", metavar="N", min=0, help="Show the last N lines of each service.")
]
GrepOption = Annotated[
    str | None, typer.Option(metavar="REGEX", help="Show only lines that match a Python regular expression.")
]
TimestampsOption = Annotated[bool, typer.Option("--timestamps", "-t", help="Show the time of each line.")]


def command(
    wanted: ServicesArgument = None,
    stack: StackOption = None,
    follow: FollowOption = False,
    since: SinceOption = None,
    tail: TailOption = None,
    grep: GrepOption = None,
    timestamps: TimestampsOption = False,
    as_json: JsonOption = False,
) -> None:
    """Show the logs of the services, ordered by time.

    The log of the edge is shown only if it is named: gixctl logs edge.

    --follow also follows containers that are restarted or replaced, and reports a container that is missing. Ctrl-C
    ends it with 0.

    In Swarm, the logs are those of all tasks on all nodes, also of ended ones that Swarm keeps. --tail holds for each.

    --tail and --since select lines first; --grep filters the result. --json prints one object per line: time, service,
    stream (stdout or stderr) and line. Set NO_COLOR to turn colors off.

    Exits with 1 if a container is missing or its log driver keeps no logs; the lines of the other services are shown.
    Exits with 2 if --grep or --since cannot be parsed.

    Example: gixctl logs auction --since 1h --grep 'ERROR|WARN'
    """
    pattern = _pattern(grep)
    read = read_stack(stack)
    try:
        sources = logs.sources(read, read.connect(), wanted or (), since=since, tail=tail)
    except ValueError as error:
        raise typer.BadParameter(f"{since} {error}", param_hint="--since") from None
    unread: list[UnreadableLogError] = []
    lines: Iterator[Line | None] = logs.history(sources, unread.append)
    if follow:
        # `logs.follow` reports the same unreadable logs, and keeps looking for them.
        unread = []
        lines = itertools.chain(lines, logs.follow(sources, lambda error: typer.echo(f"gixctl: {error}", err=True)))
    if pattern is not None:
        lines = (line for line in lines if line is None or pattern.search(line.line))
    titles = [title for each in sources for title in each.titles]
    style = log_text.Style.choose(Console(), titles, timestamps=timestamps)
    with until_interrupted():
        for line in lines:
            if line is not None:
                text = json.dumps(dataclasses.asdict(line)) if as_json else style.text(line)
                sys.stdout.write(f"{text}\n")
            elif not has_reader():
                return
            if follow:
                sys.stdout.flush()
        sys.stdout.flush()
    if unread:
        raise StackError("; ".join(dict.fromkeys(map(str, unread))))


def _pattern(text: str | None) -> re.Pattern[str] | None:
    try:
        return None if text is None else re.compile(text)
    except re.error as error:
        raise typer.BadParameter(f"{text} is not a regular expression: {error}", param_hint="--grep") from None
