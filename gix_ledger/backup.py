"""Takes a backup of a ledger, while the auction serves."""

import contextlib
import io
import os
import time
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from gix_ledger import archive, helper
from gix_ledger.archive import Progress, ignore_progress
from gix_ledger.errors import LedgerError
from gix_ledger.ledger import Ledger
from gix_ledger.manifest import MANIFEST_NAME, Manifest, Source
from gix_ledger.work import Hold, Work, work

DIRECTORY = "backups"
"""Where archives go that are given no other name, in the program's directory."""
SUFFIX = ".tar.gz"
PARTIAL_SUFFIX = ".partial"
"""Ends the name of an archive that is not whole."""

_COPY = "/copy"
_COPIED = b"copied\n"
# The copy shares the ledger's blocks where the file system can do that, and is far faster than reading it from here.
_SCRIPT = f"""
test ! -e "$1/{archive.WORK_DIRECTORY}" || {{ echo "a restore was cut off on it; run that restore again" >&2; exit 3; }}
cp --archive --reflink=auto "$1/." {_COPY}
printf 'copied\\n' >&2
exec tar --create --file=- --format=posix --pax-option=delete=atime,delete=ctime --numeric-owner --directory={_COPY} \
    --exclude=./{MANIFEST_NAME} .
"""


@dataclass(frozen=True, kw_only=True)
class Taken:
    """A backup that was taken. `held_seconds` is how long the auction was kept from writing."""

    file: str
    manifest: Manifest
    archive_bytes: int
    held_seconds: float


def default_file(directory: Path, stack: str) -> Path:
    """A name for a backup of a stack's ledger that is taken now, for a program in `directory`."""
    return directory / DIRECTORY / f"{stack}-{datetime.now(UTC):%Y%m%dT%H%M%SZ}{SUFFIX}"


def take(
    ledger: Ledger, target: Path, *, program: str, how: Hold = "pause", progress: Progress = ignore_progress
) -> Taken:
    """Write an archive of the ledger to `target`, which must not exist; `program` is the version that takes it.

    The auction is held while the volume is copied on the engine, and goes on while the copy is read. Until all of it is
    on the disk the file is called otherwise. Raises LedgerError where it can't be done; no archive is left then.
    """
    if target.exists():
        raise LedgerError(f"{target} exists; give another name, or remove it")
    partial = target.with_name(target.name + PARTIAL_SUFFIX)
    source = Source(stack=ledger.label, volume=ledger.volume, image=ledger.image, program=program)
    command = ["sh", "-euc", _SCRIPT, "backup", "/data"]
    with _file(partial) as file, work(ledger, "backup", command, how=how, scratch=_COPY) as at_work:
        copy = _Copy(at_work)
        manifest = archive.pack(copy, file, source, progress)
        copy.finish()
        file.flush()
        os.fsync(file.fileno())
        partial.rename(target)
        _to_disk(target.parent)
        size = file.tell()
    return Taken(file=str(target), manifest=manifest, archive_bytes=size, held_seconds=copy.held_seconds)


@contextlib.contextmanager
def _file(partial: Path) -> Iterator[io.BufferedWriter]:
    try:
        partial.parent.mkdir(parents=True, exist_ok=True)
        # A ledger is nobody's business but its owner's.
        descriptor = os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        with os.fdopen(descriptor, "wb") as file:
            yield file
    except OSError as error:
        raise LedgerError(f"{partial} can't be written: {error.strerror or error}") from error
    finally:
        partial.unlink(missing_ok=True)


def _to_disk(directory: Path) -> None:
    descriptor = os.open(directory, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


class _Copy:
    """The tar that the helper writes; the auction is held from the start until the helper has its copy."""

    def __init__(self, at_work: Work) -> None:
        self._work = at_work
        self._words = b""
        self._held_since = time.monotonic()
        self.held_seconds = 0.0
        self._held = at_work.hold()
        self._stream = helper.output(at_work.container)

    def read(self, _size: int, /) -> bytes:
        """What comes next, as much as there is; a tar reader asks again for the rest."""
        return next((said for said in self._heard() if said), b"")

    def finish(self) -> None:
        """See that the helper ended well; raises LedgerError with its last words where it did not."""
        for _said in self._heard():
            pass
        code = self._work.container.wait()["StatusCode"]
        if code:
            raise LedgerError(f"the backup failed (exit code {code}): {helper.last_words(self._words)}")

    def _heard(self) -> Iterator[bytes | None]:
        for said, complained in self._stream:
            self._words += complained or b""
            if not self.held_seconds and _COPIED in self._words:
                if self._held is not None and self._work.state() != self._held:
                    raise LedgerError("somebody let the auction go on while its ledger was copied; take it again")
                self._work.resume()
                self.held_seconds = time.monotonic() - self._held_since
            yield said
