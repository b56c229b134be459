"""The Docker SDK's client, with what it lacks. Imported late: see Engine.api."""

import base64
import json
from collections.abc import Mapping
from typing import Any

import docker
import requests
from docker.errors import create_api_error_from_http_exception


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

    def create_service_from_spec(self, spec: Mapping[str, Any], credentials: Mapping[str, str]) -> dict[str, Any]:
        """Create a service of the Swarm.

        The SDK's own call takes no login: it uses that of `docker login`.

        Args:
            spec: the service, in the engine's form.
            credentials: the login with which the nodes pull its image. Empty for none.

        Raises:
            APIError: the engine refuses.

        """
        return self._post_service("services/create", spec, credentials)

    def update_service_from_spec(
        self, service_id: str, version: int, spec: Mapping[str, Any], credentials: Mapping[str, str]
    ) -> None:
        """Change a service of the Swarm.

        The SDK's own call keeps what it is not given. This one sets all of the service.

        Args:
            service_id: the service.
            version: the version of it that was read.
            spec: what it becomes, in the engine's form.
            credentials: the login with which the nodes pull its image. Empty for none.

        Raises:
            APIError: the engine refuses.

        """
        self._post_service(f"services/{service_id}/update?version={version}", spec, credentials)

    def _post_service(self, path: str, spec: Mapping[str, Any], credentials: Mapping[str, str]) -> dict[str, Any]:
        login = base64.urlsafe_b64encode(json.dumps(credentials).encode()).decode()
        response = self.post(
            f"{self.base_url}/v{self.api_version}/{path}",
            json=spec,
            headers={"X-Registry-Auth": login},
            timeout=self.timeout,
        )
        try:
            response.raise_for_status()
        except requests.HTTPError as error:
            create_api_error_from_http_exception(error)
        answer: dict[str, Any] = response.json()
        return answer
