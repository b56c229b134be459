"""The parts of a backup: the script that copies and measures, the free space, and the archive's name."""

import errno
import io
import os
import stat
import subprocess
from pathlib import Path

import pytest
from rich.console import Console

from gix_ledger import archive, backup
from gix_ledger.errors import LedgerError
from gix_ledger.manifest import MANIFEST_NAME, Measure
from gix_ops import backups
from tests.unit.ledger import hostile_archives
from tests.unit.ledger.hostile_archives import SOURCE

MIB = 2**20


class Script:
    """The tar and the messages of the helper's script, run on this machine."""

    def __init__(self, ledger: Path, copy: Path) -> None:
        copy.mkdir()
        done = subprocess.run(["sh", "-euc", backup.SCRIPT, "backup", ledger, copy], capture_output=True, check=True)
        self.tar = done.stdout
        copied, self.sent = done.stderr.decode().splitlines()
        assert copied == "copied"

    def read(self, size: int, /) -> bytes:
        block, self.tar = self.tar[:size], self.tar[size:]
        return block

    def stated(self) -> Measure:
        word, files, content_bytes, sha256 = self.sent.split()
        assert word == "sent"
        return Measure(files=int(files), content_bytes=int(content_bytes), sha256=sha256)


def test_the_script_and_the_archive_measure_files_of_every_kind_alike(tmp_path: Path) -> None:
    ledger = tmp_path / "ledger"
    (ledger / "index").mkdir(parents=True)
    for number, name in enumerate([b"a b", b"a\\b", b"a\nb", b"a\rb", b"-rf", b"\xff\xfe", b"z" * 200, b".hidden"]):
        Path(os.fsdecode(os.fsencode(ledger) + b"/index/" + name)).write_bytes(number * 1_000 * b"x")
    (ledger / "ledger.jsonl").write_text("one\n")
    (ledger / "again").hardlink_to(ledger / "ledger.jsonl")
    (ledger / "latest").symlink_to("ledger.jsonl")
    (ledger / MANIFEST_NAME).write_text("of an archive that somebody unpacked by hand")
    os.mkfifo(ledger / "pipe")
    with (ledger / "holes").open("wb") as holes:
        holes.truncate(3 * MIB)

    path = tmp_path / "a.tar.gz"
    with path.open("wb") as file:
        manifest = archive.pack(Script(ledger, tmp_path / "copy"), file, SOURCE)
    assert manifest.files == 11
    assert manifest.content_bytes == 28_000 + len("one\n") + 3 * MIB
    assert archive.check(path).measure == manifest.measure


def test_the_script_measures_an_empty_ledger(tmp_path: Path) -> None:
    (tmp_path / "ledger").mkdir()
    with (tmp_path / "a.tar.gz").open("wb") as file:
        manifest = archive.pack(Script(tmp_path / "ledger", tmp_path / "copy"), file, SOURCE)
    assert (manifest.files, manifest.content_bytes) == (0, 0)


@pytest.mark.parametrize(
    ("engine", "target", "parts"),
    [
        (None, 99 * MIB, ["/safe has 99.0 MiB free, and needs 100.0 MiB", "another disk"]),
        (115 * MIB, None, ["the engine's disk has 115.0 MiB free, and needs 116.0 MiB", "docker image prune"]),
        (0, 0, ["the engine's disk has 0.0 MiB free", "/safe has 0.0 MiB free"]),
    ],
    ids=["target", "engine", "both"],
)
def test_too_little_space_is_reported_with_both_figures(
    engine: int | None, target: int | None, parts: list[str]
) -> None:
    with pytest.raises(LedgerError) as raised:
        backup.check_space(
            "gcam-data", 100 * MIB, engine_free_bytes=engine, target_free_bytes=target, directory=Path("/safe")
        )
    assert "no space for a copy of gcam-data, 100.0 MiB" in str(raised.value)
    for words in parts:
        assert words in str(raised.value)


def test_exactly_enough_space_is_accepted() -> None:
    backup.check_space(
        "gcam-data", 100 * MIB, engine_free_bytes=116 * MIB, target_free_bytes=100 * MIB, directory=Path("/safe")
    )
    backup.check_space("gcam-data", 100 * MIB, engine_free_bytes=None, target_free_bytes=None, directory=Path("/safe"))


@pytest.fixture(params=["hard links", "no hard links"])
def partial(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A partial archive, on file systems with and without hard links."""

    def refuse(*_paths: Path) -> None:
        raise PermissionError(errno.EPERM, "Operation not permitted")

    if request.param == "no hard links":
        monkeypatch.setattr(os, "link", refuse)
    path = tmp_path / "a.tar.gz.0.partial"
    path.write_text("new")
    path.chmod(0o600)
    return path


def test_an_archive_gets_its_final_name_and_keeps_its_mode(partial: Path) -> None:
    target = partial.with_name("a.tar.gz")
    backup.place(partial, target)
    assert target.read_text() == "new"
    assert stat.S_IMODE(target.stat().st_mode) == 0o600


@pytest.mark.parametrize("kind", ["file", "link", "dangling link"])
def test_an_archive_never_overwrites_another_file(partial: Path, kind: str) -> None:
    target, other = partial.with_name("a.tar.gz"), partial.with_name("other")
    if kind == "file":
        target.write_text("old")
    else:
        target.symlink_to(other)
    if kind == "link":
        other.write_text("old")
    with pytest.raises(LedgerError, match="exists; give another name"):
        backup.place(partial, target)
    assert partial.read_text() == "new"
    if kind == "dangling link":
        assert not other.exists()
    else:
        assert target.read_text() == "old"


@pytest.mark.parametrize(
    ("name", "is_partial"),
    [
        ("a.tar.gz.x7q_1.partial", True),
        ("a.tar.gz.partial", True),
        ("a.tar.gz", False),
        ("a.tar.gz.txt", False),
        ("download.partial", False),
    ],
)
def test_partial_archives_are_recognized_by_their_names(name: str, *, is_partial: bool) -> None:
    assert backup.is_partial(name) is is_partial


def test_a_list_of_backups_shows_which_are_complete(tmp_path: Path) -> None:
    refused = hostile_archives.archives()
    for number, content in enumerate(refused.values()):
        (tmp_path / f"{number}.tar.gz").write_bytes(content)
    (tmp_path / "cut.tar.gz.x7q_1.partial").write_bytes(b"")
    (tmp_path / "notes.partial").write_bytes(b"")
    (tmp_path / "ledger").mkdir()
    (tmp_path / "ledger" / "ledger.jsonl").write_text("one\n")
    with (tmp_path / "whole.tar.gz").open("wb") as file:
        archive.pack(Script(tmp_path / "ledger", tmp_path / "copy"), file, SOURCE)

    listed = {Path(each.file).name: each for each in backups.found(tmp_path, check=True)}
    assert len(listed) == len(refused) + 2
    assert [name for name, each in listed.items() if each.whole] == ["whole.tar.gz"]
    assert listed["cut.tar.gz.x7q_1.partial"].fault == "incomplete, or still being written"

    shown = io.StringIO()
    Console(width=400, file=shown).print(backups.table(list(listed.values())))
    assert all(name in shown.getvalue() for name in listed)
