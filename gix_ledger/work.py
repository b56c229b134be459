"""A backup or a restore at work: its helper, the auction that it holds, and an end that leaves neither behind."""

import secrets
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Literal

import docker
from docker.errors import APIError
from docker.models.containers import Container

from gix_ledger import guard, helper
from gix_ledger.errors import ENGINE_ERRORS, LedgerError
from gix_ledger.ledger import Ledger
from gix_ledger.recovery import resume

Hold = Literal["pause", "stop"]
"""How the auction is kept from writing: frozen between two instructions, or ended with its own signal."""

_GRACE_SECONDS = 10
"""Docker's own, where the container states none."""
_OWED = {"pause": "unpause", "stop": "start"}
_HELD = {"pause": "paused", "stop": "exited"}


@dataclass(frozen=True, kw_only=True)
class Work:
    """Work on a ledger: `container` is the helper, created and not started."""

    client: docker.DockerClient
    ledger: Ledger
    container: Container
    how: Hold
    id: str

    def look(self, script: str, *words: str) -> bytes:
        """Run a shell script with the ledger at /data; see `helper.look`."""
        return helper.look(self.client, self.ledger, self.id, script, *words)

    def hold(self) -> str | None:
        """Keep the auction from writing; the state that it is in then, None for one that does not run anyway."""
        auction = self.ledger.auction(self.client)
        if auction is None or auction.status != "running":
            return None
        try:
            if self.how == "pause":
                auction.pause()
            else:
                auction.stop(timeout=auction.attrs["Config"].get("StopTimeout") or _GRACE_SECONDS)
        except APIError as error:
            if self.state() != "running":
                # Somebody was faster to end it, as an update does.
                return None
            raise LedgerError(f"{self.ledger.container} can't be held: {error.explanation}") from error
        return _HELD[self.how]

    def state(self) -> str | None:
        """The engine's word for what the auction does now; None where there is no container."""
        auction = self.ledger.auction(self.client)
        return None if auction is None else auction.status

    def resume(self) -> None:
        """Let the auction go on, as the end of the work does anyway."""
        resume(self.client, self.ledger, self.container.labels[helper.RESUME_LABEL])


@contextmanager
def work(
    ledger: Ledger, verb: helper.Verb, command: Sequence[str], *, how: Hold, scratch: str | None = None
) -> Iterator[Work]:
    """Begin work on a ledger; at its end, come what may, the helper is gone and the auction goes on.

    The helper's name lets no second backup or restore begin beside it. Raises LedgerError where there is one, or the
    engine fails.
    """
    client = ledger.connect()
    try:
        ledger.check(client)
        auction = ledger.auction(client)
        owed = _OWED[how] if auction is not None and auction.status == "running" else "nothing"
        identity = secrets.token_hex(8)
        with guard.watched(ledger, identity):
            container = helper.create(
                client,
                ledger,
                verb,
                command,
                work=identity,
                name=f"{ledger.volume}-helper",
                resume=owed,
                scratch=scratch,
            )
            yield Work(client=client, ledger=ledger, container=container, how=how, id=identity)
    except ENGINE_ERRORS as error:
        raise LedgerError(f"the {verb} failed: {error}") from error
