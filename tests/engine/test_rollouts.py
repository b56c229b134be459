"""An update that fails in a trial changes nothing that serves."""

import json
import secrets
from collections.abc import Iterator

import docker
import pytest
from docker.models.containers import Container

from tests.support import background_update
from tests.support.background_update import kill_update
from tests.support.gixctl import gixctl
from tests.support.jobs import ask, ledger, settle
from tests.support.ledgers import until_in_order
from tests.support.stack_under_test import SERVICES, StackUnderTest, free_subnet, temporary_stack
from tests.support.trials import EXITS_AT_ONCE, HEALTHY_ONCE, NEVER_HEALTHY, broken, nothing_is_left, refused, tried


@pytest.fixture(scope="module")
def stack(client: docker.DockerClient, tmp_path_factory: pytest.TempPathFactory) -> Iterator[StackUnderTest]:
    """A stack that is up and tries successors. Each test leaves it so that the next update is clean."""
    with temporary_stack(client, tmp_path_factory.mktemp("rollouts") / "gix") as stack:
        stack.change(rollout={"trial": True})
        stack.up()
        settle(stack, jobs=2)
        yield stack


def test_given_a_changed_variable_only_the_successors_of_changed_services_are_tried(stack: StackUnderTest) -> None:
    before = stack.ids()
    stack.change(router={"environment": {"TRIAL": secrets.token_hex(4)}})
    plan = gixctl(stack, "plan").stdout
    assert "tried, then restarted" in " ".join(plan.split())

    update = stack.up()
    assert tried(update.output) == {"router"}
    assert {service for service, each in stack.ids().items() if each != before[service]} == {"router"}
    assert nothing_is_left(stack)

    again = stack.up()
    assert again.is_empty
    assert tried(again.output) == set()


def test_given_a_change_that_replaces_no_container_nothing_is_tried(stack: StackUnderTest) -> None:
    before = stack.ids()
    stack.change(router={"memory": "300MiB"})
    assert tried(stack.up().output) == set()
    assert stack.ids() == before


def test_given_an_auction_its_successor_is_tried_with_a_copy_of_the_ledger(stack: StackUnderTest) -> None:
    lines = ledger(stack)
    stack.change(auction={"environment": {"TRIAL": secrets.token_hex(4)}})
    assert tried(stack.up().output) == {"auction"}
    assert ledger(stack) == lines
    assert nothing_is_left(stack)
    settle(stack, jobs=1)


@pytest.mark.parametrize(
    ("ends", "said"),
    [
        (EXITS_AT_ONCE, "exited, exit code 3"),
        (NEVER_HEALTHY, "running, starting"),
        (HEALTHY_ONCE, "exited, exit code 4"),
    ],
    ids=["exits_at_once", "never_healthy", "healthy_and_then_dead"],
)
def test_given_a_bad_image_the_old_container_still_serves(stack: StackUnderTest, ends: str, said: str) -> None:
    mend = broken(stack, "router", ends)
    assert said in refused(stack, "router")

    mend()
    stack.up()
    assert stack.up().is_empty


def test_given_a_version_that_cannot_read_the_ledger_the_old_one_still_serves(stack: StackUnderTest) -> None:
    source = stack.directory / "sample/crates/gcam-node/src/ledger.rs"
    good = source.read_text()
    source.write_text(good.replace('folder.join("ledger.jsonl")', 'folder.join("ledger.jsonl").join("new-format")'))
    assert "cannot be opened" in refused(stack, "auction")
    assert "cannot be opened" in refused(stack, "auction"), "the next update tries again"
    source.write_text(good)
    stack.up()
    assert stack.up().is_empty


def test_given_one_bad_and_one_good_change_none_of_them_is_made(stack: StackUnderTest) -> None:
    before = stack.ids()
    stack.change(
        enclave={"environment": {"TRIAL": secrets.token_hex(4)}},
        # Nothing listens there, so the engine refuses to start the container.
        router={"logging": {"driver": "syslog", "options": {"syslog-address": "tcp://127.0.0.1:1"}}},
    )
    assert "the engine refused it" in refused(stack, "router")
    assert stack.ids() == before

    del stack.config["gix:router"]["logging"]
    stack.up()
    assert {service for service, each in stack.ids().items() if each != before[service]} == {"enclave"}
    assert stack.up().is_empty


def successors(stack: StackUnderTest, service: str) -> list[Container]:
    """The container in which an update tries the successor of `service`, if there is one at the moment."""
    name = f"^/{stack.prefix}-gix-{service}-trial$"
    return list(stack.client.containers.list(filters={"name": name}, ignore_removed=True))


def cut_off_in_a_trial(stack: StackUnderTest, service: str) -> list[str]:
    """Kill `pulumi up` while the successor of `service` runs. Returns the volumes that the successor had."""
    found: list[Container] = []

    def runs() -> bool:
        found[:] = successors(stack, service)
        return bool(found)

    kill_update(stack, runs)
    return [str(each["Name"]) for each in found[0].attrs["Mounts"]]


def test_while_a_successor_is_tried_no_request_reaches_it_and_no_settlement_is_lost(stack: StackUnderTest) -> None:
    """A settlement of the tried auction would be in the copy of the ledger, which is removed."""
    stack.change(auction={"environment": {"TRIAL": secrets.token_hex(4)}})
    settled: set[str] = set()
    known_as: set[str] = set()
    with background_update.update(stack) as update:
        while update.poll() is None:
            name = f"beside-{secrets.token_hex(4)}"
            # While the container is replaced, jobs fail.
            if ask(stack.endpoint("router"), {"job": name, "limit": 10})["ok"]:
                settled.add(name)
            for successor in successors(stack, "auction"):
                for endpoint in successor.attrs["NetworkSettings"]["Networks"].values():
                    # Engines since version 25 list all names there.
                    known_as |= {*(endpoint["Aliases"] or []), *(endpoint.get("DNSNames") or [])}
    assert update.returncode == 0
    assert known_as, "the successor was not seen"
    assert not known_as & {*SERVICES}
    assert {json.loads(line)["job"] for line in ledger(stack)} >= settled
    assert len(settled) > 10


def test_given_another_volume_for_the_ledger_the_auction_is_tried_without_the_old_one(stack: StackUnderTest) -> None:
    stack.change(ledger={"volume": "other-data"}, auction={"environment": {"TRIAL": secrets.token_hex(4)}})
    assert tried(stack.up().output) == {"auction"}
    assert ledger(stack) == []
    assert nothing_is_left(stack)

    stack.change(ledger={"volume": "gcam-data"})
    stack.up()
    assert stack.up().is_empty
    settle(stack, jobs=1)


@pytest.mark.parametrize("service", ["router", "auction"])
@pytest.mark.parametrize("by", ["doctor", "update"])
def test_what_a_killed_trial_left_is_removed(stack: StackUnderTest, service: str, by: str) -> None:
    before = stack.ids()
    stack.change(**{service: {"environment": {"TRIAL": secrets.token_hex(4)}}})
    copies = cut_off_in_a_trial(stack, service)
    assert len(copies) == (1 if service == "auction" else 0)
    if by == "doctor":
        gixctl(stack, "doctor", "--fix")
        until_in_order(stack)
        assert nothing_is_left(stack)
    else:
        stack.pulumi.run("cancel", "--yes")
    assert stack.ids() == before

    assert tried(stack.up().output) == {service}
    assert stack.up().is_empty
    until_in_order(stack)
    assert nothing_is_left(stack)
    assert not [each for each in stack.client.volumes.list() if each.name in copies], "a copy of the ledger is left"


@pytest.mark.parametrize("section", ["network", "ledger"])
def test_given_a_bad_image_and_another_network_or_volume_none_is_replaced(stack: StackUnderTest, section: str) -> None:
    """To replace one of them, the provider deletes the containers that use it."""
    good = dict(stack.config)
    # Its trial takes long, so that what does not wait for it happens first.
    mend = broken(stack, "auction", NEVER_HEALTHY)
    stack.change(**{section: {"subnet": free_subnet(stack.client)} if section == "network" else {"volume": "new-data"}})
    assert "running, starting" in refused(stack, "auction")

    stack.config = good
    mend()
    stack.up()
    assert stack.up().is_empty


def test_given_targets_with_the_name_of_a_service_its_successor_is_tried(stack: StackUnderTest) -> None:
    before = stack.ids()
    stack.change(router={"environment": {"TRIAL": secrets.token_hex(4)}})
    assert tried(stack.up("--target", "**gix-router**").output) == {"router"}
    assert {service for service, each in stack.ids().items() if each != before[service]} == {"router"}
    assert stack.up().is_empty


def test_given_no_trial_in_the_configuration_a_container_is_replaced_at_once(stack: StackUnderTest) -> None:
    before = stack.ids()
    stack.change(rollout={"trial": False}, enclave={"environment": {"TRIAL": secrets.token_hex(4)}})
    assert tried(stack.up().output) == set()
    assert {service for service, each in stack.ids().items() if each != before[service]} == {"enclave"}
    before = stack.ids()
    stack.change(rollout={"trial": True})
    assert tried(stack.up().output) == set(), "no container is replaced"
    assert stack.ids() == before
    assert stack.up().is_empty


def test_a_stack_that_has_tried_successors_is_destroyed_as_any_other(fresh: StackUnderTest) -> None:
    fresh.change(rollout={"trial": True})
    fresh.up()
    fresh.pulumi.destroy()
    assert fresh.leavings()["containers"] == []
