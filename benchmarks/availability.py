"""How long a service is unreachable: a prober connects to its published port every 10 ms."""

import socket
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager

from benchmarks.commands import BenchmarkError
from gix_model.catalog import ServiceName

_INTERVAL = 0.01
_TIMEOUT = 0.5
"""Seconds that a service has to answer a probe."""
_DEADLINE = 30
"""Seconds that a service has to become reachable before and after the measured action."""
_REQUEST = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + bytes((0, 0, 0, 4, 0, 0, 0, 0, 0)) + b"\n"
"""The start of an HTTP/2 connection, which every gRPC server answers. The engine's proxy accepts connections even if
nothing listens in the container, so a connection alone does not show that the service is reachable."""


class Prober(threading.Thread):
    """Probes one port until it is stopped. `longest_gap` is the longest time between two answered probes."""

    def __init__(self, port: int) -> None:
        super().__init__(daemon=True)
        self.longest_gap = 0.0
        self.answers = 0
        self._port = port
        self._end = threading.Event()

    def run(self) -> None:
        """Probe until `stop` is called."""
        last: float | None = None
        while not self._end.wait(_INTERVAL):
            if _answers(self._port):
                now = time.perf_counter()
                self.longest_gap = max(self.longest_gap, now - (last or now))
                self.answers += 1
                last = now

    def wait_for_answer(self) -> None:
        """Wait for the next answer. Raises BenchmarkError if there is none for 30 s."""
        seen, deadline = self.answers, time.monotonic() + _DEADLINE
        # The probe that is on its way may have started before the call.
        while self.answers < seen + 2:
            if time.monotonic() > deadline:
                raise BenchmarkError(f"port {self._port} does not answer for {_DEADLINE} s")
            time.sleep(_INTERVAL)

    def stop(self) -> None:
        """Stop and wait for the end."""
        self._end.set()
        self.join()


def _answers(port: int) -> bool:
    try:
        with socket.create_connection(("127.0.0.1", port), _TIMEOUT) as connection:
            connection.settimeout(_TIMEOUT)
            connection.sendall(_REQUEST)
            return bool(connection.recv(1))
    except OSError:
        return False


@contextmanager
def probed(ports: Mapping[ServiceName, int]) -> Iterator[dict[ServiceName, Prober]]:
    """Probe the services of a stack that is up during the block, and until all answer after it."""
    probers = {service: Prober(port) for service, port in ports.items()}
    try:
        for prober in probers.values():
            prober.start()
        for prober in probers.values():
            prober.wait_for_answer()
        yield probers
        for prober in probers.values():
            prober.wait_for_answer()
    finally:
        for prober in probers.values():
            prober.stop()
