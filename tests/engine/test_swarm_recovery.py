"""A Swarm whose managers are lost for good, and the copy of its state, with the commands of docs/swarm.md."""

import secrets
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.support import cluster_client
from tests.support.cluster import Cluster, Node, running_cluster
from tests.support.failures import failure
from tests.support.stack_under_test import StackUnderTest
from tests.support.swarm_stack import docker_on, known_states, new_stack, router, settled, tasks, until_edges_serve
from tests.support.waiting import until

pytestmark = pytest.mark.outage

SERVICES = ("router", "auction", "enclave", "edge")


@pytest.fixture(scope="module")
def cluster(request: pytest.FixtureRequest) -> Iterator[Cluster]:
    """A cluster with as many managers as the test asks for, and a worker, which has the ledger."""
    with running_cluster(managers=request.param, workers=1, login=True) as cluster:
        yield cluster


@pytest.fixture
def stack(cluster: Cluster, images: dict[str, str], tmp_path: Path) -> StackUnderTest:
    """A stack with a router and an enclave on each node."""
    stack = new_stack(cluster, tmp_path / "gix", images)
    each_node = {"replicas": len(cluster.nodes), "placement": {"maxPerNode": len(cluster.nodes)}}
    stack.change(router=each_node, enclave=each_node)
    stack.up()
    return stack


def declared(manager: Node) -> dict[str, list[str]]:
    """The ids of the services, secrets, files and networks of the Swarm."""
    api: Any = manager.client.api
    return {
        "services": sorted(each["ID"] for each in api.services()),
        "secrets": sorted(each["ID"] for each in api.secrets()),
        "files": sorted(each["ID"] for each in api.configs()),
        "networks": sorted(each["Id"] for each in api.networks(filters={"driver": "overlay"})),
    }


def begin_new_swarm(cluster: Cluster, manager: Node) -> None:
    """Make a manager the only one of a new Swarm that has what the former one had."""
    docker_on(manager, "swarm", "init", "--force-new-cluster")
    # It closes the port by which the nodes of overlay networks find each other, until the engine is started again
    # (moby issue 36860, Docker 20.10).
    cluster.stop(manager)
    cluster.restart(manager)


def until_serving(stack: StackUnderTest, cluster: Cluster, *nodes: Node) -> None:
    """Wait until each service has its tasks, and the edges of the nodes serve."""
    replicas = stack.config["gix:router"]["replicas"]
    wanted = {"router": replicas, "auction": 1, "enclave": replicas, "edge": len(nodes)}
    until(
        lambda: {each: len(tasks(stack, each)) for each in SERVICES} == wanted,
        lambda: {each: len(tasks(stack, each)) for each in SERVICES},
    )
    until_edges_serve(cluster, nodes)


def variables(stack: StackUnderTest, manager: Node) -> list[str]:
    """The variables of the router, as Swarm has them."""
    api: Any = manager.client.api
    service = api.inspect_service(f"{stack.prefix}-gix-router")
    found: list[str] = service["Spec"]["TaskTemplate"]["ContainerSpec"]["Env"]
    return found


@pytest.mark.parametrize("cluster", [3], indirect=True)
def test_given_most_managers_lost_for_good_a_new_swarm_on_the_one_that_is_left_keeps_all_and_serves(
    stack: StackUnderTest, cluster: Cluster, images: dict[str, str]
) -> None:
    left, lost, worker = cluster.manager, cluster.managers[1:], cluster.workers[0]
    before = declared(left)
    cluster_client.settle(cluster, router(worker), jobs=20)
    ledger = settled(stack, worker, images["auction"])

    for each in lost:
        cluster.kill(each)
    until(lambda: not known_states(cluster, left), "the Swarm still has a leader")
    begin_new_swarm(cluster, left)
    until(lambda: cluster.states().get(worker.name) == "ready", cluster.states)
    docker_on(left, "node", "rm", "--force", *(each.name for each in lost))
    until_serving(stack, cluster, left, worker)
    assert declared(left) == before
    assert not ledger - settled(stack, worker, images["auction"])

    # A lost manager that returns still has the former Swarm.
    [returned, gone] = lost
    cluster.restart(returned)
    docker_on(returned, "swarm", "leave", "--force")
    token = docker_on(left, "swarm", "join-token", "--quiet", "manager").decode().strip()
    docker_on(returned, "swarm", "join", "--token", token, f"{left.ip}:2377")
    until(lambda: cluster.states().get(returned.name) == "ready", cluster.states)
    docker_on(left, "node", "promote", worker.name)

    stack.change(router={"environment": {"RECOVERED": "yes"}})
    assert f"gix:engine.nodes.{gone.name}: the Swarm has no node of this name" in failure(stack)
    del stack.config["gix:engine"]["nodes"][gone.name]
    stack.write()
    stack.up()
    until_serving(stack, cluster, left, returned, worker)
    assert stack.up().is_empty


@pytest.mark.parametrize("cluster", [1], indirect=True)
def test_given_a_copy_of_the_swarm_s_state_a_manager_that_has_lost_it_has_its_services_again(
    stack: StackUnderTest, cluster: Cluster, images: dict[str, str]
) -> None:
    manager, worker = cluster.manager, cluster.workers[0]
    state = cluster.engine_data(manager) / "swarm"
    copy = state.with_name("copy-of-swarm")
    before = declared(manager)

    # Given a copy that was made while the engine did not run.
    cluster.stop(manager)
    cluster.call("cp", "--archive", str(state), str(copy))
    cluster.restart(manager)
    cluster.wait_until_ready()
    until_serving(stack, cluster, manager, worker)
    assert stack.up().is_empty

    # And an update after it, and jobs.
    new = secrets.token_hex(4)
    stack.change(router={"environment": {"CHANGED": new}})
    stack.up()
    cluster_client.settle(cluster, router(worker), jobs=20)
    ledger = settled(stack, worker, images["auction"])

    # When the state is lost, then the engine is in no Swarm.
    cluster.stop(manager)
    cluster.call("rm", "--recursive", str(state))
    cluster.restart(manager)
    assert manager.client.info()["Swarm"]["LocalNodeState"] == "inactive"

    # When the copy is in its place, then a new Swarm has what the former one had at the time of the copy.
    cluster.stop(manager)
    cluster.call("rm", "--force", "--recursive", str(state))
    cluster.call("cp", "--archive", str(copy), str(state))
    cluster.restart(manager)
    begin_new_swarm(cluster, manager)
    cluster.wait_until_ready()
    until_serving(stack, cluster, manager, worker)
    assert declared(manager) == before
    assert not ledger - settled(stack, worker, images["auction"])

    # And `pulumi up --refresh` gives it what was changed since.
    stack.up("--refresh")
    until_serving(stack, cluster, manager, worker)
    assert f"CHANGED={new}" in variables(stack, manager)
    assert stack.up().is_empty
