"""The connection to the Docker engine, for what the program itself asks it."""

from pathlib import Path
from typing import Any

import docker
from docker.tls import TLSConfig

from gix_model.settings import EngineSettings

_ANSWER_WITHIN_SECONDS = 20


class _Client(docker.APIClient):
    def merge_environment_settings(self, url: Any, proxies: Any, stream: Any, verify: Any, cert: Any) -> Any:
        # Left open, REQUESTS_CA_BUNDLE of the environment goes before the authority that certPath names.
        named = self.verify if verify is None else verify
        return super().merge_environment_settings(url, proxies, stream, named, cert)


def connect(settings: EngineSettings, directory: Path) -> docker.DockerClient:
    """A client of the engine: the configured one, else DOCKER_HOST's, else this machine's.

    Relative paths start at `directory`. Raises docker.errors.DockerException where the engine does not answer.
    """
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
    client = docker.DockerClient.__new__(docker.DockerClient)
    client.api = _Client(
        base_url=settings.host,
        version="auto",
        tls=tls or False,
        timeout=_ANSWER_WITHIN_SECONDS,
        use_ssh_client=settings.host.startswith("ssh://"),
    )
    return client
