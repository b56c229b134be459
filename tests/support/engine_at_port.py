"""The engine at a port of loopback, plain or with TLS: a proxy in front of the engine's socket."""

import contextlib
import shutil
import socket
import ssl
import subprocess
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import docker
from docker.transport import UnixHTTPAdapter

_CHUNK_BYTES = 2**16


def _socket_path(client: docker.DockerClient) -> str:
    """The path of the engine's socket."""
    adapter = client.api.get_adapter(client.api.base_url)
    assert isinstance(adapter, UnixHTTPAdapter)
    return str(adapter.socket_path)


@contextmanager
def proxy(client: docker.DockerClient, context: ssl.SSLContext | None = None) -> Iterator[int]:
    """Pass connections to a loopback port on to the engine's socket.

    Yields the port. With `context` the port speaks TLS.
    """
    engine = _socket_path(client)
    listener = socket.create_server(("127.0.0.1", 0))

    def shuttle(source: socket.socket, sink: socket.socket) -> None:
        with contextlib.suppress(OSError):
            while chunk := source.recv(_CHUNK_BYTES):
                sink.sendall(chunk)
        with contextlib.suppress(OSError):
            sink.shutdown(socket.SHUT_WR)

    def serve() -> None:
        with contextlib.suppress(OSError):
            while True:
                accepted, _ = listener.accept()
                threading.Thread(target=connect, args=(accepted,), daemon=True).start()

    def connect(accepted: socket.socket) -> None:
        try:
            near = context.wrap_socket(accepted, server_side=True) if context else accepted
        except (ssl.SSLError, OSError):
            accepted.close()
            return
        with near, socket.socket(socket.AF_UNIX) as far:
            far.connect(engine)
            answer = threading.Thread(target=shuttle, args=(far, near), daemon=True)
            answer.start()
            shuttle(near, far)
            answer.join()

    threading.Thread(target=serve, daemon=True).start()
    try:
        yield listener.getsockname()[1]
    finally:
        # The thread in `accept` would take one more connection if the socket were only closed.
        listener.shutdown(socket.SHUT_RDWR)
        listener.close()


def certificates(directory: Path) -> Path:
    """Make a self-signed certificate for engine and client, with the file names that Docker expects."""
    directory.mkdir()
    openssl = shutil.which("openssl")
    assert openssl, "this test needs openssl: apt-get install openssl"
    subprocess.run(
        [
            *(openssl, "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"),
            *("-days", "1", "-subj", "/CN=localhost", "-addext", "subjectAltName=IP:127.0.0.1,DNS:localhost"),
            *("-keyout", str(directory / "key.pem"), "-out", str(directory / "cert.pem")),
        ],
        check=True,
        capture_output=True,
    )
    shutil.copy(directory / "cert.pem", directory / "ca.pem")
    return directory


def server_context(directory: Path, *, verify_clients: bool = True) -> ssl.SSLContext:
    """The engine's side of TLS with the files of `certificates`."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(directory / "cert.pem", directory / "key.pem")
    if verify_clients:
        context.load_verify_locations(directory / "ca.pem")
        context.verify_mode = ssl.CERT_REQUIRED
    return context
