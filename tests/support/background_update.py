"""`pulumi up` as a process that tests watch, and kill."""

import os
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress

import psutil

from tests.support.stack_under_test import StackUnderTest

_WITHIN_SECONDS = 60


@contextmanager
def update(stack: StackUnderTest) -> Iterator["subprocess.Popen[bytes]"]:
    """Start `pulumi up` in a session of its own. The end of the block waits for it."""
    stack.write()
    with subprocess.Popen(
        ["pulumi", "up", "--yes", "--skip-preview", "--non-interactive", "--stack", stack.name],
        cwd=stack.directory,
        env=os.environ | stack.variables,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    ) as process:
        yield process


def kill_update(stack: StackUnderTest, once: Callable[[], bool]) -> None:
    """Start `pulumi up`, and kill it and its plugins as soon as `once` holds."""
    with update(stack) as process:
        deadline = time.monotonic() + _WITHIN_SECONDS
        while not once():
            assert time.monotonic() < deadline
            assert process.poll() is None, "the update was at its end before it could be killed"
            time.sleep(0.05)
        plugins = list(_plugins(process.pid))
        process.kill()
        for each in plugins:
            with suppress(psutil.NoSuchProcess):
                each.kill()


def _plugins(update: int) -> Iterator[psutil.Process]:
    """The resource plugins of the update with this process id. They have sessions of their own, so they survive it.

    What watches over a copy of the ledger is a child process, too. It is made to survive the update.
    """
    for each in psutil.Process(update).children(recursive=True):
        with suppress(psutil.NoSuchProcess):
            if each.name().startswith("pulumi-resource-"):
                yield each
