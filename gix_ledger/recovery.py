"""What brings a ledger back to order, however a backup or a restore ended: done, failed, or cut off."""

import docker
from docker.errors import APIError, NotFound
from docker.models.containers import Container

from gix_ledger import helper
from gix_ledger.errors import ENGINE_ERRORS, LedgerError
from gix_ledger.ledger import Ledger


def recover(ledger: Ledger, work: str | None = None) -> list[str]:
    """End what is left of backups and restores of the ledger's stack, or of one `work`; say what was done.

    A restore whose swap had begun is carried on to its end, any other is taken back. Then the auction goes on, where
    a backup or restore held it. A backup or restore at work is ended with an error of its own. Raises LedgerError
    where it can't be done; nothing of the ledger is lost then, and the auction is left as it is.
    """
    client = ledger.connect()
    try:
        return [done for container in helper.of(client, ledger, work) for done in _end(client, ledger, container)]
    except ENGINE_ERRORS as error:
        raise LedgerError(f"the ledger can't be brought to order: {error}") from error


def _end(client: docker.DockerClient, ledger: Ledger, container: Container) -> list[str]:
    verb = container.labels[helper.HELPER_LABEL]
    done = []
    try:
        if verb == "restore":
            done += _settle(client, ledger, container)
        elif container.status == "running":
            # Before the auction goes on, so that it does not read what is being written.
            helper.kill(container)
        done += resume(client, ledger, container.labels[helper.RESUME_LABEL])
    except NotFound:
        # Another process was faster, at the same work.
        return done
    helper.remove(container)
    return done


def _settle(client: docker.DockerClient, ledger: Ledger, container: Container) -> list[str]:
    # A swap that runs is never interrupted: it ends by itself.
    code = container.wait()["StatusCode"] if container.status == "running" else container.attrs["State"]["ExitCode"]
    if container.status != "created" and code == 0:
        return []
    helper.run(
        client,
        ledger,
        container.labels[helper.WORK_LABEL],
        helper.swap_command("settle"),
        f"the end of a restore that was cut off on {ledger.volume}",
        image=container.attrs["Image"],
    )
    return [f"ended the restore of {ledger.volume} that was cut off"]


def resume(client: docker.DockerClient, ledger: Ledger, owed: str) -> list[str]:
    """Let the auction go on as a helper's label says that it is owed; say what was done."""
    auction = ledger.auction(client)
    if auction is None:
        return []
    try:
        if owed == "unpause" and auction.status == "paused":
            auction.unpause()
            return [f"let {ledger.container} go on"]
        if owed == "start" and auction.status in {"exited", "created"}:
            auction.start()
            return [f"started {ledger.container}"]
    except NotFound:
        # An update was faster to remove it.
        return []
    except APIError as error:
        raise LedgerError(f"{ledger.container} does not go on: {error.explanation}") from error
    return []
