"""Runs commands of the peers, and measures how long they take and how much memory they need."""

import os
import subprocess
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from pathlib import Path

import psutil

_MEMORY_INTERVAL = 0.1
"""Seconds between two readings of the memory of the commands."""


class BenchmarkError(Exception):
    """A command failed, or the result of a case is wrong. The text is shown to the user."""


def run(*command: str, directory: Path, variables: Mapping[str, str] | None = None) -> str:
    """Run a command and return its standard output. Raises BenchmarkError with its whole output if it fails."""
    # Without bytecode Python compiles a program at each start, which no user does.
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
    done = subprocess.run(
        command,
        cwd=directory,
        env=environment | dict(variables or {}),
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        raise BenchmarkError(f"{' '.join(command)}: exit code {done.returncode}\n{done.stdout}{done.stderr}")
    return done.stdout


def seconds(action: Callable[[], object]) -> float:
    """The time that an action takes."""
    start = time.perf_counter()
    action()
    return time.perf_counter() - start


def at_the_same_time(actions: Sequence[Callable[[], object]]) -> None:
    """Start all actions at once and wait for all. Raises the first error."""
    with ThreadPoolExecutor(len(actions)) as pool:
        for done in [pool.submit(action) for action in actions]:
            done.result()


class PeakMemory:
    """The most memory that the descendants of this process used at one time, in bytes."""

    def __init__(self) -> None:
        self.bytes = 0
        self._stop = threading.Event()

    def watch(self) -> None:
        """Note the memory until `stop` is called."""
        while not self._stop.wait(_MEMORY_INTERVAL):
            self.bytes = max(self.bytes, _memory_of_commands())

    def stop(self) -> None:
        """End `watch`."""
        self._stop.set()


@contextmanager
def peak_memory() -> Iterator[PeakMemory]:
    """Measure the memory of the commands that run during the block."""
    peak = PeakMemory()
    watcher = threading.Thread(target=peak.watch)
    watcher.start()
    try:
        yield peak
    finally:
        peak.stop()
        watcher.join()


def _memory_of_commands() -> int:
    """The memory of all descendants of this process. Each shared page is divided by the number of its processes."""
    total = 0
    for process in psutil.Process().children(recursive=True):
        # A process may end at any moment.
        with suppress(psutil.Error):
            total += process.memory_full_info().pss
    return total
