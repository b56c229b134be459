"""What became of a service of a Swarm, and what prevents a stack there."""

import dataclasses
from collections.abc import Sequence
from typing import Any

import pytest

from gix_engine import machine, swarm_collisions, swarm_state
from gix_engine.observed_state import EngineInfo, ObservedContainer, ObservedState
from gix_engine.swarm_state import SwarmNode, SwarmService, SwarmState
from gix_model.environment import SERVICE_LABEL, STACK_LABEL
from tests.unit.model.test_swarm import in_swarm

SPEC = {"ContainerSpec": {"Image": "new"}, "Resources": {}, "LogDriver": {"Name": "local"}}


def node_record(hostname: str, *, role: str = "worker", state: str = "ready", **manager: Any) -> dict[str, Any]:
    """A node as a manager lists it."""
    return {
        "ID": f"id-{hostname}",
        "Description": {"Hostname": hostname, "Engine": {"EngineVersion": "20.10.24"}},
        "Spec": {"Role": role, "Availability": "active", "Labels": {}},
        "Status": {"State": state, "Addr": "10.0.0.1"},
        "ManagerStatus": manager or None,
    }


def task(
    state: str,
    *,
    image: str = "new",
    desired: str = "running",
    error: str = "",
    at: str = "1",
    slot: int | None = 1,
    node: str = "",
) -> dict[str, Any]:
    """A task as a manager lists it."""
    return {
        "ID": f"task-{slot}-{at}",
        "ServiceID": "s1",
        "Slot": slot,
        "NodeID": node,
        "CreatedAt": at,
        "DesiredState": desired,
        "Spec": SPEC | {"ContainerSpec": {"Image": image}},
        "Status": {"State": state, "Err": error, "Timestamp": at},
    }


def service_record(
    *, status: str = "", replicas: int | None = 1, service: str = "router", ports: Sequence[dict[str, Any]] = ()
) -> dict[str, Any]:
    """A service of the stack gix/dev as a manager lists it."""
    mode = {"Global": {}} if replicas is None else {"Replicated": {"Replicas": replicas}}
    labels = {STACK_LABEL: "gix/dev", SERVICE_LABEL: service}
    return {
        "ID": "s1",
        "Spec": {"Name": f"gix-{service}", "Labels": labels, "Mode": mode, "TaskTemplate": SPEC},
        "UpdateStatus": {"State": status},
        "Endpoint": {"Ports": list(ports)},
    }


def state(*tasks: dict[str, Any], status: str = "", replicas: int | None = 1) -> SwarmService:
    [service] = swarm_state.read(
        nodes=[], services=[service_record(status=status, replicas=replicas)], tasks=tasks
    ).services
    return service


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


def test_ports_that_a_manager_no_longer_knows_of_a_task_are_as_declared() -> None:
    record = service_record(replicas=None)
    host = {"TargetPort": 1, "Protocol": "tcp", "PublishedPort": 2, "PublishMode": "host"}
    record["Spec"]["EndpointSpec"] = {"Ports": [host, host | {"PublishMode": "ingress"}]}
    told = task("running", at="1")
    told["Status"]["PortStatus"] = {"Ports": 2 * [{"TargetPort": 1, "PublishedPort": 3, "Protocol": "tcp"}]}
    tasks = [told, task("running", at="2"), task("starting", at="3")]
    [service] = swarm_state.read(nodes=[], services=[record], tasks=tasks).services
    by_id = {each.id: service.ports_of(each) for each in service.tasks}
    assert by_id == {"task-1-1": ((1, "tcp", 3),), "task-1-2": ((1, "tcp", 2),), "task-1-3": ()}


@pytest.mark.parametrize(
    ("status", "text"),
    [
        ("rollback_completed", "Swarm rolled the update back, and the former version serves"),
        ("rollback_paused", "Swarm has paused the rollback of the update"),
        ("paused", "Swarm has paused the update"),
    ],
)
def test_an_update_that_swarm_gave_up_has_failed(status: str, text: str) -> None:
    found = state(task("running", image="old"), task("failed", error="exit 3", desired="shutdown"), status=status)
    assert (found.given_up, found.is_done, found.errors) == (text, False, ("exit 3",))
    assert not state(task("running"), status="rollback_started").given_up


def test_the_newest_errors_are_first_and_each_is_there_once() -> None:
    tasks = [task("failed", desired="shutdown", error=f"error {number % 5}", at=str(number)) for number in range(10)]
    assert state(*tasks).errors == ("error 4", "error 3", "error 2")


def test_a_node_and_a_published_port_are_read_from_the_manager_s_records() -> None:
    manager = node_record("one", role="manager", Leader=True, Reachability="reachable", Addr="10.0.0.9:2377")
    tcp = {"PublishedPort": 80, "Protocol": "tcp"}
    published: list[dict[str, Any]] = [tcp, tcp | {"PublishedPort": 53, "Protocol": "udp"}, {"TargetPort": 1}]
    read = swarm_state.read(
        nodes=[node_record("two", state="down"), manager],
        services=[service_record(ports=published)],
        tasks=[task("running", node="id-two")],
    )
    first, second = read.nodes
    assert (first.hostname, first.address, first.is_leader, first.takes_tasks) == ("one", "10.0.0.9", True, True)
    assert (second.hostname, second.is_manager, second.takes_tasks) == ("two", False, False)
    [service] = read.services
    assert service.ports == {80}
    assert [each.node for each in service.tasks] == ["two"]


def node(name: str, **changes: Any) -> SwarmNode:
    [plain] = swarm_state.read(nodes=[node_record(name)], services=[], tasks=[]).nodes
    return dataclasses.replace(plain, **changes)


def subjects(*nodes: SwarmNode, services: tuple[SwarmService, ...] = (), **sections: Any) -> list[str]:
    observed = SwarmState(nodes=nodes, services=services)
    return [each.subject for each in swarm_collisions.find(in_swarm(**sections), observed, local=True)]


def test_a_swarm_with_the_nodes_of_the_stack_has_no_problem() -> None:
    assert subjects(node("one"), node("two")) == []


def test_a_node_that_does_not_exist_or_takes_no_tasks_is_a_problem() -> None:
    assert subjects(node("one")) == ["gix:engine.nodes.two"]
    assert subjects(node("two", availability="drain")) == ["gix:ledger.node = two"]
    assert subjects(node("two", state="down")) == ["gix:ledger.node = two"]
    assert subjects(node("two"), node("two", state="down")) == ["gix:ledger.node = two"]


def test_a_label_of_the_edge_that_no_node_has_is_a_problem() -> None:
    labelled = {"nodeLabel": "edge=true"}
    assert subjects(node("two"), edge=labelled) == ["gix:edge.nodeLabel = edge=true"]
    assert subjects(node("two", labels={"edge": "true"}), edge=labelled) == []


def test_names_and_ports_of_other_services_are_problems() -> None:
    others = (
        dataclasses.replace(state(), name="gix-router", stack=None),
        dataclasses.replace(state(), name="other", stack="gix/other", ports=frozenset({50052})),
        dataclasses.replace(state(), name="gix-edge", stack="gix/dev", ports=frozenset({50051})),
    )
    assert subjects(node("two"), services=others) == ["service gix-router", "gix:auction.hostPort = 50052"]


@pytest.mark.parametrize("has_ipvs", [True, False])
def test_without_ipvs_there_is_no_virtual_address(monkeypatch: pytest.MonkeyPatch, *, has_ipvs: bool) -> None:
    monkeypatch.setattr(machine, "has_ipvs", lambda: has_ipvs)
    expected = [] if has_ipvs else ["gix:network.endpoint = vip"]
    assert subjects(node("two"), network={"endpoint": "vip"}) == expected


def test_the_address_of_the_ledger_s_node_must_lead_to_it() -> None:
    [found] = swarm_collisions.ledger_problems(in_swarm(), ObservedState(info=EngineInfo(name="one")))
    assert (found.subject, "engine of one" in found.limit) == ("gix:engine.nodes.two = ssh://two", True)


def test_another_writer_of_the_ledger_is_a_problem() -> None:
    def container(stack: str) -> ObservedContainer:
        written = frozenset({"gcam-data"})
        return ObservedContainer(
            id="1", names=("writer",), state="running", labels={STACK_LABEL: stack}, written_volumes=written
        )

    def found(stack: str) -> list[str]:
        observed = ObservedState(info=EngineInfo(name="two"), containers=(container(stack),))
        return [each.subject for each in swarm_collisions.ledger_problems(in_swarm(), observed)]

    assert found("gix/dev") == []
    assert found("gix/other") == ["container writer"]
