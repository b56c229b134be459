"""The archive of a ledger: a gzipped tar that any `tar` reads, with a manifest as its last file.

The manifest is a gzip member of its own, so that it can be read from the file's end without reading the rest. Nothing
here holds more than one block of content at a time.
"""

import gzip
import hashlib
import io
import posixpath
import tarfile
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import IO, Protocol, cast

from gix_ledger.errors import LedgerError
from gix_ledger.manifest import MANIFEST_NAME, Manifest, Source
from gix_model.catalog import DATA_DIRECTORY

WORK_DIRECTORY = ".gix-restore"
"""Where a restore puts things together, on the volume itself; no archive holds it."""

Progress = Callable[[int], None]
"""Told of bytes that have been dealt with since it was last told."""

_LEVEL = 1  # five times as fast as the default, for a quarter more bytes
_BLOCK_BYTES = 2**18
_TAIL_BYTES = 2**16  # no manifest is longer
_GZIP_MAGIC = b"\x1f\x8b\x08"
_KINDS = (tarfile.REGTYPE, tarfile.AREGTYPE, tarfile.DIRTYPE, tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.FIFOTYPE)


def ignore_progress(_done: int) -> None:
    """Tell nobody."""


@dataclass(kw_only=True)
class Contents:
    """What is in an archive, or goes into one. `content_bytes` is what its regular files hold together."""

    manifest: Manifest | None = None
    content_bytes: int = 0
    directory: str | None = None
    """Owner, mode and time of the ledger's directory itself, as swap.sh reads them, where the archive has them."""
    digests: dict[str, str] = field(default_factory=dict)
    """SHA-256 of every regular file by its name, relative to the ledger's directory."""

    def sums(self) -> bytes:
        """The list of `digests` as `sha256sum` writes and checks it, by name in the order of their bytes."""
        names = sorted((name.encode(errors="surrogateescape"), digest) for name, digest in self.digests.items())
        return b"".join(_sums_line(name, digest) for name, digest in names)

    @property
    def sha256(self) -> str:
        """The digest of `sums`: one figure for everything that the files hold."""
        return hashlib.sha256(self.sums()).hexdigest()

    def agrees(self, manifest: Manifest) -> bool:
        """Whether a manifest tells of just these files."""
        return (manifest.files, manifest.content_bytes, manifest.sha256) == (
            len(self.digests),
            self.content_bytes,
            self.sha256,
        )


def _sums_line(name: bytes, digest: str) -> bytes:
    escaped = name.replace(b"\\", b"\\\\").replace(b"\n", b"\\n")
    mark = b"\\" if escaped != name else b""
    return mark + digest.encode() + b"  ./" + escaped + b"\n"


class Readable(Protocol):
    """What bytes come from, `size` of them or fewer at a time, none at the end."""

    def read(self, size: int, /) -> bytes:
        """Read some."""


class _Hashing:
    """Reads from another file, and knows the digest of what it read."""

    def __init__(self, source: Readable, progress: Progress) -> None:
        self._source = source
        self._progress = progress
        self._hash = hashlib.sha256()

    def read(self, size: int, /) -> bytes:
        block = self._source.read(size)
        self._hash.update(block)
        self._progress(len(block))
        return block

    def digest(self) -> str:
        return self._hash.hexdigest()


class _GzipMembers:
    """Writes gzip members one after another into a file."""

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


def pack(tar: Readable, target: IO[bytes], source: Source, progress: Progress = ignore_progress) -> Manifest:
    """Write the archive of what the stream `tar` holds to `target`, its manifest last, and give the manifest back.

    Raises LedgerError where the stream ends early, or holds what cannot be restored.
    """
    taken = datetime.now(UTC).isoformat(timespec="seconds")
    contents = Contents()
    members = _GzipMembers(target)
    with (
        _told("the copy of the ledger"),
        _stream(tar) as read,
        tarfile.open(fileobj=cast("IO[bytes]", members), mode="w", format=tarfile.PAX_FORMAT) as written,
    ):
        for member in _entries(read):
            if member.isreg():
                hashing = _Hashing(_content(read, member), progress)
                written.addfile(member, cast("IO[bytes]", hashing))
                contents.digests[_relative(member.name)] = hashing.digest()
                contents.content_bytes += member.size
            else:
                written.addfile(member)
                _note_other(contents, member)
        manifest = Manifest(
            **vars(source),
            time=taken,
            files=len(contents.digests),
            content_bytes=contents.content_bytes,
            sha256=contents.sha256,
        )
        members.next_member()
        text = manifest.text().encode()
        entry = tarfile.TarInfo(f"./{MANIFEST_NAME}")
        entry.size, entry.mode = len(text), 0o644
        written.addfile(entry, io.BytesIO(text))
    members.close()
    return manifest


def check(path: Path, progress: Progress = ignore_progress) -> Contents:
    """Read the whole archive at `path`, and say what it holds. `progress` is told of bytes of the file.

    Raises LedgerError where it can't be read, is cut off or damaged, is not what its manifest says, or holds
    anything that would be written outside the ledger's directory.
    """
    contents = Contents()
    try:
        file = path.open("rb")
    except OSError as error:
        raise LedgerError(f"{path} can't be read: {error.strerror}") from error
    with file, _told(str(path)):
        if file.peek(len(_GZIP_MAGIC))[: len(_GZIP_MAGIC)] != _GZIP_MAGIC:
            raise LedgerError(f"{path} is no gzipped tar; gixctl backup makes one, and so does tar czf FILE -C /data .")
        seen = 0

        def tell(_unzipped: int) -> None:
            nonlocal seen
            before, seen = seen, file.tell()
            progress(seen - before)

        with gzip.GzipFile(fileobj=file) as unzipped:
            with _stream(unzipped) as read:
                for member in _entries(read):
                    if contents.manifest is not None:
                        raise LedgerError(
                            f"{path} goes on after its manifest, with {member.name}: it was tampered with"
                        )
                    if _relative(member.name) == MANIFEST_NAME and member.isreg():
                        contents.manifest = Manifest.read(_content(read, member).read(_TAIL_BYTES))
                    else:
                        _note(contents, read, member, tell)
            # gzip's own checksums stand at the very end, behind the tar's.
            while unzipped.read(_BLOCK_BYTES):
                tell(0)
    if contents.manifest is not None and not contents.agrees(contents.manifest):
        raise LedgerError(f"{path} does not hold what its manifest says: it was changed, or damaged; take another one")
    return contents


def read_manifest(path: Path) -> Manifest | None:
    """The manifest at the end of the archive `path`, without a check of the rest; None where there is none.

    Raises OSError where the file can't be read.
    """
    with path.open("rb") as file:
        file.seek(max(0, path.stat().st_size - _TAIL_BYTES))
        tail = file.read()
    start = tail.rfind(_GZIP_MAGIC)
    while start >= 0:
        try:
            with tarfile.open(fileobj=io.BytesIO(gzip.decompress(tail[start:])), mode="r:") as tar:
                return Manifest.read(_content(tar, tar.getmember(f"./{MANIFEST_NAME}")).read())
        except (OSError, EOFError, zlib.error, tarfile.TarError, KeyError, ValueError):
            # The three bytes may stand anywhere in compressed data.
            start = tail.rfind(_GZIP_MAGIC, 0, start)
    return None


@contextmanager
def _told(what: str) -> Iterator[None]:
    try:
        yield
    except (tarfile.TarError, EOFError, zlib.error, gzip.BadGzipFile) as error:
        raise LedgerError(f"{what} is cut off or damaged ({error}); take another one") from error
    except ValueError as error:
        raise LedgerError(f"{what} can't be used: {error}") from error


def _content(tar: tarfile.TarFile, member: tarfile.TarInfo) -> IO[bytes]:
    content = tar.extractfile(member)
    if content is None:
        raise ValueError(f"{member.name} is no regular file")
    return content


def _stream(source: Readable) -> tarfile.TarFile:
    return tarfile.open(fileobj=cast("IO[bytes]", source), mode="r|", bufsize=_BLOCK_BYTES)


def _note(contents: Contents, tar: tarfile.TarFile, member: tarfile.TarInfo, progress: Progress) -> None:
    """Read an entry, and put down what it adds to the contents."""
    if member.isreg():
        hashing = _Hashing(_content(tar, member), progress)
        while hashing.read(_BLOCK_BYTES):
            pass
        contents.digests[_relative(member.name)] = hashing.digest()
        contents.content_bytes += member.size
    else:
        _note_other(contents, member)


def _note_other(contents: Contents, member: tarfile.TarInfo) -> None:
    if member.isdir() and _relative(member.name) == ".":
        time = member.pax_headers.get("mtime", member.mtime)
        contents.directory = f"{member.uid}:{member.gid} {member.mode:o} @{time}"
    # A hard link is one more name of a file that has been read.
    if member.islnk():
        contents.digests[_relative(member.name)] = contents.digests[_relative(member.linkname)]


def _entries(tar: tarfile.TarFile) -> Iterator[tarfile.TarInfo]:
    """The entries of an archive, each known to stay within the ledger's directory."""
    kinds: dict[str, bytes] = {}
    for member in tar:
        name = _relative(member.name)
        if member.type not in _KINDS:
            raise LedgerError(f"{member.name} is a device or of an unknown kind; a ledger has no such thing")
        if name in kinds:
            raise LedgerError(f"{member.name} is in it twice; nothing says which one is meant")
        if name.partition("/")[0] == WORK_DIRECTORY:
            raise LedgerError(f"{member.name} belongs to a restore that was at work when the archive was made")
        for parent in _parents(name):
            if kinds.get(parent, tarfile.DIRTYPE) != tarfile.DIRTYPE:
                raise LedgerError(f"{member.name} would be written through {parent}, which is no directory")
        # A name that leads out is none of those that went before.
        if member.islnk() and kinds.get(posixpath.normpath(member.linkname)) not in {tarfile.REGTYPE, tarfile.LNKTYPE}:
            raise LedgerError(
                f"{member.name} is a link to {member.linkname}, which is no file before it in the archive"
            )
        if member.issym() and _leads_out(name, member.linkname):
            raise LedgerError(f"{member.name} is a link to {member.linkname}, outside {DATA_DIRECTORY}")
        kinds[name] = tarfile.REGTYPE if member.isreg() else member.type
        yield member


def _relative(name: str) -> str:
    """A name without `./`; raises LedgerError where it is not below the ledger's directory."""
    if name.startswith("/") or ".." in name.split("/"):
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
