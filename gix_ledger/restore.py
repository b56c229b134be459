"""Replaces a ledger with the content of an archive."""

import io
import tarfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from gix_ledger import archive, helper, writers
from gix_ledger.archive import WORK_DIRECTORY, Contents, Progress, ignore_progress
from gix_ledger.errors import LedgerError
from gix_ledger.location import LedgerLocation
from gix_ledger.recovery import settle
from gix_ledger.work import Work, work
from gix_model.catalog import DATA_DIRECTORY

_BLOCK_BYTES = 2**20
_HEADROOM_BYTES = 2**24
"""Space that must stay free on the volume's disk besides the files."""
_FILE_BYTES = 2**12
"""Upper limit for the space that a file takes besides its content."""
_INSPECTION = f"""
cd {DATA_DIRECTORY}
stat -c '%u:%g %a %y' .
df --output=avail --block-size=1 . | tail -n 1
test -e {WORK_DIRECTORY} && echo cut-off || echo -
find . -path ./{WORK_DIRECTORY} -prune -o -type f -size +0 -print -quit
"""


@dataclass(frozen=True, kw_only=True)
class _Found:
    """What is on the volume before a restore."""

    attributes: str
    """Owner, mode and time of its directory."""
    free_bytes: int
    cut_off: bool
    file: str
    """A file that is not empty. The empty text if there is none."""

    @classmethod
    def by(cls, at_work: Work) -> "_Found":
        attributes, free, cut_off, *file = at_work.inspect(_INSPECTION).decode(errors="replace").splitlines()
        return cls(
            attributes=attributes,
            free_bytes=int(free),
            cut_off=cut_off == "cut-off",
            file="".join(file).removeprefix("./"),
        )


def restore(
    ledger: LedgerLocation, source: Path, *, replace: bool = False, progress: Progress = ignore_progress
) -> Contents:
    """Replace everything on the ledger's volume with the content of the archive `source`, and return that content.

    The whole archive is read before anything changes. A non-empty volume is refused without `replace`. The auction is
    stopped during the restore. The old content stays until the new content is complete and compared with the archive.
    `progress` counts each byte of the archive twice. Raises LedgerError if the restore fails; the volume then has its
    old content, unless the text says otherwise.
    """
    contents = archive.check(source, progress)
    with work(ledger, "restore", helper.swap_command("swap"), how="stop") as at_work:
        writers.refuse(at_work.client, ledger, but=at_work.auction.containers())
        found = _Found.by(at_work)
        if found.cut_off:
            at_work.hold()
            settle(at_work.client, ledger, at_work.id)
            found = _Found.by(at_work)
        _refuse(ledger, contents, found, replace=replace)
        at_work.hold()
        if not replace:
            # The auction may have written its first line since the first check.
            _refuse(ledger, contents, _Found.by(at_work), replace=False)
        at_work.container.put_archive(DATA_DIRECTORY, _prepared(contents, contents.directory or found.attributes))
        at_work.container.put_archive(f"{DATA_DIRECTORY}/{WORK_DIRECTORY}/new", _blocks(source, progress))
        helper.run(at_work.client, ledger, at_work.id, helper.swap_command("ready"), "the restore")
        # A container that starts now cannot open the ledger; one that has it open is still running.
        writers.refuse(at_work.client, ledger)
        helper.finish(at_work.container, helper.output(at_work.container), "the restore")
    return contents


def _refuse(ledger: LedgerLocation, contents: Contents, found: _Found, *, replace: bool) -> None:
    """Raise LedgerError if the contents cannot replace what was found."""
    if found.file and not replace:
        raise LedgerError(
            f"{ledger.volume} is not empty: it has {found.file}; back it up with gixctl backup, "
            "then overwrite it with --replace"
        )
    needed = contents.content_bytes + len(contents.digests) * _FILE_BYTES + _HEADROOM_BYTES
    if found.free_bytes < needed:
        raise LedgerError(
            f"{ledger.volume}: {found.free_bytes >> 20} MiB are free on its disk, and {needed >> 20} MiB are "
            "needed, since the old content stays until the new content is complete; free some"
        )


def _prepared(contents: Contents, attributes: str) -> bytes:
    """A tar of the directories in which the restore prepares the new content, and of the files that swap.sh reads."""
    whole = io.BytesIO()
    with tarfile.open(fileobj=whole, mode="w") as tar:
        for name in (WORK_DIRECTORY, f"{WORK_DIRECTORY}/new"):
            entry = tarfile.TarInfo(name)
            entry.type, entry.mode = tarfile.DIRTYPE, 0o700
            tar.addfile(entry)
        for name, content in (("sums", _sums(contents)), ("attributes", f"{attributes}\n".encode())):
            entry = tarfile.TarInfo(f"{WORK_DIRECTORY}/{name}")
            entry.size = len(content)
            tar.addfile(entry, io.BytesIO(content))
    return whole.getvalue()


def _sums(contents: Contents) -> bytes:
    """The files and their digests in the format of `sha256sum --zero`, in which no name is escaped."""
    return b"".join(
        sorted(
            digest.encode() + b"  ./" + name.encode(errors="surrogateescape") + b"\0"
            for name, digest in contents.digests.items()
        )
    )


def _blocks(source: Path, progress: Progress) -> Iterator[bytes]:
    with source.open("rb") as file:
        while block := file.read(_BLOCK_BYTES):
            progress(len(block))
            yield block
