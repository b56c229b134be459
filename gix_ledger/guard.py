"""Watches over a backup or restore from a process of its own, and brings the ledger to order if that one cannot.

Its arguments name the work and what it owes the auction. It reads the ledger and then the word `done` from standard
input, a line each. An end without the word means that the process at work was killed, or that its engine did not answer
when the work ended: neither leaves the auction held.
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
"""Before each try after the first ones."""
_TRIES_FOR_SECONDS = 24 * 60 * 60
"""An engine can be out of reach for a night."""


@contextmanager
def watched(ledger: LedgerLocation, work: str, owed: str) -> Iterator[None]:
    """Have `recover` end a work with the block, or another process do it if this one can't.

    Raises LedgerError where this process can't: the text says so, and that the other one goes on trying.
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
            # Its input ends without the word.
            _close(watcher)
            raise LedgerError(
                f"{failure}{error}; {ledger.container} may be held until then: a process in the background tries again "
                f"for {_TRIES_FOR_SECONDS // 3600} hours; once the engine answers, gixctl doctor --fix does it, too"
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
    """Wait for the word or the end."""
    _, work, owed = sys.argv
    ledger = LedgerLocation.from_json(sys.stdin.readline())
    if sys.stdin.readline().strip() == _DONE:
        return
    waited = 0
    for seconds in itertools.chain(_FIRST_WAITS_SECONDS, itertools.repeat(_WAIT_SECONDS)):
        time.sleep(seconds)
        waited += seconds
        # Whatever goes wrong now may go well later, and nobody else is there to try.
        with suppress(Exception):
            recover(ledger, work, owed)
            return
        if waited > _TRIES_FOR_SECONDS:
            return


if __name__ == "__main__":
    main()
