"""What brings a ledger back to order, however a backup or a restore ended: done, failed, or cut off."""

from http import HTTPStatus

import docker
from docker.errors import APIError, NotFound
from docker.models.containers import Container

from gix_ledger import helper, writers
from gix_ledger.errors import ENGINE_ERRORS, LedgerError, OldLedgerKeptError
from gix_ledger.location import LedgerLocation
from gix_model.environment import HELPER_LABEL


def recover(ledger: LedgerLocation, work: str | None = None, owed: str | None = None) -> list[str]:
    """End what is left of backups and restores of the ledger's stack, or of one `work`; say what was done.

    A restore whose swap had begun is carried on to its end, any other is taken back. Then the scratch copy of a backup
    is removed, and the auction goes on, where a backup or restore held it. `owed` is what `work` owes the auction, for
    an earlier attempt that had removed the helper when it failed. A backup or restore at work is ended with an error of
    its own.

    Raises LedgerError where it can't be done: nothing of the ledger is lost then, and the auction is left as it is.
    Raises OldLedgerKeptError where it is done, and something wrote to the old ledger while a restore replaced it.
    """
    client = ledger.connect()
    done: list[str] = []
    kept: list[OldLedgerKeptError] = []
    try:
        # What only looks goes first, so that it is not in the way of the end of a restore.
        for container in sorted(helper.containers(client, ledger, work), key=lambda each: _verb(each) != "look"):
            try:
                done += _end(client, ledger, container)
            except OldLedgerKeptError as error:
                kept.append(error)
        # While another backup or restore has the lock, the auction's state is its affair.
        if owed is not None and not client.containers.list(all=True, filters={"name": f"^/{helper.lock(ledger)}$"}):
            done += resume(client, ledger, owed)
    except ENGINE_ERRORS as error:
        raise LedgerError(f"the ledger can't be brought to order: {error}") from error
    if kept:
        raise kept[0]
    return done


def settle(client: docker.DockerClient, ledger: LedgerLocation, work: str, *, image: str | None = None) -> None:
    """End the restore of which there is something on the volume; the auction must be stopped.

    Raises OldLedgerKeptError where it is done, and something wrote to the old ledger meanwhile.
    """
    what = f"the end of the restore on {ledger.volume}"
    kept = helper.run(client, ledger, work, helper.swap_command("settle"), what, image=image).decode().strip()
    if kept:
        raise OldLedgerKeptError(
            f"{ledger.volume} holds what the archive holds, but a container wrote to the old ledger while it was "
            f"replaced; the old ledger is kept, with what was written, in the directory {kept} on the volume: take "
            "from it what you need, then delete it"
        )


def _verb(container: Container) -> str:
    return str(container.labels[HELPER_LABEL])


def _end(client: docker.DockerClient, ledger: LedgerLocation, container: Container) -> list[str]:
    done: list[str] = []
    stopped: list[str] = []
    kept: OldLedgerKeptError | None = None
    try:
        if _verb(container) == "restore":
            if _may_have_swapped(container):
                # What was started in the last moment may have an old file open, and would go on to write there.
                stopped = writers.active(client, ledger)
                for name in stopped:
                    writers.stop(client, name)
            try:
                settle(client, ledger, container.labels[helper.WORK_LABEL], image=container.attrs["Image"])
            except OldLedgerKeptError as error:
                kept = error
            done.append(f"ended the restore of {ledger.volume} that was cut off")
        elif container.status == "running":
            # Before the auction goes on, so that it does not read what is being written.
            helper.kill(container)
        # Before the auction goes on, too: the scratch copy may have filled the disk that the auction writes to.
        helper.remove(container)
    except NotFound:
        # Another process was faster, at the same work.
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
    # A swap that runs is never interrupted: it ends by itself.
    return bool(container.wait()["StatusCode"] != helper.SWAP_REFUSED)


def resume(client: docker.DockerClient, ledger: LedgerLocation, owed: str) -> list[str]:
    """Let the auction go on as a helper's label says that it is owed; say what was done."""
    auction = ledger.auction(client)
    if auction is None:
        return []
    if owed == "unpause" and auction.status == "paused":
        return _unpause(auction)
    # One that waits for its restart policy would wait for up to a minute.
    if owed == "start" and auction.status in {"exited", "created", "restarting"}:
        return _start(client, ledger.container)
    return []


def _unpause(auction: Container) -> list[str]:
    try:
        auction.unpause()
    except NotFound:
        # An update was faster to remove it.
        return []
    except APIError as error:
        if error.status_code == HTTPStatus.CONFLICT:
            # Another process was faster.
            return []
        raise LedgerError(f"{auction.name} does not go on: {error.explanation}") from error
    return [f"let {auction.name} go on"]


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
        raise LedgerError(f"{name} does not start: {error.explanation}; see docker logs {name}") from error
    return [f"started {name}"]
