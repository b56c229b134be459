"""A stack in a Swarm of three nodes: real gRPC through the edges, at a steady rate while the stack changes."""

import json
import secrets
import ssl
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from typing import Any

import pytest

from gix_model.environment import SERVICE_LABEL
from tests.support import cluster_client
from tests.support.certificates import Authority
from tests.support.cluster import Cluster, Node, running_cluster
from tests.support.failures import failure
from tests.support.gixctl import gixctl
from tests.support.load import require_no_loss
from tests.support.stack_under_test import SERVICES, StackUnderTest
from tests.support.swarm_stack import (
    EDGE,
    digest,
    docker_on,
    new_stack,
    on_volume,
    router,
    settled,
    tasks,
)
from tests.support.trials import tried

pytestmark = pytest.mark.swarm

RATE = 200
"""Jobs in a second."""
MANY = 3
"""A number of replicas."""
ENDS = "printf '#!/bin/sh\\necho out of order; exit 3\\n' >/usr/local/bin/{binary}; chmod 755 /usr/local/bin/{binary}"
"""What makes a service end at once."""


@pytest.fixture(scope="module")
def cluster() -> Iterator[Cluster]:
    with running_cluster(login=True) as cluster:
        yield cluster


@pytest.fixture(scope="module")
def stack(cluster: Cluster, images: dict[str, str], tmp_path_factory: pytest.TempPathFactory) -> StackUnderTest:
    """A stack that is up. Each test leaves it so that the next update is clean. It ends with the cluster."""
    stack = new_stack(cluster, tmp_path_factory.mktemp("swarm") / "gix", images)
    stack.up()
    return stack


def variant(cluster: Cluster, image: str, name: str, script: str) -> str:
    """The digest of an image that a script has changed, in the registry under `name`."""
    client = cluster.manager.client
    made = client.containers.create(image, ["sh", "-euc", script], user="0")
    try:
        made.start()
        assert made.wait()["StatusCode"] == 0, made.logs()
        config = {"Cmd": client.images.get(image).attrs["Config"]["Cmd"]}
        built = made.commit(conf=config)
    finally:
        made.remove(force=True)
    return digest(cluster.push(str(built.id), f"gix-network/{name}"))


def test_a_second_update_is_empty_also_after_a_refresh_and_each_node_serves(
    stack: StackUnderTest, cluster: Cluster
) -> None:
    assert stack.up().is_empty
    stack.pulumi.refresh()
    assert stack.up().is_empty
    for node in cluster.nodes:
        cluster_client.settle(cluster, router(node), jobs=3)
    outputs = stack.outputs()
    assert outputs["engine"]["mode"] == "swarm"
    assert outputs["edge"] == f"{stack.prefix}-gix-edge"
    assert {each["swarmService"] for each in outputs["services"].values()} == {
        f"{stack.prefix}-gix-{service}" for service in SERVICES
    }


@pytest.mark.load
@pytest.mark.parametrize("service", ["router", "enclave"])
def test_given_another_variable_tasks_are_replaced_and_no_request_fails(
    stack: StackUnderTest, cluster: Cluster, service: str
) -> None:
    before = {each: tasks(stack, each) for each in SERVICES}
    stack.change(**{service: {"environment": {"SWARM": secrets.token_hex(4)}}})
    with cluster_client.load(cluster, router(cluster.workers[1]), rate=RATE) as done:
        assert not tried(stack.up().output)
    require_no_loss(done)
    assert {each for each in SERVICES if tasks(stack, each) != before[each]} == {service}
    assert stack.up().is_empty


@pytest.mark.load
def test_given_another_auction_it_is_tried_requests_wait_and_each_is_settled_once(
    stack: StackUnderTest, cluster: Cluster, images: dict[str, str]
) -> None:
    [node] = [each for each in cluster.nodes if each.name == stack.config["gix:ledger"]["node"]]
    already = settled(stack, node, images["auction"])
    stack.change(auction={"environment": {"SWARM": secrets.token_hex(4)}})
    with cluster_client.load(cluster, router(cluster.workers[1]), rate=RATE) as done:
        assert tried(stack.up().output) == {"auction"}
    require_no_loss(done)
    assert settled(stack, node, images["auction"]) - already == Counter(done.settled)
    [task] = node.client.containers.list(filters={"label": f"{SERVICE_LABEL}=auction"})
    assert str(task.name).startswith(f"{stack.prefix}-gix-auction.1.")
    assert stack.up().is_empty


@pytest.mark.load
def test_given_more_and_fewer_tasks_no_request_fails(stack: StackUnderTest, cluster: Cluster) -> None:
    stack.change(enclave={"replicas": MANY})
    with cluster_client.load(cluster, router(cluster.manager), rate=RATE) as done:
        stack.up()
    require_no_loss(done)
    assert len(tasks(stack, "enclave")) == MANY

    stack.change(enclave={"replicas": 1})
    with cluster_client.load(cluster, router(cluster.manager), rate=RATE) as done:
        stack.up()
    require_no_loss(done)
    assert len(tasks(stack, "enclave")) == 1
    assert stack.up().is_empty


@pytest.mark.load
def test_given_a_bad_image_swarm_rolls_it_back_and_no_request_fails(
    stack: StackUnderTest, cluster: Cluster, images: dict[str, str]
) -> None:
    before = tasks(stack, "router")
    bad = variant(cluster, images["router"], "router", ENDS.format(binary="ajr-router"))
    stack.change(images={"digests": {"router": bad}})
    with cluster_client.load(cluster, router(cluster.workers[1]), rate=RATE) as done:
        message = failure(stack)
    require_no_loss(done)
    assert "Swarm rolled the update back, and the former version serves" in message
    assert "out of order" in message, "the log of the bad version"
    assert tasks(stack, "router") == before
    differences = json.loads(gixctl(stack, "verify", "--json").stdout)["differences"]
    assert {("router", "last update"), ("router", "image")} <= {
        (each["subject"], each["field"]) for each in differences
    }
    assert "Swarm rolled the update back" in failure(stack), "the next update says it again"

    stack.change(images={"digests": {"router": digest(images["router"])}})
    stack.up()
    assert stack.up().is_empty
    assert tasks(stack, "router") == before


def test_given_a_bad_auction_its_trial_refuses_it_and_nothing_is_replaced(
    stack: StackUnderTest, cluster: Cluster, images: dict[str, str]
) -> None:
    before = tasks(stack, "auction")
    bad = variant(cluster, images["auction"], "auction", ENDS.format(binary="gcam-node"))
    stack.change(images={"digests": {"auction": bad}})
    assert "the trial of the new auction failed" in failure(stack)
    assert tasks(stack, "auction") == before
    stack.change(images={"digests": {"auction": digest(images["auction"])}})
    stack.up()
    assert stack.up().is_empty


def test_a_secret_variable_is_a_secret_of_swarm_and_can_change(stack: StackUnderTest, cluster: Cluster) -> None:
    for value in ("first value\n", "second value"):
        stack.secrets["gix:enclave.secretEnvironment.SIGNING_KEY"] = value
        stack.up()
        assert value.strip() not in json.dumps([each.attrs for each in services(stack)])
        [container] = [
            each
            for node in cluster.nodes
            for each in node.client.containers.list(filters={"label": f"{SERVICE_LABEL}=enclave"})
        ]
        # The service's own user may read the environment of its processes.
        said = container.exec_run(["sh", "-c", "cat /proc/[0-9]*/environ"], user="1000:1000").output
        assert isinstance(said, bytes)
        assert f"SIGNING_KEY={value}\0".encode() in said
    assert stack.up().is_empty
    api: Any = stack.client.api
    assert len(api.secrets()) == 1, "the former one is deleted"


def services(stack: StackUnderTest) -> list[Any]:
    client: Any = stack.client
    return list(client.services.list())


def served_certificate(cluster: Cluster, node: Node) -> str:
    """The certificate that the edge of a node shows."""
    program = f"import ssl; print(ssl.get_server_certificate({router(node)}))"
    done = subprocess.run([*cluster.inside, sys.executable, "-c", program], capture_output=True, text=True, check=True)
    return done.stdout.strip()


def test_the_edge_of_each_node_has_tls_and_a_new_certificate_replaces_the_old_one(
    stack: StackUnderTest, cluster: Cluster
) -> None:
    plain, known = dict(stack.config), dict(stack.secrets)
    authority = Authority()
    for _ in range(2):
        issued = authority.issue()
        stack.change(edge={"certificate": issued.certificate})
        stack.secrets["gix:edge.key"] = issued.key
        stack.up()
        wanted = ssl.PEM_cert_to_DER_cert(issued.certificate)
        for node in cluster.nodes:
            assert ssl.PEM_cert_to_DER_cert(served_certificate(cluster, node)) == wanted
    assert stack.up().is_empty
    assert issued.key.splitlines()[1] not in stack.recorded()
    stack.config, stack.secrets = plain, known
    stack.up()
    cluster_client.settle(cluster, router(cluster.manager), jobs=1)


def test_the_verbs_show_tasks_and_nodes_and_a_drained_node_has_no_tasks(
    stack: StackUnderTest, cluster: Cluster
) -> None:
    # Given a stack as declared, when the verbs show it.
    known = {node.name for node in cluster.nodes}
    rows = json.loads(gixctl(stack, "status", "--json").stdout)
    assert Counter(row["service"].partition("-")[0] for row in rows) == {"edge": 3} | dict.fromkeys(SERVICES, 1)
    assert all(row["health"] == "healthy" and row["node"] in known for row in rows)
    health = json.loads(gixctl(stack, "health", "--wait", "60s", "--json").stdout)
    assert all(row["health"] == "healthy" and row["probes"] for row in health), "read from the engines of the nodes"
    listed = {each["node"]: each for each in json.loads(gixctl(stack, "nodes", "--json").stdout)}
    assert listed.keys() == known
    assert [name for name, each in listed.items() if each["has_ledger"]] == [cluster.workers[0].name]
    verified = gixctl(stack, "verify", "--json")
    assert (json.loads(verified.stdout)["differences"], verified.returncode) == ([], 0)

    # When a node is drained, then it has no tasks, until that is undone.
    ledger, other = cluster.workers[0].name, cluster.workers[1].name
    refused = gixctl(stack, "drain", ledger, "--yes")
    assert (refused.returncode, "has the ledger" in " ".join(refused.stderr.split())) == (1, True)
    assert gixctl(stack, "drain", other, "--yes").returncode == 0
    try:
        assert gixctl(stack, "health", "--wait", "60s").returncode == 0
        drained = {each["node"]: each for each in json.loads(gixctl(stack, "nodes", "--json").stdout)}[other]
        assert (drained["availability"], drained["tasks"]) == ("drain", [])
    finally:
        assert gixctl(stack, "drain", other, "--undo").returncode == 0
    assert gixctl(stack, "health", "--wait", "60s").returncode == 0

    # When a service is changed by hand, then verify finds it, and an update with a refresh mends it.
    docker_on(cluster.manager, "service", "scale", "--detach=false", f"{stack.prefix}-gix-enclave=2")
    differences = json.loads(gixctl(stack, "verify", "--json").stdout)["differences"]
    assert [(each["subject"], each["field"], each["declared"], each["found"]) for each in differences] == [
        ("enclave", "replicas", "1", "2")
    ]
    stack.up("--refresh")
    assert json.loads(gixctl(stack, "verify", "--json").stdout)["differences"] == []


def test_given_an_engine_that_is_no_manager_and_a_node_that_does_not_exist_nothing_changes(
    stack: StackUnderTest, cluster: Cluster
) -> None:
    good = dict(stack.config)
    stack.change(engine={"nodes": {"nowhere": cluster.manager.host}})
    assert "gix:engine.nodes.nowhere: the Swarm has no node of this name" in failure(stack)
    stack.config = dict(good)
    stack.change(engine={"nodes": {cluster.workers[0].name: cluster.workers[1].host}})
    assert f"is the engine of {cluster.workers[1].name}" in failure(stack)
    stack.config = dict(good)
    stack.change(engine={"host": cluster.workers[0].host})
    assert "the engine is not a manager of a Swarm" in failure(stack)
    stack.config = dict(good)
    stack.change(network={"endpoint": "vip"})
    assert "gix:network.endpoint = vip: the kernel of this machine has no IPVS" in failure(stack)
    stack.config = good
    assert stack.up().is_empty


def test_the_image_of_the_edge_must_be_in_a_registry(
    stack: StackUnderTest, cluster: Cluster, images: dict[str, str]
) -> None:
    made = cluster.manager.client.containers.create(images[EDGE])
    made.commit("only-here", "latest")
    made.remove()
    before = tasks(stack, "edge")
    stack.change(edge={"image": "only-here:latest"})
    assert "gix:edge.image = only-here:latest: no registry has it" in failure(stack)
    stack.change(edge={"image": images[EDGE]})
    stack.up()
    assert tasks(stack, "edge") == before
    assert stack.up().is_empty


def test_destroy_leaves_the_ledger_and_a_stack_moves_from_containers_with_its_ledger(
    stack: StackUnderTest, cluster: Cluster, images: dict[str, str], tmp_path_factory: pytest.TempPathFactory
) -> None:
    node = cluster.workers[0]
    ledger = on_volume(stack, node, images["auction"], "sha256sum", "/data/ledger.jsonl")
    stack.destroy()
    assert on_volume(stack, node, images["auction"], "sha256sum", "/data/ledger.jsonl") == ledger

    # Given a stack in containers of an engine that is a manager.
    moved = new_stack(cluster, tmp_path_factory.mktemp("moved") / "gix", images)
    manager = cluster.manager
    in_swarm = dict(moved.config)
    in_swarm["gix:ledger"] = {"node": manager.name, "protect": True}
    moved.config = {key: value for key, value in in_swarm.items() if key not in ("gix:rollout", "gix:ledger")}
    moved.config |= {"gix:engine": {"host": manager.host}, "gix:ledger": {"protect": True}}
    moved.up()
    cluster_client.settle(cluster, router(manager), jobs=5)
    before = on_volume(moved, manager, images["auction"], "sha256sum", "/data/ledger.jsonl")

    # When its mode is Swarm, on the same engine.
    moved.config = in_swarm
    moved.up()

    # Then it has the same ledger, byte for byte, and serves on all nodes.
    assert on_volume(moved, manager, images["auction"], "sha256sum", "/data/ledger.jsonl") == before
    assert moved.up().is_empty
    for each in cluster.nodes:
        cluster_client.settle(cluster, router(each), jobs=1)

    # And another node is refused while the ledger is protected. Then it is backed up, and begins anew there.
    moved.change(ledger={"node": node.name})
    assert "gix:ledger.protect = true: the stack would no longer have its ledger" in failure(moved)
    moved.change(ledger={"protect": False})
    assert not list(moved.directory.glob("backups/*"))
    moved.up()
    assert len(list(moved.directory.glob("backups/*"))) == 1
    assert moved.up().is_empty
    cluster_client.settle(cluster, router(manager), jobs=2)
    assert settled(moved, node, images["auction"]).total() == 2

    # When that backup is restored there, then the ledger is the former one again, and the auction goes on with it.
    [archive] = moved.directory.glob("backups/*.tar.gz")
    former = settled(moved, manager, images["auction"])
    restored = gixctl(moved, "restore", "--replace", str(archive))
    assert restored.returncode == 0, restored.stderr
    assert gixctl(moved, "health", "--wait", "60s").returncode == 0
    assert settled(moved, node, images["auction"]) == former
    cluster_client.settle(cluster, router(manager), jobs=1)
    moved.destroy()
    assert settled(moved, node, images["auction"]).total() == former.total() + 1

    # The other tests need their stack, in whatever order they run.
    stack.up()
