"""The containers that can write to a ledger: all that mount its volume, also those of other programs."""

from collections.abc import Collection
from pathlib import PurePosixPath
from typing import Any

import docker
from docker.errors import APIError, NotFound
from docker.models.containers import Container

from gix_ledger.errors import LedgerError
from gix_ledger.location import LedgerLocation
from gix_model.environment import HELPER_LABEL

ACTIVE = frozenset({"running", "restarting", "paused"})
"""States in which a container writes, or can continue to write without being started."""

_GRACE_SECONDS = 10
"""Docker's default, for a container without a stop timeout."""
_SWARM_SERVICE = "com.docker.swarm.service.name"
"""Label of the container of a task: the name of its service."""
_STOPS = 3
"""Number of tries to stop a container that something else starts again."""


def active(client: docker.DockerClient, ledger: LedgerLocation) -> list[str]:
    """Names of the active containers that can write to the ledger's volume, helpers excluded.

    These containers mount the volume by its name, or the volume's directory on the engine's machine.
    """
    where = PurePosixPath(client.api.inspect_volume(ledger.volume)["Mountpoint"])
    return [
        each["Names"][0].removeprefix("/") if each["Names"] else each["Id"]
        for each in client.api.containers(all=True)
        if each["State"] in ACTIVE
        and HELPER_LABEL not in (each["Labels"] or {})
        and any(_writes(mount, ledger.volume, where) for mount in each["Mounts"] or [])
    ]


def _writes(mount: dict[str, Any], volume: str, where: PurePosixPath) -> bool:
    if not mount["RW"]:
        return False
    if mount["Type"] == "volume":
        return bool(mount["Name"] == volume)
    return mount["Type"] == "bind" and PurePosixPath(mount["Source"]).is_relative_to(where)


def refuse(client: docker.DockerClient, ledger: LedgerLocation, *, but: Collection[str] = ()) -> None:
    """Raise LedgerError if containers other than those named in `but` can write to the ledger."""
    found = [name for name in active(client, ledger) if name not in but]
    if found:
        raise LedgerError(
            f"{ledger.volume} is in use by {', '.join(found)}, whose writes during a restore would be lost; "
            f"stop it (docker stop {' '.join(found)}), then run the restore again; the ledger is unchanged"
        )


def stop(client: docker.DockerClient, name: str) -> None:
    """Stop a container in any state with its own signal and grace period. It may be missing.

    The engine's restart policies do not start it again. Raises LedgerError if something else does.
    """
    for _try in range(_STOPS):
        try:
            container = client.containers.get(name)
            if container.status not in ACTIVE:
                return
            container.stop(timeout=container.attrs["Config"].get("StopTimeout") or _GRACE_SECONDS)
            container.reload()
        except NotFound:
            return
        except APIError as error:
            raise LedgerError(f"{name} cannot be stopped: {error.explanation}") from error
        if container.status not in ACTIVE:
            return
    raise LedgerError(f"{name} is started again each time it is stopped; end what starts it, then try again")


def start(client: docker.DockerClient, name: str) -> list[str]:
    """Start a container that was stopped, and return what was done. It may be missing.

    That of a task in Swarm is left: Swarm has replaced it. Raises LedgerError if it cannot be started.
    """
    try:
        container = client.containers.get(name)
        if _SWARM_SERVICE in container.labels:
            return []
        if container.status == "restarting":
            container.restart()
        else:
            container.start()
    except NotFound:
        return []
    except APIError as error:
        raise LedgerError(f"{name} cannot be started: {error.explanation}; see docker logs {name}") from error
    return [f"started {name}"]


def of_service(client: docker.DockerClient, service: str) -> list[Container]:
    """The containers on an engine of the tasks of a service in Swarm, also ended ones."""
    filters: dict[str, str | list[str] | bool] = {"label": f"{_SWARM_SERVICE}={service}"}
    return list(client.containers.list(all=True, filters=filters, ignore_removed=True))
