"""Output that continues until the user presses Ctrl-C or the reader closes the pipe."""

import contextlib
import os
import select
import sys
from collections.abc import Iterator


@contextlib.contextmanager
def until_interrupted() -> Iterator[None]:
    """End without an error on Ctrl-C, and when the reader closes the pipe."""
    try:
        yield
    except KeyboardInterrupt:
        return
    except BrokenPipeError:
        # At exit, the interpreter flushes the rest of the buffer, and would report the broken pipe again.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def has_reader() -> bool:
    """Whether the terminal or pipe behind standard output is still open."""
    output = select.poll()
    output.register(sys.stdout, 0)
    return not output.poll(0)
