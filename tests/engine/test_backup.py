"""Backups of a real ledger: while jobs arrive, interrupted at any moment, and restored."""

import json
import os
import stat
import subprocess
import tarfile
import time
from collections.abc import Iterator
from pathlib import Path

import docker
import pytest

from gix_ledger import archive, backup
from gix_model.environment import HELPER_LABEL
from tests.reliability import tried
from tests.support import jobs
from tests.support.backup_moments import MOMENTS, kill_backup
from tests.support.cutting_proxy import CuttingProxy, cutting_proxy
from tests.support.gixctl import command, gixctl
from tests.support.ledgers import (
    WITHIN_SECONDS,
    Arriving,
    auction,
    done_well,
    fingerprint,
    helpers,
    in_auction,
    ledger_in,
    stack_with_odd_files,
    until_in_order,
)
from tests.support.stack_under_test import StackUnderTest, new_stack

MIB = 2**20
BLOCK = tarfile.BLOCKSIZE

SMALL_DISK = r"""
directory=$1
mount -t tmpfs -o size="$2" none "$directory"
shift 2
code=0
"$@" || code=$?
find "$directory" -mindepth 1
exit "$code"
"""


@pytest.fixture(scope="module")
def stack(client: docker.DockerClient, tmp_path_factory: pytest.TempPathFactory) -> Iterator[StackUnderTest]:
    with stack_with_odd_files(client, tmp_path_factory.mktemp("backup") / "gix") as stack:
        yield stack


@pytest.fixture
def saved(stack: StackUnderTest, tmp_path: Path) -> Path:
    path = tmp_path / "saved.tar.gz"
    done_well(gixctl(stack, "backup", str(path)))
    return path


@pytest.mark.parametrize("how", [[], ["--stop"]], ids=["paused", "stopped"])
def test_a_restore_brings_every_file_of_a_backup_back_byte_for_byte(
    stack: StackUnderTest, tmp_path: Path, how: list[str]
) -> None:
    before = fingerprint(stack)
    ids = stack.ids()
    taken = json.loads(done_well(gixctl(stack, "backup", str(tmp_path / "a.tar.gz"), *how, "--json")).stdout)
    assert taken["manifest"]["stack"] == f"gix/{stack.name}"
    assert taken["manifest"]["image"] == stack.container("auction")["Image"]
    assert 0 < taken["held_seconds"] < WITHIN_SECONDS
    assert [path.name for path in tmp_path.iterdir()] == ["a.tar.gz"]
    assert fingerprint(stack) == before

    in_auction(stack, "rm -r /data/index; echo new >/data/new; chown 0:0 /data")
    refused = gixctl(stack, "restore", str(tmp_path / "a.tar.gz"))
    assert refused.returncode == 1
    assert "is not empty" in refused.stderr
    assert "--replace" in refused.stderr

    # A stopped auction writes nothing before the fingerprint is taken.
    auction(stack).stop()
    done_well(gixctl(stack, "restore", str(tmp_path / "a.tar.gz"), "--replace"))
    assert auction(stack).status == "exited"
    assert fingerprint(stack) == before
    auction(stack).start()
    until_in_order(stack)
    assert stack.ids() == ids
    assert done_well(gixctl(stack, "verify")).stdout.startswith(f"gix/{stack.name}: as declared")


def test_a_backup_while_jobs_arrive_has_every_settled_job_complete(stack: StackUnderTest, tmp_path: Path) -> None:
    path = tmp_path / "busy.tar.gz"
    with Arriving(stack.endpoint("router")) as arriving:
        settled_before = len(jobs.ledger(stack))
        done_well(gixctl(stack, "backup", str(path)))
        settled_after = len(jobs.ledger(stack))
    saved = [line["seq"] for line in ledger_in(path)]
    assert settled_before <= len(saved) <= settled_after
    assert saved == list(range(1, len(saved) + 1))
    kept = {json.loads(line)["seq"] for line in jobs.ledger(stack)}
    assert {receipt["seq"] for receipt in arriving.receipts} <= kept
    assert len(arriving.receipts) > 3


def test_two_stacks_are_backed_up_at_the_same_time_and_one_restores_the_ledger_of_the_other(
    stack: StackUnderTest, client: docker.DockerClient, tmp_path_factory: pytest.TempPathFactory, tmp_path: Path
) -> None:
    other = new_stack(client, tmp_path_factory.mktemp("other") / "gix")
    try:
        other.up()
        both = [
            subprocess.Popen(**command(each, "backup", str(tmp_path / f"{each.name}.tar.gz")))
            for each in (stack, other)
        ]
        assert [each.wait() for each in both] == [0, 0]
        manifests = [archive.read_manifest(tmp_path / f"{each.name}.tar.gz") for each in (stack, other)]
        assert [each.stack for each in manifests if each] == [f"gix/{stack.name}", f"gix/{other.name}"]
        listed = json.loads(
            done_well(gixctl(other, "backups", str(tmp_path), "--check", "--json", select=False)).stdout
        )
        assert [each["whole"] for each in listed] == [True, True]

        # The ledger of `other` is empty, so that restore needs no --replace.
        before = fingerprint(stack)
        done_well(gixctl(other, "restore", str(tmp_path / f"{stack.name}.tar.gz")))
        until_in_order(other)
        assert jobs.ledger(other)[:-1] == jobs.ledger(stack)
        assert fingerprint(stack) == before
    finally:
        other.remove()


@pytest.mark.parametrize("how", [[], ["--stop"]], ids=["paused", "stopped"])
@pytest.mark.parametrize("moment", MOMENTS)
def test_a_killed_backup_leaves_no_file_that_looks_complete_and_the_auction_continues(
    stack: StackUnderTest, tmp_path: Path, moment: str, how: list[str]
) -> None:
    before = jobs.ledger(stack)
    path = tmp_path / "killed.tar.gz"
    kill_backup(stack, path, MOMENTS[moment], *how)
    tried("engine")
    until_in_order(stack)
    assert jobs.ledger(stack)[: len(before)] == before
    # An archive with its final name is complete.
    assert path.exists() == (moment == "the archive has its name")
    if path.exists():
        assert archive.check(path).manifest is not None
    for partial in tmp_path.glob("*.partial"):
        assert stat.S_IMODE(partial.stat().st_mode) == 0o600
    listed = json.loads(done_well(gixctl(stack, "backups", str(tmp_path), "--json", select=False)).stdout)
    assert {each["file"]: each["whole"] for each in listed} == {
        str(each): None if each == path else False for each in tmp_path.iterdir()
    }


def test_leftovers_of_killed_backups_do_not_block_the_next_backup(stack: StackUnderTest, tmp_path: Path) -> None:
    path, victim = tmp_path / "a.tar.gz", tmp_path / "victim"
    victim.write_text("not to be written over")
    kill_backup(stack, path, MOMENTS["bytes arrive"])
    until_in_order(stack)
    left = {each: each.read_bytes() for each in tmp_path.glob("*.partial")}
    assert left
    for each in left:
        each.chmod(0o644)
    (tmp_path / "a.tar.gz.partial").symlink_to(victim)
    done_well(gixctl(stack, "backup", str(path)))
    assert archive.check(path).manifest is not None
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert victim.read_text() == "not to be written over"
    assert {each: each.read_bytes() for each in left} == left


def test_given_two_backups_to_one_file_one_is_complete_and_the_other_is_refused(
    stack: StackUnderTest, tmp_path: Path
) -> None:
    path = tmp_path / "a.tar.gz"
    both = [subprocess.Popen(**command(stack, "backup", str(path))) for _ in range(2)]
    assert sorted(each.wait() for each in both) == [0, 1]
    assert archive.check(path).manifest is not None
    assert list(tmp_path.iterdir()) == [path]
    until_in_order(stack)


def test_a_connection_that_ends_early_leaves_no_archive(stack: StackUnderTest, tmp_path: Path) -> None:
    def of_the_backup(container: str) -> bool:
        return bool(stack.client.containers.get(container).labels[HELPER_LABEL] == "backup")

    def backup_through(through: CuttingProxy, name: str) -> subprocess.CompletedProcess[str]:
        run = command(stack, "backup", str(tmp_path / name))
        run["env"] |= {"DOCKER_HOST": through.address}
        return subprocess.run(**run, capture_output=True, text=True, check=False)

    with cutting_proxy(of_the_backup) as proxy:
        done_well(backup_through(proxy, "whole.tar.gz"))
    whole = proxy.arrived
    # The tar is padded to a multiple of 10240 bytes. Its end mark is in the last of these blocks.
    limits = [0, BLOCK, whole // 4 // BLOCK * BLOCK, whole // 2, whole - 20 * BLOCK, whole - 20 * BLOCK + 1]
    for number, limit in enumerate([*limits, None]):
        with cutting_proxy(of_the_backup, limit=limit, quiet=None if limit is not None else b"sent ") as proxy:
            done = backup_through(proxy, f"{number}.tar.gz")
        tried("engine")
        assert proxy.arrived == (whole if limit is None else limit)
        assert done.returncode == 1, done.stdout
        assert "cut off" in done.stderr or "the connection to the engine ended" in done.stderr
        assert "Traceback" not in done.stderr
        assert [each.name for each in tmp_path.iterdir()] == ["whole.tar.gz"]
        assert helpers(stack) == []
        assert auction(stack).status == "running"


def test_a_second_backup_at_the_same_time_is_refused_and_so_is_an_existing_file(
    stack: StackUnderTest, saved: Path, tmp_path: Path
) -> None:
    done = gixctl(stack, "backup", str(saved))
    assert done.returncode == 1
    assert "exists; give another name" in done.stderr
    name = f"{stack.prefix}-gcam-data-helper"
    held = stack.client.containers.create(stack.container("auction")["Image"], name=name)
    try:
        for verb in (["backup", str(tmp_path / "second.tar.gz")], ["restore", str(saved), "--replace"]):
            done = gixctl(stack, *verb)
            assert done.returncode == 1
            assert f"is running (container {name})" in done.stderr
            assert "gixctl doctor --fix" in done.stderr
        held.reload()
    finally:
        held.remove(force=True, v=True)
    assert auction(stack).status == "running"


def on_small_disk(stack: StackUnderTest, size: int, directory: Path, *words: str) -> subprocess.CompletedProcess[str]:
    """Run gixctl with a file system of `size` bytes at `directory`, and print the files that are left there."""
    directory.mkdir()
    run = command(stack, *words)
    unshare = ["unshare", "--mount", *(["--map-root-user"] if os.geteuid() else [])]
    run["args"] = [*unshare, "sh", "-euc", SMALL_DISK, "sh", str(directory), str(size), *run["args"]]
    done = subprocess.run(**run, capture_output=True, text=True, check=False)
    assert "Traceback" not in done.stderr
    return done


def actions(stack: StackUnderTest, since: float) -> list[str]:
    """The engine's events of the auction's container since a moment."""
    mine = {"type": "container", "container": auction(stack).id}
    events = stack.client.events(decode=True, since=int(since), until=int(time.time()) + 1, filters=mine)
    found = [event["Action"] for event in events if event["timeNano"] >= since * 1e9]
    return [action for action in found if not action.startswith(("exec_", "health_status"))]


def test_given_a_file_that_cannot_be_written_the_backup_fails_and_names_it(stack: StackUnderTest) -> None:
    done = gixctl(stack, "backup", "/proc/backup.tar.gz")
    assert done.returncode == 1
    assert "/proc/backup.tar.gz cannot be written" in done.stderr


def test_given_a_disk_that_is_too_small_the_backup_fails_before_it_pauses_the_auction(
    stack: StackUnderTest, tmp_path: Path
) -> None:
    begun = time.time()
    disk = tmp_path / "disk"
    done = on_small_disk(stack, 4 * MIB, disk, "backup", str(disk / "a.tar.gz"))
    assert done.returncode == 1
    assert f"no space for a copy of {stack.prefix}-gcam-data" in done.stderr
    assert f"{disk} has 4.0 MiB free, and needs" in done.stderr
    assert "give a name on another disk" in done.stderr
    assert done.stdout == ""
    assert actions(stack, begun) == []
    assert helpers(stack) == []


def test_given_a_disk_that_becomes_full_no_archive_is_left(stack: StackUnderTest, tmp_path: Path) -> None:
    # A sparse file takes no space on the volume but some in the archive, so that the disk is full long before the end.
    in_auction(stack, "truncate --size 1G /data/holes")
    try:
        size = int(in_auction(stack, "du --summarize --block-size=1 /data").split()[0])
        disk = tmp_path / "disk"
        done = on_small_disk(stack, size + MIB, disk, "backup", str(disk / "a.tar.gz"))
    finally:
        in_auction(stack, "rm /data/holes")
    assert done.returncode == 1
    assert f"{disk}/a.tar.gz cannot be written: No space left on device" in done.stderr
    assert done.stdout == ""
    assert helpers(stack) == []
    assert auction(stack).status == "running"


def test_given_a_copy_that_does_not_fit_on_the_engine_the_disk_is_unchanged_afterwards(stack: StackUnderTest) -> None:
    done = stack.client.containers.run(
        stack.container("auction")["Image"],
        # One stream: the order of the lines of two is not fixed.
        [
            "sh",
            "-uc",
            'exec 2>&1; sh -euc "$1" backup /data /copy; echo "exit code $?"; ls -A /copy',
            "sh",
            backup.SCRIPT,
        ],
        entrypoint=[],
        user="0",
        volumes=[f"{stack.prefix}-gcam-data:/data:ro"],
        tmpfs={"/copy": "size=1m"},
        remove=True,
    )
    words = bytes(done).decode()
    assert "No space left on device" in words
    assert words.endswith("exit code 1\n")


def test_files_of_other_users_are_listed_and_given_to_the_auction_s_user(stack: StackUnderTest) -> None:
    in_auction(
        stack, "chown -R 1000:1000 /data; echo x >/data/'of root'; chmod 0600 '/data/of root'; ln -s . /data/way"
    )
    dry = json.loads(done_well(gixctl(stack, "fix-permissions", "--dry-run", "--json")).stdout)
    assert sorted(each["path"] for each in dry) == ["./of root", "./way"]
    assert {each["owner"] for each in dry} == {"0:0"}
    assert "1000:1000" not in in_auction(stack, "stat -c %u:%g '/data/of root'")
    assert "./of root: 0:0 -> 1000:1000" in done_well(gixctl(stack, "fix-permissions")).stdout
    assert in_auction(stack, "stat -c '%u:%g %a' '/data/of root'").strip() == "1000:1000 600"
    assert json.loads(done_well(gixctl(stack, "fix-permissions", "--json")).stdout) == []
    in_auction(stack, "rm '/data/of root' /data/way")


def test_given_no_container_the_ledger_is_backed_up_and_given_no_volume_the_verbs_fail(
    fresh: StackUnderTest, tmp_path: Path
) -> None:
    fresh.up()
    jobs.settle(fresh, 2)
    auction(fresh).remove(force=True)
    done_well(gixctl(fresh, "backup", str(tmp_path / "a.tar.gz")))
    assert len(ledger_in(tmp_path / "a.tar.gz")) == 2
    done = gixctl(fresh, "fix-permissions")
    assert done.returncode == 1
    assert "give --owner" in done.stderr
    fresh.client.volumes.get(f"{fresh.prefix}-gcam-data").remove()
    for verb in (["backup", str(tmp_path / "b.tar.gz")], ["restore", str(tmp_path / "a.tar.gz")]):
        done = gixctl(fresh, *verb)
        assert done.returncode == 1
        assert f"there is no volume {fresh.prefix}-gcam-data" in done.stderr
    assert fresh.client.volumes.list(filters={"name": f"{fresh.prefix}-gcam-data"}) == []
