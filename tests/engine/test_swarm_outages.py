"""What a Swarm of three managers and two workers does when nodes are lost, come back, or are cut off.

Killed engines keep what the kernel has of their files, as after a crash of the engine. The loss of power of a disk is
not tested.
"""

import secrets
from collections import Counter
from collections.abc import Iterator
from contextlib import suppress
from typing import Any

import pytest
from docker.errors import APIError

from tests.support import cluster_client
from tests.support.cluster import Cluster, Node, running_cluster
from tests.support.failures import failure
from tests.support.load import ANSWER_SECONDS, require_no_loss
from tests.support.stack_under_test import StackUnderTest
from tests.support.swarm_stack import known_states, new_stack, router, settled, tasks, until_edges_serve
from tests.support.waiting import until

pytestmark = pytest.mark.outage

RATE = 200
"""Jobs in a second."""
MANY = 100
"""A number of tasks."""
THIRDS = (34, 12, 4, 1)
"""Smaller numbers, each no less than a third of the one before."""
RARELY = {"interval": "30s", "timeout": "10s", "startPeriod": "60s", "retries": 3}
"""A health check that 100 tasks on two cores can afford."""


@pytest.fixture(scope="module")
def cluster() -> Iterator[Cluster]:
    with running_cluster(managers=3, workers=2, login=True) as cluster:
        yield cluster


@pytest.fixture(scope="module")
def stack(cluster: Cluster, images: dict[str, str], tmp_path_factory: pytest.TempPathFactory) -> StackUnderTest:
    """A stack with a router and an enclave on each node. Each test leaves all nodes ready and the next update clean."""
    stack = new_stack(cluster, tmp_path_factory.mktemp("outages") / "gix", images)
    each_node = {"replicas": len(cluster.nodes), "placement": {"maxPerNode": 2}}
    stack.change(router=each_node, enclave=each_node)
    stack.up()
    return stack


@pytest.fixture(autouse=True)
def given_back(cluster: Cluster) -> Iterator[None]:
    """Give the cluster back what a test that fails has left killed or cut off."""
    yield
    for node in cluster.nodes:
        if node in cluster.alive:
            cluster.heal(node)
        else:
            cluster.restart(node)


def tasks_elsewhere(stack: StackUnderTest, manager: Node, lost: Node) -> dict[str, int]:
    """How many tasks of router and enclave run on other nodes than the lost one, as a manager knows it."""
    api: Any = manager.client.api
    found = Counter[str]()
    # Without a leader, nothing is known.
    with suppress(APIError):
        names = {each["ID"]: each["Description"]["Hostname"] for each in api.nodes()}
        for service in ("router", "enclave"):
            for each in api.tasks(filters={"service": f"{stack.prefix}-gix-{service}", "desired-state": "running"}):
                if each["Status"]["State"] == "running" and names[each["NodeID"]] != lost.name:
                    found[service] += 1
    return dict(found)


def until_elsewhere(stack: StackUnderTest, cluster: Cluster, node: Node) -> None:
    """Wait until all routers and enclaves run on other nodes than the lost one, for a minute at most."""
    [manager, *_] = [each for each in cluster.managers if each != node]
    wanted = dict.fromkeys(("router", "enclave"), len(cluster.nodes))
    until(
        lambda: tasks_elsewhere(stack, manager, node) == wanted,
        lambda: tasks_elsewhere(stack, manager, node),
    )


def until_serving(stack: StackUnderTest, cluster: Cluster) -> None:
    """Wait until each edge serves again."""
    ready = {node.name: "ready" for node in cluster.nodes}
    until(lambda: known_states(cluster, cluster.manager) == ready, lambda: known_states(cluster, cluster.manager))
    until(lambda: len(tasks(stack, "edge")) == len(cluster.nodes), lambda: tasks(stack, "edge"))
    until_edges_serve(cluster, cluster.nodes)


def test_given_a_killed_node_its_tasks_run_elsewhere_and_requests_fail_only_until_they_are_over(
    stack: StackUnderTest, cluster: Cluster
) -> None:
    lost = cluster.workers[1]
    with cluster_client.load(cluster, router(cluster.managers[1]), rate=RATE) as done:
        cluster.kill(lost)
        until_elsewhere(stack, cluster, lost)
        # An update does not need the lost node.
        stack.change(router={"environment": {"OUTAGE": secrets.token_hex(4)}})
        stack.up()
    assert done.failing_seconds < ANSWER_SECONDS
    assert len(done.settled) > done.failures.total()
    cluster.restart(lost)
    until_serving(stack, cluster)
    assert stack.up().is_empty


def test_given_a_killed_node_with_the_ledger_each_settled_job_is_there_when_it_returns(
    stack: StackUnderTest, cluster: Cluster, images: dict[str, str]
) -> None:
    lost = cluster.workers[0]
    already = settled(stack, lost, images["auction"])
    with cluster_client.load(cluster, router(cluster.managers[1]), rate=RATE) as done:
        until(lambda: settled(stack, lost, images["auction"]) != already, lambda: "no job is settled")
        cluster.kill(lost)
        until(lambda: cluster.states()[lost.name] == "down", cluster.states)
        cluster.restart(lost)
        until(lambda: len(tasks(stack, "auction")) == 1, lambda: tasks(stack, "auction"))
        until_serving(stack, cluster)
    ledger = settled(stack, lost, images["auction"]) - already
    assert done.settled
    assert not Counter(done.settled) - ledger, "a job whose receipt was given is not in the ledger"
    assert max(ledger[job] for job in done.settled) == 1
    assert stack.up().is_empty


@pytest.mark.parametrize("role", ["worker", "node of the ledger", "leader"])
def test_given_a_node_that_is_cut_off_what_serves_elsewhere_goes_on(
    stack: StackUnderTest, cluster: Cluster, images: dict[str, str], role: str
) -> None:
    node = {"worker": cluster.workers[1], "node of the ledger": cluster.workers[0], "leader": cluster.manager}[role]
    other = cluster.managers[1]
    already = settled(stack, cluster.workers[0], images["auction"])
    with cluster_client.load(cluster, router(other), rate=RATE) as done:
        cluster.partition(node)
        until(lambda: known_states(cluster, other).get(node.name) == "down", lambda: known_states(cluster, other))
        if role == "node of the ledger":
            # Only one auction may write the ledger: the one that is cut off.
            assert len(auctions(node)) == 1
            assert not [each for each in cluster.nodes if each != node and auctions(each)]
        else:
            until_elsewhere(stack, cluster, node)
        cluster.heal(node)
        until_serving(stack, cluster)
    if role != "node of the ledger":
        assert done.failing_seconds < ANSWER_SECONDS
    ledger = settled(stack, cluster.workers[0], images["auction"]) - already
    assert not Counter(done.settled) - ledger
    assert max(ledger[job] for job in done.settled) == 1
    assert stack.up().is_empty


def auctions(node: Node) -> list[str]:
    """The containers of auctions on the engine of a node."""
    return [str(each.name) for each in node.client.containers.list() if "-gix-auction." in str(each.name)]


def test_given_most_managers_lost_what_runs_serves_and_given_them_back_an_update_works(
    stack: StackUnderTest, cluster: Cluster
) -> None:
    lost = cluster.managers[1:]
    for each in lost:
        cluster.kill(each)
    until(lambda: not known_states(cluster, cluster.manager), lambda: known_states(cluster, cluster.manager))
    # Tasks of lost nodes are not run elsewhere, and the edges leave them out.
    until(
        lambda: cluster_client.settles(cluster, router(cluster.workers[1]), jobs=20),
        lambda: "the edge does not serve",
    )
    with cluster_client.load(cluster, router(cluster.workers[1]), rate=RATE) as done:
        cluster_client.settle(cluster, router(cluster.manager), jobs=20)
    require_no_loss(done)
    assert "does not have a leader" in failure(stack)

    for each in lost:
        cluster.restart(each)
    until(
        lambda: set(known_states(cluster, cluster.manager).values()) == {"ready"},
        lambda: known_states(cluster, cluster.manager),
    )
    until_serving(stack, cluster)
    stack.change(router={"environment": {"OUTAGE": secrets.token_hex(4)}})
    stack.up()
    assert stack.up().is_empty


def test_given_another_manager_as_the_engine_nothing_is_replaced(stack: StackUnderTest, cluster: Cluster) -> None:
    good = dict(stack.config)
    before = {each: tasks(stack, each) for each in ("router", "auction", "enclave", "edge")}
    stack.change(engine={"host": cluster.managers[1].host})
    stack.up()
    assert stack.up().is_empty
    assert {each: tasks(stack, each) for each in before} == before
    stack.config = good
    stack.up()
    assert {each: tasks(stack, each) for each in before} == before


def test_given_a_hundred_tasks_and_then_fewer_in_thirds_no_request_fails(
    stack: StackUnderTest, cluster: Cluster
) -> None:
    good = dict(stack.config)
    stack.change(enclave={"replicas": 1, "healthCheck": RARELY, "placement": {"maxPerNode": None}})
    stack.up()
    stack.change(enclave={"replicas": MANY})
    with cluster_client.load(cluster, router(cluster.manager), rate=RATE) as done:
        stack.up()
    require_no_loss(done)
    assert len(tasks(stack, "enclave")) == MANY
    assert stack.up().is_empty

    for count in THIRDS:
        stack.change(enclave={"replicas": count})
        with cluster_client.load(cluster, router(cluster.manager), rate=RATE) as done:
            stack.up()
        require_no_loss(done)
        assert len(tasks(stack, "enclave")) == count
    stack.config = good
    stack.up()
    assert stack.up().is_empty
