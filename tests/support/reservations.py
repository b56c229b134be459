"""Reserves ports and subnets per process, so that tests in parallel never use the same one.

All processes of a user lock one file. The lock on byte N stands for the number N. The kernel releases the locks of a
process when it ends, however it ends.
"""

import errno
import fcntl
import os
import tempfile
import threading
from collections.abc import Callable, Iterator
from pathlib import Path


class Reservations:
    """Numbers, each reserved by one process until it ends. `file` is common to all processes that must not share."""

    def __init__(self, file: Path) -> None:
        self._file = file
        self._descriptor: int | None = None
        self._owner = 0
        self._mine: set[int] = set()
        self._one_at_a_time = threading.Lock()

    def first_free(self, candidates: Iterator[int], *, usable: Callable[[int], bool]) -> int:
        """Reserve the first of `candidates` that is not reserved and is `usable`, which is called while it is reserved.

        Raises LookupError if there is none.
        """
        with self._one_at_a_time:
            descriptor = self._opened()
            for number in candidates:
                if number not in self._mine and _locked(descriptor, number):
                    if usable(number):
                        self._mine.add(number)
                        return number
                    fcntl.lockf(descriptor, fcntl.LOCK_UN, 1, number)
        raise LookupError("nothing is free")

    def _opened(self) -> int:
        # A forked child inherits its parent's memory and descriptor, but not its locks.
        if self._descriptor is None or self._owner != os.getpid():
            self._descriptor = os.open(self._file, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
            self._owner = os.getpid()
        return self._descriptor


def _locked(descriptor: int, number: int) -> bool:
    try:
        fcntl.lockf(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB, 1, number)
    except OSError as error:
        if error.errno in (errno.EAGAIN, errno.EACCES):
            return False
        raise
    return True


def shared_reservations(kind: str) -> Reservations:
    """The reservations of one kind, common to all processes of this user."""
    return Reservations(Path(tempfile.gettempdir()) / f"gix-test-{kind}-{os.getuid()}")
