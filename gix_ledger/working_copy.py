"""A copy of a ledger on a volume of its own, for a service that must not touch the ledger."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from gix_ledger import backup, helper
from gix_ledger.errors import LedgerError
from gix_ledger.location import LedgerLocation
from gix_ledger.work import work
from gix_model.catalog import DATA_DIRECTORY


@dataclass(frozen=True, kw_only=True)
class WorkingCopy:
    """A copy of a ledger. `volume` is the name of its volume.

    A container that uses it has `work` as the value of its label WORK_LABEL, so that it is removed with the copy.
    """

    volume: str
    work: str


@contextmanager
def copied(ledger: LedgerLocation) -> Iterator[WorkingCopy]:
    """Copy the ledger on the engine. The copy is removed at the end, also if this process is killed.

    The auction is paused while the volume is copied, as for a backup. Raises LedgerError if a backup or restore runs,
    if the engine's disk has no space for the copy, or if the copy fails.
    """
    command = ["sh", "-euc", backup.COPY_SCRIPT, "copy", DATA_DIRECTORY, backup.COPY]
    with work(ledger, "trial", command, how="pause", scratch=backup.COPY) as at_work:
        size_bytes, engine_free_bytes = backup.engine_space(at_work)
        backup.check_space(
            ledger.volume,
            size_bytes,
            engine_free_bytes=engine_free_bytes,
            target_free_bytes=None,
            directory=ledger.directory,
        )
        held = at_work.hold()
        helper.finish(at_work.container, helper.output(at_work.container), f"the copy of {ledger.volume}")
        if not at_work.is_held(held):
            raise LedgerError("the auction was resumed while its ledger was copied; run pulumi up again")
        at_work.resume()
        at_work.container.reload()
        [volume] = [each["Name"] for each in at_work.container.attrs["Mounts"] if each["Destination"] == backup.COPY]
        yield WorkingCopy(volume=volume, work=at_work.id)
