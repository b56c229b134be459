"""The verbs of gixctl on a stack in a Swarm of three nodes."""

import functools
import json
import subprocess
import tarfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil
import pytest

from tests.support import cluster_client
from tests.support.cluster import Cluster, Node, running_cluster
from tests.support.gixctl import gixctl
from tests.support.jobs import file_in
from tests.support.running_gixctl import command, environment, running
from tests.support.stack_under_test import SERVICES, StackUnderTest
from tests.support.swarm_stack import docker_on, new_stack, router
from tests.support.waiting import until

pytestmark = pytest.mark.swarm

NOTICED_WITHIN_SECONDS = 90
"""How long managers may take to notice that one of them is lost."""


@pytest.fixture(scope="module")
def cluster() -> Iterator[Cluster]:
    with running_cluster(login=True) as cluster:
        yield cluster


@pytest.fixture(scope="module")
def stack(cluster: Cluster, images: dict[str, str], tmp_path_factory: pytest.TempPathFactory) -> StackUnderTest:
    """A stack that is up, with two routers. It ends with the cluster."""
    stack = new_stack(cluster, tmp_path_factory.mktemp("swarm") / "gix", images)
    stack.change(router={"replicas": 2})
    stack.up()
    return stack


def settle(cluster: Cluster, jobs: int) -> None:
    cluster_client.settle(cluster, router(cluster.manager), jobs=jobs)


def service(stack: StackUnderTest, name: str) -> str:
    return f"{stack.prefix}-gix-{name}"


def lines(stack: StackUnderTest, *words: str) -> list[dict[str, Any]]:
    done = gixctl(stack, "logs", "--json", *words)
    assert done.returncode == 0, done.stderr
    return [json.loads(line) for line in done.stdout.splitlines()]


def test_logs_are_those_of_all_tasks_in_order_also_of_a_task_that_ended_and_of_one_that_follows(
    stack: StackUnderTest, cluster: Cluster
) -> None:
    settle(cluster, jobs=5)
    shown = lines(stack)
    assert [line["time"] for line in shown] == sorted(line["time"] for line in shown)
    assert {line["service"] for line in shown} == {"router-1", "router-2", "auction", "enclave"}
    assert sum("settled: " in line["line"] for line in shown if line["service"].startswith("router")) == 5
    assert {line["service"] for line in lines(stack, "edge", "--tail", "1")} == {"edge-1", "edge-2", "edge-3"}

    with running(stack, "logs", "--follow", "--tail", "1", "enclave") as following:
        following.line("enclave .*ran .job-4")
        # Each further task is followed from its first line on.
        docker_on(cluster.manager, "service", "update", "--force", "--detach=false", service(stack, "enclave"))
        following.line("enclave .*ready on port 50053")
        following.line("enclave .*SIGINT received, ends")
        assert following.interrupt() == (0, "")
    assert sum("ready on port" in line["line"] for line in lines(stack, "enclave")) == 2


def test_a_shell_opens_in_a_task_on_any_node_that_has_an_engine(stack: StackUnderTest) -> None:
    def shell(*words: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            command(stack.name, ("shell", *words)),
            cwd=stack.directory,
            env=environment(stack),
            capture_output=True,
            text=True,
            check=False,
        )

    for name in SERVICES:
        done = shell(name, "--", "sh", "-c", "tr '\\0' ' ' </proc/1/cmdline; exit 7")
        assert done.returncode == 7, done.stderr
    assert shell("auction", "--", "ls", "/data").stdout == "ledger.jsonl\n"


def diagnosed(stack: StackUnderTest) -> dict[str, list[tuple[str, str, str]]]:
    """Level, text and fix of what `gixctl doctor` finds, by check."""
    done = gixctl(stack, "doctor", "--json")
    diagnosis = json.loads(done.stdout)
    assert done.returncode == (1 if diagnosis["faults"] else 0), done.stderr
    found: dict[str, list[tuple[str, str, str]]] = {}
    for each in diagnosis["findings"]:
        found.setdefault(each["check"], []).append((each["level"], each["text"], each["fix"]))
    return found


def diagnosed_until(stack: StackUnderTest, check: str, level: str, text: str) -> tuple[str, str, str]:
    """What `gixctl doctor` finds with this level and a part of its text, when it does."""
    deadline = time.monotonic() + NOTICED_WITHIN_SECONDS
    while True:
        found = diagnosed(stack)[check]
        for each in found:
            if each[0] == level and text in each[1]:
                return each
        assert time.monotonic() < deadline, found


@pytest.mark.outage
def test_doctor_shows_managers_and_nodes_that_are_lost_and_what_to_do(
    stack: StackUnderTest, cluster: Cluster, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    manager, (first, second) = cluster.manager, cluster.workers
    found = diagnosed(stack)
    levels = {check: [level for level, _, _ in each] for check, each in found.items()}
    assert levels["nodes"] == ["ok"] * (1 + len(cluster.nodes))
    assert {levels[check][0] for check in ("engine", "preflight", "resources", "backups", "ledger", "certificate")} == {
        "ok"
    }
    assert f"on {first.name}, the stack's own" in found["ledger"][0][1]
    assert "1 of 1 managers reachable" in found["swarm"][0][1]

    # Given three managers, when one is cut off, then another one may not be lost, and it is a node that is down.
    docker_on(manager, "node", "promote", first.name, second.name)
    diagnosed_until(stack, "swarm", "ok", "3 of 3 managers reachable, 2 needed")
    for node in (first, second):
        request.addfinalizer(functools.partial(cluster.heal, node))
    cluster.partition(second)
    assert f"start {second.name}" in diagnosed_until(stack, "swarm", "warning", "2 of 3 managers reachable")[2]
    diagnosed_until(stack, "nodes", "warning", f"the node {second.name} is down")

    # When a second one is cut off, then the Swarm has no leader. The doctor says so, and what to do.
    cluster.partition(first)
    too_few = diagnosed_until(stack, "swarm", "fault", "too few of its managers are reachable")
    assert "--force-new-cluster" in too_few[2]
    diagnosed_until(stack, "resources", "skipped", "see the check: swarm")

    # The auction serves on. Its ledger can be backed up, but not restored, which would need a manager.
    archive, lines = tmp_path / "without-a-manager.tar.gz", ledger(stack, first)
    done_well(gixctl(stack, "backup", str(archive)))
    assert saved_in(archive) == lines
    assert "does not say whether" in gixctl(stack, "restore", "--replace", str(archive)).stderr
    assert ledger(stack, first) == lines

    # When both are back, then so is the Swarm.
    cluster.heal(first)
    cluster.heal(second)
    diagnosed_until(stack, "swarm", "ok", "3 of 3 managers reachable, 2 needed")
    docker_on(manager, "node", "demote", first.name, second.name)
    cluster.wait_until_ready()
    require_health(stack)
    # The nodes find each other in the overlay network a little later.
    until(
        lambda: cluster_client.settles(cluster, router(manager), jobs=1),
        "the edge does not serve",
        within=NOTICED_WITHIN_SECONDS,
    )
    stack.up("--refresh")
    require_as_declared(stack)


def auction_on(stack: StackUnderTest, node: Node) -> str:
    """The id of the container of the auction's task."""
    label = f"label=com.docker.swarm.service.name={service(stack, 'auction')}"
    return docker_on(node, "ps", "--quiet", "--filter", label).decode().strip()


def ledger(stack: StackUnderTest, node: Node) -> list[str]:
    """The lines of the ledger, read in the auction's task."""
    return file_in(node.client.containers.get(auction_on(stack, node)), "/data/ledger.jsonl").decode().splitlines()


def saved_in(file: Path) -> list[str]:
    with tarfile.open(file) as tar:
        found = tar.extractfile("./ledger.jsonl")
        assert found is not None
        return found.read().decode().splitlines()


def replicas(stack: StackUnderTest, name: str) -> int:
    api: Any = stack.client.api
    return int(api.inspect_service(service(stack, name))["Spec"]["Mode"]["Replicated"]["Replicas"])


def require_health(stack: StackUnderTest) -> None:
    done = gixctl(stack, "health", "--wait", "60s")
    assert done.returncode == 0, done.stderr


def require_as_declared(stack: StackUnderTest) -> None:
    """Swarm may be about to replace tasks: what has been scaled or changed by hand is set back."""
    until(
        lambda: gixctl(stack, "verify").returncode == 0,
        lambda: gixctl(stack, "verify").stdout,
        within=NOTICED_WITHIN_SECONDS,
    )


def done_well(done: subprocess.CompletedProcess[str]) -> str:
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_a_backup_while_jobs_arrive_has_all_that_were_settled_before_and_no_job_fails(
    stack: StackUnderTest, cluster: Cluster, tmp_path: Path
) -> None:
    node, archives = cluster.workers[0], [tmp_path / "first.tar.gz", tmp_path / "second.tar.gz"]
    settle(cluster, jobs=5)
    before = ledger(stack, node)
    with cluster_client.load(cluster, router(cluster.manager), rate=20) as load:
        done_well(gixctl(stack, "backup", str(archives[0])))
    assert not load.failures
    settled, saved = ledger(stack, node), saved_in(archives[0])
    assert saved == settled[: len(saved)]
    assert saved[: len(before)] == before
    assert len(settled) - len(before) == len(load.settled)

    # One that stops the auction scales its service, and all else of the service stays.
    done_well(gixctl(stack, "backup", "--stop", str(archives[1])))
    require_health(stack)
    assert saved_in(archives[1]) == settled
    require_as_declared(stack)


@dataclass(frozen=True)
class Archives:
    """Two archives of different ledgers, and the lines of each. The second is the present ledger."""

    files: dict[str, Path]
    lines: dict[str, list[str]]


@pytest.fixture
def archives(stack: StackUnderTest, cluster: Cluster, tmp_path: Path) -> Archives:
    files = {name: tmp_path / f"{name}.tar.gz" for name in ("old", "new")}
    for file in files.values():
        settle(cluster, jobs=3)
        done_well(gixctl(stack, "backup", str(file)))
    return Archives(files, {name: saved_in(file) for name, file in files.items()})


def test_a_restore_is_refused_or_brings_back_the_ledger_and_the_auction_goes_on_with_it(
    stack: StackUnderTest, cluster: Cluster, archives: Archives
) -> None:
    node, old = cluster.workers[0], str(archives.files["old"])
    assert "is not empty: it has ledger.jsonl" in gixctl(stack, "restore", old).stderr
    volume = f"{stack.prefix}-gcam-data:/data"
    image = docker_on(node, "inspect", "--format", "{{.Image}}", auction_on(stack, node)).decode().strip()
    docker_on(node, "run", "--detach", "--name", "beside", "--volume", volume, image, "sleep", "600")
    assert "is in use by beside" in gixctl(stack, "restore", "--replace", old).stderr
    docker_on(node, "rm", "--force", "beside")
    assert ledger(stack, node) == archives.lines["new"], "the auction was not touched"

    done_well(gixctl(stack, "restore", "--replace", old))
    require_health(stack)
    assert ledger(stack, node) == archives.lines["old"]
    settle(cluster, jobs=1)
    assert ledger(stack, node)[: len(archives.lines["old"])] == archives.lines["old"]
    require_as_declared(stack)


def begun(stack: StackUnderTest, file: Path) -> subprocess.Popen[str]:
    """A restore that has just let the auction have no task."""
    words = ("restore", "--replace", str(file))
    started = subprocess.Popen(
        command(stack.name, words), cwd=stack.directory, env=environment(stack), stderr=subprocess.PIPE, text=True
    )
    while replicas(stack, "auction"):
        assert started.poll() is None, "the restore has ended before"
    return started


def test_a_restore_that_is_killed_leaves_the_old_ledger_or_the_new_one(
    stack: StackUnderTest, cluster: Cluster, archives: Archives
) -> None:
    node = cluster.workers[0]
    killed = begun(stack, archives.files["old"])
    killed.kill()
    killed.wait()
    until(lambda: replicas(stack, "auction") == 1, "its watcher ends the restore", within=NOTICED_WITHIN_SECONDS)
    require_health(stack)
    assert ledger(stack, node) in archives.lines.values()

    # With its watcher killed, too, `gixctl doctor --fix` ends it.
    killed = begun(stack, archives.files["old"])
    parent = psutil.Process(killed.pid)
    for each in (parent, *parent.children()):
        each.kill()
    killed.wait()
    assert "was interrupted" in diagnosed(stack)["backups"][0][1]
    fixed = json.loads(gixctl(stack, "doctor", "--fix", "--json").stdout)["fixed"]
    assert f"started {service(stack, 'auction')}" in fixed
    require_health(stack)
    assert ledger(stack, node) in archives.lines.values()
    assert diagnosed(stack)["backups"] == [("ok", "no backup, restore or trial was interrupted", "")]


def test_an_auction_that_gets_a_task_during_a_restore_loses_no_job(
    stack: StackUnderTest, cluster: Cluster, archives: Archives
) -> None:
    restore = begun(stack, archives.files["old"])
    docker_on(cluster.manager, "service", "scale", "--detach", f"{service(stack, 'auction')}=1")
    _, errors = restore.communicate()
    require_health(stack)
    expected = "old" if restore.returncode == 0 else "new"
    assert ledger(stack, cluster.workers[0]) == archives.lines[expected], errors


def test_files_of_other_users_are_given_to_the_auction_s_user(stack: StackUnderTest, cluster: Cluster) -> None:
    node = cluster.workers[0]
    container = auction_on(stack, node)
    docker_on(node, "exec", "--user", "0", container, "touch", "/data/notes")
    found = json.loads(done_well(gixctl(stack, "fix-permissions", "--json")))
    assert found == [{"path": "./notes", "owner": "0:0"}]
    assert json.loads(done_well(gixctl(stack, "fix-permissions", "--json"))) == []
    docker_on(node, "exec", "--user", "0", container, "rm", "/data/notes")


def test_audit_checks_the_tasks_of_all_nodes(stack: StackUnderTest, cluster: Cluster) -> None:
    card = json.loads(gixctl(stack, "audit", "--json").stdout)
    assert card["missing"] == []
    edges = {f"{service(stack, 'edge')}.{node.name}" for node in cluster.nodes}
    images = {f"{name}'s image" for name in SERVICES}
    assert {each["subject"] for each in card["results"]} == {*SERVICES, *edges, *images}
    assert {each["result"] for each in card["results"] if each["item"] in ("5.14", "5.26")} == {"pass", "waived"}


def planned(stack: StackUnderTest) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(done_well(gixctl(stack, "plan", "--json")))
    return found


def test_plan_says_what_an_update_does_and_rollback_undoes_it(stack: StackUnderTest) -> None:
    assert planned(stack)["summary"] == "nothing changes"
    before = dict(stack.config)
    stack.change(router={"environment": {"A": "1"}}, auction={"environment": {"B": "2"}}, enclave={"replicas": 2})
    effects = {each["service"]: (each["effect"], each["tried"], each["causes"]) for each in planned(stack)["services"]}
    assert effects == {
        "router": ("replaced without interruption", False, ["A (none) -> 1"]),
        "auction": ("restarted", True, ["B (none) -> 2"]),
        "enclave": ("updated live", False, ["replicas 1 -> 2"]),
    }
    stack.up()
    assert planned(stack)["summary"] == "nothing changes"

    done_well(gixctl(stack, "rollback", "--yes"))
    stack.config = before
    assert planned(stack)["summary"] == "nothing changes", "the settings are the former ones"
    require_health(stack)
    assert replicas(stack, "enclave") == 1
    api: Any = stack.client.api
    variables = api.inspect_service(service(stack, "router"))["Spec"]["TaskTemplate"]["ContainerSpec"]["Env"]
    assert not [each for each in variables if each.startswith("A=")]


def test_graph_shows_the_tasks_on_all_nodes(stack: StackUnderTest, cluster: Cluster) -> None:
    shown = done_well(gixctl(stack, "graph"))
    assert "3 services, 3 healthy" in shown
    for name in ("router.1", "router.2", "auction.1", "enclave.1", *(f"edge.{node.name}" for node in cluster.nodes)):
        assert f"{stack.prefix}-gix-{name}<br>" in shown
    host, port = router(cluster.manager)
    assert shown.count(f'"{host}:{port} to {port}"') == 1


def test_a_ledger_is_deleted_on_its_node_with_its_stack(stack: StackUnderTest, cluster: Cluster) -> None:
    volume = f"{stack.prefix}-gcam-data"
    refused = gixctl(stack, "delete-ledger", volume)
    assert "destroy the stack first" in " ".join(refused.stderr.split())
    docker_on(cluster.manager, "volume", "create", volume)
    assert "several nodes have a volume" in gixctl(stack, "delete-ledger", volume, "--destroy").stderr
    words = ("delete-ledger", volume, "--destroy", "--node", cluster.workers[0].name)
    assert f"deleted the volume {volume} on the engine of worker1" in done_well(gixctl(stack, *words))
    left = {node.name: docker_on(node, "volume", "ls", "--quiet").decode().split() for node in cluster.nodes}
    assert volume not in left[cluster.workers[0].name]
    assert volume in left[cluster.manager.name], "made by hand, and not the stack's"
