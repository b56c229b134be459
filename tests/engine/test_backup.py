"""Backups of a real ledger and the way back: while jobs arrive, cut off at any moment, with archives that lie."""

import gzip
import io
import json
import signal
import subprocess
import tarfile
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Self

import docker
import pytest
from docker.models.containers import Container

from gix_ledger import archive
from gix_ledger.helper import HELPER_LABEL
from gix_model.environment import STACK_LABEL
from tests.engine import jobs
from tests.engine.gixctl import command, gixctl
from tests.engine.stack_under_test import StackUnderTest, new_stack

WITHIN_SECONDS = 30
MOMENTS = 10

# Everything that a restore must bring back, names last: kind, mode, owner, time, size, target, content.
FINGERPRINT = r"""
cd /data
find . -printf '%y %m %U:%G %T@ %s %l %p\n' | LC_ALL=C sort -k 7
find . -type f -print0 | LC_ALL=C sort -z | xargs -0r sha256sum
"""
ODD_FILES = r"""
cd /data
mkdir -m 2750 index && printf one >index/first && chmod 0640 index/first && touch -d @1700000000.123456789 index/first
chown 1234:4321 index/first
ln -s ../ledger.jsonl index/latest && ln index/first index/second
printf '' >'index/a b' && chown -h 5:6 index/latest && touch -h -d @1600000000.5 index/latest
head -c 8000000 /dev/urandom >index/large && chown 1000:1000 index/large
touch -d @1500000000.25 index
"""


@pytest.fixture(scope="module")
def stack(client: docker.DockerClient, tmp_path_factory: pytest.TempPathFactory) -> Iterator[StackUnderTest]:
    """A stack that is up, with settled jobs and files of every kind on its volume."""
    stack = new_stack(client, tmp_path_factory.mktemp("backup") / "gix")
    try:
        stack.up()
        jobs.settle(stack, 3)
        in_auction(stack, ODD_FILES)
        yield stack
    finally:
        stack.remove()


def auction(stack: StackUnderTest) -> Container:
    return stack.client.containers.get(f"{stack.prefix}-gix-auction")


def in_auction(stack: StackUnderTest, script: str) -> str:
    """Run a script as root in the auction's container; what it wrote."""
    done = auction(stack).exec_run(["bash", "-euc", script], user="root")
    assert isinstance(done.output, bytes)
    assert done.exit_code == 0, done.output
    return done.output.decode()


def on_volume(stack: StackUnderTest, script: str) -> str:
    """Run a script on the stack's volume, whether its auction runs or not; what it wrote."""
    image = stack.container("auction")["Image"]
    volume = [f"{stack.prefix}-gcam-data:/data"]
    words = ["bash", "-euc", script]
    said = stack.client.containers.run(image, words, entrypoint=[], user="0", volumes=volume, remove=True)
    return bytes(said).decode()


def fingerprint(stack: StackUnderTest) -> str:
    return on_volume(stack, FINGERPRINT)


def helpers(stack: StackUnderTest) -> list[str]:
    mine: dict[str, str | list[str] | bool] = {"label": [f"{STACK_LABEL}=gix/{stack.name}", HELPER_LABEL]}
    return [str(each.name) for each in stack.client.containers.list(all=True, filters=mine, ignore_removed=True)]


def until_in_order(stack: StackUnderTest) -> None:
    """Wait until nothing works on the ledger any more and the auction serves."""
    deadline = time.monotonic() + WITHIN_SECONDS
    while helpers(stack) or auction(stack).status != "running":
        assert time.monotonic() < deadline, (helpers(stack), auction(stack).status)
        time.sleep(0.05)
    jobs.until_it_settles(stack.endpoint("router"))


def done_well(done: subprocess.CompletedProcess[str]) -> subprocess.CompletedProcess[str]:
    assert done.returncode == 0, done.stdout + done.stderr
    return done


def ledger_in(path: Path) -> list[dict[str, Any]]:
    with tarfile.open(path) as tar:
        content = tar.extractfile("./ledger.jsonl")
        assert content is not None
        return [json.loads(line) for line in content.read().decode().splitlines()]


class Arriving:
    """Jobs that arrive one after another, for as long as the block lasts; `receipts` are those that were settled."""

    def __init__(self, router: tuple[str, int]) -> None:
        self.router = router
        self.receipts: list[dict[str, Any]] = []
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._send)

    def _send(self) -> None:
        while not self._over.is_set():
            receipt = jobs.ask(self.router, {"job": f"arriving-{len(self.receipts)}", "limit": 10})
            assert receipt["ok"], receipt
            self.receipts.append(receipt)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_error: object) -> None:
        self._over.set()
        self._thread.join()


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


def killed(stack: StackUnderTest, moment: float, *words: str) -> None:
    """Run a verb, and kill it with SIGKILL after so many seconds, unless it is faster."""
    process = subprocess.Popen(**command(stack, *words))
    try:
        process.wait(timeout=moment)
    except subprocess.TimeoutExpired:
        process.send_signal(signal.SIGKILL)
        process.wait()


def moments(stack: StackUnderTest, *words: str) -> list[float]:
    """Moments of a verb, evenly from when its start-up is over until its end."""
    begun = time.monotonic()
    done_well(gixctl(stack, "--version", select=False))
    started = time.monotonic()
    done_well(gixctl(stack, *words))
    start_up, whole = started - begun, time.monotonic() - started
    return [start_up + number * max(whole - start_up, 0.5) / MOMENTS for number in range(MOMENTS)]


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


@pytest.fixture
def saved(stack: StackUnderTest, tmp_path: Path) -> Path:
    path = tmp_path / "saved.tar.gz"
    done_well(gixctl(stack, "backup", str(path)))
    return path


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
