"""A stack with files of every kind on its ledger's volume, for the tests of backups and restores."""

import json
import subprocess
import tarfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, Self

import docker
from docker.models.containers import Container

from gix_model.environment import HELPER_LABEL, STACK_LABEL
from tests.support import jobs
from tests.support.stack_under_test import StackUnderTest, temporary_stack
from tests.support.waiting import until

WITHIN_SECONDS = 30

# Everything that a restore must bring back: type, mode, owner, time, size, target, name and content of each file.
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


@contextmanager
def stack_with_odd_files(client: docker.DockerClient, directory: Path) -> Iterator[StackUnderTest]:
    """A stack that is up, with settled jobs and files of every kind on its volume. Removed at the end of the block."""
    with temporary_stack(client, directory) as stack:
        stack.up()
        jobs.settle(stack, 3)
        in_auction(stack, ODD_FILES)
        yield stack


def auction(stack: StackUnderTest) -> Container:
    return stack.client.containers.get(f"{stack.prefix}-gix-auction")


def in_auction(stack: StackUnderTest, script: str) -> str:
    """Run a script as root in the auction's container, and return its output."""
    container = auction(stack)
    done = container.exec_run(["bash", "-euc", f"exec >/output\n{script}"], user="root")
    assert done.exit_code == 0, done.output
    return jobs.file_in(container, "/output").decode()


def on_volume(stack: StackUnderTest, script: str) -> str:
    """Run a script with the stack's volume, also without a running auction, and return its output."""
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
    """Wait until no backup or restore is at work, nor a process that ends one, and the auction is ready and healthy."""
    until(
        lambda: not helpers(stack) and not _guards(stack) and auction(stack).status == "running", within=WITHIN_SECONDS
    )
    jobs.until_it_settles(stack.endpoint("router"))
    until(lambda: auction(stack).attrs["State"]["Health"]["Status"] == "healthy", within=WITHIN_SECONDS)


def _guards(stack: StackUnderTest) -> list[Path]:
    """The processes that end a backup or restore of this stack if gixctl cannot. They try for a day."""
    found = []
    for process in Path("/proc").glob("[0-9]*"):
        # A process may end at any moment.
        with suppress(OSError):
            if b"gix_ledger.guard" in (process / "cmdline").read_bytes() and (process / "cwd").samefile(
                stack.directory
            ):
                found.append(process)
    return found


def done_well(done: subprocess.CompletedProcess[str]) -> subprocess.CompletedProcess[str]:
    assert done.returncode == 0, done.stdout + done.stderr
    return done


def ledger_in(path: Path) -> list[dict[str, Any]]:
    with tarfile.open(path) as tar:
        content = tar.extractfile("./ledger.jsonl")
        assert content is not None
        return [json.loads(line) for line in content.read().decode().splitlines()]


class Arriving:
    """Sends jobs one after another for the time of the block. `receipts` are the answers."""

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
