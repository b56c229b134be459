"""Restores of a real ledger: interrupted at any moment, and with invalid archives."""

import gzip
import io
import itertools
import json
import re
import secrets
import signal
import subprocess
import tarfile
import threading
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any, Self

import docker
import pytest
from docker.errors import NotFound
from docker.models.containers import Container

from gix_ledger import archive
from tests.reliability import tried
from tests.support import jobs
from tests.support.engine_proxy import engine_proxy
from tests.support.gixctl import command, gixctl
from tests.support.ledgers import (
    FINGERPRINT,
    WITHIN_SECONDS,
    auction,
    done_well,
    fingerprint,
    in_auction,
    ledger_in,
    stack_with_odd_files,
    until_in_order,
)
from tests.support.stack_under_test import StackUnderTest
from tests.support.waiting import until


@pytest.fixture(scope="module")
def stack(client: docker.DockerClient, tmp_path_factory: pytest.TempPathFactory) -> Iterator[StackUnderTest]:
    with stack_with_odd_files(client, tmp_path_factory.mktemp("restore") / "gix") as stack:
        yield stack


@pytest.fixture
def saved(stack: StackUnderTest, tmp_path: Path) -> Path:
    path = tmp_path / "saved.tar.gz"
    done_well(gixctl(stack, "backup", str(path)))
    return path


QUIET = {"GET", "HEAD", "wait", "attach"}


class Watched:
    """A verb of gixctl on a stack. A test can act just before one of its requests reaches the engine.

    Requests that only read are left out, as are those before the first container is created. The others have names:
    `stop auction`, `start helper` or `archive helper`, and `other` if they concern neither container.
    """

    def __init__(self, stack: StackUnderTest, *words: str) -> None:
        self.stack = stack
        self.words = words
        self.requests: list[str] = []
        self.reached = False

    def run(self, at: int | str, act: Callable[["Watched"], bool]) -> subprocess.CompletedProcess[str]:
        """Run the verb, and call `act` once before the request `at`. If it returns False, the request is dropped."""
        started = threading.Event()
        turn = threading.Lock()

        def before(request: str) -> bool:
            started.wait()
            with turn:
                method, _, path = request.partition(" ")
                name = self._name(method, path)
                if method in QUIET or name.split()[0] in QUIET or (not self.requests and path != "/containers/create"):
                    return True
                self.requests.append(name)
                if self.reached or at not in {len(self.requests) - 1, name}:
                    return True
                self.reached = True
                return act(self)

        with engine_proxy(before) as self.proxy:
            arguments = command(self.stack, *self.words)
            arguments["env"] |= {"DOCKER_HOST": self.proxy.address}
            pipes: dict[str, Any] = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
            with subprocess.Popen(**arguments, **pipes) as self.process:
                started.set()
                out, errors = self.process.communicate()
            # The verb's watcher also uses the proxy.
            self.proxy.restore()
            until_in_order(self.stack)
        assert "Traceback" not in errors, errors
        return subprocess.CompletedProcess(self.words, self.process.returncode, out, errors)

    def _name(self, method: str, path: str) -> str:
        names = {"auction": f"{self.stack.prefix}-gix-auction", "helper": f"{self.stack.prefix}-gcam-data-helper"}
        match = re.fullmatch(r"/containers/([^/]+)(?:/(\w+))?", path)
        if match is None:
            return f"{method} {path}"
        for role, name in names.items():
            with suppress(NotFound):
                if match[1] in {name, self.stack.client.containers.get(name).id}:
                    return f"{match[2] or method} {role}"
        return f"{match[2] or method} other"

    def kill(self) -> bool:
        """Kill the verb with SIGKILL. For `act`."""
        self.process.kill()
        self.process.wait()
        return False

    def cut(self) -> bool:
        """Make the engine unreachable until the verb has ended. For `act`."""
        self.proxy.cut()
        return False


@pytest.fixture(scope="module")
def archives(stack: StackUnderTest, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Two archives of different ledgers. The second is the current one."""
    directory = tmp_path_factory.mktemp("archives")
    done_well(gixctl(stack, "backup", str(directory / "new.tar.gz")))
    in_auction(stack, "printf old >/data/index/state; rm -f /data/index/first")
    done_well(gixctl(stack, "backup", str(directory / "old.tar.gz")))
    return {name: directory / f"{name}.tar.gz" for name in ("old", "new")}


def holds(stack: StackUnderTest, archives: dict[str, Path]) -> str:
    """Which of the two ledgers the stack has. Fails if it has neither, or other files besides."""
    state = "old" if "index/state" in in_auction(stack, FINGERPRINT) else "new"
    lines = [json.loads(line) for line in jobs.ledger(stack)]
    saved = ledger_in(archives[state])
    assert lines[: len(saved)] == saved
    expected = archive.check(archives[state]).digests
    assert others(stack) == sorted(each for each in expected.items() if each[0] != "ledger.jsonl")
    return state


def other(state: str) -> str:
    return {"old": "new", "new": "old"}[state]


def test_a_restore_killed_before_any_of_its_requests_leaves_the_old_ledger_or_the_new_one(
    stack: StackUnderTest, archives: dict[str, Path]
) -> None:
    outcomes = []
    for number in itertools.count():
        before = holds(stack, archives)
        watched = Watched(stack, "restore", str(archives[other(before)]), "--replace")
        done = watched.run(number, Watched.kill)
        is_new = holds(stack, archives) != before
        if not watched.reached:
            done_well(done)
            assert is_new
            break
        outcomes.append(is_new)
    tried("engine", len(outcomes))
    assert len(outcomes) > 12
    assert outcomes == sorted(outcomes)
    assert {*outcomes} == {False, True}


def test_a_swap_that_is_killed_in_the_middle_is_completed(
    stack: StackUnderTest, archives: dict[str, Path], image: str
) -> None:
    before = holds(stack, archives)
    # So many files that the swap takes long enough to be observed and killed.
    in_auction(stack, "for each in $(seq 3000); do : >/data/-$each; done")
    volume = f"{stack.prefix}-gcam-data"
    exit_codes: list[int] = []

    def kill_both(watched: Watched, observer: Container) -> None:
        assert observer.wait()["StatusCode"] == 0
        watched.kill()
        helper = stack.client.containers.get(f"{volume}-helper")
        helper.kill()
        exit_codes.append(helper.wait()["StatusCode"])

    def watch(watched: Watched) -> bool:
        threads.append(threading.Thread(target=kill_both, args=[watched, beside.start()]))
        threads[0].start()
        return True

    threads: list[threading.Thread] = []
    script = "until [ -e /data/.gix-restore/swapping ]; do :; done"
    with Beside(stack, image, script, mode="ro") as beside:
        Watched(stack, "restore", str(archives[other(before)]), "--replace").run("start helper", watch)
        threads[0].join()
    assert exit_codes == [128 + signal.SIGKILL]
    assert holds(stack, archives) == other(before)


class Beside:
    """A container of root with the ledger's volume at /data. Removed at the end of the block."""

    def __init__(
        self, stack: StackUnderTest, image: str, script: str, *, mode: str = "rw", source: str | None = None
    ) -> None:
        volumes = {source or f"{stack.prefix}-gcam-data": {"bind": "/data", "mode": mode}}
        self.container = stack.client.containers.create(
            image, ["sh", "-euc", script], name=f"{stack.prefix}-beside", user="0", volumes=volumes, init=True
        )

    def start(self) -> Container:
        self.container.start()
        return self.container

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_error: object) -> None:
        self.container.remove(force=True)


def test_an_auction_that_is_started_before_any_request_of_a_restore_loses_no_line(
    stack: StackUnderTest, archives: dict[str, Path]
) -> None:
    """Each job that the started auction settles is in the ledger afterwards, whether that is the old or the new one."""
    settled: list[str] = []

    def start(_watched: Watched) -> bool:
        found = auction(stack)
        found.start()
        found.reload()
        while found.status == "running":
            name = f"beside-{secrets.token_hex(4)}"
            if jobs.ask(stack.endpoint("router"), {"job": name, "limit": 10})["ok"]:
                settled.append(name)
                break
            found.reload()
        return True

    outcomes = []
    first = 5
    for number in itertools.count(first):
        before = holds(stack, archives)
        settled.clear()
        watched = Watched(stack, "restore", str(archives[other(before)]), "--replace")
        done = watched.run(number, start)
        assert {json.loads(line)["job"] for line in jobs.ledger(stack)} >= {*settled}, watched.requests
        is_new = holds(stack, archives) != before
        assert is_new == (done.returncode == 0), done.stderr
        if not is_new:
            assert f"is in use by {stack.prefix}-gix-auction" in done.stderr
        if not watched.reached:
            break
        outcomes.append(is_new)
    tried("engine", len(outcomes))
    assert watched.requests[first - 1] == "stop auction"
    assert {*outcomes} == {False, True}


@pytest.mark.parametrize("state", ["paused", "restarting"])
def test_an_auction_in_any_state_is_stopped_and_then_serves_the_restored_ledger(
    stack: StackUnderTest, archives: dict[str, Path], state: str
) -> None:
    before = holds(stack, archives)
    if state == "paused":
        auction(stack).pause()
    else:
        in_auction(stack, "echo damaged >>/data/ledger.jsonl")
        auction(stack).restart()
        until(lambda: auction(stack).status == state, within=WITHIN_SECONDS)
    done_well(gixctl(stack, "restore", str(archives[other(before)]), "--replace"))
    until_in_order(stack)
    assert holds(stack, archives) == other(before)


@pytest.mark.parametrize("mount", ["volume", "directory"])
def test_another_container_that_writes_to_the_ledger_is_named_before_anything_is_touched(
    stack: StackUnderTest, archives: dict[str, Path], image: str, mount: str
) -> None:
    before = holds(stack, archives)
    started = auction(stack).attrs["State"]["StartedAt"]
    source = None
    if mount == "directory":
        source = str(stack.client.volumes.get(f"{stack.prefix}-gcam-data").attrs["Mountpoint"])
    with Beside(stack, image, "sleep 120", source=source) as beside:
        beside.start()
        done = gixctl(stack, "restore", str(archives[other(before)]), "--replace")
        assert done.returncode == 1
        assert f"in use by {stack.prefix}-beside" in done.stderr
        assert f"docker stop {stack.prefix}-beside" in done.stderr
    assert holds(stack, archives) == before
    assert auction(stack).attrs["State"]["StartedAt"] == started


def test_a_container_that_only_reads_the_ledger_does_not_block_a_restore(
    stack: StackUnderTest, archives: dict[str, Path], image: str
) -> None:
    before = holds(stack, archives)
    with Beside(stack, image, "sleep 120", mode="ro") as beside:
        beside.start()
        done_well(gixctl(stack, "restore", str(archives[other(before)]), "--replace"))
    until_in_order(stack)
    assert holds(stack, archives) == other(before)


def test_given_a_write_just_before_the_swap_the_old_ledger_stays(
    stack: StackUnderTest, archives: dict[str, Path], image: str
) -> None:
    before = holds(stack, archives)

    with Beside(stack, image, "echo acknowledged >/data/index/late") as beside:

        def write(_watched: Watched) -> bool:
            return bool(beside.start().wait()["StatusCode"] == 0)

        done = Watched(stack, "restore", str(archives[other(before)]), "--replace").run("start helper", write)
    assert in_auction(stack, "cat /data/index/late; rm /data/index/late") == "acknowledged\n"
    assert done.returncode == 1
    assert "./index was changed during the restore; nothing was replaced" in done.stderr
    assert holds(stack, archives) == before


def test_given_a_write_to_an_old_file_during_the_swap_the_file_is_kept_and_named(
    stack: StackUnderTest, archives: dict[str, Path], image: str
) -> None:
    before = holds(stack, archives)
    script = """
        exec 3>>/data/index/large
        echo open
        until [ -e /data/.gix-restore/swapping ]; do :; done
        echo acknowledged >&3
        sleep 120
    """
    with Beside(stack, image, script) as beside:

        def open_file(_watched: Watched) -> bool:
            return next(iter(beside.start().logs(stream=True, follow=True))) == b"open\n"

        done = Watched(stack, "restore", str(archives[other(before)]), "--replace").run("start helper", open_file)
        beside.container.reload()
        # The container continues, with the new files.
        assert beside.container.status == "running"
    assert done.returncode == 1
    [kept] = re.findall(r"\.gix-kept-\d+", done.stderr)
    assert in_auction(stack, f"tail -c 13 /data/{kept}/index/large; rm -r /data/{kept}") == "acknowledged\n"
    assert holds(stack, archives) == other(before)


@pytest.mark.parametrize(
    ("verb", "at"),
    [
        ("backup", "unpause auction"),
        ("backup", "start helper"),
        ("restore", "archive helper"),
        ("restore", "start helper"),
        ("restore", "DELETE helper"),
        ("restore", "start auction"),
    ],
)
def test_given_an_engine_that_is_unreachable_when_a_verb_ends_the_auction_continues_once_it_answers(
    stack: StackUnderTest, archives: dict[str, Path], tmp_path: Path, verb: str, at: str
) -> None:
    before = holds(stack, archives)
    words = {
        "backup": ["backup", str(tmp_path / "cut.tar.gz")],
        "restore": ["restore", str(archives[other(before)]), "--replace"],
    }
    watched = Watched(stack, *words[verb])
    done = watched.run(at, Watched.cut)
    assert watched.reached
    assert done.returncode == 1
    assert "a background process tries again" in done.stderr
    assert auction(stack).status == "running"
    assert (holds(stack, archives) == before) == (at not in {"DELETE helper", "start auction"})


def others(stack: StackUnderTest) -> list[tuple[str, str]]:
    """The digests of the files on the volume other than the ledger, including the directory of a restore."""
    sums = in_auction(stack, "cd /data; find . -type f ! -path ./ledger.jsonl -print0 | xargs -0r sha256sum")
    return sorted(
        (name.removeprefix("./"), digest) for digest, _, name in (line.partition("  ") for line in sums.splitlines())
    )


def test_damaged_or_hostile_archives_are_refused_before_the_auction_is_touched(
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


def test_an_archive_made_with_plain_tar_is_restored(stack: StackUnderTest, tmp_path: Path) -> None:
    """The backup command of the original Docker set-up: tar czf FILE -C /data . in a container with the volume."""
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
