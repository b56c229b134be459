"""The Docker SDK's client. Imported late: see Engine.api."""

from typing import Any

import docker


class Client(docker.APIClient):
    """A client that checks the engine's certificate against the authority in the provider's settings."""

    def merge_environment_settings(  # noqa: D102 - as in its base
        self,
        url: Any,
        proxies: Any,
        stream: Any,
        verify: Any,
        cert: Any,
    ) -> Any:
        # Without this, REQUESTS_CA_BUNDLE of the environment overrides that authority.
        named = self.verify if verify is None else verify
        return super().merge_environment_settings(url, proxies, stream, named, cert)
