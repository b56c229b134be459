"""The archive of a ledger: a gzipped tar that any `tar` reads, with a manifest as its last file.

The manifest is a separate gzip member, so it can be read from the end of the file without the rest. This module never
holds more than one block of content in memory.
"""

import gzip
import hashlib
import io
import posixpath
import re
import tarfile
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import IO, Protocol, cast

from gix_ledger.errors import LedgerError
from gix_ledger.manifest import MANIFEST_NAME, Manifest, Measure, Source
from gix_ledger.stream import Readable, Tar
from gix_model.catalog import DATA_DIRECTORY

WORK_DIRECTORY = ".gix-restore"
"""The directory on the volume in which a restore prepares the new content. No archive contains it."""
RESTORED_DIRECTORY = ".gix-restored"
"""The name that a restore gives to `WORK_DIRECTORY` at its end. No archive contains it."""

Progress = Callable[[int], None]
"""Called with the number of bytes that were processed since the last call."""

_LEVEL = 1  # five times as fast as the default, with a quarter more bytes
_BLOCK_BYTES = 2**18
_TAIL_BYTES = 2**16  # no manifest is longer
_GZIP_MAGIC = b"\x1f\x8b\x08"
_NO_OWNER = 2**32 - 1  # chown reads it as "do not change"
_MODE_BITS = 0o7777
_TIME = re.compile(r"-?[0-9]{1,11}(\.[0-9]*)?")
_KINDS = (tarfile.REGTYPE, tarfile.AREGTYPE, tarfile.DIRTYPE, tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.FIFOTYPE)


def ignore_progress(_done: int) -> None:
    """Report no progress."""


@dataclass(kw_only=True)
class Contents:
    """The contents of an archive. `content_bytes` is the total size of its regular files."""

    manifest: Manifest | None = None
    content_bytes: int = 0
    directory: str | None = None
    """Owner, mode and time of the ledger's directory, as swap.sh reads them. None if not in the archive."""
    digests: dict[str, str] = field(default_factory=dict)
    """SHA-256 of every regular file, by its name relative to the ledger's directory."""

    def sums(self) -> bytes:
        """The list of `digests` in the format of `sha256sum`, sorted by the bytes of the names."""
        names = sorted((name.encode(errors="surrogateescape"), digest) for name, digest in self.digests.items())
        return b"".join(_sums_line(name, digest) for name, digest in names)

    @property
    def sha256(self) -> str:
        """The SHA-256 of `sums`: one digest for the content of all files."""
        return hashlib.sha256(self.sums()).hexdigest()

    @property
    def measure(self) -> Measure:
        """Number, size and digest of the files."""
        return Measure(files=len(self.digests), content_bytes=self.content_bytes, sha256=self.sha256)


class Sent(Readable, Protocol):
    """A tar stream whose sender measured the files."""

    def stated(self) -> Measure:
        """What the sender measured on the files. Call it after `read` has returned everything.

        Raises LedgerError if the sender failed or reported no measure.
        """


def _sums_line(name: bytes, digest: str) -> bytes:
    escaped = name.replace(b"\\", b"\\\\").replace(b"\n", b"\\n").replace(b"\r", b"\\r")
    mark = b"\\" if escaped != name else b""
    return mark + digest.encode() + b"  ./" + escaped + b"\n"


class _Content:
    """The content of one entry. Computes its digest while it is read."""

    def __init__(self, tar: Tar, size: int, progress: Progress) -> None:
        self._tar = tar
        self._left = size
        self._progress = progress
        self._hash = hashlib.sha256()

    def read(self, size: int, /) -> bytes:
        block = self._tar.read(min(size, self._left))
        self._left -= len(block)
        self._hash.update(block)
        self._progress(len(block))
        return block

    def digest(self) -> str:
        while self.read(_BLOCK_BYTES):
            pass
        return self._hash.hexdigest()


class _GzipMembers:
    """Writes consecutive gzip members to a file."""

    def __init__(self, target: IO[bytes]) -> None:
        self._target = target
        self._member = self._begin()
        self._written = 0

    def _begin(self) -> gzip.GzipFile:
        return gzip.GzipFile(filename="", mode="wb", fileobj=self._target, compresslevel=_LEVEL)

    def write(self, block: bytes) -> None:
        self._written += len(block)
        self._member.write(block)

    def tell(self) -> int:
        return self._written

    def next_member(self) -> None:
        self._member.close()
        self._member = self._begin()

    def close(self) -> None:
        self._member.close()


def pack(sent: Sent, target: IO[bytes], source: Source, progress: Progress = ignore_progress) -> Manifest:
    """Write the content of the tar `sent` to `target` as an archive, and return its manifest.

    Raises LedgerError if the tar is incomplete, differs from what its sender measured, or contains an entry that cannot
    be restored.
    """
    taken = datetime.now(UTC).isoformat(timespec="seconds")
    contents = Contents()
    members = _GzipMembers(target)
    with (
        _told("the copy of the ledger"),
        tarfile.open(fileobj=cast("IO[bytes]", members), mode="w", format=tarfile.PAX_FORMAT) as written,
    ):
        tar = Tar(sent)
        try:
            for member in _entries(tar):
                if _relative(member.name) == MANIFEST_NAME:
                    raise LedgerError(
                        f"{member.name} is on the volume; remove it, since an archive has its manifest there"
                    )
                content = _Content(tar, member.size, progress)
                written.addfile(member, cast("IO[bytes]", content))
                _note(contents, member, content)
        except tarfile.TarError:
            # If the sender knows the cause, its error says more than the position where the stream ended.
            sent.stated()
            raise
        stated = sent.stated()
        if stated != contents.measure:
            raise LedgerError(
                f"the copy of the ledger did not arrive as it was sent: {stated}, and {contents.measure} arrived; "
                "run the backup again"
            )
        manifest = Manifest(**vars(source), time=taken, **vars(stated))
        members.next_member()
        text = manifest.text().encode()
        entry = tarfile.TarInfo(f"./{MANIFEST_NAME}")
        entry.size, entry.mode = len(text), 0o644
        written.addfile(entry, io.BytesIO(text))
    members.close()
    return manifest


def check(path: Path, progress: Progress = ignore_progress) -> Contents:
    """Read the whole archive at `path`, and return its contents. `progress` counts bytes of the file.

    Raises LedgerError if the archive cannot be read, is cut off or damaged, differs from its manifest, contains neither
    a manifest nor a file, or contains an entry that would be written outside the ledger's directory.
    """
    contents = Contents()
    try:
        if path.exists() and not path.is_file():
            raise LedgerError(f"{path} is not a file; give an archive that gixctl backup made")
        with path.open("rb") as file, _told(str(path)):
            if file.peek(len(_GZIP_MAGIC))[: len(_GZIP_MAGIC)] != _GZIP_MAGIC:
                raise LedgerError(
                    f"{path} is not a gzipped tar; gixctl backup makes one, and so does tar czf FILE -C /data ."
                )
            _read(contents, file, str(path), progress)
    except OSError as error:
        raise LedgerError(f"{path} cannot be read: {error.strerror or error}") from error
    if contents.manifest is None and not contents.digests:
        raise LedgerError(
            f"{path} contains no file and no manifest, so it is not a backup of a ledger; use another one"
        )
    if contents.manifest is not None and contents.manifest.measure != contents.measure:
        raise LedgerError(f"{path} differs from its manifest: it was changed or damaged; use another one")
    return contents


def _read(contents: Contents, file: IO[bytes], name: str, progress: Progress) -> None:
    seen = 0

    def tell(_unzipped: int) -> None:
        nonlocal seen
        before, seen = seen, file.tell()
        progress(seen - before)

    tar = Tar(gzip.GzipFile(fileobj=file))
    for member in _entries(tar):
        if contents.manifest is not None:
            raise LedgerError(
                f"{name} continues after its manifest, with {member.name}: it was changed; use another one"
            )
        content = _Content(tar, member.size, tell)
        if _relative(member.name) == MANIFEST_NAME:
            if member.size > _TAIL_BYTES:
                raise LedgerError(
                    f"{name} has a manifest of {member.size} bytes, and the limit is {_TAIL_BYTES}; use another one"
                )
            contents.manifest = Manifest.read(content.read(_TAIL_BYTES))
        else:
            _note(contents, member, content)
    tell(0)


def read_manifest(path: Path) -> Manifest | None:
    """The manifest at the end of the archive `path`, or None if there is none. The rest is not checked.

    Raises OSError if the file cannot be read.
    """
    with path.open("rb") as file:
        file.seek(max(0, path.stat().st_size - _TAIL_BYTES))
        tail = file.read()
    start = tail.rfind(_GZIP_MAGIC)
    while start >= 0:
        try:
            return _manifest_of(tail[start:])
        except (EOFError, zlib.error, tarfile.TarError, ValueError, RecursionError, LedgerError):
            # The three bytes can occur anywhere in compressed data.
            start = tail.rfind(_GZIP_MAGIC, 0, start)
    return None


def _manifest_of(member: bytes) -> Manifest:
    """The manifest in the last gzip member of an archive. Raises ValueError and others if there is none."""
    unzip = zlib.decompressobj(zlib.MAX_WBITS | 16)
    tar = Tar(io.BytesIO(unzip.decompress(member, 2 * _TAIL_BYTES)))
    if not unzip.eof or unzip.unused_data:
        raise EOFError
    [manifest] = [Manifest.read(tar.read(entry.size)) for entry in tar if _relative(entry.name) == MANIFEST_NAME]
    return manifest


@contextmanager
def _told(what: str) -> Iterator[None]:
    try:
        yield
    except (tarfile.TarError, EOFError, zlib.error, gzip.BadGzipFile) as error:
        raise LedgerError(f"{what} is cut off or damaged ({error}); use another one") from error
    except (ValueError, RecursionError) as error:
        raise LedgerError(f"{what} cannot be used: {error}") from error


def _note(contents: Contents, member: tarfile.TarInfo, content: _Content) -> None:
    """Add an entry to the contents."""
    if member.isreg():
        contents.digests[_relative(member.name)] = content.digest()
        contents.content_bytes += member.size
    elif member.islnk():
        # A hard link is another name of a file that was already read.
        contents.digests[_relative(member.name)] = contents.digests[_relative(member.linkname)]
    elif member.isdir() and _relative(member.name) == ".":
        time = member.pax_headers.get("mtime", member.mtime)
        contents.directory = f"{member.uid}:{member.gid} {member.mode & _MODE_BITS:o} @{time}"


def _entries(tar: Tar) -> Iterator[tarfile.TarInfo]:
    """The entries of an archive. Each was checked to stay within the ledger's directory."""
    kinds: dict[str, bytes] = {}
    for member in tar:
        name = _relative(member.name)
        if member.type not in _KINDS:
            raise LedgerError(
                f"{member.name} is a device or of an unknown kind; a ledger has files, directories, links and pipes"
            )
        if name in kinds:
            raise LedgerError(f"{member.name} is in it twice; make the archive again with each file once")
        _check_name(member, name)
        _check_attributes(member)
        for parent in _parents(name):
            if kinds.get(parent, tarfile.DIRTYPE) != tarfile.DIRTYPE:
                raise LedgerError(f"{member.name} would be written through {parent}, which is not a directory")
        # A target outside the directory is not among the earlier names.
        if member.islnk() and kinds.get(posixpath.normpath(member.linkname)) not in {tarfile.REGTYPE, tarfile.LNKTYPE}:
            raise LedgerError(
                f"{member.name} is a link to {member.linkname}, which is not an earlier file in the archive"
            )
        if member.issym() and _leads_out(name, member.linkname):
            raise LedgerError(f"{member.name} is a link to {member.linkname}, outside {DATA_DIRECTORY}")
        kinds[name] = tarfile.REGTYPE if member.isreg() else member.type
        yield member


def _check_name(member: tarfile.TarInfo, name: str) -> None:
    """Raise LedgerError if an entry has a name that is reserved for restores."""
    first, _, below = name.partition("/")
    if first in {WORK_DIRECTORY, RESTORED_DIRECTORY}:
        raise LedgerError(f"{member.name} belongs to a restore that was in progress when the archive was made")
    if first == MANIFEST_NAME and (below or not member.isreg()):
        raise LedgerError(f"{member.name} has the name of the manifest, but is not a manifest")
    if name == "." and not member.isdir():
        raise LedgerError(f"{member.name} is the ledger's directory, but not a directory in the archive")


def _check_attributes(member: tarfile.TarInfo) -> None:
    """Raise LedgerError if an owner, mode or time is invalid, or a file system may not be able to store it."""
    time = str(member.pax_headers.get("mtime", member.mtime))
    owners = (member.uid, member.gid)
    if any(not 0 <= owner < _NO_OWNER for owner in owners) or member.mode < 0 or not _TIME.fullmatch(time):
        raise LedgerError(
            f"{member.name} has the owner {member.uid}:{member.gid}, mode {member.mode:o} and time {time:.40}, "
            "which no file can have"
        )


def _relative(name: str) -> str:
    """A name without `./`. Raises LedgerError if it is not below the ledger's directory."""
    if name.startswith("/") or ".." in name.split("/") or "\0" in name:
        raise LedgerError(f"{name} would be written outside {DATA_DIRECTORY}")
    return posixpath.normpath(name)


def _parents(name: str) -> Iterator[str]:
    parent = posixpath.dirname(name)
    while parent:
        yield parent
        parent = posixpath.dirname(parent)


def _leads_out(name: str, target: str) -> bool:
    reached = posixpath.normpath(posixpath.join(DATA_DIRECTORY, posixpath.dirname(name), target))
    return reached != DATA_DIRECTORY and not reached.startswith(f"{DATA_DIRECTORY}/")
