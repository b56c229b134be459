"""Requests to a router at a steady rate, while a test changes the stack."""

import multiprocessing
import threading
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from threading import Event

import grpc  # type: ignore[import-untyped]  # it ships no types

from benchmarks.jobs import submission
from tests.support.channels import channel
from tests.support.cluster.calls import calls_inside
from tests.support.cluster.machines import Machines

RATE = 100
"""Jobs in a second. docs/rollouts.md has figures of 200, which a machine that runs other tests does not reach."""
LEAST_RATE = 60
"""Jobs in a second that also a machine which runs other tests at the same time must reach."""
CLIENTS = 20
"""Number of clients. Each waits for its answer before it sends the next request."""
ANSWER_SECONDS = 40
"""How long a request may take. The router waits 30 s for the auction."""
_POLL_SECONDS = 0.1


@dataclass
class Load:
    """What became of the requests."""

    settled: list[str] = field(default_factory=list)
    """The jobs whose receipts came back."""
    failures: Counter[str] = field(default_factory=Counter)
    """The errors of the others."""
    longest_seconds: float = 0.0
    """The longest time that a settled job took."""
    rate: float = 0.0
    """Requests in a second, over the whole time."""


@contextmanager
def load(router: tuple[str, int], *, rate: int, credentials: grpc.ChannelCredentials | None = None) -> Iterator[Load]:
    """Send `rate` jobs in a second during the block, through one connection for each client.

    If an answer takes longer than the clients have time for, the rate is lower. With `credentials`, the connections
    use TLS.
    """
    result, lock, stop, start = Load(), threading.Lock(), threading.Event(), time.monotonic()

    def send(client: int) -> None:
        with channel(router, ANSWER_SECONDS, credentials) as connection:
            submit, number = submission(connection), 0
            while not stop.wait(max(0.0, start + (number + client / CLIENTS) * CLIENTS / rate - time.monotonic())):
                name, begun = f"load-{client}-{number}", time.monotonic()
                number += 1
                try:
                    submit(job=name, limit=10)
                except grpc.RpcError as error:
                    with lock:
                        result.failures[f"{error.code().name}: {error.details()}"] += 1
                    continue
                with lock:
                    result.settled.append(name)
                    result.longest_seconds = max(result.longest_seconds, time.monotonic() - begun)

    threads = [threading.Thread(target=send, args=(client,)) for client in range(CLIENTS)]
    for thread in threads:
        thread.start()
    try:
        yield result
    finally:
        stop.set()
        for thread in threads:
            thread.join()
        result.rate = (len(result.settled) + result.failures.total()) / (time.monotonic() - start)


@contextmanager
def load_inside(
    machines: Machines, router: tuple[str, int], *, rate: int, authority: bytes | None = None
) -> Iterator[Load]:
    """As `load`, from within the network of a cluster. The result is there after the block.

    With `authority`, the certificate of one, the connections use TLS.
    """
    result = Load()
    with multiprocessing.get_context("spawn").Manager() as manager, calls_inside(machines) as calls:
        started, stop = manager.Event(), manager.Event()
        call = calls.submit(_load_until, stop, started, router, rate, authority)
        try:
            while not started.wait(_POLL_SECONDS):
                assert not call.done(), call.exception()
            yield result
        finally:
            stop.set()
            vars(result).update(vars(call.result()))


def _load_until(stop: Event, started: Event, router: tuple[str, int], rate: int, authority: bytes | None) -> Load:
    credentials = grpc.ssl_channel_credentials(authority) if authority else None
    with load(router, rate=rate, credentials=credentials) as result:
        started.set()
        stop.wait()
    return result
