"""Clients of an engine at ssh://, through the `ssh` command.

The Docker SDK's own way needs paramiko, which every start of a program would load. It also runs Python code in the
forked child. In a process that uses gRPC, that code sometimes breaks the connection.
"""

import os
import socket
import subprocess
from collections.abc import Sequence
from typing import Any, TypeVar
from urllib.parse import urlsplit

import docker
from docker.constants import MINIMUM_DOCKER_API_VERSION
from docker.errors import DockerException
from requests.adapters import HTTPAdapter
from urllib3.connection import HTTPConnection
from urllib3.connectionpool import HTTPConnectionPool

Client = TypeVar("Client", bound=docker.APIClient)

SCHEME = "ssh://"

_URL = "http://ssh:1"
"""The SDK refuses a URL without a port. The connection does not use it."""
_IGNORE_INTERRUPT = 'trap "" INT; exec ssh "$@"'
"""Ctrl-C ends the program that uses the connection, which then closes the connection."""
_NOT_FOR_SSH = ("LD_LIBRARY_PATH", "SSL_CERT_FILE")
"""Variables that a packaged program sets for itself."""


def connect(kind: type[Client], address: str, **options: Any) -> Client:
    """A client of the engine at `address`, such as ssh://USER@HOST:PORT, with the engine's version of the API.

    `options` are those of docker.APIClient. Raises DockerException if the address has no valid port, and OSError if the
    engine does not answer.
    """
    adapter = _Adapter(_command(address), pool_size=options.get("max_pool_size", 10))
    client = _client(kind, adapter, MINIMUM_DOCKER_API_VERSION, options)
    return _client(kind, adapter, client.version(api_version=False)["ApiVersion"], options)


def _client(kind: type[Client], adapter: "_Adapter", version: str, options: dict[str, Any]) -> Client:
    client = kind(base_url=_URL, version=version, **options)
    client.mount(_URL, adapter)
    return client


def _command(address: str) -> list[str]:
    engine = urlsplit(address)
    try:
        port = ["-p", str(engine.port)] if engine.port else []
    except ValueError as error:
        raise DockerException(f"{address}: {error}; write ssh://USER@HOST:PORT") from None
    user = ["-l", engine.username] if engine.username else []
    return [*user, *port, "--", engine.hostname or "", "docker system dial-stdio"]


class _Adapter(HTTPAdapter):
    """Sends requests through connections that each are one `ssh` command."""

    def __init__(self, command: Sequence[str], *, pool_size: int) -> None:
        super().__init__()
        self._pool = _Pool("ssh", maxsize=pool_size, command=command)

    def get_connection_with_tls_context(self, *_request: Any, **_options: Any) -> HTTPConnectionPool:
        return self._pool

    def request_url(self, request: Any, _proxies: Any) -> str:
        # No proxy of the environment is between the two ends of the command.
        return str(request.path_url)

    def close(self) -> None:
        self._pool.close()


class _Connection(HTTPConnection):
    def __init__(self, *address: Any, command: Sequence[str], **options: Any) -> None:
        super().__init__(*address, **options)
        self._command = command
        self.process: subprocess.Popen[bytes] | None = None

    def connect(self) -> None:
        ours, theirs = socket.socketpair()
        environment = {name: value for name, value in os.environ.items() if name not in _NOT_FOR_SSH}
        with theirs:
            self.process = subprocess.Popen(
                ["sh", "-c", _IGNORE_INTERRUPT, "ssh", *self._command],
                env=environment,
                stdin=theirs.fileno(),
                stdout=theirs.fileno(),
            )
        ours.settimeout(self.timeout)
        self.sock = ours

    def close(self) -> None:
        super().close()
        if self.process is not None:
            self.process.terminate()
            self.process.wait()
            self.process = None


class _Pool(HTTPConnectionPool):
    ConnectionCls = _Connection
