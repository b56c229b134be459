"""Archives that a restore must refuse and tars that a backup must refuse, by what is wrong with them."""

import gzip
import io
import json
import struct
import tarfile
from collections.abc import Callable, Sequence

from gix_ledger.archive import Contents
from gix_ledger.manifest import MANIFEST_NAME, Manifest, Source

BLOCK = tarfile.BLOCKSIZE
END = bytes(2 * BLOCK)
SOURCE = Source(stack="gix/dev", volume="gcam-data", image="sha256:" + "0" * 64, program="0.1.0")
FILES = {"ledger.jsonl": b'{"seq":1}\n' * 1000, "index/first": b"", "index/a b\\c\nd": b"\0" * 10_000}
_SIZE = slice(124, 136)
_SUM = slice(148, 156)


def tar_of(entries: Callable[[tarfile.TarFile], None]) -> bytes:
    whole = io.BytesIO()
    with tarfile.open(fileobj=whole, mode="w", format=tarfile.PAX_FORMAT) as tar:
        entries(tar)
    return whole.getvalue()


def entry(name: str, *, kind: bytes = tarfile.REGTYPE, to: str = "", size: int = 0) -> tarfile.TarInfo:
    made = tarfile.TarInfo(name)
    made.type, made.linkname, made.size, made.mode, made.uid, made.gid = kind, to, size, 0o640, 1000, 1001
    made.pax_headers = {"mtime": "1700000000.123456789"}
    return made


def ledger(tar: tarfile.TarFile) -> None:
    tar.addfile(entry(".", kind=tarfile.DIRTYPE))
    tar.addfile(entry("./index", kind=tarfile.DIRTYPE))
    for name, content in FILES.items():
        tar.addfile(entry(f"./{name}", size=len(content)), io.BytesIO(content))
    tar.addfile(entry("./again", kind=tarfile.LNKTYPE, to="./ledger.jsonl"))
    tar.addfile(entry("./index/latest", kind=tarfile.SYMTYPE, to="../ledger.jsonl"))
    tar.addfile(entry("./absolute", kind=tarfile.SYMTYPE, to="/data/index/first"))


LEDGER = tar_of(ledger)
LEDGER_END = -(-len(LEDGER.rstrip(b"\0")) // BLOCK) * BLOCK
"""The offset at which the last entry of LEDGER ends and its end mark begins."""


def _tar(*entries: tarfile.TarInfo, content: bytes = b"x") -> bytes:
    """A complete tar. Each regular file with a size repeats `content`."""

    def write(tar: tarfile.TarFile) -> None:
        for each in entries:
            tar.addfile(each, io.BytesIO(content * each.size) if each.isreg() else None)

    return tar_of(write)


def header_positions(tar: bytes) -> list[int]:
    """The offset of each header of a tar, extended ones included."""
    positions, at = [], 0
    while tar[at : at + BLOCK].strip(b"\0"):
        positions.append(at)
        at += BLOCK + -(-int(tar[at:][_SIZE].rstrip(b"\0 "), 8) // BLOCK) * BLOCK
    return positions


def _header(name: str, *, kind: bytes = tarfile.REGTYPE, size: bytes = b"00000000000\0", prefix: int = 0) -> bytes:
    """A header block with a correct checksum and any stated size."""
    block = bytearray(entry(name, kind=kind).tobuf(tarfile.USTAR_FORMAT)[prefix : prefix + BLOCK])
    block[_SIZE] = size
    block[_SUM] = b" " * 8
    block[_SUM] = b"%06o\0 " % sum(block)
    return bytes(block)


def _binary(number: int) -> bytes:
    return b"\xff" * 4 + struct.pack(">q", number) if number < 0 else b"\x80" + bytes(3) + struct.pack(">q", number)


def _octal(number: int) -> bytes:
    return b"%011o\0" % number


def _padded(content: bytes) -> bytes:
    return content + bytes(-len(content) % BLOCK)


def _pax(records: dict[str, str], *, kind: bytes = tarfile.XHDTYPE) -> bytes:
    content = b""
    for key, value in records.items():
        record = f" {key}={value}\n".encode()
        length = len(record) + next(n for n in range(1, 9) if len(str(len(record) + n)) == n)
        content += str(length).encode() + record
    return _header("pax", kind=kind, size=_octal(len(content))) + _padded(content)


def _file(name: str = "./ledger.jsonl", content: bytes = b"one\n") -> bytes:
    return _header(name, size=_octal(len(content))) + _padded(content)


def _damaged(position: int) -> bytes:
    tar = bytearray(LEDGER)
    tar[position] ^= 1
    return bytes(tar)


LEADS_OUT: dict[str, Sequence[tarfile.TarInfo]] = {
    "a path with ..": [entry("./../outside")],
    "a path with .. inside": [entry("./index/../../outside")],
    "an absolute path": [entry("/etc/outside")],
    "a symbolic link out": [entry("./link", kind=tarfile.SYMTYPE, to="../../etc")],
    "an absolute symbolic link": [entry("./link", kind=tarfile.SYMTYPE, to="/etc/passwd")],
    "a symbolic link to a neighbour of its name": [entry("./link", kind=tarfile.SYMTYPE, to="../data-2/x")],
    "a hard link out": [entry("./link", kind=tarfile.LNKTYPE, to="/etc/passwd")],
    "a hard link with ..": [entry("./link", kind=tarfile.LNKTYPE, to="../x")],
    "a hard link to nothing": [entry("./link", kind=tarfile.LNKTYPE, to="./absent")],
    "a file through a link": [entry("./to", kind=tarfile.SYMTYPE, to="index"), entry("./to/file")],
    "a file below a file": [entry("./file"), entry("./file/below")],
    "a device": [entry("./null", kind=tarfile.CHRTYPE)],
    "a block device": [entry("./disk", kind=tarfile.BLKTYPE)],
    "an unknown kind": [entry("./what", kind=b"Z")],
    "a contiguous file": [entry("./what", kind=tarfile.CONTTYPE)],
    "a name twice": [entry("./file"), entry("file")],
    "a restore's own directory": [entry("./.gix-restore/old/ledger.jsonl")],
    "a restore's last directory": [entry("./.gix-restored/attributes")],
    "a manifest that is a directory": [entry(f"./{MANIFEST_NAME}", kind=tarfile.DIRTYPE)],
    "a manifest that is a link": [entry("./file"), entry(f"./{MANIFEST_NAME}", kind=tarfile.LNKTYPE, to="./file")],
    "a file below the manifest": [entry(f"./{MANIFEST_NAME}/file")],
    "a file in the directory's place": [entry(".")],
}
"""Entries that lead outside the ledger or are ambiguous. Errors must name the last one."""

NOT_WHOLE = {
    "nothing": b"",
    "a tar that ends at its first header": LEDGER[:100],
    "a tar without an end mark": LEDGER[:LEDGER_END],
    "a tar with half an end mark": LEDGER[: LEDGER_END + BLOCK],
    "a tar in which the end mark is half": LEDGER[: LEDGER_END + BLOCK] + LEDGER,
    "two tars joined": LEDGER + LEDGER,
    "two tars joined without padding": LEDGER[:LEDGER_END] + END + LEDGER,
    "words after the end mark": LEDGER + b"words",
    "a byte after the end mark": LEDGER + b"\1",
    "text": b"not a tar" * 1000,
    "a gzipped tar": gzip.compress(LEDGER),
    **{f"a damaged header at byte {at}": _damaged(at) for at in header_positions(LEDGER)},
    **{f"a damaged sum at byte {at}": _damaged(at + _SUM.start) for at in header_positions(LEDGER)},
    **{f"a header of zeros at byte {at}": LEDGER[:at] + bytes(BLOCK) + LEDGER[at + BLOCK :]
       for at in header_positions(LEDGER)},
    # Without the header of an entry that has no content, the rest is a complete tar.
    **{f"no header at byte {at}": LEDGER[:at] + LEDGER[at + BLOCK :]
       for at in header_positions(LEDGER) if at + BLOCK not in header_positions(LEDGER)},
    "a negative size": _file() + _header("./a", size=_binary(-512)) + _file("./b") + END,
    "a size that points before the tar": _header("./a", size=_binary(-(2**40))) + END,
    "an enormous size": _file() + _header("./a", size=_binary(2**62)) + END,
    "a size that is no number": _file() + _header("./a", size=b"many       \0") + END,
    "a directory with a size": _file() + _header("./a", kind=tarfile.DIRTYPE, size=_octal(512)) + _file("./b") + END,
    "a link with a size": _file() + _header("./a", kind=tarfile.SYMTYPE, size=_octal(512)) + _file("./b") + END,
    "an extended header's negative size": _pax({"size": "-512"}) + _file() + END,
    "an extended header's size beyond the end": _pax({"size": "100000"}) + _file() + END,
    "an extended header for all that gives a size": _pax({"size": "1"}, kind=tarfile.XGLTYPE)
    + _file(content=b"x" * 600) + END,
    "an extended header of a gigabyte": _header("pax", kind=tarfile.XHDTYPE, size=_octal(2**30)) + bytes(2**21),
    "a long name of a gigabyte": _header("name", kind=tarfile.GNUTYPE_LONGNAME, size=_octal(2**30)) + bytes(2**21),
    "a negative extended header": _header("pax", kind=tarfile.XHDTYPE, size=_binary(-512)) + _file() + END,
    "extended headers without end": 2000 * _pax({"comment": "more"}) + _file() + END,
    "an extended header for nothing": _file() + _pax({"comment": "last"}) + END,
    "a long name for nothing": _file() + _header("n", kind=tarfile.GNUTYPE_LONGNAME, size=_octal(2))
    + _padded(b"a\0") + END,
    "an extended header of length 0": _header("p", kind=tarfile.XHDTYPE, size=_octal(8))
    + _padded(b"0 path=\n") + _file() + END,
    "holes, as GNU tar stores them": _header("./a", kind=tarfile.GNUTYPE_SPARSE) + END,
    "holes, format 0.0": _pax({"GNU.sparse.size": "9", "GNU.sparse.offset": "0", "GNU.sparse.numbytes": "4"})
    + _file() + END,
    "holes, format 0.1": _pax({"GNU.sparse.map": "0,4"}) + _file() + END,
    "holes, format 1.0": _pax({"GNU.sparse.major": "1", "GNU.sparse.minor": "0"}) + _file(content=b"1\n0\n4\n") + END,
    "holes, format 1.0 without a map": _pax({"GNU.sparse.major": "1", "GNU.sparse.minor": "0"}) + _file() + END,
    "an owner that no file can have": _pax({"uid": "-1"}) + _file() + END,
    "a group that no file can have": _pax({"gid": str(2**32 - 1)}) + _file() + END,
    "an owner that is no number": _file() + _header("./a")[:108] + b"nobody!\0" + _header("./a")[116:] + END,
    "a time that is none": _pax({"mtime": "nan"}) + _file() + END,
    "a time without an end": _pax({"mtime": "inf"}) + _file() + END,
    "a time of words": _pax({"mtime": "0; rm -r /"}) + _file() + END,
    "a time past every calendar": _pax({"mtime": "9" * 30}) + _file() + END,
    "a name with a NUL": _pax({"path": "./a\0b"}) + _file() + END,
}  # fmt: skip
"""Tars that end early, continue after their end mark, or have an invalid header."""

EMPTY = {
    "zeros": bytes(20 * BLOCK),
    "an end mark alone": END,
    "an empty tar": tar_of(lambda _tar: None),
    "a directory alone": _tar(entry(".", kind=tarfile.DIRTYPE)),
    "links alone": _tar(entry("./a", kind=tarfile.SYMTYPE, to="b")),
}
"""Complete tars without a file."""


def _with_manifest(text: str | bytes, *more: tarfile.TarInfo) -> bytes:
    content = text.encode() if isinstance(text, str) else text

    def write(tar: tarfile.TarFile) -> None:
        tar.addfile(entry(f"./{MANIFEST_NAME}", size=len(content)), io.BytesIO(content))
        for each in more:
            tar.addfile(each)

    return tar_of(write)


_NONE = Contents().measure
_TRUE = vars(Manifest(**vars(SOURCE), time="2026-01-02T03:04:05+00:00", **vars(_NONE)))
"""A correct manifest of no files."""

LIES = {
    **{
        f"a manifest whose {key} is {value!r:.20}": _with_manifest(json.dumps(_TRUE | {key: value}))
        for key, value in [
            ("files", 1),
            ("files", "0"),
            ("files", None),
            ("files", False),
            ("content_bytes", 1),
            ("content_bytes", 0.0),
            ("sha256", "0" * 64),
            ("sha256", None),
            ("format", 2),
            ("format", "1"),
            ("stack", ["gix/dev"]),
            ("stack", "gix/dev\x1b[2J"),
            ("time", "a\nb"),
            ("more", 1),
        ]
    },
    "a manifest with a number of 5000 digits": _with_manifest('{"format": ' + "1" * 5000 + "}"),
    "a manifest that is empty": _with_manifest(""),
    "a manifest that is a list": _with_manifest("[]"),
    "a manifest that is nested": _with_manifest("[" * 60_000),
    "a manifest that is not text": _with_manifest(b"\xff\xfe\x00"),
    "a manifest of a megabyte": _with_manifest(" " * 2**20),
    "a manifest without most keys": _with_manifest('{"stack": "gix/dev"}'),
    "a file after the manifest": _with_manifest(json.dumps(_TRUE), entry("./late")),
    "two manifests": _with_manifest(json.dumps(_TRUE), entry(MANIFEST_NAME)),
}
"""Tars whose manifest is invalid or does not match their content."""

_GZIPPED = gzip.compress(LEDGER, mtime=0)

FILES_THAT_ARE_NONE = {
    "an empty file": b"",
    "a text": b"not an archive",
    "a tar that is not gzipped": LEDGER,
    "words after the archive": _GZIPPED + b"words",
    "two archives joined": _GZIPPED + _GZIPPED,
    "half an archive after the archive": _GZIPPED + _GZIPPED[:40],
    "an archive in an archive": gzip.compress(_GZIPPED),
    "a wrong checksum": _GZIPPED[:-8] + bytes(4) + _GZIPPED[-4:],
    "a wrong length": _GZIPPED[:-4] + bytes(4),
    "a header alone": _GZIPPED[:10],
    "zeros after the header": _GZIPPED[:10] + bytes(1000),
}
"""Files that are not one complete gzipped tar."""


def archives() -> dict[str, bytes]:
    """Every file that a restore must refuse."""
    tars = NOT_WHOLE | EMPTY | LIES | {name: _tar(*entries) for name, entries in LEADS_OUT.items()}
    return {name: gzip.compress(tar, 1, mtime=0) for name, tar in tars.items()} | FILES_THAT_ARE_NONE


def tars() -> dict[str, bytes]:
    """Every tar that a backup must refuse."""
    return NOT_WHOLE | {name: _tar(*entries) for name, entries in LEADS_OUT.items()}


def stream_cuts(end: int) -> list[int]:
    """Offsets at which a tar of `end` bytes is cut: at, right before, right after and in the middle of each block."""
    near = (0, 1, BLOCK // 2, BLOCK - 1)
    return [cut for block in range(0, end, BLOCK) for cut in (block + each for each in near) if cut < end]
