"""How long a service is unreachable, with a server that a test makes silent."""

import socket
import threading
import time

from benchmarks.availability import probed

REFUSALS = 5


def test_the_gap_is_the_time_in_which_no_probe_is_answered() -> None:
    """The server accepts connections all the time, as the engine's proxy does."""
    silent = threading.Event()
    refused: list[float] = []
    enough = threading.Event()

    def serve() -> None:
        while True:
            try:
                connection, _ = server.accept()
            except OSError:
                return
            with connection:
                if not silent.is_set():
                    connection.sendall(b"x")
                    continue
                refused.append(time.perf_counter())
                if len(refused) == REFUSALS:
                    silent.clear()
                    enough.set()

    with socket.create_server(("127.0.0.1", 0)) as server:
        thread = threading.Thread(target=serve)
        thread.start()
        with probed({"router": server.getsockname()[1]}) as probers:
            silent.set()
            assert enough.wait(30)
        server.shutdown(socket.SHUT_RDWR)
        thread.join()
    assert probers["router"].longest_gap >= refused[-1] - refused[0] > 0
