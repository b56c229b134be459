"""Waits for what another process, or the engine, is about to do."""

import time
from collections.abc import Callable

_POLL_SECONDS = 0.1


def until(reached: Callable[[], bool], what: object = None, *, within: float = 60) -> None:
    """Wait until `reached` is true, for at most `within` seconds.

    Fails with `what`, or with what it returns: the state that tells why it was not reached.
    """
    deadline = time.monotonic() + within
    while not reached():
        assert time.monotonic() < deadline, what() if callable(what) else what
        time.sleep(_POLL_SECONDS)
