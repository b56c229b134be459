"""Moments of a backup, recognized from outside, and a backup that is killed at one of them."""

import signal
import subprocess
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from gix_model.environment import HELPER_LABEL
from tests.support.gixctl import command
from tests.support.stack_under_test import StackUnderTest

_WITHIN_SECONDS = 60


@dataclass
class Run:
    """The visible progress of a backup to the file `target`. `events` are pairs of an action and a container."""

    target: Path
    events: list[tuple[str, str]] = field(default_factory=list)

    @property
    def partial_bytes(self) -> list[int]:
        """The sizes of the partial files beside the target."""
        return [path.stat().st_size for path in self.target.parent.glob(f"{self.target.name}.*.partial")]


MOMENTS: Mapping[str, Callable[[Run], bool]] = {
    "its file is there": lambda run: run.partial_bytes != [],
    "its helper is created": lambda run: ("create", "helper") in run.events,
    "the auction is held": lambda run: ("pause", "auction") in run.events or ("die", "auction") in run.events,
    "the copy begins": lambda run: ("start", "helper") in run.events,
    "the auction goes on": lambda run: ("unpause", "auction") in run.events or ("start", "auction") in run.events,
    "bytes arrive": lambda run: sum(run.partial_bytes) > 0,
    "the archive has its name": lambda run: run.target.exists(),
}
"""In the order in which a backup reaches them."""


def kill_backup(stack: StackUnderTest, target: Path, moment: Callable[[Run], bool], *options: str) -> Run:
    """Start a backup and kill it with SIGKILL at a moment. Fails if it ends before."""
    run = Run(target=target)
    events = stack.client.events(decode=True, filters={"type": "container"})
    listener = threading.Thread(target=_listen, args=(stack, events, run))
    listener.start()
    process = subprocess.Popen(**command(stack, "backup", str(target), *options))
    try:
        deadline = time.monotonic() + _WITHIN_SECONDS
        while not moment(run):
            assert process.poll() is None, f"the backup was over before, after {run.events}"
            assert time.monotonic() < deadline, run.events
            time.sleep(0.001)
    finally:
        process.send_signal(signal.SIGKILL)
        code = process.wait()
        events.close()
        listener.join()
    assert code == -signal.SIGKILL, f"the backup was over before, after {run.events}"
    return run


def _listen(stack: StackUnderTest, events: Any, run: Run) -> None:
    for event in events:
        about = event["Actor"]["Attributes"]
        if about["name"] == f"{stack.prefix}-gix-auction":
            run.events.append((event["Action"], "auction"))
        elif about["name"] == f"{stack.prefix}-gcam-data-helper" and about.get(HELPER_LABEL) == "backup":
            run.events.append((event["Action"], "helper"))
