"""The Docker SDK's client, imported late: see Engine.api."""

from typing import Any

import docker

from offline.docker_plugin import ssh_transport

ssh_transport.install()


class Client(docker.APIClient):
    """A client that checks an engine's certificate against the authority that the engine's settings name."""

    def merge_environment_settings(  # noqa: D102 - as in its base
        self,
        url: Any,
        proxies: Any,
        stream: Any,
        verify: Any,
        cert: Any,
    ) -> Any:
        # Left open, REQUESTS_CA_BUNDLE of the environment goes before it.
        named = self.verify if verify is None else verify
        return super().merge_environment_settings(url, proxies, stream, named, cert)
