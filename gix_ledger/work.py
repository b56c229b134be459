"""A backup or a restore at work: its helper, the auction that it holds, and an end that leaves neither behind."""

import secrets
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Literal

import docker
from docker.errors import APIError
from docker.models.containers import Container

from gix_ledger import guard, helper, writers
from gix_ledger.errors import ENGINE_ERRORS, LedgerError
from gix_ledger.location import LedgerLocation
from gix_ledger.recovery import resume

Hold = Literal["pause", "stop"]
"""How the auction is kept from writing: frozen between two instructions, or ended with its own signal."""


_PAUSE_TRIES = 5
_CANNOT_FREEZE = "unable to freeze"


@dataclass(frozen=True, kw_only=True)
class Work:
    """Work on a ledger: `container` is the helper, created and not started."""

    client: docker.DockerClient
    ledger: LedgerLocation
    container: Container
    how: Hold
    owed: helper.Owed
    id: str

    def inspect(self, script: str, *words: str, scratch: str | None = None) -> bytes:
        """Run a shell script with the ledger at /data; see `helper.look`."""
        return helper.inspect(self.client, self.ledger, self.id, script, *words, scratch=scratch)

    def hold(self) -> str | None:
        """Keep the auction from writing; the state that it is in then, None for one that does not run anyway.

        An auction that its restart policy is about to start is stopped, since it cannot be paused. Raises LedgerError
        where the auction changed its state since the work began, so that the end of the work would not undo the hold.
        """
        state = self.state()
        if state not in writers.ACTIVE:
            return None
        if self.owed == "start":
            writers.stop(self.client, self.ledger.container)
            return "exited"
        if self.owed == "unpause" and state == "running" and not self._pause():
            # Somebody was faster to end it, as an update does.
            return None
        if self.how == "pause" and self.state() == "paused":
            return "paused"
        raise LedgerError(f"{self.ledger.container} is {state} now, and was not a moment ago; try again")

    def _pause(self) -> bool:
        for tries_left in reversed(range(_PAUSE_TRIES)):
            try:
                self.client.api.pause(self.ledger.container)
            except APIError as error:
                if self.state() not in writers.ACTIVE:
                    return False
                # On a busy machine the runtime cannot freeze a container in which a process is just being started.
                if not (tries_left and _CANNOT_FREEZE in str(error.explanation)):
                    raise LedgerError(
                        f"{self.ledger.container} can't be paused: {error.explanation}; try again"
                    ) from error
            else:
                break
        return True

    def state(self) -> str | None:
        """The engine's word for what the auction does now; None where there is no container."""
        auction = self.ledger.auction(self.client)
        return None if auction is None else auction.status

    def resume(self) -> None:
        """Let the auction go on, as the end of the work does anyway."""
        resume(self.client, self.ledger, self.owed)


@contextmanager
def work(
    ledger: LedgerLocation, verb: helper.Verb, command: Sequence[str], *, how: Hold, scratch: str | None = None
) -> Iterator[Work]:
    """Begin work on a ledger; at its end, come what may, the helper is gone and the auction goes on.

    The helper's name lets no second backup or restore begin beside it. Raises LedgerError where there is one, or the
    engine fails.
    """
    client = ledger.connect()
    try:
        ledger.check(client)
        auction = ledger.auction(client)
        owed = _owed(how, None if auction is None else auction.status)
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
            yield Work(client=client, ledger=ledger, container=container, how=how, owed=owed, id=identity)
    except ENGINE_ERRORS as error:
        raise LedgerError(f"the {verb} failed: {error}") from error


def _owed(how: Hold, state: str | None) -> helper.Owed:
    """What the end of the work owes an auction that was in this state at its beginning."""
    if state == "restarting" or (how == "stop" and state in writers.ACTIVE):
        return "start"
    return "unpause" if state == "running" else "nothing"
