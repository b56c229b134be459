"""Runs commands of the peers, and measures how long they take and how much memory they need."""

import os
import subprocess
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

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
            self.bytes = max(self.bytes, sum(_proportional_memory(process) for process in _descendants(os.getpid())))

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


def _descendants(process: int) -> Iterator[int]:
    try:
        threads = list(Path(f"/proc/{process}/task").iterdir())
        children = [int(child) for thread in threads for child in (thread / "children").read_text().split()]
    except OSError:  # it has ended
        return
    for child in children:
        yield child
        yield from _descendants(child)


def _proportional_memory(process: int) -> int:
    """The memory of a process, each shared page divided by the number of processes that share it."""
    try:
        lines = Path(f"/proc/{process}/smaps_rollup").read_text().splitlines()
    except OSError:
        return 0
    return sum(int(line.split()[1]) * 1024 for line in lines if line.startswith("Pss:"))
