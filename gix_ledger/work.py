"""A running backup or restore: its helper, the auction that it holds, and the clean-up at its end."""

import secrets
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

import docker
from docker.models.containers import Container

from gix_ledger import guard, helper, writers
from gix_ledger.auction import Auction, Hold, auction
from gix_ledger.errors import ENGINE_ERRORS, LedgerError
from gix_ledger.location import LedgerLocation


@dataclass(frozen=True, kw_only=True)
class Work:
    """A running backup or restore. `container` is its helper, created but not started."""

    client: docker.DockerClient
    ledger: LedgerLocation
    auction: Auction
    container: Container
    how: Hold
    owed: helper.Owed
    id: str

    def inspect(self, script: str, *words: str, scratch: str | None = None) -> bytes:
        """Run a shell script with the ledger at /data. See `helper.inspect`."""
        return helper.inspect(self.client, self.ledger, self.id, script, *words, scratch=scratch)

    def hold(self) -> str | None:
        """Keep the auction from writing. Return its new state, or None if it does not run.

        An auction that waits for its restart policy is stopped, since it cannot be paused. Raises LedgerError if the
        auction's state changed since the work began, because the end of the work would then not resume it.
        """
        state = self.state()
        if state not in writers.ACTIVE:
            return None
        if self.owed == "start":
            self.auction.stop()
            return "exited"
        if self.owed == "unpause" and state == "running":
            self.auction.pause()
        state = self.state()
        if state not in writers.ACTIVE:
            # It ended meanwhile, for example by an update.
            return None
        if self.how == "pause" and state == "paused":
            return "paused"
        raise LedgerError(f"{self.ledger.container} changed its state to {state} meanwhile; try again")

    def is_held(self, held: str | None) -> bool:
        """Whether the auction still does not write. `held` is what `hold` returned."""
        state = self.state()
        return state == held or (held is None and state not in writers.ACTIVE)

    def state(self) -> str | None:
        """The auction's state as the engine reports it, or None if there is no container."""
        return self.auction.state()

    def resume(self) -> None:
        """Resume the auction before the end of the work."""
        self.auction.resume(self.owed)


@contextmanager
def work(
    ledger: LedgerLocation, verb: helper.Verb, command: Sequence[str], *, how: Hold, scratch: str | None = None
) -> Iterator[Work]:
    """Begin a backup or restore. At its end, in every case, the helper is removed and the auction resumes.

    The helper's name prevents a second backup or restore at the same time. Raises LedgerError if there is one, or if
    the engine fails.
    """
    client = ledger.connect()
    try:
        ledger.check(client)
        held = auction(client, ledger)
        owed = held.owed(how)
        identity = secrets.token_hex(8)
        with guard.watched(ledger, identity, owed):
            container = helper.create(
                client,
                ledger,
                verb,
                command,
                work=identity,
                name=helper.lock(ledger),
                resume=owed,
                scratch=scratch,
            )
            yield Work(client=client, ledger=ledger, auction=held, container=container, how=how, owed=owed, id=identity)
    except ENGINE_ERRORS as error:
        raise LedgerError(f"the {verb} failed: {error}") from error
