"""Behind an edge, an update loses no request: real gRPC at a steady rate, through the published port."""

import json
import os
import secrets
import time
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import docker
import pytest
import requests

from benchmarks.jobs import submission
from gix_model.environment import EDGE_LABEL, SERVICE_LABEL, STACK_LABEL
from tests.support import background_update
from tests.support.background_update import kill_update
from tests.support.channels import channel
from tests.support.failures import failure
from tests.support.gixctl import gixctl
from tests.support.jobs import ledger, settle, until_it_settles
from tests.support.ledgers import until_in_order
from tests.support.load import ANSWER_SECONDS, RATE, load, require_no_loss
from tests.support.stack_under_test import SERVICES, StackUnderTest, temporary_stack
from tests.support.trials import EXITS_AT_ONCE, broken, tried

JOB_SECONDS = 4
"""How long a job goes on after the auction was told to stop: less than `stopGrace`."""

NEVER_HEALTHY_BEHIND_THE_EDGE = (
    'if std::fs::read_to_string("/etc/hostname").is_ok_and(|name| name.trim() == "router-backend")'
    " { loop { std::thread::park(); } }"
)
"""Code at the start of the router's `main`. A trial has another host name."""


@pytest.fixture(scope="module")
def stack(client: docker.DockerClient, tmp_path_factory: pytest.TempPathFactory) -> Iterator[StackUnderTest]:
    """A stack that is up, behind an edge. Each test leaves it so that the next update is clean."""
    with temporary_stack(client, tmp_path_factory.mktemp("edge") / "gix") as stack:
        stack.change(rollout={"strategy": "start-first", "trial": True})
        stack.up()
        settle(stack, jobs=2)
        yield stack


def ids(stack: StackUnderTest) -> dict[str, set[str]]:
    """The ids of the containers of each service, and of the edge."""
    found: dict[str, set[str]] = {}
    label = f"{STACK_LABEL}=gix/{stack.name}"
    for each in stack.client.containers.list(all=True, filters={"label": label}, ignore_removed=True):
        found.setdefault(each.labels.get(SERVICE_LABEL, "edge"), set()).add(str(each.id))
    return found


def replaced(before: dict[str, set[str]], after: dict[str, set[str]]) -> set[str]:
    """What has another container than before. Each has one."""
    assert {name: len(each) for name, each in after.items()} == dict.fromkeys((*SERVICES, "edge"), 1)
    return {name for name in after if after[name] != before[name]}


@pytest.mark.load
def test_given_another_variable_both_containers_are_replaced_and_no_request_fails(stack: StackUnderTest) -> None:
    services = ["router", "enclave"]
    before = ids(stack)
    stack.change(**{service: {"environment": {"EDGE": secrets.token_hex(4)}} for service in services})
    plan = " ".join(gixctl(stack, "plan", "--json").stdout.split())
    assert plan.count('"effect": "replaced without interruption"') == len(services)
    with load(stack.endpoint("router"), rate=RATE) as done:
        assert tried(stack.up().output) == set(services)
    require_no_loss(done)
    assert replaced(before, ids(stack)) == set(services)
    assert stack.up().is_empty


@pytest.mark.load
def test_given_another_auction_requests_wait_and_each_is_settled_once(stack: StackUnderTest) -> None:
    before = ids(stack)
    stack.change(auction={"environment": {"EDGE": secrets.token_hex(4)}})
    already = Counter(json.loads(line)["job"] for line in ledger(stack))
    with load(stack.endpoint("router"), rate=RATE) as done:
        stack.up()
    require_no_loss(done)
    assert replaced(before, ids(stack)) == {"auction"}
    settled = Counter(json.loads(line)["job"] for line in ledger(stack)) - already
    assert settled == Counter(done.settled)


@pytest.mark.load
def test_given_jobs_that_take_seconds_while_the_auction_is_replaced_they_are_settled_by_the_old_one(
    stack: StackUnderTest,
) -> None:
    before = ids(stack)
    enclave, auction = (
        stack.client.containers.get(each) for service in ("enclave", "auction") for each in before[service]
    )
    already = Counter(json.loads(line)["job"] for line in ledger(stack))
    names = [f"slow-{number}" for number in range(5)]

    def submit(name: str) -> str:
        with channel(stack.endpoint("router"), ANSWER_SECONDS) as connection:
            job: str = submission(connection)(job=name, limit=10).job
            return job

    stack.change(auction={"environment": {"EDGE": secrets.token_hex(4)}})
    now = int(time.time())
    stopped = stack.client.events(
        since=now, until=now + ANSWER_SECONDS, filters={"container": auction.id, "event": "kill"}, decode=True
    )
    enclave.pause()
    try:
        with ThreadPoolExecutor(len(names)) as pool, background_update.update(stack) as update:
            jobs = [pool.submit(submit, name) for name in names]
            assert next(stopped, None), "the old auction is not stopped"
            with pytest.raises(requests.exceptions.RequestException, match="timed out"):
                # It ends when the jobs have.
                auction.wait(timeout=JOB_SECONDS)
            enclave.unpause()
            assert [job.result() for job in jobs] == names
            assert update.wait() == 0
    finally:
        if enclave.attrs["Id"] in {each.id for each in stack.client.containers.list(filters={"status": "paused"})}:
            enclave.unpause()
    settled = Counter(json.loads(line)["job"] for line in ledger(stack)) - already
    assert settled == Counter(names)
    assert replaced(before, ids(stack)) == {"auction"}
    gixctl(stack, "health", "--wait", "60s")
    assert stack.up().is_empty


def test_given_an_auction_at_another_address_the_edge_gives_up_its_connection_to_the_former_one(
    stack: StackUnderTest,
) -> None:
    settle(stack, jobs=1)
    [auction] = ids(stack)["auction"]
    [(name, attached)] = stack.client.containers.get(auction).attrs["NetworkSettings"]["Networks"].items()
    network = stack.client.networks.get(name)
    address, _, _ = attached["IPAddress"].rpartition(".")
    network.disconnect(auction)
    network.connect(auction, ipv4_address=f"{address}.200", aliases=attached["Aliases"])
    until_it_settles(stack.endpoint("router"))
    settle(stack, jobs=5)

    stack.change(auction={"environment": {"EDGE": secrets.token_hex(4)}})
    stack.up()
    assert stack.up().is_empty


@pytest.mark.load
def test_given_more_and_fewer_containers_no_request_fails(stack: StackUnderTest) -> None:
    before = ids(stack)
    stack.change(router={"replicas": 10}, enclave={"replicas": 3})
    with load(stack.endpoint("router"), rate=RATE) as done:
        assert not tried(stack.up().output)
    require_no_loss(done)
    scaled = ids(stack)
    assert {service: len(each) for service, each in scaled.items()} == {
        "router": 10,
        "auction": 1,
        "enclave": 3,
        "edge": 1,
    }
    assert all(before[name] <= scaled[name] for name in before), "none is replaced"
    shown = json.loads(gixctl(stack, "health", "--wait", "60s", "--json").stdout)
    assert [each["service"] for each in shown][-4:] == ["enclave-1", "enclave-2", "enclave-3", "edge"]
    assert stack.up().is_empty

    stack.change(enclave={"environment": {"EDGE": secrets.token_hex(4)}})
    with load(stack.endpoint("router"), rate=RATE) as done:
        assert tried(stack.up().output) == {"enclave"}
    require_no_loss(done)
    assert not scaled["enclave"] & ids(stack)["enclave"], "all are replaced"

    stack.change(router={"replicas": 1}, enclave={"replicas": 1})
    with load(stack.endpoint("router"), rate=RATE) as done:
        stack.up()
    require_no_loss(done)
    assert replaced(before, ids(stack)) == {"enclave"}
    assert stack.up().is_empty


@pytest.mark.load
def test_given_a_bad_image_no_request_fails_and_nothing_is_replaced(stack: StackUnderTest) -> None:
    before = ids(stack)
    mend = broken(stack, "router", EXITS_AT_ONCE)
    with load(stack.endpoint("router"), rate=RATE) as done:
        message = failure(stack)
    mend()
    assert "the trial of the new router failed" in message
    require_no_loss(done)
    assert ids(stack) == before
    stack.up()
    assert stack.up().is_empty


def test_the_edge_and_the_containers_are_as_declared(stack: StackUnderTest) -> None:
    report = gixctl(stack, "verify", "--json").stdout
    assert json.loads(report)["differences"] == [], report
    until_in_order(stack)
    label = f"{EDGE_LABEL}=haproxy"
    [edge] = stack.client.containers.list(filters={"label": [f"{STACK_LABEL}=gix/{stack.name}", label]})
    scanned = json.loads(gixctl(stack, "scan", "--json").stdout)["images"]
    assert [(each["service"], each["digest"]) for each in scanned][-1] == ("edge", edge.attrs["Image"])
    assert edge.name == f"{stack.prefix}-gix-edge" == stack.outputs()["edge"]
    names = {service: each["containers"] for service, each in stack.outputs()["services"].items()}
    assert stack.outputs()["services"]["router"]["endpoint"] in gixctl(stack, "graph").stdout
    assert names["auction"] == [f"{stack.prefix}-gix-auction"]
    for service in ("router", "enclave"):
        [name] = names[service]
        assert name.startswith(f"{stack.prefix}-gix-{service}-")


@pytest.mark.load
def test_given_an_update_that_is_killed_while_both_containers_run_the_next_one_completes_it(
    stack: StackUnderTest,
) -> None:
    before = ids(stack)
    stack.change(router={"environment": {"EDGE": secrets.token_hex(4)}})
    with load(stack.endpoint("router"), rate=RATE) as done:
        kill_update(stack, lambda: len(ids(stack).get("router", ())) > 1)
        stack.pulumi.run("cancel", "--yes")
        stack.pulumi.run("refresh", "--yes", "--skip-preview", "--clear-pending-creates")
        stack.up()
    require_no_loss(done)
    assert replaced(before, ids(stack)) == {"router"}
    assert stack.up().is_empty


@pytest.mark.load
def test_given_an_edge_that_does_not_answer_the_old_container_stays_until_the_next_update(
    stack: StackUnderTest,
) -> None:
    before = ids(stack)
    stack.change(router={"environment": {"EDGE": secrets.token_hex(4)}})
    edge = stack.client.containers.get(f"{stack.prefix}-gix-edge")
    edge.pause()
    try:
        message = failure(stack)
    finally:
        edge.unpause()
    assert "the edge did not hand over to the new container of the router" in message
    assert before["router"] < ids(stack)["router"], "both containers run"
    # The edge may be unhealthy for a moment.
    differences = json.loads(gixctl(stack, "verify", "--json").stdout)["differences"]
    assert "undeclared" not in {each["type"] for each in differences}, "gixctl doctor --fix would remove what serves"

    with load(stack.endpoint("router"), rate=RATE) as done:
        stack.up()
    require_no_loss(done)
    assert replaced(before, ids(stack)) == {"router"}
    assert stack.up().is_empty


@pytest.mark.load
def test_given_a_container_that_is_healthy_only_in_its_trial_it_is_stopped_and_no_request_fails(
    stack: StackUnderTest,
) -> None:
    before = ids(stack)
    mend = broken(stack, "router", NEVER_HEALTHY_BEHIND_THE_EDGE)
    with load(stack.endpoint("router"), rate=RATE) as done:
        message = failure(stack)
    mend()
    assert "stopping" in message
    require_no_loss(done)
    assert before["router"] < ids(stack)["router"]
    [left] = ids(stack)["router"] - before["router"]
    assert stack.client.containers.get(left).status == "exited"

    stack.up()
    assert replaced(before, ids(stack)) == {"router"}
    assert stack.up().is_empty


def test_given_an_image_that_cannot_be_the_edge_nothing_is_replaced(stack: StackUnderTest) -> None:
    before = ids(stack)
    good = dict(stack.config)
    stack.change(edge={"image": os.environ.get("GIX_RUNTIME_BASE", "debian:bookworm-slim")})
    assert "it cannot be the edge, so no container was replaced" in failure(stack)
    assert ids(stack) == before
    stack.config = good
    stack.up()
    assert ids(stack) == before
    assert stack.up().is_empty


def test_a_stack_can_get_an_edge_and_give_it_up(stack: StackUnderTest) -> None:
    stack.change(rollout={"strategy": "restart"})
    stack.up()
    assert ids(stack).keys() == {*SERVICES}
    settle(stack, jobs=1)
    assert stack.up().is_empty

    stack.change(rollout={"strategy": "start-first"})
    with background_update.update(stack) as update:
        assert update.wait() == 0
    assert ids(stack).keys() == {*SERVICES, "edge"}
    settle(stack, jobs=1)
    assert stack.up().is_empty
