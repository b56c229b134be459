"""Requests to a router at a steady rate, while a test changes the stack."""

import threading
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

import grpc  # type: ignore[import-untyped]  # it ships no types

from benchmarks.jobs import submission
from tests.support.channels import channel

RATE = 100
"""Jobs in a second. docs/rollouts.md has figures of 200, which a machine that runs other tests does not reach."""
LEAST_RATE = 60
"""Jobs in a second that also a machine which runs other tests at the same time must reach."""
CLIENTS = 20
"""Number of clients. Each waits for its answer before it sends the next request."""
ANSWER_SECONDS = 40
"""How long a request may take. The router waits 30 s for the auction."""


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
    failing_seconds: float = 0.0
    """Time from the begin of the first request that failed to the begin of the last one."""


@contextmanager
def load(router: tuple[str, int], *, rate: int, credentials: grpc.ChannelCredentials | None = None) -> Iterator[Load]:
    """Send `rate` jobs in a second during the block, through one connection for each client.

    If an answer takes longer than the clients have time for, the rate is lower. With `credentials`, the connections
    use TLS.
    """
    result, lock, stop, start = Load(), threading.Lock(), threading.Event(), time.monotonic()
    failed: list[float] = []

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
                        failed.append(begun)
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
        if failed:
            result.failing_seconds = max(failed) - min(failed)
        result.rate = (len(result.settled) + result.failures.total()) / (time.monotonic() - start)


def require_no_loss(done: Load) -> None:
    """Fail if a request failed, or if there were too few to say so."""
    assert not done.failures
    assert done.rate > LEAST_RATE
    assert len(done.settled) > LEAST_RATE
