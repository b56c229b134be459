"""A `gixctl` command that runs until it is interrupted, and the command line of one."""

import contextlib
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from queue import Empty, Queue
from threading import Thread

import pytest

from tests.support.stack_under_test import PROGRAM, StackUnderTest

WITHIN_SECONDS = 30


def command(stack: str, words: tuple[str, ...]) -> list[str]:
    """The command line of `gixctl WORDS`. --stack stands before a `--`."""
    at = words.index("--") if "--" in words else len(words)
    return [sys.executable, "-P", "-m", "gix_ops.cli", *words[:at], "--stack", stack, *words[at:]]


def environment(stack: StackUnderTest) -> dict[str, str]:
    return os.environ | stack.variables | {"PYTHONPATH": str(PROGRAM), "COLUMNS": "200"}


class Running:
    """A running `gixctl` command and the lines of its standard output."""

    def __init__(self, stack: StackUnderTest, *words: str) -> None:
        self._process = subprocess.Popen(
            command(stack.name, words),
            cwd=stack.directory,
            env=environment(stack),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        self._lines: Queue[str] = Queue()
        self._reader = Thread(target=self._read, daemon=True)
        self._reader.start()

    def _read(self) -> None:
        assert self._process.stdout
        for line in self._process.stdout:
            self._lines.put(line.rstrip("\n"))

    @property
    def is_silent(self) -> bool:
        return self._lines.empty()

    def line(self, pattern: str) -> str:
        """The next line that matches `pattern`."""
        deadline = time.monotonic() + WITHIN_SECONDS
        seen = []
        while (left := deadline - time.monotonic()) > 0:
            with contextlib.suppress(Empty):
                seen.append(self._lines.get(timeout=left))
                if re.search(pattern, seen[-1]):
                    return seen[-1]
        pytest.fail(f"no line with {pattern!r} in {WITHIN_SECONDS} s, but {seen}")

    def error_line(self) -> str:
        """The next line of standard error."""
        assert self._process.stderr
        return self._process.stderr.readline()

    def rest(self) -> list[str]:
        """The lines that are left after the command has ended."""
        self._reader.join(WITHIN_SECONDS)
        return [self._lines.get() for _ in range(self._lines.qsize())]

    def interrupt(self) -> tuple[int, str]:
        """Send SIGINT. Returns the exit code and standard error."""
        self._process.send_signal(signal.SIGINT)
        return self.end()

    def end(self) -> tuple[int, str]:
        """Wait for the end. Returns the exit code and standard error."""
        code = self._process.wait(WITHIN_SECONDS)
        assert self._process.stderr
        return code, self._process.stderr.read()

    def kill(self) -> None:
        self._process.kill()
        self._process.wait()


@contextlib.contextmanager
def running(stack: StackUnderTest, *words: str) -> Iterator[Running]:
    started = Running(stack, *words)
    try:
        yield started
    finally:
        started.kill()
