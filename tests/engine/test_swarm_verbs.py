"""The verbs of gixctl on a stack in a Swarm of three nodes."""

import json
import subprocess
import time
from collections.abc import Iterator
from typing import Any

import pytest

from tests.support import cluster_client
from tests.support.cluster import Cluster, running_cluster
from tests.support.gixctl import gixctl
from tests.support.running_gixctl import command, environment, running
from tests.support.stack_under_test import SERVICES, StackUnderTest
from tests.support.swarm_stack import docker_on, provide_images, swarm_stack

pytestmark = pytest.mark.swarm

ROUTER_PORT = 50051
NOTICED_WITHIN_SECONDS = 90
"""How long managers may take to notice that one of them is lost."""


@pytest.fixture(scope="module")
def cluster() -> Iterator[Cluster]:
    with running_cluster(login=True) as cluster:
        yield cluster


@pytest.fixture(scope="module")
def stack(cluster: Cluster, tmp_path_factory: pytest.TempPathFactory) -> StackUnderTest:
    """A stack that is up, with two routers. It ends with the cluster."""
    stack = swarm_stack(cluster, tmp_path_factory.mktemp("swarm") / "gix", provide_images(cluster))
    stack.change(router={"replicas": 2})
    stack.up()
    return stack


def settle(cluster: Cluster, jobs: int) -> None:
    cluster_client.settle(cluster, (cluster.manager.ip, ROUTER_PORT), jobs=jobs)


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


def test_doctor_shows_managers_and_nodes_that_are_lost_and_what_to_do(stack: StackUnderTest, cluster: Cluster) -> None:
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
    cluster.partition(second)
    assert f"start {second.name}" in diagnosed_until(stack, "swarm", "warning", "2 of 3 managers reachable")[2]
    diagnosed_until(stack, "nodes", "warning", f"the node {second.name} is down")

    # When a second one is cut off, then the Swarm has no leader. The doctor says so, and what to do.
    cluster.partition(first)
    too_few = diagnosed_until(stack, "swarm", "fault", "too few of its managers are reachable")
    assert "--force-new-cluster" in too_few[2]
    diagnosed_until(stack, "resources", "skipped", "see the check: swarm")

    # When both are back, then so is the Swarm.
    cluster.heal(first)
    cluster.heal(second)
    diagnosed_until(stack, "swarm", "ok", "3 of 3 managers reachable, 2 needed")
    docker_on(manager, "node", "demote", first.name, second.name)
    cluster.wait_until_ready()
    assert gixctl(stack, "health", "--wait", "60s").returncode == 0
    stack.up("--refresh")
    assert gixctl(stack, "verify").returncode == 0
