"""Backups of a real ledger and the way back: while jobs arrive, and cut off at any moment."""

import json
import subprocess
from collections.abc import Iterator
from pathlib import Path

import docker
import pytest

from gix_components.backups import archive
from tests.engine import jobs
from tests.engine.gixctl import command, gixctl
from tests.engine.ledgers import (
    WITHIN_SECONDS,
    Arriving,
    auction,
    done_well,
    fingerprint,
    in_auction,
    killed,
    ledger_in,
    moments,
    stack_with_odd_files,
    until_in_order,
)
from tests.engine.stack_under_test import StackUnderTest, new_stack


@pytest.fixture(scope="module")
def stack(client: docker.DockerClient, tmp_path_factory: pytest.TempPathFactory) -> Iterator[StackUnderTest]:
    stack = stack_with_odd_files(client, tmp_path_factory.mktemp("backup") / "gix")
    try:
        yield stack
    finally:
        stack.remove()


@pytest.fixture
def saved(stack: StackUnderTest, tmp_path: Path) -> Path:
    path = tmp_path / "saved.tar.gz"
    done_well(gixctl(stack, "backup", str(path)))
    return path


@pytest.mark.parametrize("how", [[], ["--stop"]], ids=["paused", "stopped"])
def test_a_backup_and_its_restore_bring_every_file_back_byte_for_byte(
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

    # One that does not run stays so, and touches nothing before the fingerprint is taken.
    auction(stack).stop()
    done_well(gixctl(stack, "restore", str(tmp_path / "a.tar.gz"), "--replace"))
    assert auction(stack).status == "exited"
    assert fingerprint(stack) == before
    auction(stack).start()
    until_in_order(stack)
    assert stack.ids() == ids
    assert done_well(gixctl(stack, "verify")).stdout.startswith(f"gix/{stack.name}: as declared")


def test_while_jobs_arrive_no_settled_job_is_lost_or_half_written(stack: StackUnderTest, tmp_path: Path) -> None:
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


def test_two_stacks_are_backed_up_at_once_and_one_s_ledger_moves_into_the_other(
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

        # The other's ledger holds no byte yet, so that nothing needs to be told to give way.
        before = fingerprint(stack)
        done_well(gixctl(other, "restore", str(tmp_path / f"{stack.name}.tar.gz")))
        until_in_order(other)
        assert jobs.ledger(other)[:-1] == jobs.ledger(stack)
        assert fingerprint(stack) == before
    finally:
        other.remove()


def test_a_backup_killed_at_any_moment_looks_never_whole_and_leaves_the_auction_serving(
    stack: StackUnderTest, tmp_path: Path
) -> None:
    for number, moment in enumerate(moments(stack, "backup", str(tmp_path / "first.tar.gz"))):
        before = jobs.ledger(stack)
        path = tmp_path / f"{number}.tar.gz"
        killed(stack, moment, "backup", str(path))
        until_in_order(stack)
        assert jobs.ledger(stack)[: len(before)] == before
        if path.exists():
            archive.check(path)
    listed = json.loads(done_well(gixctl(stack, "backups", str(tmp_path), "--json", select=False)).stdout)
    assert {each["file"].endswith(".partial") for each in listed if each["whole"] is False} <= {True}


def test_a_second_backup_at_the_same_time_and_an_existing_file_are_refused(
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
            assert f"is at work (container {name})" in done.stderr
            assert "gixctl doctor --fix" in done.stderr
        held.reload()
    finally:
        held.remove(force=True, v=True)
    assert auction(stack).status == "running"


def test_a_disk_that_cannot_take_the_archive_is_told_and_no_archive_is_left(stack: StackUnderTest) -> None:
    done = gixctl(stack, "backup", "/proc/backup.tar.gz")
    assert done.returncode == 1
    assert "can't be written" in done.stderr
    full = gixctl(stack, "backup", "/dev/full.tar.gz")
    if full.returncode == 0:
        Path("/dev/full.tar.gz").unlink()
    until_in_order(stack)


def test_files_of_others_are_told_and_given_to_the_auction_s_user(stack: StackUnderTest) -> None:
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


def test_without_a_container_the_ledger_is_still_saved_and_without_a_volume_that_is_told(
    fresh: StackUnderTest, tmp_path: Path
) -> None:
    fresh.up()
    jobs.settle(fresh, 2)
    auction(fresh).remove(force=True)
    done_well(gixctl(fresh, "backup", str(tmp_path / "a.tar.gz")))
    assert len(ledger_in(tmp_path / "a.tar.gz")) == 2
    told = gixctl(fresh, "fix-permissions")
    assert told.returncode == 1
    assert "give --owner" in told.stderr
    fresh.client.volumes.get(f"{fresh.prefix}-gcam-data").remove()
    for verb in (["backup", str(tmp_path / "b.tar.gz")], ["restore", str(tmp_path / "a.tar.gz")]):
        done = gixctl(fresh, *verb)
        assert done.returncode == 1
        assert f"there is no volume {fresh.prefix}-gcam-data" in done.stderr
    assert fresh.client.volumes.list(filters={"name": f"{fresh.prefix}-gcam-data"}) == []


def test_another_volume_in_the_ledger_s_place_is_given_only_after_a_backup(fresh: StackUnderTest) -> None:
    fresh.up()
    jobs.settle(fresh, 2)
    fresh.change(ledger={"volume": "other-data"})
    told = fresh.up()
    [path] = (fresh.directory / "backups").iterdir()
    assert len(ledger_in(path)) == 2
    assert f"is saved in {path}" in told.output
    manifest = archive.read_manifest(path)
    assert manifest is not None
    assert manifest.volume == f"{fresh.prefix}-gcam-data"
    assert sorted(fresh.leavings()["volumes"]) == [f"{fresh.prefix}-gcam-data", f"{fresh.prefix}-other-data"]
    until_in_order(fresh)
    assert len(jobs.ledger(fresh)) == 1
