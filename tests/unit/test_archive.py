"""Archives of a ledger: what is packed can be checked, and nothing that is cut off, changed or leads out is taken."""

import contextlib
import gzip
import hashlib
import io
import json
import subprocess
import tarfile
import tracemalloc
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gix_ledger import archive
from gix_ledger.errors import LedgerError
from gix_ledger.manifest import MANIFEST_NAME, Manifest, Source

SOURCE = Source(stack="gix/dev", volume="gcam-data", image="sha256:" + "0" * 64, program="0.1.0")
FILES = {"ledger.jsonl": b'{"seq":1}\n' * 1000, "index/first": b"", "index/a b\\c\nd": b"\0" * 10_000}


class Stream:
    """A tar as it comes from a container: in pieces of any size."""

    def __init__(self, content: bytes) -> None:
        self.content = io.BytesIO(content)

    def read(self, _size: int, /) -> bytes:
        return self.content.read(7_777)


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


@pytest.fixture
def whole(tmp_path: Path) -> Path:
    path = tmp_path / "backup.tar.gz"
    with path.open("wb") as file:
        archive.pack(Stream(tar_of(ledger)), file, SOURCE)
    return path


def foreign(tmp_path: Path, entries: Callable[[tarfile.TarFile], None]) -> Path:
    """An archive as another program makes it."""
    path = tmp_path / "foreign.tar.gz"
    path.write_bytes(gzip.compress(tar_of(entries)))
    return path


def test_what_is_packed_is_what_the_check_finds_and_what_the_manifest_says(whole: Path) -> None:
    contents = archive.check(whole)
    files = FILES | {"again": FILES["ledger.jsonl"]}
    assert contents.digests == {name: hashlib.sha256(content).hexdigest() for name, content in files.items()}
    assert contents.manifest == archive.read_manifest(whole)
    assert contents.manifest is not None
    assert (contents.manifest.files, contents.manifest.content_bytes) == (4, 20_000)
    assert contents.manifest.stack == "gix/dev"


def test_owners_modes_and_times_go_into_the_archive_to_the_nanosecond(whole: Path) -> None:
    with tarfile.open(whole) as tar:
        members = {member.name: member for member in tar}
    for name in (".", "./index", "./ledger.jsonl", "./index/latest"):
        member = members[name]
        assert (member.mode, member.uid, member.gid) == (0o640, 1000, 1001)
        assert member.pax_headers["mtime"] == "1700000000.123456789"


def test_plain_tar_reads_it_and_its_digest_can_be_worked_out_by_hand(whole: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    out.mkdir()
    subprocess.run(["tar", "xzf", whole, "-C", out, "--no-same-owner"], check=True)
    manifest = json.loads((out / MANIFEST_NAME).read_text())
    by_hand = f"find . -type f ! -name {MANIFEST_NAME} -print0 | LC_ALL=C sort -z | xargs -0 sha256sum | sha256sum"
    worked_out = subprocess.run(["bash", "-euc", by_hand], cwd=out, check=True, capture_output=True, text=True)
    assert worked_out.stdout.split()[0] == manifest["sha256"]
    listed = subprocess.run(
        ["sha256sum", "--check", "--strict"], cwd=out, input=archive.check(whole).sums(), check=True
    )
    assert listed.returncode == 0


def test_an_archive_of_tar_czf_is_taken_without_a_manifest(tmp_path: Path) -> None:
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "ledger.jsonl").write_text("one\n")
    path = tmp_path / "plain.tar.gz"
    subprocess.run(["tar", "czf", path, "-C", tmp_path / "data", "."], check=True)
    contents = archive.check(path)
    assert contents.manifest is None
    assert list(contents.digests) == ["ledger.jsonl"]
    assert archive.read_manifest(path) is None


@settings(deadline=None)
@given(cut=st.floats(min_value=0, max_value=1, exclude_max=True))
def test_a_truncated_archive_is_refused_wherever_it_ends(cut: float, tmp_path_factory: pytest.TempPathFactory) -> None:
    packed = io.BytesIO()
    archive.pack(Stream(tar_of(ledger)), packed, SOURCE)
    path = tmp_path_factory.mktemp("cut") / "cut.tar.gz"
    end = int(cut * len(packed.getvalue()))
    path.write_bytes(packed.getvalue()[:end])
    # Just between its two gzip members the cut leaves a whole tar, which has no manifest then.
    assert archive.read_manifest(path) is None
    with contextlib.suppress(LedgerError):
        assert archive.check(path).manifest is None


@settings(deadline=None)
@given(where=st.floats(min_value=0, max_value=1, exclude_max=True), flip=st.integers(min_value=1, max_value=255))
def test_a_changed_byte_is_found_or_changes_nothing_that_matters(
    where: float, flip: int, tmp_path_factory: pytest.TempPathFactory
) -> None:
    packed = io.BytesIO()
    archive.pack(Stream(tar_of(ledger)), packed, SOURCE)
    content = bytearray(packed.getvalue())
    content[int(where * len(content))] ^= flip
    path = tmp_path_factory.mktemp("changed") / "changed.tar.gz"
    path.write_bytes(content)
    packed.seek(0)
    whole = path.with_name("whole.tar.gz")
    whole.write_bytes(packed.getvalue())
    try:
        contents = archive.check(path)
    except LedgerError:
        return
    assert contents == archive.check(whole)


def test_files_that_are_not_what_the_manifest_says_are_refused(whole: Path, tmp_path: Path) -> None:
    manifest = archive.read_manifest(whole)
    assert manifest is not None
    text = manifest.text().encode()

    def forged(tar: tarfile.TarFile) -> None:
        tar.addfile(entry("./ledger.jsonl", size=5), io.BytesIO(b"other"))
        tar.addfile(entry(f"./{MANIFEST_NAME}", size=len(text)), io.BytesIO(text))

    with pytest.raises(LedgerError, match="does not hold what its manifest says"):
        archive.check(foreign(tmp_path, forged))


LEADS_OUT = {
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
    "a name twice": [entry("./file"), entry("file")],
    "a restore's own directory": [entry("./.gix-restore/old/ledger.jsonl")],
}


@pytest.mark.parametrize("entries", LEADS_OUT.values(), ids=LEADS_OUT)
def test_what_would_be_written_outside_or_in_two_ways_is_refused_by_name(
    entries: list[tarfile.TarInfo], tmp_path: Path
) -> None:
    def write(tar: tarfile.TarFile) -> None:
        for each in entries:
            tar.addfile(each)

    path = foreign(tmp_path, write)
    with pytest.raises(LedgerError) as told:
        archive.check(path)
    assert entries[-1].name in str(told.value)
    with pytest.raises(LedgerError):
        archive.pack(Stream(gzip.decompress(path.read_bytes())), io.BytesIO(), SOURCE)


def test_what_is_no_archive_is_told_so(tmp_path: Path) -> None:
    path = tmp_path / "notes.txt"
    path.write_text("not an archive")
    with pytest.raises(LedgerError, match="is no gzipped tar"):
        archive.check(path)
    with pytest.raises(LedgerError, match="can't be read"):
        archive.check(tmp_path / "absent")
    path.write_bytes(gzip.compress(b"not a tar" * 1000))
    with pytest.raises(LedgerError, match="cut off or damaged"):
        archive.check(path)


def test_a_manifest_of_a_later_format_is_told(tmp_path: Path) -> None:
    text = json.dumps({**vars(Manifest(**vars(SOURCE), time="", files=0, content_bytes=0, sha256="")), "format": 2})

    def later(tar: tarfile.TarFile) -> None:
        tar.addfile(entry(f"./{MANIFEST_NAME}", size=len(text)), io.BytesIO(text.encode()))

    with pytest.raises(LedgerError, match="format is 2, and this version reads up to 1"):
        archive.check(foreign(tmp_path, later))


def test_progress_adds_up_to_the_file(whole: Path) -> None:
    told: list[int] = []
    archive.check(whole, told.append)
    assert sum(told) == whole.stat().st_size


def test_memory_stays_flat_however_large_the_ledger_is(tmp_path: Path) -> None:
    size = 64 * 2**20

    def pieces() -> Iterator[bytes]:
        header = entry("./ledger.jsonl", size=size).tobuf(tarfile.PAX_FORMAT)
        yield header
        yield from (bytes(2**20) for _ in range(size // 2**20))
        yield bytes(2 * tarfile.BLOCKSIZE)

    class Large:
        rest = pieces()

        def read(self, _size: int, /) -> bytes:
            return next(self.rest, b"")

    path = tmp_path / "large.tar.gz"
    tracemalloc.start()
    try:
        with path.open("wb") as file:
            archive.pack(Large(), file, SOURCE)
        archive.check(path)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < 8 * 2**20
