"""Sets how many tasks a service of a Swarm should have. Everything else of the service stays as it is."""

from typing import Any

import docker
import requests
from docker.errors import APIError, create_api_error_from_http_exception

_TRIES = 5
"""Number of tries while something else updates the service."""
_OUT_OF_SEQUENCE = "out of sequence"
_ANSWER_WITHIN_SECONDS = 20


def replicas(client: docker.DockerClient, service: str) -> int:
    """How many tasks a replicated service should have. Raises docker.errors.NotFound if the Swarm does not have it."""
    return _replicas(_inspect(client, service))


def scale(client: docker.DockerClient, service: str, wanted: int) -> bool:
    """Let a replicated service have `wanted` tasks. Returns whether it had another number; does not wait for the tasks.

    Raises docker.errors.DockerException, NotFound if the Swarm does not have the service, or OSError.
    """
    for tries_left in reversed(range(_TRIES)):
        record = _inspect(client, service)
        if _replicas(record) == wanted:
            return False
        try:
            _update(client, record, {**record["Spec"], "Mode": {"Replicated": {"Replicas": wanted}}})
        except APIError as error:
            if not (tries_left and _OUT_OF_SEQUENCE in str(error.explanation)):
                raise
        else:
            return True
    raise AssertionError("the last try raises")


def _inspect(client: docker.DockerClient, service: str) -> dict[str, Any]:
    # The SDK's types lack what it has for Swarm.
    api: Any = client.api
    found: dict[str, Any] = api.inspect_service(service)
    return found


def _replicas(record: dict[str, Any]) -> int:
    return int(((record["Spec"].get("Mode") or {}).get("Replicated") or {}).get("Replicas", 0))


def _update(client: docker.DockerClient, record: dict[str, Any], spec: dict[str, Any]) -> None:
    """Send the whole specification. The SDK's `update_service` leaves out parts of it, such as `RollbackConfig`."""
    api = client.api
    response = api.post(
        f"{api.base_url}/v{api.api_version}/services/{record['ID']}/update",
        params={"version": record["Version"]["Index"]},
        json=spec,
        timeout=_ANSWER_WITHIN_SECONDS,
    )
    try:
        response.raise_for_status()
    except requests.HTTPError as error:
        create_api_error_from_http_exception(error)
