"""Ends backups and restores: completed, failed or interrupted ones."""

from http import HTTPStatus

import docker
from docker.errors import APIError, NotFound
from docker.models.containers import Container

from gix_ledger import helper, writers
from gix_ledger.errors import ENGINE_ERRORS, LedgerError, OldLedgerKeptError
from gix_ledger.location import LedgerLocation
from gix_model.environment import HELPER_LABEL, SERVICE_LABEL


def recover(ledger: LedgerLocation, work: str | None = None, owed: str | None = None) -> list[str]:
    """End all backups and restores of the ledger's stack, or one `work`, and return what was done.

    A restore whose exchange had begun is completed; any other is undone. Then the scratch copy of a backup is removed,
    and the auction resumes if a backup or restore held it. `owed` says how `work` resumes the auction, in case an
    earlier attempt removed the helper and then failed. A backup or restore that is still running fails with an error.

    Raises LedgerError if that is not possible. Nothing of the ledger is lost then, and the auction stays as it is.
    Raises OldLedgerKeptError if it is done, and a container wrote to the old ledger while a restore replaced it.
    """
    client = ledger.connect()
    done: list[str] = []
    kept: list[OldLedgerKeptError] = []
    try:
        for container in sorted(helper.containers(client, ledger, work), key=_order):
            try:
                done += _end(client, ledger, container)
            except OldLedgerKeptError as error:
                kept.append(error)
        # While another backup or restore has the lock, that one controls the auction.
        locks: dict[str, str | list[str] | bool] = {"name": f"^/{helper.lock(ledger)}$"}
        if owed is not None and not client.containers.list(all=True, filters=locks, ignore_removed=True):
            done += resume(client, ledger, owed)
    except ENGINE_ERRORS as error:
        raise LedgerError(f"an interrupted backup or restore cannot be ended: {error}") from error
    if kept:
        raise kept[0]
    return done


def settle(client: docker.DockerClient, ledger: LedgerLocation, work: str, *, image: str | None = None) -> None:
    """End an interrupted restore that left files on the volume. The auction must be stopped.

    Raises OldLedgerKeptError if it is done, and a container wrote to the old ledger meanwhile.
    """
    what = f"the end of the restore on {ledger.volume}"
    kept = helper.run(client, ledger, work, helper.swap_command("settle"), what, image=image).decode().strip()
    if kept:
        raise OldLedgerKeptError(
            f"{ledger.volume} has the content of the archive, but a container wrote to the old ledger while it was "
            f"replaced; the old ledger is kept, with what was written, in the directory {kept} on the volume: copy "
            "what you need from it, then delete it"
        )


def _order(container: Container) -> tuple[bool, bool]:
    """Helpers that only read come first, so that they do not delay the end of a restore.

    A service comes before the helper whose copy of the ledger it uses.
    """
    return _verb(container) != "look", SERVICE_LABEL not in container.labels


def _verb(container: Container) -> str:
    return str(container.labels[HELPER_LABEL])


def _end(client: docker.DockerClient, ledger: LedgerLocation, container: Container) -> list[str]:
    done: list[str] = []
    stopped: list[str] = []
    kept: OldLedgerKeptError | None = None
    try:
        if _verb(container) == "restore":
            if _may_have_swapped(container):
                # A container that was started meanwhile may have an old file open, and would continue to write to it.
                stopped = writers.active(client, ledger)
                for name in stopped:
                    writers.stop(client, name)
            try:
                settle(client, ledger, container.labels[helper.WORK_LABEL], image=container.attrs["Image"])
            except OldLedgerKeptError as error:
                kept = error
            done.append(f"ended the interrupted restore of {ledger.volume}")
        elif container.status == "running":
            # Killed before the auction resumes, so that it does not read files that are being written.
            helper.kill(container)
        # Removed before the auction resumes: the scratch copy may have filled the disk that the auction writes to.
        helper.remove(container)
    except NotFound:
        # Another process ended the same work.
        return done
    for name in stopped:
        done += _start(client, name)
    done += resume(client, ledger, container.labels[helper.RESUME_LABEL])
    if kept is not None:
        raise kept
    return done


def _may_have_swapped(container: Container) -> bool:
    if container.status == "created":
        return False
    # A running exchange is never interrupted; it ends by itself.
    return bool(container.wait()["StatusCode"] != helper.SWAP_REFUSED)


def resume(client: docker.DockerClient, ledger: LedgerLocation, owed: str) -> list[str]:
    """Resume the auction as `owed` says, the value of a helper's label, and return what was done."""
    auction = ledger.auction(client)
    if auction is None:
        return []
    if owed == "unpause" and auction.status == "paused":
        return _unpause(auction)
    # An auction that waits for its restart policy would wait for up to a minute.
    if owed == "start" and auction.status in {"exited", "created", "restarting"}:
        return _start(client, ledger.container)
    return []


def _unpause(auction: Container) -> list[str]:
    try:
        auction.unpause()
    except NotFound:
        # An update removed it meanwhile.
        return []
    except APIError as error:
        if error.status_code == HTTPStatus.CONFLICT:
            # Another process resumed it meanwhile.
            return []
        raise LedgerError(f"{auction.name} cannot be unpaused: {error.explanation}") from error
    return [f"unpaused {auction.name}"]


def _start(client: docker.DockerClient, name: str) -> list[str]:
    try:
        container = client.containers.get(name)
        if container.status == "restarting":
            container.restart()
        else:
            container.start()
    except NotFound:
        return []
    except APIError as error:
        raise LedgerError(f"{name} cannot be started: {error.explanation}; see docker logs {name}") from error
    return [f"started {name}"]
