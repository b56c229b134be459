"""The script that replaces the old ledger by a restored one: with any file names, and cut off anywhere.

Each test counts the sets of names and the interrupted runs that it tries.
"""

import hashlib
import itertools
import os
import shutil
import subprocess
import tempfile
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

import gix_ledger
from gix_ledger.archive import WORK_DIRECTORY
from gix_ledger.helper import SWAP_REFUSED
from gix_ledger.manifest import MANIFEST_NAME
from tests.reliability import tried

SCRIPT = Path(gix_ledger.__file__).with_name("swap.sh")
COMMANDS = (
    *("cat", "chmod", "chown", "comm", "date", "find", "flock", "head", "ln", "mkdir", "mv", "rm", "sha256sum"),
    *("sed", "sort", "stat", "sync", "touch", "tr"),
)
OWNER = f"{os.getuid()}:{os.getgid()}"
ATTRIBUTES = f"{OWNER} 750 @1000000000.000000005\n"
OLD_MODE, NEW_MODE = 0o755, 0o750

Files = dict[bytes, bytes]
"""The content of a directory, by path."""

OLD: Files = {
    b"ledger.jsonl": b"old\n",
    b"index/a": b"old a",
    b"only-old": b"x",
    b".hidden": b"old h",
    b"kind": b"a file",
}
NEW: Files = {
    b"ledger.jsonl": b"new\n",
    b"index/b": b"new b",
    b"only new": b"y",
    b"..odd": b"new o",
    b"kind/now": b"a directory",
}
HOSTILE = (
    *(b"--help", b"-rf", b"-v", b"--", b"*", b"\n", b".gix-restored", b"-", b"--target-directory=x", b"a\\b", b"\x81"),
    *(b"...", b"(", b"!", b"-newer", b"?", b"[!.]*", b"..a", b".gix-kept", b"$(touch x)", b"`x`", b"'", b'"'),
    *(b" ", b"\r", b"\t", b"a\n", b"\x88\x80", b"\xff", b"=", b"#", b"~", b"x" * 255),
)


def write(directory: Path, files: Files) -> None:
    for name, content in files.items():
        path = directory / os.fsdecode(name)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)


def files(directory: Path) -> Files:
    found = (path for path in directory.rglob("*") if path.is_file())
    return {os.fsencode(path.relative_to(directory)): path.read_bytes() for path in found}


def prepared(volume: Path, old: Files, new: Files) -> Path:
    """A volume with everything that the script of a restore needs."""
    volume.mkdir()
    volume.chmod(OLD_MODE)
    write(volume, old)
    work = volume / WORK_DIRECTORY
    (work / "new").mkdir(parents=True)
    sums = sorted(
        hashlib.sha256(content).hexdigest().encode() + b"  ./" + name + b"\0" for name, content in new.items()
    )
    (work / "sums").write_bytes(b"".join(sums))
    (work / "attributes").write_text(ATTRIBUTES)
    write(work / "new", new)
    return volume


@pytest.fixture
def volume(tmp_path: Path) -> Path:
    return prepared(tmp_path / "volume", OLD, NEW)


def run(volume: Path, what: str, path: str | None = None) -> subprocess.CompletedProcess[str]:
    environment = {"PATH": path or os.environ["PATH"], "DATA_DIRECTORY": str(volume), "CLOSED_OWNER": OWNER}
    return subprocess.run(
        ["sh", SCRIPT, what],
        env=environment,
        capture_output=True,
        text=True,
        errors="replace",
        check=False,
        start_new_session=True,
    )


def well(done: subprocess.CompletedProcess[str]) -> str:
    assert (done.returncode, done.stderr) == (0, "")
    return done.stdout


def restored(volume: Path, path: str | None = None) -> bool:
    """Run the steps of a restore. Returns whether it completed."""
    return all(run(volume, step, path).returncode == 0 for step in ("ready", "swap", "settle"))


def mode(volume: Path) -> int:
    return volume.stat().st_mode & 0o7777


@pytest.fixture(scope="session")
def deadly(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A PATH whose commands count down, and kill the script at zero."""
    directory = tmp_path_factory.mktemp("deadly")
    for command in COMMANDS:
        wrapper = directory / command
        # These tests cut off processes, not power, so that waiting for the disk would only cost time.
        rest = "true" if command == "sync" else f'{shutil.which(command)} "$@"'
        wrapper.write_text(
            f'#!/bin/sh\nread -r left <"{directory}/left"\n[ "$left" -gt 0 ] || kill -9 0\n'
            f'echo $((left - 1)) >"{directory}/left"\nexec {rest}\n'
        )
        wrapper.chmod(0o755)
    return directory


def cut_off(volume: Path, deadly: Path, steps: int, script: Callable[[Path, str], bool] = restored) -> bool:
    """Run a script and kill it after `steps` commands. Returns whether it was killed."""
    (deadly / "left").write_text(f"{steps}\n")
    return not script(volume, f"{deadly}:{os.environ['PATH']}")


def settles(volume: Path, path: str) -> bool:
    return run(volume, "settle", path).returncode == 0


def settled(volume: Path, old: Files, new: Files) -> bool:
    """Settle a volume. Returns whether it has the new ledger. Fails if it has neither ledger, or other files."""
    there = files(volume).values()
    assert all(content in there for content in old.values()) or all(content in there for content in new.values())
    assert well(run(volume, "settle")) == ""
    is_new = mode(volume) == NEW_MODE
    assert is_new or mode(volume) == OLD_MODE
    assert files(volume) == (new if is_new else old)
    assert not (volume / WORK_DIRECTORY).exists()
    return is_new


def test_a_restore_leaves_only_the_new_files_with_the_attributes_of_their_directory(volume: Path) -> None:
    assert restored(volume)
    assert files(volume) == NEW
    assert sorted(path.name for path in volume.iterdir()) == ["..odd", "index", "kind", "ledger.jsonl", "only new"]
    assert mode(volume) == NEW_MODE
    assert volume.stat().st_mtime_ns == 10**18 + 5


def test_between_ready_and_settle_only_the_owner_can_open_the_directory(volume: Path) -> None:
    for step in ("ready", "swap"):
        well(run(volume, step))
        assert mode(volume) == 0o700
    well(run(volume, "settle"))
    assert mode(volume) == NEW_MODE


def test_an_undone_restore_restores_the_attributes_of_the_directory(volume: Path) -> None:
    os.utime(volume, ns=(0, 10**18 + 7))
    volume.chmod(0o2751)
    well(run(volume, "ready"))
    well(run(volume, "settle"))
    assert (files(volume), mode(volume), volume.stat().st_mtime_ns) == (OLD, 0o2751, 10**18 + 7)


@pytest.mark.parametrize("names", [(b"ledger.jsonl",), HOSTILE[:13]], ids=["plain", "hostile"])
def test_a_swap_that_is_cut_off_before_any_command_loses_nothing_and_can_be_completed(
    tmp_path: Path, deadly: Path, names: tuple[bytes, ...]
) -> None:
    # Some names are in both ledgers, some in one, and some change between file and directory.
    old = OLD | {name: b"old of " + name for name in names[::2]} | {name + b"/x": b"old" for name in names[1::4]}
    new = NEW | {name: b"new of " + name for name in names[::3]} | {name + b"/y": b"new" for name in names[1::3]}
    outcomes = []
    for steps in itertools.count():
        volume = prepared(tmp_path / f"volume-{steps}", old, new)
        was_cut_off = cut_off(volume, deadly, steps)
        # The ledger's own name always has a complete file.
        assert (volume / "ledger.jsonl").read_bytes() in {old[b"ledger.jsonl"], new[b"ledger.jsonl"]}
        outcomes.append(settled(volume, old, new))
        shutil.rmtree(volume)
        if not was_cut_off:
            break
    tried("names", len({*old, *new}))
    tried("interruptions", len(outcomes) - 1)
    assert len(outcomes) > 30
    # Up to some command a swap is undone, and from then on it is completed.
    assert outcomes == sorted(outcomes)
    assert {*outcomes} == {False, True}


def swaps(volume: Path, path: str) -> bool:
    return run(volume, "swap", path).returncode == 0


@pytest.mark.parametrize("steps_of_swap", [6, 8, 1000], ids=["begun", "half way", "whole"])
def test_settling_that_is_cut_off_before_any_command_loses_nothing(
    tmp_path: Path, deadly: Path, steps_of_swap: int
) -> None:
    for steps in itertools.count():
        volume = prepared(tmp_path / f"volume-{steps}", OLD, NEW)
        well(run(volume, "ready"))
        cut_off(volume, deadly, steps_of_swap, swaps)
        assert (volume / WORK_DIRECTORY / "swapping").exists()
        again = cut_off(volume, deadly, steps, settles)
        assert settled(volume, OLD, NEW)
        shutil.rmtree(volume)
        if not again:
            break
    tried("interruptions", steps)
    assert steps >= 9


def names() -> st.SearchStrategy[bytes]:
    """File names: some that a shell or a command could misread, and any bytes."""
    made_up = st.binary(min_size=1, max_size=255).map(lambda name: name.replace(b"/", b"-").replace(b"\0", b"0"))
    reserved = {b".", b"..", os.fsencode(WORK_DIRECTORY), os.fsencode(MANIFEST_NAME)}
    return st.one_of(st.sampled_from(HOSTILE), made_up).filter(lambda name: name not in reserved)


def trees() -> st.SearchStrategy[Files]:
    """Files in a directory, some of them in subdirectories."""
    contents = st.binary(max_size=8)
    return st.dictionaries(
        names(), st.one_of(contents, st.dictionaries(names(), contents, min_size=1, max_size=2)), max_size=6
    ).map(flat)


def flat(tree: dict[bytes, bytes | Files]) -> Files:
    return {
        b"/".join((name, *rest)): content
        for name, inside in tree.items()
        for rest, content in (
            [((), inside)] if isinstance(inside, bytes) else [((each,), deep) for each, deep in inside.items()]
        )
    }


@settings(max_examples=100, deadline=None)
@given(old=trees(), new=trees(), steps=st.integers(0, 60))
@example(old=dict.fromkeys(HOSTILE, b"old"), new={}, steps=1000)
@example(old={}, new=dict.fromkeys(HOSTILE, b"new"), steps=1000)
@example(old={b"--help": b"old"}, new={b"--help/x": b"new"}, steps=1000)
def test_given_any_file_names_the_volume_has_all_old_or_all_new_files(
    deadly: Path, old: Files, new: Files, steps: int
) -> None:
    tried("names", len({*old, *new}))
    with tempfile.TemporaryDirectory() as directory:
        volume = prepared(Path(directory) / "volume", old, new)
        if not cut_off(volume, deadly, steps):
            assert files(volume) == new
        settled(volume, old, new)


def test_files_that_differ_from_the_archive_stop_a_swap_before_the_old_ones_move(volume: Path) -> None:
    (volume / WORK_DIRECTORY / "new/ledger.jsonl").write_text("nee\n")
    done = run(volume, "ready")
    assert done.returncode
    assert "what arrived on the volume differs from the archive: ./ledger.jsonl" in done.stderr
    well(run(volume, "settle"))
    assert files(volume) == OLD


def test_a_missing_file_stops_a_swap(volume: Path) -> None:
    (volume / WORK_DIRECTORY / "new/only new").unlink()
    done = run(volume, "ready")
    assert done.returncode
    assert "./only new" in done.stderr
    well(run(volume, "settle"))
    assert files(volume) == OLD


@pytest.mark.parametrize("attributes", [f"{OWNER} 750 @nan", "-1:-1 750 @1", f"{OWNER} 999 @1", "", "x"])
def test_attributes_that_no_directory_can_have_stop_a_swap_before_the_old_files_move(
    volume: Path, attributes: str
) -> None:
    (volume / WORK_DIRECTORY / "attributes").write_text(f"{attributes}\n")
    assert run(volume, "ready").returncode
    well(run(volume, "settle"))
    assert (files(volume), mode(volume)) == (OLD, OLD_MODE)


def test_an_empty_archive_empties_the_volume(tmp_path: Path) -> None:
    volume = prepared(tmp_path / "volume", OLD, {})
    assert restored(volume)
    assert files(volume) == {}


def tick(volume: Path) -> None:
    """Wait until the file system's clock has advanced since the restore began."""
    probe = volume.with_name("probe")
    while True:
        probe.touch()
        if probe.stat().st_mtime_ns > (volume / WORK_DIRECTORY / "sums").stat().st_ctime_ns:
            return


@pytest.mark.parametrize("change", ["a line", "a new file", "a file gone"])
def test_a_swap_is_refused_if_a_file_has_changed_since_the_restore_began(volume: Path, change: str) -> None:
    well(run(volume, "ready"))
    tick(volume)
    if change == "a line":
        with (volume / "index/a").open("ab") as file:
            file.write(b"acknowledged")
    elif change == "a new file":
        (volume / "index/c").write_bytes(b"acknowledged")
    else:
        (volume / "index/a").unlink()
    now = files(volume)
    done = run(volume, "swap")
    assert done.returncode == SWAP_REFUSED
    assert "was changed during the restore" in done.stderr
    well(run(volume, "settle"))
    there = {name: content for name, content in now.items() if not name.startswith(os.fsencode(WORK_DIRECTORY))}
    assert (files(volume), mode(volume)) == (there, OLD_MODE)


def test_given_a_write_to_an_old_file_after_the_swap_the_file_is_kept_wherever_settling_is_cut_off(
    tmp_path: Path, deadly: Path
) -> None:
    for steps in itertools.count():
        volume = prepared(tmp_path / f"volume-{steps}", OLD, NEW)
        with (volume / "ledger.jsonl").open("ab") as held_open:
            well(run(volume, "ready"))
            well(run(volume, "swap"))
            tick(volume)
            held_open.write(b"acknowledged\n")
        (deadly / "left").write_text(f"{steps}\n")
        first = run(volume, "settle", f"{deadly}:{os.environ['PATH']}")
        reported = (first.stdout + well(run(volume, "settle"))).split()
        kept = [path for path in volume.iterdir() if path.name.startswith(".gix-kept-")]
        assert len(kept) == 1
        assert {*reported} == {kept[0].name}
        assert files(kept[0]) == OLD | {b"ledger.jsonl": b"old\nacknowledged\n"}
        shutil.rmtree(kept[0])
        assert (files(volume), mode(volume)) == (NEW, NEW_MODE)
        if first.returncode == 0:
            break
    assert steps > 10
