"""Takes a backup of a ledger while the auction serves."""

import contextlib
import errno
import io
import os
import re
import shutil
import tempfile
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from requests.exceptions import RequestException

from gix_ledger import archive, helper
from gix_ledger.archive import Progress, ignore_progress
from gix_ledger.auction import Hold
from gix_ledger.errors import ENGINE_ERRORS, LedgerError
from gix_ledger.location import LedgerLocation
from gix_ledger.manifest import MANIFEST_NAME, Manifest, Measure, Source
from gix_ledger.work import Work, work
from gix_model.catalog import DATA_DIRECTORY

DIRECTORY = "backups"
"""Default directory of archives, in the program's directory."""
SUFFIX = ".tar.gz"
PARTIAL_SUFFIX = ".partial"
"""Suffix of the name of an incomplete archive."""

MEASURE = f"""
listed() {{ find . -type f ! -path ./{MANIFEST_NAME} "$@"; }}
files=$(listed -printf . | wc -c)
bytes=$(listed -print0 | du --files0-from=- --bytes --total | tail -n 1 | cut -f 1)
sha256=$(listed -print0 | LC_ALL=C sort -z | xargs -0r sha256sum | sha256sum | cut -d ' ' -f 1)
printf 'sent %s %s %s\\n' "$files" "$bytes" "$sha256"
"""
"""Shell script that prints the `Measure` of the files in the current directory as one line: sent FILES BYTES SHA256."""

COPY = "/copy"
"""Path of the empty volume that a ledger is copied to."""
_COPIED = b"copied\n"
_SENT = re.compile(rb"^sent ([0-9]+) ([0-9]+) ([0-9a-f]{64})$", re.MULTILINE)
_ENDS_WITHIN_SECONDS = 10
"""Limit for the time between the end of a helper's output and its exit."""
_CUT_OFF = "the connection to the engine ended before the copy of the ledger had arrived; run the backup again"
_HEADROOM_BYTES = 2**24
"""Space that must stay free on the engine's disk besides the copy."""
_NO_HARD_LINKS = {errno.EPERM, errno.EOPNOTSUPP, errno.ENOSYS, errno.EMLINK}

_INSPECTION = f"""
cd "$1"
for each in {archive.WORK_DIRECTORY} {archive.RESTORED_DIRECTORY}; do
    test ! -e $each || {{ echo "a restore of the volume was interrupted; run that restore again" >&2; exit 3; }}
done
if test -L {MANIFEST_NAME} || test ! -f {MANIFEST_NAME} -a -e {MANIFEST_NAME}; then
    echo "{MANIFEST_NAME} on the volume is not a file; remove it" >&2
    exit 3
fi
du --summarize --block-size=1 . | cut -f 1
df --output=avail --block-size=1 {COPY} | tail -n 1
file=$(find . -type f -size +0 -print -quit)
if test -n "$file" && cp --reflink=always "$file" {COPY}/probe 2>/dev/null; then echo shared; else echo copied; fi
"""
# The copy shares the ledger's blocks if the file system supports it, and is far faster than a transfer to this machine.
# A failed copy is removed before the auction continues, so that the auction does not find the disk full.
COPY_SCRIPT = 'cp --archive --reflink=auto "$1/." "$2" || { find "$2" -mindepth 1 -delete; exit 1; }\n'
"""Shell script that copies the ledger $1 to the empty directory $2."""
# The measure and the tar run at the same time, so that each file is read from the disk only once.
SCRIPT = f"""
{COPY_SCRIPT}printf 'copied\\n' >&2
cd "$2"
{{ {MEASURE} }} >&2 &
tar --create --file=- --format=posix --pax-option=delete=atime,delete=ctime --numeric-owner \\
    --exclude=./{MANIFEST_NAME} .
wait $!
"""
"""Shell script that copies the ledger $1 to the empty directory $2, and writes a tar of the copy.

On standard error it prints the line `copied`, and then the copy's measure as `MEASURE` does.
"""


@dataclass(frozen=True, kw_only=True)
class Taken:
    """A completed backup. `held_seconds` is how long the auction was paused or stopped."""

    file: str
    manifest: Manifest
    archive_bytes: int
    held_seconds: float


def default_file(directory: Path, stack: str) -> Path:
    """The default file for a backup of a stack's ledger that is taken now, for a program in `directory`."""
    return directory / DIRECTORY / f"{stack}-{datetime.now(UTC):%Y%m%dT%H%M%SZ}{SUFFIX}"


def take(
    ledger: LedgerLocation, target: Path, *, program: str, how: Hold = "pause", progress: Progress = ignore_progress
) -> Taken:
    """Write an archive of the ledger to `target`, which must not exist. `program` is the version that takes it.

    The auction is held while the engine copies the volume, and continues while the copy is read. The file has another
    name until all of it is on the disk. Raises LedgerError if the backup fails; it then leaves no archive.
    """
    if os.path.lexists(target):
        raise _exists(target)
    source = Source(stack=ledger.label, volume=ledger.volume, image=ledger.image, program=program)
    command = ["sh", "-euc", SCRIPT, "backup", DATA_DIRECTORY, COPY]
    with _partial(target) as (file, partial), work(ledger, "backup", command, how=how, scratch=COPY) as at_work:
        _check_space(at_work, target.parent)
        copy = _Copy(at_work)
        try:
            manifest = archive.pack(copy, file, source, progress)
        finally:
            copy.stop()
        file.flush()
        os.fsync(file.fileno())
        place(partial, target)
        size = file.tell()
    return Taken(file=str(target), manifest=manifest, archive_bytes=size, held_seconds=copy.held_seconds)


def is_partial(name: str) -> bool:
    """Whether a file name is that of an incomplete archive."""
    return name.endswith(PARTIAL_SUFFIX) and SUFFIX in name


@contextlib.contextmanager
def _partial(target: Path) -> Iterator[tuple[io.BufferedWriter, Path]]:
    """A new file beside `target` with a random name, which only its owner can read. It is removed at the end."""
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        descriptor, name = tempfile.mkstemp(dir=target.parent, prefix=f"{target.name}.", suffix=PARTIAL_SUFFIX)
        partial = Path(name)
        try:
            with os.fdopen(descriptor, "wb") as file:
                yield file, partial
        finally:
            partial.unlink(missing_ok=True)
    except OSError as error:
        raise LedgerError(
            f"{target} cannot be written: {error.strerror or error}; free some space there, or give another name"
        ) from error


def place(partial: Path, target: Path) -> None:
    """Give a file its final name. Raises LedgerError if another file has that name."""
    try:
        try:
            os.link(partial, target)
        except OSError as error:
            if error.errno not in _NO_HARD_LINKS:
                raise
            # An empty file reserves the name until the rename replaces it.
            target.touch(mode=0o600, exist_ok=False)
            partial.rename(target)
    except FileExistsError:
        raise _exists(target) from None
    _to_disk(target.parent)


def _exists(target: Path) -> LedgerError:
    return LedgerError(f"{target} exists; give another name, or remove it")


def _check_space(at_work: Work, directory: Path) -> None:
    size_bytes, engine_free_bytes = engine_space(at_work)
    there = shutil.disk_usage(directory)
    check_space(
        at_work.ledger.volume,
        size_bytes,
        engine_free_bytes=engine_free_bytes,
        # A file system that reports no size reports no free space either.
        target_free_bytes=there.free if there.total else None,
        directory=directory,
    )


def engine_space(at_work: Work) -> tuple[int, int | None]:
    """The bytes of the ledger, and the free bytes on the engine's disk; None if a copy shares the ledger's blocks.

    Raises LedgerError if the volume is in a state that cannot be copied.
    """
    size, free, copies = at_work.inspect(_INSPECTION, DATA_DIRECTORY, scratch=COPY).split()
    return int(size), int(free) if copies == b"copied" else None


def check_space(
    volume: str, ledger_bytes: int, *, engine_free_bytes: int | None, target_free_bytes: int | None, directory: Path
) -> None:
    """Raise LedgerError if there is no space for a copy on the engine, or for an archive in `directory`.

    The archive is assumed to be as large as the ledger, although most compress to less. None means enough space.
    """
    disks = (
        (
            "the engine's disk",
            engine_free_bytes,
            ledger_bytes + _HEADROOM_BYTES,
            "free some, e.g. with docker image prune",
        ),
        (str(directory), target_free_bytes, ledger_bytes, "free some, or give a name on another disk"),
    )
    short = [
        f"{where} has {free / 2**20:.1f} MiB free, and needs {needed / 2**20:.1f} MiB; {fix}"
        for where, free, needed, fix in disks
        if free is not None and free < needed
    ]
    if short:
        raise LedgerError(f"no space for a copy of {volume}, {ledger_bytes / 2**20:.1f} MiB: " + ". ".join(short))


def _to_disk(directory: Path) -> None:
    descriptor = os.open(directory, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


class _Copy:
    """The tar that the helper writes. The auction is held until the helper has copied the ledger."""

    def __init__(self, at_work: Work) -> None:
        self._work = at_work
        self._words = b""
        self._held_since = time.monotonic()
        self.held_seconds = 0.0
        self._held = at_work.hold()
        self._stream = helper.output(at_work.container)

    def read(self, _size: int, /) -> bytes:
        """The next bytes, as many as have arrived."""
        return next((said for said in self._heard() if said), b"")

    def stated(self) -> Measure:
        """What the helper measured. Raises LedgerError with the end of its output if it failed."""
        for _said in self._heard():
            pass
        try:
            code = self._work.container.wait(timeout=_ENDS_WITHIN_SECONDS)["StatusCode"]
        except RequestException:
            raise LedgerError(_CUT_OFF) from None
        if code:
            raise LedgerError(f"the backup failed (exit code {code}): {helper.last_words(self._words)}")
        sent = _SENT.search(self._words)
        if sent is None:
            raise LedgerError(_CUT_OFF)
        files, content_bytes, sha256 = sent.groups()
        return Measure(files=int(files), content_bytes=int(content_bytes), sha256=sha256.decode())

    def stop(self) -> None:
        """End the helper. Its output is read meanwhile, because the engine waits until it is read."""
        reader = threading.Thread(target=self._discard, daemon=True)
        reader.start()
        # The end of the work tries again, and reports a failure.
        with contextlib.suppress(*ENGINE_ERRORS):
            helper.kill(self._work.container)
        reader.join(timeout=_ENDS_WITHIN_SECONDS)

    def _discard(self) -> None:
        with contextlib.suppress(OSError):
            for _said in self._stream:
                pass

    def _heard(self) -> Iterator[bytes | None]:
        try:
            for said, complained in self._stream:
                self._words += complained or b""
                if not self.held_seconds and _COPIED in self._words:
                    self._let_go()
                yield said
        except OSError as error:
            raise LedgerError(f"{_CUT_OFF} ({error})") from error

    def _let_go(self) -> None:
        if not self._work.is_held(self._held):
            raise LedgerError("the auction was resumed while its ledger was copied; run the backup again")
        self._work.resume()
        self.held_seconds = time.monotonic() - self._held_since
