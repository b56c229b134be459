"""Removes objects from an engine: only what was observed, by its id, and only while it still is what was observed.

A name is no identity: another program may remove a container and create a different one under the same name between
the observation and the removal. Each function returns False, and removes nothing, if the object no longer exists or is
no longer what was observed.
"""

import docker
from docker.errors import NotFound

from gix_engine import observed_state
from gix_engine.observed_state import ObservedContainer, ObservedNetwork, ObservedVolume


def remove_container(
    client: docker.DockerClient, observed: ObservedContainer, *, stop_seconds: int | None = None
) -> bool:
    """Remove a container; its volumes stay.

    With `stop_seconds` it is stopped first, with its own stop signal, and killed after that time. Default: it is killed
    at once. Raises docker.errors.DockerException or OSError if the engine refuses or does not answer.
    """
    record = observed_state.inspect_container(client, observed.id)
    if record is None or record["Name"].removeprefix("/") not in observed.names:
        return False
    try:
        if stop_seconds is not None:
            client.api.stop(observed.id, timeout=stop_seconds)
        client.api.remove_container(observed.id, force=stop_seconds is None)
    except NotFound:
        return False
    return True


def remove_network(client: docker.DockerClient, observed: ObservedNetwork) -> bool:
    """Remove a network.

    Raises docker.errors.DockerException, for example if containers are connected to it, or OSError.
    """
    try:
        client.api.remove_network(observed.id)
    except NotFound:
        return False
    return True


def remove_volume(client: docker.DockerClient, observed: ObservedVolume) -> bool:
    """Remove a volume with its content.

    Raises docker.errors.DockerException, for example if a container uses it, or OSError.
    """
    record = observed_state.inspect_volume(client, observed.name)
    if record is None or observed_state.volume(record) != observed:
        return False
    try:
        client.api.remove_volume(observed.name)
    except NotFound:
        return False
    return True
