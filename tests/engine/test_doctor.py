"""`gixctl doctor` on a real engine: it reports faults, and `--fix` applies the safe fixes."""

import json
import os
import socket
import subprocess
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import Any

import docker
import pytest
from docker.errors import NotFound
from docker.models.containers import Container
from docker.models.networks import Network
from docker.models.volumes import Volume

from tests.support.background_update import kill_update
from tests.support.gixctl import gixctl
from tests.support.jobs import ledger, settle
from tests.support.stack_under_test import SERVICES, StackUnderTest, temporary_stack

WITHIN_SECONDS = 60
NO_PROCESS = 4_194_305
"""More than the largest process id of the kernel."""


@pytest.fixture(scope="module")
def stack(client: docker.DockerClient, tmp_path_factory: pytest.TempPathFactory) -> Iterator[StackUnderTest]:
    with temporary_stack(client, tmp_path_factory.mktemp("doctor") / "gix") as stack:
        stack.up()
        yield stack


def diagnosed(stack: StackUnderTest, *words: str) -> dict[str, Any]:
    done = gixctl(stack, "doctor", "--json", *words)
    assert done.stderr == ""
    diagnosis: dict[str, Any] = json.loads(done.stdout)
    assert done.returncode == (1 if diagnosis["faults"] else 0)
    return diagnosis


def findings(diagnosis: dict[str, Any], check: str) -> list[tuple[str, str]]:
    """Level and text of what a check found."""
    return [(each["level"], each["text"]) for each in diagnosis["findings"] if each["check"] == check]


def faults(diagnosis: dict[str, Any]) -> list[dict[str, Any]]:
    return [each for each in diagnosis["findings"] if each["level"] == "fault"]


def label(stack: StackUnderTest) -> dict[str, str]:
    return {"io.gix.stack": f"gix/{stack.name}"}


@contextmanager
def made(stack: StackUnderTest, image: str, name: str, **more: Any) -> Iterator[Container]:
    """A container with the stack's label. Removed at the end of the block."""
    options: dict[str, Any] = {"labels": label(stack)} | more
    container = stack.client.containers.create(image, ["sleep", "120"], name=f"{stack.prefix}-{name}", **options)
    try:
        yield container
    finally:
        with suppress(NotFound):
            container.remove(force=True)


def run(stack: StackUnderTest, command: str) -> None:
    """Run a fix as it is shown. Options answer the questions that Pulumi would ask."""
    for verb in ("up", "refresh"):
        options = f"--yes --skip-preview --non-interactive --stack {stack.name}"
        command = command.replace(f"pulumi {verb}", f"pulumi {verb} {options}")
    environment = os.environ | stack.variables
    subprocess.run(["sh", "-euc", command], cwd=stack.directory, env=environment, check=True, capture_output=True)


def test_given_two_stacks_that_are_up_neither_has_a_fault(stack: StackUnderTest, platform: StackUnderTest) -> None:
    with ThreadPoolExecutor() as both:
        found = dict(zip((stack.name, platform.name), both.map(diagnosed, (stack, platform)), strict=True))
    for name, diagnosis in found.items():
        assert faults(diagnosis) == []
        assert diagnosis["stack"] == f"gix/{name}"
        assert findings(diagnosis, "locks") == [("ok", "none")]
        [(level, text)] = findings(diagnosis, "ledger")
        assert (level, text) == ("ok", f"the volume {name}-gcam-data, the stack's own")
        [(level, text)] = findings(diagnosis, "ports")
        assert level == "ok"
        assert text.count("127.0.0.1:") == len(SERVICES)
        assert {each["level"] for each in diagnosis["findings"]} <= {"ok", "warning"}


def test_given_a_stopped_service_and_a_paused_auction_fix_starts_both(stack: StackUnderTest) -> None:
    settle(stack, jobs=2)
    before = ledger(stack)
    stack.client.containers.get(stack.container("enclave")["Id"]).stop()
    stack.client.containers.get(stack.container("auction")["Id"]).pause()
    found = faults(diagnosed(stack))
    assert [each["text"].partition(" is")[0] for each in found] == ["auction: state", "enclave: state"]
    assert all(each["by_fix"] for each in found)

    diagnosis = diagnosed(stack, "--fix")
    assert faults(diagnosis) == []
    assert diagnosis["fixed"] == [
        "unpaused the auction",
        "started the enclave, whose container was exited",
    ]
    assert ledger(stack) == before
    settle(stack, jobs=1)


def test_given_unknown_objects_with_the_stack_s_label_fix_removes_them_and_keeps_every_ledger(
    stack: StackUnderTest, image: str
) -> None:
    ledger_of_stack = f"{stack.prefix}-gcam-data"
    other = {"io.gix.stack": f"gix/{stack.name}-other"}
    with ExitStack() as all_of_them:
        network = stack.client.networks.create(f"{stack.prefix}-left-network", labels=label(stack))
        all_of_them.callback(remove, network)
        earlier = stack.client.volumes.create(f"{stack.prefix}-earlier", labels=label(stack))
        all_of_them.callback(remove, earlier)
        left = all_of_them.enter_context(made(stack, image, "left"))
        keeper = all_of_them.enter_context(made(stack, image, "keeper", volumes={ledger_of_stack: {"bind": "/data"}}))
        stranger = all_of_them.enter_context(made(stack, image, "not-ours", labels=other))

        diagnosis = diagnosed(stack, "--fix")
        assert set(diagnosis["fixed"]) == {
            f"removed the container {left.name}, which is not in the stack's state",
            f"did not remove the container {keeper.name}: it mounts a ledger",
            f"removed the network {network.name}, which is not in the stack's state",
        }
        there = {each.name for each in stack.client.containers.list(all=True, ignore_removed=True)}
        assert (left.name in there, keeper.name in there, stranger.name in there) == (False, True, True)
        assert stack.client.networks.list(names=[str(network.name)]) == []
        [fault] = faults(diagnosis)
        assert (fault["fix"], fault["by_fix"]) == (f"docker rm -f {keeper.name}", False)
        assert findings(diagnosis, "ledger")[1] == (
            "warning",
            f"the volume {earlier.name} is an earlier ledger of this stack, which does not use it now",
        )


def remove(thing: Network | Volume) -> None:
    with suppress(NotFound):
        thing.remove()


def test_given_an_interrupted_backup_fix_ends_it_and_the_auction_continues(stack: StackUnderTest, image: str) -> None:
    owed = {"io.gix.helper": "backup", "io.gix.work": "cut-off", "io.gix.resume": "unpause"}
    with made(stack, image, "gcam-data-helper", labels=label(stack) | owed) as helper:
        stack.client.containers.get(stack.container("auction")["Id"]).pause()
        diagnosis = diagnosed(stack)
        [(level, text)] = findings(diagnosis, "backups")
        assert (level, text) == ("fault", f"a backup, restore or trial was interrupted and left {helper.name}")
        assert [each["check"] for each in faults(diagnosis)] == ["resources", "backups"]

        diagnosis = diagnosed(stack, "--fix")
        assert faults(diagnosis) == []
        assert f"unpaused {stack.prefix}-gix-auction" in diagnosis["fixed"]
        assert helper.name not in stack.leavings()["containers"]


def test_given_locks_fix_releases_only_those_whose_process_has_ended(stack: StackUnderTest) -> None:
    locks = stack.directory / "state/.pulumi/locks/organization/gix" / stack.name
    locks.mkdir(parents=True, exist_ok=True)
    held = {"pid": NO_PROCESS, "username": "gix", "hostname": "another.test", "timestamp": "2026-01-02T03:04:05Z"}
    lock = locks / "11111111-2222-3333-4444-555555555555.json"
    lock.write_text(json.dumps(held))
    try:
        diagnosis = diagnosed(stack, "--fix")
        [(level, text)] = findings(diagnosis, "locks")
        assert (level, text) == (
            "warning",
            f"held by gix@another.test, process {NO_PROCESS}, since 2026-01-02T03:04:05",
        )
        assert diagnosis["fixed"] == ["did not release the locks: not all of them belong to processes that have ended"]
        assert lock.exists()

        lock.write_text(json.dumps(held | {"hostname": socket.gethostname()}))
        diagnosis = diagnosed(stack, "--fix")
        assert faults(diagnosis) == []
        assert not lock.exists()
    finally:
        lock.unlink(missing_ok=True)


def cut_off(stack: StackUnderTest) -> None:
    """Kill `pulumi up` while it waits for the router to be healthy."""
    kill_update(stack, lambda: is_new(stack))


def is_new(stack: StackUnderTest) -> bool:
    return "RUST_LOG=warn" in [
        variable
        for each in stack.client.containers.list(filters={"name": f"^/{stack.prefix}-gix-router$"})
        for variable in each.attrs["Config"]["Env"]
    ]


def test_given_a_killed_update_fix_and_the_suggested_command_complete_it(stack: StackUnderTest) -> None:
    stack.change(router={"rustLog": "warn", "healthCheck": {"interval": "3s", "startPeriod": "0s"}})
    cut_off(stack)
    found = faults(diagnosed(stack))
    assert {each["check"] for each in found} == {"locks", "resources"}
    [lock] = [each for each in found if each["check"] == "locks"]
    assert "held by a process that has ended" in lock["text"]
    assert (lock["fix"], lock["by_fix"]) == (f"pulumi cancel --yes --stack {stack.name}", True)

    diagnosis = diagnosed(stack, "--fix")
    released, cleared = diagnosis["fixed"]
    assert released.startswith("released the lock of ")
    assert cleared.startswith("cleared the pending operation of an interrupted update: ")
    # The new router serves and is not in the stack's state: a person decides whether to remove it.
    fixes = {each["fix"] for each in faults(diagnosis)}
    assert fixes == {f"docker rm -f {stack.prefix}-gix-router, then pulumi up --refresh"}
    run(stack, fixes.pop().replace(", then", ";"))
    settle(stack, jobs=1)
    assert faults(diagnosed(stack)) == []


def test_given_a_killed_first_update_fix_removes_what_would_block_the_next_one(fresh: StackUnderTest) -> None:
    fresh.change(
        router={"rustLog": "warn", "healthCheck": {"interval": "3s", "startPeriod": "0s"}}, services=["router"]
    )
    cut_off(fresh)
    diagnosis = diagnosed(fresh, "--fix")
    assert f"removed the container {fresh.prefix}-gix-router, which is not in the stack's state" in diagnosis["fixed"]
    assert faults(diagnosis) == []
    [(_, text)] = findings(diagnosis, "stack")
    assert "is not up" in text
    fresh.up()


def test_given_no_engine_and_a_wrong_configuration_both_are_reported(fresh: StackUnderTest, tmp_path: Path) -> None:
    fresh.change(router={"hostPort": 70000}, network={"subnet": "8.8.8.0/24"})
    fresh.variables["DOCKER_HOST"] = f"unix://{tmp_path}/absent.sock"
    found = faults(diagnosed(fresh))
    assert [each["check"] for each in found] == ["configuration", "configuration", "engine"]
    assert {each["text"].split(" ")[0] for each in found} >= {"gix:router.hostPort", "gix:network.subnet"}
    assert all(each["fix"] for each in found)


def test_given_a_port_in_use_the_problem_of_the_preflight_is_reported(fresh: StackUnderTest) -> None:
    with socket.create_server(("127.0.0.1", fresh.config["gix:router"]["hostPort"])):
        [fault] = faults(diagnosed(fresh))
    assert fault["check"] == "preflight"
    assert "is used by a process on this machine" in fault["text"]
    assert "gix:router.hostPort" in fault["fix"]
