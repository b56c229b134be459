"""The verbs of gixctl on a stack in a Swarm of three nodes."""

import json
import subprocess
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
