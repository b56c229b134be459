"""The connection of the program and of gixctl to the Docker engine."""

import os
from pathlib import Path
from typing import Any

import docker
from docker.tls import TLSConfig

from gix_engine import ssh_transport
from gix_model.settings import EngineSettings

_ANSWER_WITHIN_SECONDS = 20
_LOCAL_SCHEMES = frozenset({"unix", "http+unix", "npipe"})


class _DockerClient(docker.DockerClient):
    def __init__(self, api: docker.APIClient) -> None:
        # Not called: the SDK's constructor, which makes an API client of its own and connects it.
        self.api = api


class _Client(docker.APIClient):
    def merge_environment_settings(self, url: Any, proxies: Any, stream: Any, verify: Any, cert: Any) -> Any:
        # Without this, REQUESTS_CA_BUNDLE of the environment overrides the authority in certPath.
        named = self.verify if verify is None else verify
        return super().merge_environment_settings(url, proxies, stream, named, cert)


def address(settings: EngineSettings) -> str | None:
    """The engine's address. Default: DOCKER_HOST. None means this machine's own socket."""
    return settings.host or os.environ.get("DOCKER_HOST") or None


def is_local(settings: EngineSettings) -> bool:
    """Whether the engine runs on this machine. Only that of a socket or a pipe of the file system certainly does.

    An engine at tcp:// or ssh:// counts as remote, also on a loopback address, which may be the end of a tunnel.
    """
    scheme, separator, _ = (address(settings) or "unix://").partition("://")
    return bool(separator) and scheme in _LOCAL_SCHEMES


def connect(settings: EngineSettings, directory: Path) -> docker.DockerClient:
    """A client of the configured engine. Default: that of DOCKER_HOST, or this machine's.

    Relative paths start at `directory`. Raises docker.errors.DockerException or OSError if the engine does not answer.
    """
    host = address(settings)
    if host is not None and host.startswith(ssh_transport.SCHEME):
        return _DockerClient(ssh_transport.connect(_Client, host, timeout=_ANSWER_WITHIN_SECONDS))
    if settings.host is None:
        return docker.from_env(timeout=_ANSWER_WITHIN_SECONDS)
    tls = None
    if settings.cert_path is not None:
        certificates = directory / Path(settings.cert_path).expanduser()
        tls = TLSConfig(
            client_cert=(str(certificates / "cert.pem"), str(certificates / "key.pem")),
            ca_cert=str(certificates / "ca.pem"),
            verify=True,
        )
    return _DockerClient(
        _Client(
            base_url=settings.host,
            version="auto",
            tls=tls or False,
            timeout=_ANSWER_WITHIN_SECONDS,
        )
    )
