"""A proxy for the Docker engine that cuts off the output of a container."""

import re
import socket
import struct
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field

from tests.support.engine_socket import connect_to_engine

_PIECE_BYTES = 2**16
_FRAME = struct.Struct(">BxxxL")
_STANDARD_OUTPUT = 1
_ATTACH = re.compile(rb"POST (?:/v[0-9.]+)?/containers/([0-9a-f]+)/attach\b")


@dataclass
class CuttingProxy:
    """Forwards everything except the output of containers for whose id `cut` is true.

    After `limit` bytes of their standard output the connection ends; None means no limit. With `quiet`, a piece of
    their standard error that contains these bytes is dropped, and the connection ends with the output.
    """

    cut: Callable[[str], bool]
    limit: int | None = None
    quiet: bytes | None = None
    arrived: int = 0
    """Bytes of standard output that were forwarded."""
    _listener: socket.socket = field(default_factory=lambda: socket.create_server(("127.0.0.1", 0)))

    @property
    def address(self) -> str:
        """The address, as DOCKER_HOST."""
        return f"tcp://127.0.0.1:{self._listener.getsockname()[1]}"

    def serve(self) -> None:
        """Forward connections until `close`."""
        with suppress(OSError):
            while True:
                client, _ = self._listener.accept()
                threading.Thread(target=self._serve_one, args=(client,), daemon=True).start()

    def close(self) -> None:
        """Accept no more connections."""
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()

    def _serve_one(self, client: socket.socket) -> None:
        attached = threading.Event()
        with client, connect_to_engine() as engine:
            back = threading.Thread(target=self._back, args=(engine, client, attached), daemon=True)
            back.start()
            with suppress(OSError):
                while piece := client.recv(_PIECE_BYTES):
                    request = _ATTACH.match(piece)
                    if request is not None and self.cut(request[1].decode()):
                        attached.set()
                    engine.sendall(piece)
            _end(engine)
            back.join()

    def _back(self, engine: socket.socket, client: socket.socket, attached: threading.Event) -> None:
        with suppress(OSError):
            while piece := engine.recv(_PIECE_BYTES):
                if attached.is_set():
                    head, end, rest = piece.partition(b"\r\n\r\n")
                    client.sendall(head + end)
                    self._frames(_Exactly(engine, rest), client)
                    break
                client.sendall(piece)
        _end(client)
        _end(engine)

    def _frames(self, engine: "_Exactly", client: socket.socket) -> None:
        while header := engine.read(_FRAME.size):
            stream, size = _FRAME.unpack(header)
            content = engine.read(size)
            if stream == _STANDARD_OUTPUT:
                if self.limit is not None and self.arrived + size > self.limit:
                    client.sendall(header + content[: self.limit - self.arrived])
                    self.arrived = self.limit
                    return
                self.arrived += size
            elif self.quiet is not None and self.quiet in content:
                continue
            client.sendall(header + content)


class _Exactly:
    """Reads exactly as many bytes as requested, or none at the end."""

    def __init__(self, source: socket.socket, ahead: bytes) -> None:
        self._source = source
        self._ahead = ahead

    def read(self, size: int) -> bytes:
        while len(self._ahead) < size:
            piece = self._source.recv(_PIECE_BYTES)
            if not piece:
                return b""
            self._ahead += piece
        block, self._ahead = self._ahead[:size], self._ahead[size:]
        return block


def _end(connection: socket.socket) -> None:
    with suppress(OSError):
        connection.shutdown(socket.SHUT_RDWR)


@contextmanager
def cutting_proxy(
    cut: Callable[[str], bool], *, limit: int | None = None, quiet: bytes | None = None
) -> Iterator[CuttingProxy]:
    """A proxy that runs for the time of the block."""
    proxy = CuttingProxy(cut=cut, limit=limit, quiet=quiet)
    thread = threading.Thread(target=proxy.serve, daemon=True)
    thread.start()
    try:
        yield proxy
    finally:
        proxy.close()
        thread.join()
