"""Restores of a real ledger: cut off at any moment, and with archives that lie."""

import gzip
import io
import json
import tarfile
from collections.abc import Iterator
from pathlib import Path

import docker
import pytest

from gix_components.backups import archive
from tests.engine import jobs
from tests.engine.gixctl import gixctl
from tests.engine.ledgers import (
    FINGERPRINT,
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
from tests.engine.stack_under_test import StackUnderTest


@pytest.fixture(scope="module")
def stack(client: docker.DockerClient, tmp_path_factory: pytest.TempPathFactory) -> Iterator[StackUnderTest]:
    stack = stack_with_odd_files(client, tmp_path_factory.mktemp("restore") / "gix")
    try:
        yield stack
    finally:
        stack.remove()


@pytest.fixture
def saved(stack: StackUnderTest, tmp_path: Path) -> Path:
    path = tmp_path / "saved.tar.gz"
    done_well(gixctl(stack, "backup", str(path)))
    return path


def test_a_restore_killed_at_any_moment_leaves_the_old_ledger_or_the_new_one(
    stack: StackUnderTest, tmp_path: Path
) -> None:
    new = tmp_path / "new.tar.gz"
    done_well(gixctl(stack, "backup", str(new)))
    in_auction(stack, "printf old >/data/index/state; rm -f /data/index/first")
    old = tmp_path / "old.tar.gz"
    done_well(gixctl(stack, "backup", str(old)))
    contents = {name: sorted(archive.check(path).digests.items()) for name, path in (("old", old), ("new", new))}
    ledgers = {name: ledger_in(path) for name, path in (("old", old), ("new", new))}
    found = []
    for moment in moments(stack, "restore", str(old), "--replace"):
        killed(stack, moment, "restore", str(new), "--replace")
        until_in_order(stack)
        state = "old" if "index/state" in in_auction(stack, FINGERPRINT) else "new"
        lines = [json.loads(line) for line in jobs.ledger(stack)]
        assert lines[: len(ledgers[state])] == ledgers[state]
        assert others(stack) == [each for each in contents[state] if each[0] != "ledger.jsonl"]
        found.append(state)
        if state == "new":
            done_well(gixctl(stack, "restore", str(old), "--replace"))
            until_in_order(stack)
    assert "old" in found


def others(stack: StackUnderTest) -> list[tuple[str, str]]:
    """Files on the volume besides the ledger, with digests: a restore's own directory too, if it is there."""
    sums = in_auction(stack, "cd /data; find . -type f ! -path ./ledger.jsonl -print0 | xargs -0r sha256sum")
    return sorted(
        (name.removeprefix("./"), digest) for digest, _, name in (line.partition("  ") for line in sums.splitlines())
    )


def test_archives_that_are_damaged_or_lead_out_are_refused_before_the_auction_is_touched(
    stack: StackUnderTest, saved: Path, tmp_path: Path
) -> None:
    whole = saved.read_bytes()
    (tmp_path / "truncated.tar.gz").write_bytes(whole[: len(whole) // 2])
    (tmp_path / "corrupt.tar.gz").write_bytes(whole[:5_000] + bytes(100) + whole[5_100:])
    evil = {
        "parent": tarfile.TarInfo("../outside"),
        "absolute": tarfile.TarInfo("/etc/outside"),
        "link": tarfile.TarInfo("link"),
    }
    evil["link"].type, evil["link"].linkname = tarfile.SYMTYPE, "/etc"
    for name, entry in evil.items():
        content = io.BytesIO()
        with tarfile.open(fileobj=content, mode="w") as tar:
            tar.addfile(entry)
        (tmp_path / f"{name}.tar.gz").write_bytes(gzip.compress(content.getvalue()))
    before = fingerprint(stack)
    started = auction(stack).attrs["State"]["StartedAt"]
    for name in ("truncated", "corrupt", *evil, "absent"):
        done = gixctl(stack, "restore", str(tmp_path / f"{name}.tar.gz"), "--replace")
        assert done.returncode == 1
        assert done.stderr.startswith("gixctl: ")
        assert done.stdout == ""
    assert fingerprint(stack) == before
    assert auction(stack).attrs["State"]["StartedAt"] == started
    assert not Path("/etc/outside").exists()


def test_an_archive_of_the_description_s_tar_is_restored(stack: StackUnderTest, tmp_path: Path) -> None:
    """The description's own backup: tar czf FILE -C /data . in a container that mounts the volume."""
    out = tmp_path / "by-hand"
    image = stack.container("auction")["Image"]
    out.mkdir()
    lines = jobs.ledger(stack)
    by_hand = ["tar", "czf", "/backup/gcam-backup.tar.gz", "-C", "/data", "."]
    mounts = [f"{stack.prefix}-gcam-data:/data", f"{out}:/backup"]
    stack.client.containers.run(image, by_hand, entrypoint=[], user="0", volumes=mounts, remove=True)
    jobs.settle(stack, 1)
    done = done_well(gixctl(stack, "restore", str(out / "gcam-backup.tar.gz"), "--replace"))
    assert "without a manifest" in done.stdout
    until_in_order(stack)
    assert jobs.ledger(stack)[:-1] == lines
