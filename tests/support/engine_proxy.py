"""A proxy for the engine that lets tests act before each request."""

import re
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import BinaryIO

from tests.support.engine_socket import connect_to_engine

_BLOCK_BYTES = 2**16


class EngineProxy:
    """Listens on a loopback port and forwards requests to the engine of the tests.

    `before` is called with each request, such as `POST /containers/ID/start`. If it returns False, the request is
    dropped.
    """

    def __init__(self, before: Callable[[str], bool]) -> None:
        self._before = before
        self._listener = socket.create_server(("127.0.0.1", 0))
        self._open: set[socket.socket] = set()
        self._cut = False
        self._lock = threading.Lock()

    @property
    def address(self) -> str:
        """The address, as DOCKER_HOST."""
        return f"tcp://127.0.0.1:{self._listener.getsockname()[1]}"

    def cut(self) -> None:
        """Close every connection, and accept none until `restore`."""
        with self._lock:
            self._cut = True
            for each in self._open:
                with suppress(OSError):
                    each.shutdown(socket.SHUT_RDWR)

    def restore(self) -> None:
        """Accept connections again."""
        with self._lock:
            self._cut = False

    def close(self) -> None:
        """Stop listening and close every connection."""
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        self.cut()

    def serve(self) -> None:
        """Accept connections until `close`."""
        while True:
            try:
                client, _ = self._listener.accept()
            except OSError:
                return
            threading.Thread(target=self._connection, args=[client], daemon=True).start()

    def _connection(self, client: socket.socket) -> None:
        with client, connect_to_engine() as engine:
            with self._lock:
                if self._cut:
                    return
                self._open |= {client, engine}
            answers = threading.Thread(target=_answers, args=[engine, client], daemon=True)
            answers.start()
            with suppress(OSError):
                self._requests(client, engine)
            with suppress(OSError):
                engine.shutdown(socket.SHUT_WR)
            answers.join()
            with self._lock:
                self._open -= {client, engine}

    def _requests(self, client: socket.socket, engine: socket.socket) -> None:
        heard = client.makefile("rb")
        while first := heard.readline():
            head = first
            while (line := heard.readline()) not in {b"\r\n", b""}:
                head += line
            if not self._before(_request_name(first)):
                engine.shutdown(socket.SHUT_RDWR)
                return
            engine.sendall(head + b"\r\n")
            for block in _body(head.lower(), heard):
                engine.sendall(block)


def _body(head: bytes, heard: BinaryIO) -> Iterator[bytes]:
    if b"transfer-encoding: chunked" in head:
        size = -1
        while size:
            line = heard.readline()
            size = int(line.split(b";")[0], 16)
            yield line + heard.read(size + 2)
    elif length := re.search(rb"content-length: (\d+)", head):
        yield heard.read(int(length[1]))


def _request_name(first: bytes) -> str:
    method, path, _ = first.decode().split(" ")
    return f"{method} {re.sub(r'^/v[0-9.]+', '', path.partition('?')[0])}"


def _answers(engine: socket.socket, client: socket.socket) -> None:
    with suppress(OSError):
        while block := engine.recv(_BLOCK_BYTES):
            client.sendall(block)
    with suppress(OSError):
        client.shutdown(socket.SHUT_RDWR)


@contextmanager
def engine_proxy(before: Callable[[str], bool]) -> Iterator[EngineProxy]:
    """A proxy that runs for the time of the block."""
    proxy = EngineProxy(before)
    thread = threading.Thread(target=proxy.serve)
    thread.start()
    try:
        yield proxy
    finally:
        proxy.close()
        thread.join()
