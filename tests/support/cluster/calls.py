"""Calls of Python functions from within the network of a cluster, where its published ports are reached."""

import ctypes
import os
from collections.abc import Iterator
from concurrent.futures import Executor, ProcessPoolExecutor
from contextlib import contextmanager
from multiprocessing import get_context
from pathlib import Path
from typing import Final

from tests.support.cluster.machines import Machines

_NEW_NETWORK: Final = 0x4000_0000
"""CLONE_NEWNET of <sched.h>."""


@contextmanager
def calls_inside(machines: Machines) -> Iterator[Executor]:
    """A process in the network of the switch that makes calls: `calls.submit(jobs.ask, router, job).result()`."""
    # A new process, since gRPC may have started threads in this one, which would stay in this machine's network.
    context = get_context("spawn")
    with ProcessPoolExecutor(1, context, initializer=_enter, initargs=(machines.network,)) as executor:
        yield executor


def _enter(network: Path) -> None:
    """Move the calling thread, and those that it starts, into a network namespace."""
    library = ctypes.CDLL(None, use_errno=True)
    with network.open() as file:
        if library.setns(file.fileno(), _NEW_NETWORK):
            raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()), str(network))
