"""A second process that ends a backup or restore if the first process cannot.

Its arguments are the id of the work, and how to resume the auction afterwards. It reads two lines from standard input:
the ledger's location, and the word `done`. If the input ends without that word, the first process was killed, or its
engine did not answer at the end of the work. The second process then runs `recover`, so the auction is not left held.
"""

import itertools
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress

from gix_ledger.errors import ENGINE_ERRORS, LedgerError, OldLedgerKeptError
from gix_ledger.location import LedgerLocation
from gix_ledger.recovery import recover

_DONE = "done"
_FIRST_WAITS_SECONDS = (0, 1, 2, 4, 8, 16)
_WAIT_SECONDS = 30
"""Delay before each later try."""
_TRIES_FOR_SECONDS = 24 * 60 * 60
"""Limit for all tries. An engine can be unreachable for a night."""


@contextmanager
def watched(ledger: LedgerLocation, work: str, owed: str) -> Iterator[None]:
    """Run `recover` at the end of the block, or let a second process run it if this process cannot.

    Raises LedgerError if this process cannot. The text says so, and that the second process continues to try.
    """
    watcher = subprocess.Popen(
        [sys.executable, "-m", "gix_ledger.guard", work, owed],
        stdin=subprocess.PIPE,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        text=True,
        start_new_session=True,
    )
    _tell(watcher, ledger.to_json())
    failure = ""
    try:
        yield
    except (LedgerError, *ENGINE_ERRORS) as error:
        failure = f"{error}; and "
        raise
    finally:
        try:
            recover(ledger, work, owed)
        except OldLedgerKeptError:
            _release(watcher)
            raise
        except LedgerError as error:
            # The second process takes over, since its input ends without the word `done`.
            _close(watcher)
            raise LedgerError(
                f"{failure}{error}; {ledger.container} may be held until then: a background process tries again for "
                f"{_TRIES_FOR_SECONDS // 3600} hours; once the engine answers, gixctl doctor --fix does the same"
            ) from error
        else:
            _release(watcher)


def _tell(watcher: subprocess.Popen[str], line: str) -> None:
    with suppress(BrokenPipeError):
        if watcher.stdin is not None:
            watcher.stdin.write(f"{line}\n")
            watcher.stdin.flush()


def _close(watcher: subprocess.Popen[str]) -> None:
    with suppress(BrokenPipeError):
        if watcher.stdin is not None:
            watcher.stdin.close()


def _release(watcher: subprocess.Popen[str]) -> None:
    _tell(watcher, _DONE)
    _close(watcher)
    watcher.wait()


def main() -> None:
    """Wait for `done`, or run `recover` if the input ends without it."""
    _, work, owed = sys.argv
    ledger = LedgerLocation.from_json(sys.stdin.readline())
    if sys.stdin.readline().strip() == _DONE:
        return
    waited = 0
    for seconds in itertools.chain(_FIRST_WAITS_SECONDS, itertools.repeat(_WAIT_SECONDS)):
        time.sleep(seconds)
        waited += seconds
        # Any error may be temporary, and no other process tries.
        with suppress(Exception):
            recover(ledger, work, owed)
            return
        if waited > _TRIES_FOR_SECONDS:
            return


if __name__ == "__main__":
    main()
