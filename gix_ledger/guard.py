"""Watches over a backup or restore from a process of its own, and brings the ledger to order if that one dies.

Its argument names the work; it reads the ledger and then the word `done` from standard input, a line each. An end
without the word means that the process at work was killed: not even SIGKILL leaves the auction held.
"""

import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress

from gix_ledger.errors import LedgerError
from gix_ledger.ledger import Ledger
from gix_ledger.recovery import recover

_DONE = "done"
_WAITS_SECONDS = (0, 1, 5, 15)
"""Before each try: nobody sees it fail, and what the engine refuses now it may do a moment later."""


@contextmanager
def watched(ledger: Ledger, work: str) -> Iterator[None]:
    """Have `recover` end a work with the block, or another process do it if this one does not live so long."""
    watcher = subprocess.Popen(
        [sys.executable, "-m", "gix_ledger.guard", work],
        stdin=subprocess.PIPE,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        text=True,
        start_new_session=True,
    )
    try:
        if watcher.stdin is not None:
            watcher.stdin.write(ledger.text() + "\n")
            watcher.stdin.flush()
        yield
    finally:
        try:
            recover(ledger, work)
        finally:
            with suppress(BrokenPipeError):
                watcher.communicate(f"{_DONE}\n")


def main() -> None:
    """Wait for the word or the end."""
    ledger = Ledger.of(sys.stdin.readline())
    if sys.stdin.readline().strip() == _DONE:
        return
    for seconds in _WAITS_SECONDS:
        time.sleep(seconds)
        with suppress(LedgerError):
            recover(ledger, sys.argv[1])
            return


if __name__ == "__main__":
    main()
