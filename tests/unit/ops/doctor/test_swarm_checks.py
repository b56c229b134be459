"""What `gixctl doctor` says of a Swarm: managers, nodes, and the engines that the stack names."""

import dataclasses
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from gix_engine import observed_state, swarm_state
from gix_engine.swarm_state import SwarmState
from gix_model.provider_facts import KINDS, NETWORK, SERVICE
from gix_ops import differences, verify_swarm
from gix_ops.differences import Object, Report
from gix_ops.doctor import certificate_check, examination, stack_checks, swarm_checks
from gix_ops.doctor.facts import Facts
from gix_ops.doctor.finding import Finding, Level
from gix_ops.errors import StackError
from gix_ops.resources import State
from tests.unit.engine.test_swarm import node_record, service_record, task
from tests.unit.ops.test_swarm import auction, stack

REACHABLE = {"Reachability": "reachable"}
UNREACHABLE = {"Reachability": "unreachable"}


def facts(found: SwarmState | StackError, **known: Any) -> Facts:
    """The facts about a stack in Swarm whose ledger is on the node `two`."""
    made = Facts(Path(), None)
    up = stack()
    all_known = {
        "client": None,
        "swarm": found,
        "up": up,
        "reference": up,
        "directory": Path(),
        "engine_settings": up.engine,
    } | known
    made.known = {vars(Facts)[name]: value for name, value in all_known.items()}
    return made


def of_nodes(*nodes: dict[str, Any]) -> SwarmState:
    return swarm_state.read(nodes=nodes, services=[auction()], tasks=[])


def managers(*reachability: dict[str, Any], workers: int = 0) -> SwarmState:
    nodes = [node_record(f"m{at}", role="manager", **each) for at, each in enumerate(reachability, 1)]
    return of_nodes(*nodes, *(node_record(f"w{at}") for at in range(workers)))


def shown(findings: Iterator[Finding]) -> list[tuple[Level, str]]:
    return [(each.level, f"{each.text} -> {each.fix}") for each in findings]


@pytest.mark.parametrize(
    ("found", "level", "text"),
    [
        (managers(*3 * [REACHABLE]), Level.OK, "3 of 3 managers reachable, 2 needed"),
        (
            managers(*2 * [REACHABLE], UNREACHABLE),
            Level.WARNING,
            "2 needed; if one of these is lost, what runs goes on, but nothing can be changed -> start m3; one that is",
        ),
        (managers(REACHABLE, *2 * [UNREACHABLE]), Level.FAULT, "too few of its managers are reachable, so nothing can"),
        (managers(REACHABLE, workers=2), Level.WARNING, "docker node promote NODE, until there are 3 managers"),
        (managers(*2 * [REACHABLE], workers=1), Level.WARNING, "2 of 2 managers reachable, 2 needed"),
        (managers(REACHABLE, workers=1), Level.OK, "with fewer than 3 nodes, none may be lost"),
    ],
)
def test_the_number_of_managers_that_may_be_lost_is_shown(found: SwarmState, level: Level, text: str) -> None:
    [(is_level, said)] = shown(swarm_checks.swarm(facts(found)))
    assert (is_level, text in said) == (level, True), said


def test_a_swarm_without_a_leader_is_a_fault_that_says_what_to_do_and_other_checks_refer_to_it() -> None:
    lost = StackError("the Swarm has no leader: too few; start the managers that are down; if they are lost: new")
    without = facts(lost, observed=observed_state.ObservedState(), state=State(resources=(), pending=()))
    [(level, said)] = shown(swarm_checks.swarm(without))
    assert (level, said) == (
        Level.FAULT,
        "the Swarm has no leader: too few -> start the managers that are down; if they are lost: new",
    )
    for name, check in (("nodes", swarm_checks.nodes), ("resources", stack_checks.resources)):
        [finding] = examination._findings(without, name, check)
        assert (finding.level, finding.text) == (Level.SKIPPED, "see the check: swarm")


def named(monkeypatch: pytest.MonkeyPatch, name: str | None) -> None:
    """Let the engine at the address of the ledger's node have this name; None: it does not answer."""

    def connect(*_: object) -> None:
        if name is None:
            raise StackError("the Docker engine does not answer")

    monkeypatch.setattr(swarm_checks, "connect", connect)
    monkeypatch.setattr(observed_state, "name", lambda _: name)


def test_nodes_that_are_down_or_drained_are_worse_if_they_have_the_ledger(monkeypatch: pytest.MonkeyPatch) -> None:
    named(monkeypatch, "two")

    def levels(*nodes: dict[str, Any]) -> list[tuple[Level, str]]:
        return shown(swarm_checks.nodes(facts(of_nodes(*nodes))))

    drained = node_record("two") | {"Spec": {"Role": "worker", "Availability": "drain"}}
    assert levels(node_record("one", state="down"), node_record("two"))[0] == (
        Level.WARNING,
        "the node one is down; other nodes run its tasks -> start it; if it is lost: docker node rm --force id-one",
    )
    assert levels(node_record("one"), node_record("two", state="down"))[0][0] is Level.FAULT
    assert levels(drained, node_record("one"))[0] == (
        Level.FAULT,
        "the node two is drained; it has the ledger, so the auction runs nowhere -> gixctl drain two --undo",
    )
    assert {level for level, _ in levels(node_record("one"), node_record("two"))} == {Level.OK}


@pytest.mark.parametrize(
    ("name", "text"),
    [
        (None, "gix:engine.nodes.two = unix:///nowhere: the Docker engine does not answer -> start the engine there"),
        ("one", "gix:engine.nodes.two = unix:///nowhere is the engine of one -> set it to the address of two"),
    ],
)
def test_an_address_that_does_not_lead_to_the_node_of_the_ledger_is_a_fault(
    monkeypatch: pytest.MonkeyPatch, name: str | None, text: str
) -> None:
    named(monkeypatch, name)
    *_, (level, said) = shown(swarm_checks.nodes(facts(of_nodes(node_record("one"), node_record("two")))))
    assert (level, text in said) == (Level.FAULT, True), said


def test_a_node_of_the_ledger_without_an_address_is_a_fault(monkeypatch: pytest.MonkeyPatch) -> None:
    named(monkeypatch, "two")
    found = swarm_state.read(
        nodes=[node_record("one"), node_record("two")], services=[auction(constraint="node.hostname==one")], tasks=[]
    )
    *_, (level, said) = shown(swarm_checks.nodes(facts(found)))
    assert (level, "gix:engine.nodes has no address of one" in said) == (Level.FAULT, True), said


@pytest.mark.parametrize("status", ["paused", "rollback_completed"])
def test_an_update_that_swarm_gave_up_is_a_fault(status: str) -> None:
    failed = task("failed", desired="shutdown", error="exit 3")
    service = swarm_state.read(nodes=[], services=[service_record(status=status)], tasks=[failed]).services[0]
    report = Report(stack="gix/dev")
    here = Object(report=report, kind=KINDS[SERVICE], name=service.name, id=service.id, subject="router")
    verify_swarm.compare_update(here, service, as_declared=False)
    empty = observed_state.ObservedState()
    known = facts(
        of_nodes(node_record("two")),
        comparison=report,
        observed=empty,
        at_ledger=empty,
        label="gix/dev",
        state=State(resources=(), pending=()),
    )
    [(level, said)] = shown(stack_checks.resources(known))
    assert (level, "router: last update is Swarm" in said, "exit 3" in said) == (Level.FAULT, True, True), said


def test_fix_removes_no_service_that_is_not_declared() -> None:
    report = Report(stack="gix/dev")
    differences.undeclared(report, SERVICE, "gix-other", "s9", "docker service rm gix-other")
    differences.undeclared(report, NETWORK, "gix-old", "n9", "docker network rm gix-old")
    empty = observed_state.ObservedState()
    known = facts(
        of_nodes(),
        comparison=report,
        observed=empty,
        at_ledger=empty,
        label="gix/dev",
        state=State(resources=(), pending=()),
    )
    assert [each.by_fix for each in stack_checks.resources(known)] == [False, True]


def test_the_certificate_of_an_edge_whose_node_has_no_engine_is_not_read() -> None:
    up = stack()
    with_edge = dataclasses.replace(up, outputs=up.outputs.model_copy(update={"edge": "gix-edge"}))
    [finding] = examination._findings(
        facts(of_nodes(node_record("one")), up=with_edge), "certificate", certificate_check.certificate
    )
    assert finding.level is Level.SKIPPED
    assert "no edge runs on a node whose engine answers" in finding.text
