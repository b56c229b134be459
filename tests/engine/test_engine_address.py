"""An engine that is reached by an address: plain on loopback, and with TLS, by a proxy before the real engine."""

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

from tests.engine.test_failures import failure
from tests.support.jobs import settle
from tests.support.stack_under_test import StackUnderTest

CHUNK = 2**16


def socket_of(client: docker.DockerClient) -> str:
    """The path of the socket that a client of an engine of this machine talks to."""
    adapter = client.api.get_adapter(client.api.base_url)
    assert isinstance(adapter, UnixHTTPAdapter)
    return str(adapter.socket_path)


@contextmanager
def proxy(client: docker.DockerClient, context: ssl.SSLContext | None = None) -> Iterator[int]:
    """Pass connections to a loopback port on to the engine's socket; the port is what is given."""
    engine = socket_of(client)
    listener = socket.create_server(("127.0.0.1", 0))

    def shuttle(source: socket.socket, sink: socket.socket) -> None:
        with contextlib.suppress(OSError):
            while chunk := source.recv(CHUNK):
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
        # Closed alone, it would take one connection more: a thread waits for it.
        listener.shutdown(socket.SHUT_RDWR)
        listener.close()


def certificates(directory: Path) -> Path:
    """One certificate that signs itself, for engine and client, under the names that Docker gives such files."""
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


def test_an_engine_at_a_port_of_loopback(fresh: StackUnderTest, client: docker.DockerClient) -> None:
    with proxy(client) as port:
        fresh.change(engine={"host": f"tcp://127.0.0.1:{port}"})
        told = fresh.up().output
        assert "not this machine's" in told
        settle(fresh, jobs=1)
        assert fresh.up().is_empty


def test_an_engine_behind_tls(fresh: StackUnderTest, client: docker.DockerClient, tmp_path: Path) -> None:
    directory = certificates(tmp_path / "certificates")
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(directory / "cert.pem", directory / "key.pem")
    context.load_verify_locations(directory / "ca.pem")
    context.verify_mode = ssl.CERT_REQUIRED
    with proxy(client, context) as port:
        fresh.change(engine={"host": f"tcp://127.0.0.1:{port}"})
        assert "no engine answers" in failure(fresh)

        fresh.change(engine={"certPath": str(directory)})
        fresh.up()
        settle(fresh, jobs=1)
        assert fresh.up().is_empty
