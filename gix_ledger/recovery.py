"""Ends backups and restores: completed, failed or interrupted ones."""

import docker
from docker.errors import NotFound
from docker.models.containers import Container

from gix_ledger import helper, writers
from gix_ledger.auction import Auction, auction
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
            done += auction(client, ledger).resume(owed)
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
    held = auction(client, ledger)
    stopped: list[str] = []
    kept: OldLedgerKeptError | None = None
    try:
        if _verb(container) == "restore":
            if _may_have_swapped(container):
                stopped = _stop_writers(client, ledger, held)
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
        done += held.resume("start") if name == ledger.container else writers.start(client, name)
    done += held.resume(container.labels[helper.RESUME_LABEL])
    if kept is not None:
        raise kept
    return done


def _stop_writers(client: docker.DockerClient, ledger: LedgerLocation, held: Auction) -> list[str]:
    """Stop what can write to the ledger. Return the names: that of the auction is `ledger.container`, also in Swarm.

    A container that was started meanwhile may have an old file open, and would continue to write to it.
    """
    writing, own = writers.active(client, ledger), held.containers()
    others = [name for name in writing if name not in own]
    # Swarm may be about to start a task.
    writes = not own.isdisjoint(writing) or held.state() == "restarting"
    if writes:
        held.stop()
    for name in others:
        writers.stop(client, name)
    return [*([ledger.container] if writes else []), *others]


def _may_have_swapped(container: Container) -> bool:
    if container.status == "created":
        return False
    # A running exchange is never interrupted; it ends by itself.
    return bool(container.wait()["StatusCode"] != helper.SWAP_REFUSED)
