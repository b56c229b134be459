"""`gixctl shell`."""

import os
import sys
from typing import Annotated

import typer

from gix_ops import shell
from gix_ops.commands.options import ServiceArgument, StackOption, read_stack

HEADING = "Inspect"

CommandArgument = Annotated[
    list[str] | None,
    typer.Argument(metavar="COMMAND", help="Command to run. Default: bash, or sh if the image has no bash."),
]
UserOption = Annotated[
    str | None,
    typer.Option("--user", "-u", metavar="USER", help="User to run as. Default: the container's user."),
]


def command(
    service: ServiceArgument, command: CommandArgument = None, stack: StackOption = None, user: UserOption = None
) -> None:
    """Open a shell or run a command in a service's container.

    Runs `docker exec` on the stack's engine, with the docker command of GIX_DOCKER. Default: the one on PATH.
    In Swarm, it is the container of the first running task whose node has its engine's address in gix:engine.nodes.

    Changes to the container's file system are lost when the container is replaced; the ledger under /data is kept.

    Exits with the command's exit code, or with 1 if the container does not run.

    Examples: gixctl shell auction; gixctl shell auction --user root -- ls -l /data
    """
    read = read_stack(stack)
    target = shell.target(read, read.connect(), service)
    call = shell.invocation(
        target.engine,
        read.directory,
        target.container,
        command or (),
        user=user,
        terminal=sys.stdin.isatty() and sys.stdout.isatty(),
        environment=os.environ,
    )
    os.execve(call.words[0], call.words, call.environment)  # noqa: S606 - the command gets the terminal and the signals
