"""Archives of a ledger: they can be checked, and truncated, changed or hostile ones are refused."""

import dataclasses
import gzip
import hashlib
import io
import json
import os
import subprocess
import tarfile
import tracemalloc
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gix_ledger import archive
from gix_ledger.errors import LedgerError
from gix_ledger.manifest import MANIFEST_NAME, Measure
from tests.reliability import tried
from tests.unit.ledger import hostile_archives as hostile
from tests.unit.ledger.hostile_archives import FILES, LEDGER, LEDGER_END, SOURCE, entry, tar_of

ARCHIVES = hostile.archives()
TARS = hostile.tars()
CUTS = hostile.stream_cuts(LEDGER_END + len(hostile.END))


def measure(files: dict[str, bytes], links: dict[str, str]) -> Measure:
    """The measure of files and of further links to them."""
    digests = {name: hashlib.sha256(content).hexdigest() for name, content in files.items()}
    digests |= {name: digests[target] for name, target in links.items()}
    return archive.Contents(digests=digests, content_bytes=sum(map(len, files.values()))).measure


STATED = measure(FILES, {"again": "ledger.jsonl"})


class Sent:
    """A tar as a container sends it: in pieces of any size, followed by its measure."""

    def __init__(self, content: bytes, stated: Measure = STATED) -> None:
        self.content = io.BytesIO(content)
        self.measure = stated

    def read(self, _size: int, /) -> bytes:
        return self.content.read(7_777)

    def stated(self) -> Measure:
        return self.measure


def packed(tar: bytes = LEDGER, stated: Measure = STATED) -> bytes:
    target = io.BytesIO()
    archive.pack(Sent(tar, stated), target, SOURCE)
    return target.getvalue()


@pytest.fixture
def whole(tmp_path: Path) -> Path:
    path = tmp_path / "backup.tar.gz"
    path.write_bytes(packed())
    return path


def test_an_archive_has_the_content_that_the_check_and_the_manifest_report(whole: Path) -> None:
    contents = archive.check(whole)
    files = FILES | {"again": FILES["ledger.jsonl"]}
    assert contents.digests == {name: hashlib.sha256(content).hexdigest() for name, content in files.items()}
    assert contents.manifest == archive.read_manifest(whole)
    assert contents.manifest is not None
    assert (contents.manifest.files, contents.manifest.content_bytes) == (4, 20_000)
    assert contents.manifest.stack == "gix/dev"


def test_an_archive_keeps_owners_modes_and_times_to_the_nanosecond(whole: Path) -> None:
    with tarfile.open(whole) as tar:
        members = {member.name: member for member in tar}
    for name in (".", "./index", "./ledger.jsonl", "./index/latest"):
        member = members[name]
        assert (member.mode, member.uid, member.gid) == (0o640, 1000, 1001)
        assert member.pax_headers["mtime"] == "1700000000.123456789"


def test_plain_tar_reads_an_archive_and_sha256sum_confirms_its_digest(whole: Path, tmp_path: Path) -> None:
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


def test_an_archive_made_with_tar_is_accepted_without_a_manifest(tmp_path: Path) -> None:
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "ledger.jsonl").write_text("one\n")
    path = tmp_path / "plain.tar.gz"
    subprocess.run(["tar", "czf", path, "-C", tmp_path / "data", "."], check=True)
    contents = archive.check(path)
    assert contents.manifest is None
    assert list(contents.digests) == ["ledger.jsonl"]
    assert archive.read_manifest(path) is None


def test_a_truncated_tar_makes_no_archive() -> None:
    for cut in CUTS:
        tried("streams")
        with pytest.raises(LedgerError, match="before its end mark"):
            packed(LEDGER[:cut])
    assert packed(LEDGER[: CUTS[-1] + 1])


@pytest.mark.parametrize("made_by", ["a backup", "tar czf"])
def test_a_truncated_archive_is_refused(made_by: str, whole: Path, tmp_path: Path) -> None:
    content = whole.read_bytes() if made_by == "a backup" else gzip.compress(LEDGER)
    path = tmp_path / "cut.tar.gz"
    for cut in range(len(content)):
        path.write_bytes(content[:cut])
        tried("streams")
        with pytest.raises(LedgerError, match=r"cut off or damaged|is not a gzipped tar"):
            archive.check(path)
        assert archive.read_manifest(path) is None
    path.write_bytes(content)
    assert archive.check(path).measure == STATED


NAMES = st.text(st.characters(codec="utf-8", exclude_characters="/\0"), min_size=1, max_size=120).filter(
    lambda name: name not in {".", ".."} and not name.startswith(".gix-")
)


CUT = st.floats(min_value=0, max_value=1, exclude_max=True)
"""The place of a cut, as a share of the length."""


@settings(deadline=None, max_examples=50)
@given(files=st.dictionaries(NAMES, st.binary(max_size=2_000), max_size=5), cut=CUT, cut_archive=CUT)
def test_any_ledger_arrives_complete_or_not_at_all(
    files: dict[str, bytes], cut: float, cut_archive: float, tmp_path_factory: pytest.TempPathFactory
) -> None:
    def write(tar: tarfile.TarFile) -> None:
        tar.addfile(entry(".", kind=tarfile.DIRTYPE))
        for name, content in files.items():
            tar.addfile(entry(f"./{name}", size=len(content)), io.BytesIO(content))

    tar, stated = tar_of(write), measure(files, {})
    path = tmp_path_factory.mktemp("any") / "any.tar.gz"
    path.write_bytes(packed(tar, stated))
    assert archive.check(path).measure == stated
    assert archive.read_manifest(path) == archive.check(path).manifest

    tried("streams", 2)
    with pytest.raises(LedgerError):
        packed(tar[: int(cut * len(tar.rstrip(b"\0")))], stated)
    whole = path.read_bytes()
    path.write_bytes(whole[: int(cut_archive * len(whole))])
    with pytest.raises(LedgerError):
        archive.check(path)


@pytest.mark.parametrize(
    "other",
    [
        dataclasses.replace(STATED, files=STATED.files + 1),
        dataclasses.replace(STATED, content_bytes=STATED.content_bytes - 1),
        dataclasses.replace(STATED, sha256="0" * 64),
    ],
    ids=["a file", "a byte", "a digest"],
)
def test_a_tar_that_differs_from_its_stated_measure_makes_no_archive(other: Measure) -> None:
    with pytest.raises(LedgerError, match="did not arrive as it was sent"):
        packed(LEDGER, other)


def test_given_a_sender_that_fails_its_own_message_is_shown() -> None:
    class Failed(Sent):
        def stated(self) -> Measure:
            raise LedgerError("no space left on device")

    for content in (b"", LEDGER[:5_000], LEDGER):
        with pytest.raises(LedgerError, match="no space left on device"):
            archive.pack(Failed(content), io.BytesIO(), SOURCE)


def test_an_empty_ledger_makes_an_archive_of_its_directory(tmp_path: Path) -> None:
    path = tmp_path / "empty.tar.gz"
    path.write_bytes(packed(hostile.EMPTY["a directory alone"], measure({}, {})))
    contents = archive.check(path)
    assert contents.digests == {}
    assert contents.manifest is not None
    assert contents.manifest.files == 0


@settings(deadline=None)
@given(where=st.floats(min_value=0, max_value=1, exclude_max=True), flip=st.integers(min_value=1, max_value=255))
def test_a_changed_byte_is_detected_or_has_no_effect(
    where: float, flip: int, tmp_path_factory: pytest.TempPathFactory
) -> None:
    path = tmp_path_factory.mktemp("changed") / "changed.tar.gz"
    whole = path.with_name("whole.tar.gz")
    whole.write_bytes(packed())
    content = bytearray(whole.read_bytes())
    content[int(where * len(content))] ^= flip
    path.write_bytes(content)
    tried("archives")
    try:
        contents = archive.check(path)
    except LedgerError:
        return
    assert contents == archive.check(whole)


def test_files_that_differ_from_the_manifest_are_refused(whole: Path, tmp_path: Path) -> None:
    manifest = archive.read_manifest(whole)
    assert manifest is not None
    text = manifest.text().encode()

    def forged(tar: tarfile.TarFile) -> None:
        tar.addfile(entry("./ledger.jsonl", size=5), io.BytesIO(b"other"))
        tar.addfile(entry(f"./{MANIFEST_NAME}", size=len(text)), io.BytesIO(text))

    path = tmp_path / "forged.tar.gz"
    path.write_bytes(gzip.compress(tar_of(forged)))
    with pytest.raises(LedgerError, match="differs from its manifest"):
        archive.check(path)


@pytest.mark.parametrize("content", ARCHIVES.values(), ids=ARCHIVES)
def test_a_hostile_archive_is_refused(content: bytes, tmp_path: Path) -> None:
    path = tmp_path / "hostile.tar.gz"
    path.write_bytes(content)
    tried("archives")
    tracemalloc.start()
    try:
        with pytest.raises(LedgerError):
            archive.check(path)
        archive.read_manifest(path)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < 16 * 2**20


@pytest.mark.parametrize("content", TARS.values(), ids=TARS)
def test_a_hostile_tar_makes_no_archive(content: bytes) -> None:
    tried("archives")
    with pytest.raises(LedgerError):
        packed(content)


@pytest.mark.parametrize("name", hostile.LEADS_OUT)
def test_an_entry_that_leads_outside_or_is_ambiguous_is_named(name: str, tmp_path: Path) -> None:
    path = tmp_path / "hostile.tar.gz"
    path.write_bytes(ARCHIVES[name])
    with pytest.raises(LedgerError) as caught:
        archive.check(path)
    assert hostile.LEADS_OUT[name][-1].name in str(caught.value)


def test_a_manifest_on_the_volume_makes_no_archive() -> None:
    with pytest.raises(LedgerError, match="is on the volume"):
        packed(tar_of(lambda tar: tar.addfile(entry(f"./{MANIFEST_NAME}"))))


def test_a_file_that_is_no_archive_is_reported_as_such(tmp_path: Path) -> None:
    path = tmp_path / "notes.txt"
    path.write_text("not an archive")
    with pytest.raises(LedgerError, match="is not a gzipped tar"):
        archive.check(path)
    with pytest.raises(LedgerError, match="cannot be read"):
        archive.check(tmp_path / "absent")
    with pytest.raises(LedgerError, match="cannot be read"):
        archive.check(tmp_path / ("long" * 100))
    with pytest.raises(LedgerError, match="is not a file"):
        archive.check(tmp_path)
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    with pytest.raises(LedgerError, match="is not a file"):
        archive.check(pipe)
    path.write_bytes(gzip.compress(b"not a tar" * 1000))
    with pytest.raises(LedgerError, match="cut off or damaged"):
        archive.check(path)


def test_a_manifest_of_a_later_format_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "later.tar.gz"
    path.write_bytes(ARCHIVES["a manifest whose format is 2"])
    with pytest.raises(LedgerError, match="format is 2, and this version reads up to 1"):
        archive.check(path)


def test_the_reported_progress_adds_up_to_the_file_size(whole: Path) -> None:
    progress: list[int] = []
    archive.check(whole, progress.append)
    assert sum(progress) == whole.stat().st_size


def test_memory_does_not_grow_with_the_ledger(tmp_path: Path) -> None:
    size = 64 * 2**20

    def pieces() -> Iterator[bytes]:
        header = entry("./ledger.jsonl", size=size).tobuf(tarfile.PAX_FORMAT)
        yield header
        yield from (bytes(2**20) for _ in range(size // 2**20))
        yield bytes(2 * tarfile.BLOCKSIZE)

    zeros = hashlib.sha256()
    for _ in range(size // 2**20):
        zeros.update(bytes(2**20))

    class Large:
        rest = pieces()

        def read(self, _size: int, /) -> bytes:
            return next(self.rest, b"")

        def stated(self) -> Measure:
            return archive.Contents(digests={"ledger.jsonl": zeros.hexdigest()}, content_bytes=size).measure

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
