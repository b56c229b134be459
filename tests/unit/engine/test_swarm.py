"""What became of a service of a Swarm, and what prevents a stack there."""

import dataclasses
from typing import Any

import pytest

from gix_engine import machine, swarm_collisions
from gix_engine.observed_state import ObservedContainer, ObservedState
from gix_engine.swarm import Node, ServiceEntry, ServiceState, read_state
from gix_model.environment import STACK_LABEL
from tests.unit.model.test_swarm import in_swarm

SPEC = {"ContainerSpec": {"Image": "new"}, "Resources": {}, "LogDriver": {"Name": "local"}}


def task(state: str, *, image: str = "new", desired: str = "running", error: str = "", at: str = "1") -> dict[str, Any]:
    return {
        "CreatedAt": at,
        "DesiredState": desired,
        "Spec": SPEC | {"ContainerSpec": {"Image": image}},
        "Status": {"State": state, "Err": error},
    }


def state(*tasks: dict[str, Any], status: str = "", replicas: int | None = 1) -> ServiceState:
    mode = {"Global": {}} if replicas is None else {"Replicated": {"Replicas": replicas}}
    return read_state({"Spec": {"Mode": mode, "TaskTemplate": SPEC}, "UpdateStatus": {"State": status}}, tasks)


def test_a_service_is_done_when_all_tasks_with_its_declaration_run() -> None:
    assert state(task("running")).is_done
    assert not state(task("running"), replicas=2).is_done
    assert not state(task("running", image="old")).is_done
    assert not state(task("running"), status="updating").is_done
    assert state(task("running"), task("running", desired="shutdown", image="old"), status="completed").is_done


def test_a_service_on_all_nodes_is_done_when_each_of_its_tasks_runs() -> None:
    assert state(task("running"), task("running"), replicas=None).is_done
    assert not state(task("running"), task("starting"), replicas=None).is_done
    assert not state(replicas=None).is_done


@pytest.mark.parametrize(
    ("status", "outcome"),
    [("rollback_completed", "rolled back"), ("rollback_paused", "rolled back"), ("paused", "paused")],
)
def test_an_update_that_swarm_gave_up_has_failed(status: str, outcome: str) -> None:
    found = state(task("running", image="old"), task("failed", error="exit 3", desired="shutdown"), status=status)
    assert (found.outcome, found.has_failed, found.errors) == (outcome, True, ("exit 3",))
    assert not state(task("running"), status="rollback_started").has_failed


def test_the_newest_errors_are_first_and_each_is_there_once() -> None:
    tasks = [task("failed", desired="shutdown", error=f"error {number % 5}", at=str(number)) for number in range(10)]
    assert state(*tasks).errors == ("error 4", "error 3", "error 2")


def node(name: str, **changes: Any) -> Node:
    plain = Node(hostname=name, address="", is_manager=False, is_ready=True, availability="active", labels={})
    return dataclasses.replace(plain, **changes)


def subjects(*nodes: Node, services: tuple[ServiceEntry, ...] = (), **sections: Any) -> list[str]:
    return [each.subject for each in swarm_collisions.find(in_swarm(**sections), nodes, services, local=True)]


def test_a_swarm_with_the_nodes_of_the_stack_has_no_problem() -> None:
    assert subjects(node("one"), node("two")) == []


def test_a_node_that_does_not_exist_or_takes_no_tasks_is_a_problem() -> None:
    assert subjects(node("one")) == ["gix:engine.nodes.two"]
    assert subjects(node("two", availability="drain")) == ["gix:ledger.node = two"]
    assert subjects(node("two", is_ready=False)) == ["gix:ledger.node = two"]
    assert subjects(node("two"), node("two", is_ready=False)) == ["gix:ledger.node = two"]


def test_a_label_of_the_edge_that_no_node_has_is_a_problem() -> None:
    labelled = {"nodeLabel": "edge=true"}
    assert subjects(node("two"), edge=labelled) == ["gix:edge.nodeLabel = edge=true"]
    assert subjects(node("two", labels={"edge": "true"}), edge=labelled) == []


def test_names_and_ports_of_other_services_are_problems() -> None:
    others = (
        ServiceEntry(name="gix-router", stack=None),
        ServiceEntry(name="other", stack="gix/other", ports=frozenset({50052})),
        ServiceEntry(name="gix-edge", stack="gix/dev", ports=frozenset({50051})),
    )
    assert subjects(node("two"), services=others) == ["service gix-router", "gix:auction.hostPort = 50052"]


@pytest.mark.parametrize("has_ipvs", [True, False])
def test_without_ipvs_there_is_no_virtual_address(monkeypatch: pytest.MonkeyPatch, *, has_ipvs: bool) -> None:
    monkeypatch.setattr(machine, "has_ipvs", lambda: has_ipvs)
    expected = [] if has_ipvs else ["gix:network.endpoint = vip"]
    assert subjects(node("two"), network={"endpoint": "vip"}) == expected


def test_the_address_of_the_ledger_s_node_must_lead_to_it() -> None:
    [found] = swarm_collisions.of_the_ledger_s_engine(in_swarm(), "one", ObservedState())
    assert (found.subject, "engine of one" in found.limit) == ("gix:engine.nodes.two = ssh://two", True)


def test_another_writer_of_the_ledger_is_a_problem() -> None:
    def container(stack: str) -> ObservedContainer:
        written = frozenset({"gcam-data"})
        return ObservedContainer(
            id="1", names=("writer",), state="running", labels={STACK_LABEL: stack}, written_volumes=written
        )

    def found(stack: str) -> list[str]:
        observed = ObservedState(containers=(container(stack),))
        return [each.subject for each in swarm_collisions.of_the_ledger_s_engine(in_swarm(), "two", observed)]

    assert found("gix/dev") == []
    assert found("gix/other") == ["container writer"]
