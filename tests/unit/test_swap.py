"""The script that puts a restored ledger in the old one's place, cut off before each command that it runs."""

import hashlib
import itertools
import os
import shutil
import subprocess
from pathlib import Path

import pytest

import gix_ledger

SCRIPT = Path(gix_ledger.__file__).with_name("swap.sh")
COMMANDS = ("chmod", "chown", "find", "ln", "mkdir", "mv", "rm", "sha256sum", "stat", "sync", "touch")
OLD = {"ledger.jsonl": "old\n", "index/a": "old a", "only-old": "x", ".hidden": "old h", "kind": "a file"}
ATTRIBUTES = f"{os.getuid()}:{os.getgid()} 750 @1000000000.000000005\n"
NEW = {"ledger.jsonl": "new\n", "index/b": "new b", "only new": "y", "..odd": "new o", "kind/now": "a directory"}


def write(directory: Path, files: dict[str, str]) -> None:
    for name, content in files.items():
        (directory / name).parent.mkdir(parents=True, exist_ok=True)
        (directory / name).write_text(content)


def files(directory: Path) -> dict[str, str]:
    return {str(path.relative_to(directory)): path.read_text() for path in directory.rglob("*") if path.is_file()}


@pytest.fixture
def volume(tmp_path: Path) -> Path:
    """A volume on which a restore has put everything that its script needs."""
    return prepared(tmp_path / "volume")


def prepared(volume: Path) -> Path:
    volume.mkdir()
    write(volume, OLD)
    new = volume / ".gix-restore" / "new"
    new.mkdir(parents=True)
    write(new, NEW)
    sums = "".join(f"{hashlib.sha256(text.encode()).hexdigest()}  ./{name}\n" for name, text in NEW.items())
    (new.parent / "sums").write_text(sums)
    (new.parent / "attributes").write_text(ATTRIBUTES)
    return volume


def run(volume: Path, what: str, path: str = os.environ["PATH"]) -> subprocess.CompletedProcess[str]:
    environment = {"PATH": path, "DATA_DIRECTORY": str(volume)}
    return subprocess.run(["sh", SCRIPT, what], env=environment, capture_output=True, text=True, check=False)


@pytest.fixture
def deadly(tmp_path: Path) -> Path:
    """A PATH on which each command takes one from a counter, and the one that takes the last kills the script."""
    directory = tmp_path / "bin"
    directory.mkdir()
    for command in COMMANDS:
        wrapper = directory / command
        wrapper.write_text(
            f'#!/bin/sh\nread -r left <"{directory}/left"\n[ "$left" -gt 0 ] || kill -9 $PPID\n'
            f'echo $((left - 1)) >"{directory}/left"\nexec {shutil.which(command)} "$@"\n'
        )
        wrapper.chmod(0o755)
    return directory


def test_a_swap_leaves_the_new_files_alone_with_the_attributes_of_their_directory(volume: Path) -> None:
    done = run(volume, "swap")
    assert (done.returncode, done.stderr) == (0, "")
    assert files(volume) == NEW
    assert sorted(path.name for path in volume.iterdir()) == ["..odd", "index", "kind", "ledger.jsonl", "only new"]
    assert volume.stat().st_mode & 0o777 == 0o750
    assert volume.stat().st_mtime_ns == 10**18 + 5


def test_cut_off_before_any_of_its_commands_it_loses_nothing_and_can_be_ended(tmp_path: Path, deadly: Path) -> None:
    outcomes = []
    for steps in itertools.count():
        volume = prepared(tmp_path / f"volume-{steps}")
        (deadly / "left").write_text(f"{steps}\n")
        done = run(volume, "swap", f"{deadly}:{os.environ['PATH']}")
        if done.returncode == 0:
            break
        there = list(files(volume).values())
        assert all(content in there for content in OLD.values()) or all(content in there for content in NEW.values())
        # The ledger's own name is never without a whole file.
        assert (volume / "ledger.jsonl").read_text() in {"old\n", "new\n"}

        settled = run(volume, "settle")
        assert (settled.returncode, settled.stderr) == (0, "")
        assert files(volume) in (OLD, NEW)
        assert not list(volume.glob(".gix*"))
        outcomes.append(files(volume) == NEW)
    assert len(outcomes) > 15
    # What was taken back comes first, then what was carried on: never one after the other's beginning.
    assert outcomes == sorted(outcomes)
    assert {*outcomes} == {False, True}


def test_settling_is_itself_cut_off_without_a_loss(tmp_path: Path, deadly: Path) -> None:
    """Cut off in the middle of the swap, then in every command of its settling."""
    for steps in itertools.count():
        volume = prepared(tmp_path / f"volume-{steps}")
        path = f"{deadly}:{os.environ['PATH']}"
        (deadly / "left").write_text("12\n")
        assert run(volume, "swap", path).returncode
        assert (volume / ".gix-restore" / "swapping").exists()
        (deadly / "left").write_text(f"{steps}\n")
        settled = run(volume, "settle", path)
        assert run(volume, "settle").returncode == 0
        assert files(volume) == NEW
        if settled.returncode == 0:
            break
    assert steps > 5


def test_files_that_did_not_arrive_as_they_are_in_the_archive_stop_it_before_the_old_ones_move(volume: Path) -> None:
    (volume / ".gix-restore" / "new" / "ledger.jsonl").write_text("nee\n")
    done = run(volume, "swap")
    assert done.returncode
    assert "ledger.jsonl: FAILED" in done.stdout
    assert run(volume, "settle").returncode == 0
    assert files(volume) == OLD


def test_a_file_too_few_stops_it_too(volume: Path) -> None:
    (volume / ".gix-restore" / "new" / "only new").unlink()
    done = run(volume, "swap")
    assert done.returncode
    assert "not every file arrived" in done.stderr
    assert run(volume, "settle").returncode == 0
    assert files(volume) == OLD


def test_an_empty_archive_empties_the_volume(tmp_path: Path) -> None:
    volume = tmp_path / "volume"
    (volume / ".gix-restore" / "new").mkdir(parents=True)
    (volume / ".gix-restore" / "sums").write_text("")
    (volume / ".gix-restore" / "attributes").write_text(ATTRIBUTES)
    write(volume, OLD)
    assert run(volume, "swap").returncode == 0
    assert files(volume) == {}
