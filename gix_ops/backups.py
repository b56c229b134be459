"""`gixctl backups`: the archives in a directory, as their manifests describe them.

With `--json` a list of:

    {"file": "backups/dev-20260102T030405Z.tar.gz", "archive_bytes": 1234, "whole": null,
     "manifest": {"stack": "gix/dev", "volume": "gcam-data", "image": "sha256:...", "program": "0.1.0",
                  "time": "2026-01-02T03:04:05+00:00", "files": 1, "content_bytes": 5678, "sha256": "...", "format": 1}}

`manifest` is null if there is none, as in an archive of another program. `whole` is null without `--check`, which reads
each archive completely.
"""

from dataclasses import dataclass
from pathlib import Path

from rich.filesize import decimal
from rich.table import Table

from gix_ledger import archive
from gix_ledger.archive import Progress, ignore_progress
from gix_ledger.backup import SUFFIX, is_partial
from gix_ledger.errors import LedgerError
from gix_ledger.manifest import Manifest
from gix_ops.errors import StackError


@dataclass(frozen=True, kw_only=True)
class Backup:
    """An archive. `whole` is None if it was not checked. If it is false, `fault` says why."""

    file: str
    archive_bytes: int
    manifest: Manifest | None
    whole: bool | None
    fault: str | None = None


def found(directory: Path, *, check: bool = False, progress: Progress = ignore_progress) -> list[Backup]:
    """The archives in a directory, the oldest first. Raises StackError if the directory cannot be read."""
    try:
        files = [
            file
            for file in directory.iterdir()
            if file.is_file() and (file.name.endswith(SUFFIX) or is_partial(file.name))
        ]
        backups = [_read(file, check=check, progress=progress) for file in files]
    except FileNotFoundError:
        return []
    except OSError as error:
        raise StackError(f"{error.filename or directory} cannot be read: {error.strerror}") from error
    return sorted(backups, key=lambda backup: (backup.manifest.time if backup.manifest else "", backup.file))


def _read(file: Path, *, check: bool, progress: Progress) -> Backup:
    size = file.stat().st_size
    if is_partial(file.name):
        fault = "incomplete, or still being written"
        return Backup(file=str(file), archive_bytes=size, manifest=None, whole=False, fault=fault)
    manifest = archive.read_manifest(file)
    if not check:
        return Backup(file=str(file), archive_bytes=size, manifest=manifest, whole=None)
    try:
        archive.check(file, progress)
    except LedgerError as error:
        return Backup(file=str(file), archive_bytes=size, manifest=manifest, whole=False, fault=str(error))
    return Backup(file=str(file), archive_bytes=size, manifest=manifest, whole=True)


def table(backups: list[Backup]) -> Table:
    """The archives for a terminal."""
    shown = Table()
    for heading in ("file", "stack", "volume", "taken", "files", "content", "archive", "complete"):
        shown.add_column(heading, overflow="fold")
    for backup in backups:
        about = backup.manifest
        said = (
            (about.stack, about.volume, about.time, str(about.files), decimal(about.content_bytes))
            if about
            else ("no manifest", "-", "-", "-", "-")
        )
        whole = {True: "yes", False: backup.fault or "no", None: "not checked"}[backup.whole]
        shown.add_row(backup.file, *said, decimal(backup.archive_bytes), whole)
    return shown
