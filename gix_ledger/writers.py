"""The containers that can write to a ledger: all that mount its volume, also those of other programs."""

from pathlib import PurePosixPath
from typing import Any

import docker
from docker.errors import APIError, NotFound

from gix_ledger.errors import LedgerError
from gix_ledger.location import LedgerLocation
from gix_model.environment import HELPER_LABEL

ACTIVE = frozenset({"running", "restarting", "paused"})
"""States in which a container writes, or can continue to write without being started."""

_GRACE_SECONDS = 10
"""Docker's default, for a container without a stop timeout."""
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


def refuse(client: docker.DockerClient, ledger: LedgerLocation, *, but: str | None = None) -> None:
    """Raise LedgerError if containers other than `but` can write to the ledger."""
    found = [name for name in active(client, ledger) if name != but]
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
