"""The verbs on a stack in Swarm: rows of tasks, nodes, differences, and the verb that refuses it."""

import itertools
import json
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from docker.errors import APIError
from requests import Response

from gix_components.platform import GixPlatform
from gix_engine import swarm_state
from gix_engine.swarm_state import SwarmState
from gix_model.settings import EngineSettings
from gix_ops import cli, nodes, services, swarm, swarm_fields, verify_swarm
from gix_ops.differences import Object, Report
from gix_ops.errors import StackError
from gix_ops.stack import Stack
from tests.unit.declared import declare
from tests.unit.engine.test_swarm import node_record, service_record, task
from tests.unit.model.test_swarm import in_swarm
from tests.unit.outputs import stack_outputs

CLIENT: Any = None
"""In place of a client, where nothing asks it."""


def stack() -> Stack:
    """A stack whose ledger is on the node `two`, which has an address that no engine answers at."""
    found = stack_outputs()
    engine = EngineSettings.model_validate({"mode": "swarm", "nodes": {"two": "unix:///nowhere"}})
    named = {
        name: each.model_copy(update={"swarm_service": f"gix-{name}", "containers": ()})
        for name, each in found.services.items()
    }
    return Stack.from_outputs(found.model_copy(update={"services": named, "engine": engine}), Path())


def auction(*, constraint: str = "node.hostname==two") -> dict[str, Any]:
    record = service_record(service="auction")
    template = record["Spec"]["TaskTemplate"] | {"Placement": {"Constraints": [constraint]}}
    return record | {"ID": "s2", "Spec": record["Spec"] | {"TaskTemplate": template}}


def observed(*tasks: dict[str, Any], replicas: int | None = 1, status: str = "") -> SwarmState:
    manager = node_record("one", role="manager", Leader=True, Reachability="reachable", Addr="10.0.0.9:2377")
    records = [service_record(replicas=replicas, status=status), auction()]
    return swarm_state.read(nodes=[manager, node_record("two")], services=records, tasks=tasks)


def rows(monkeypatch: pytest.MonkeyPatch, found: SwarmState, *wanted: str) -> list[tuple[str, str, str, str | None]]:
    monkeypatch.setattr(swarm, "observe", lambda _: found)
    read = services.read(stack(), CLIENT, wanted)
    return [(each.title, each.name, each.health, each.node) for each in read]


@pytest.mark.parametrize(
    ("code", "reason", "text"),
    [
        (503, "The swarm does not have a leader.", "too few of its managers are reachable.*docker swarm init --force"),
        (500, "rpc error: The swarm does not have a leader.", "too few of its managers are reachable"),
        (503, "This node is not a swarm manager.", r"manages no Swarm \(This node.*set gix:engine\.host to a manager"),
        (500, "disk full", "the manager does not answer: disk full"),
    ],
)
def test_a_manager_that_does_not_answer_for_its_swarm_says_what_to_do(code: int, reason: str, text: str) -> None:
    response = Response()
    response.status_code = code

    def nodes() -> None:
        raise APIError("no", response=response, explanation=reason)

    client: Any = SimpleNamespace(api=SimpleNamespace(nodes=nodes))
    with pytest.raises(StackError, match=text):
        swarm.observe(client)


def test_each_task_and_each_missing_one_has_a_row(monkeypatch: pytest.MonkeyPatch) -> None:
    found = observed(task("running", node="id-one"), task("pending", slot=2, error="no suitable node"), replicas=3)
    assert rows(monkeypatch, found, "router") == [
        ("router-1", "gix-router.1", "running", "one"),
        ("router-2", "gix-router.2", "pending", None),
        ("router-3", "gix-router", "missing", None),
    ]


def test_a_replica_with_an_old_and_a_new_task_is_not_missing(monkeypatch: pytest.MonkeyPatch) -> None:
    found = observed(task("running", node="id-one", at="1"), task("starting", node="id-two", at="2"))
    assert [row[2] for row in rows(monkeypatch, found, "router")] == ["running", "starting"]


def test_a_service_that_the_swarm_does_not_have_is_missing(monkeypatch: pytest.MonkeyPatch) -> None:
    assert rows(monkeypatch, observed(), "enclave") == [("enclave", "gix-enclave", "missing", None)]


def test_the_nodes_are_listed_with_their_tasks_and_the_ledger(monkeypatch: pytest.MonkeyPatch) -> None:
    found = observed(task("running", node="id-one"), task("shutdown", desired="shutdown", node="id-two"))
    monkeypatch.setattr(swarm, "observe", lambda _: found)
    one, two = nodes.read(stack(), CLIENT)
    assert (one.node, one.is_leader, one.tasks, one.has_ledger, one.engine_named) == (
        *("one", True, ["gix-router.1"]),
        *(False, False),
    )
    assert (two.node, two.tasks, two.has_ledger, two.engine_named) == ("two", [], True, True)


def test_a_node_is_drained_but_not_that_of_the_ledger_unless_it_is_asked_for() -> None:
    assert nodes.find(stack(), observed(), "one").hostname == "one"
    with pytest.raises(StackError, match=r"the node two has the ledger.*--including-ledger"):
        nodes.find(stack(), observed(), "two")
    assert nodes.find(stack(), observed(), "two", including_ledger=True).hostname == "two"
    with pytest.raises(StackError, match="the Swarm has no node three; it has one, two"):
        nodes.find(stack(), observed(), "three")


def test_a_changed_availability_keeps_the_rest_of_the_node_and_a_refusal_is_shown() -> None:
    changed: list[Any] = []
    record = {"Version": {"Index": 7}, "Spec": {"Role": "worker", "Labels": {"zone": "a"}, "Availability": "active"}}
    api = SimpleNamespace(inspect_node=lambda _: record, update_node=lambda *words: changed.append(words))
    client: Any = SimpleNamespace(api=api)
    node = observed().nodes[1]
    nodes.set_availability(client, node, "drain")
    assert changed == [("id-two", 7, {"Role": "worker", "Labels": {"zone": "a"}, "Availability": "drain"})]

    def refuse(*_: object) -> None:
        raise APIError("no", response=Response(), explanation="update out of sequence")

    api.update_node = refuse
    with pytest.raises(StackError, match="the node two stays as it is: update out of sequence; try again"):
        nodes.set_availability(client, node, "drain")


def test_a_stack_in_containers_has_no_nodes() -> None:
    with pytest.raises(StackError, match=r"gix:engine\.mode is containers"):
        nodes.refuse_containers(Stack.from_outputs(stack_outputs(), Path()), "nodes")


def differences(
    *tasks: dict[str, Any], replicas: int | None = 1, status: str = "", as_declared: bool = True
) -> list[tuple[str, str | None]]:
    found = observed(*tasks, replicas=replicas, status=status)
    service = found.service("gix-router")
    assert service is not None
    report = Report(stack="gix/dev")
    here = Object(report=report, kind="service", name=service.name, id=service.id, subject="router")
    verify_swarm.compare_update(here, service, as_declared=as_declared)
    verify_swarm.compare_tasks(here, service, found)
    return [(each.field, each.found) for each in report.differences]


def test_a_service_whose_tasks_run_its_declaration_has_no_difference() -> None:
    assert differences(task("running", node="id-one"), status="completed") == []


@pytest.mark.parametrize(
    ("status", "found"),
    [
        ("paused", "Swarm has paused the update: exit 3"),
        ("rollback_completed", "Swarm rolled the update back, and the former version serves: exit 3"),
        ("updating", "updating"),
    ],
)
def test_an_update_that_is_not_completed_is_a_difference(status: str, found: str) -> None:
    failed = task("failed", desired="shutdown", error="exit 3")
    shown = differences(task("running", node="id-one"), failed, status=status, as_declared=False)
    assert shown == [("last update", found)]


def test_verify_waits_for_an_update_that_is_at_work_and_not_for_ever(monkeypatch: pytest.MonkeyPatch) -> None:
    at_work, done = (observed(status=status) for status in ("updating", "completed"))
    stack_name = at_work.services[0].stack or ""
    clock = itertools.count()
    monkeypatch.setattr(swarm, "time", SimpleNamespace(monotonic=lambda: next(clock), sleep=lambda _: None))

    states = iter([at_work, at_work, done])
    monkeypatch.setattr(swarm, "observe", lambda _: next(states))
    assert swarm.observe_settled(CLIENT, stack_name) is done

    monkeypatch.setattr(swarm, "observe", lambda _: at_work)
    assert swarm.observe_settled(CLIENT, stack_name) is at_work
    assert next(clock) > swarm.SETTLED_WITHIN_SECONDS

    # An update of another stack is none of its own.
    states = iter([at_work])
    monkeypatch.setattr(swarm, "observe", lambda _: next(states))
    assert swarm.observe_settled(CLIENT, "gix/another") is at_work


def test_an_update_that_was_rolled_back_is_no_difference_when_the_declaration_has_been_set_back() -> None:
    assert differences(task("running", node="id-one"), status="rollback_completed") == []


def test_tasks_that_do_not_run_or_run_something_else_are_differences() -> None:
    assert differences(task("pending", error="no suitable node")) == [
        ("tasks", "0 running; pending on no node: no suitable node")
    ]
    assert differences(task("running", image="old", node="id-one")) == [("image of task gix-router.1", "old")]
    earlier = task("running", node="id-one")
    earlier["Spec"] = earlier["Spec"] | {"Resources": {"Limits": {"MemoryBytes": 1}}}
    assert differences(earlier) == [("task gix-router.1", "an earlier one")]


def recorded(inputs: Any) -> Any:
    """Inputs as Pulumi's state has them: JSON, in which whole numbers have no decimals."""
    return json.loads(json.dumps(inputs), parse_float=lambda text: int(float(text)))


INPUTS: dict[str, Any] = recorded(
    declare(
        lambda options: GixPlatform(
            "gix",
            in_swarm(
                router={
                    "labels": {"team": "a"},
                    "environment": {"A": "1"},
                    "memory": "1G",
                    "reservations": {"cpus": 0.5},
                    "extraHosts": {"peer": "10.0.0.1"},
                    "dropCapabilities": ["CAP_NET_RAW"],
                    "placement": {"constraints": ["node.labels.a==b"], "spread": "node.labels.zone", "maxPerNode": 2},
                    "tmpfs": {"/cache": "size=1m"},
                }
            ),
            options,
        )
    )
    .resources["gix-router-service"]
    .inputs
)
SHOWN: dict[str, Any] = {
    "Labels": {"io.gix.stack": "gix/dev", "io.gix.service": "router", "team": "a"},
    "Mode": {"Replicated": {"Replicas": 1}},
    "EndpointSpec": {"Mode": "dnsrr"},
    "UpdateConfig": {"Order": "start-first", "FailureAction": "rollback", "Parallelism": 1},
    "RollbackConfig": {"Order": "start-first", "FailureAction": "pause", "Parallelism": 1},
    "TaskTemplate": {
        "ContainerSpec": {
            "Image": INPUTS["taskSpec"]["containerSpec"]["image"],
            "Args": ["ajr-router"],
            "Env": ["RUST_LOG=info", "RUST_BACKTRACE=0", "A=1"],
            "User": INPUTS["taskSpec"]["containerSpec"]["user"],
            "Dir": "/",
            "Init": True,
            "StopSignal": "SIGINT",
            "StopGracePeriod": 10 * 10**9,
            "Healthcheck": {
                "Test": INPUTS["taskSpec"]["containerSpec"]["healthcheck"]["tests"],
                "Interval": 10 * 10**9,
                "Timeout": 3 * 10**9,
                "StartPeriod": 5 * 10**9,
                "Retries": INPUTS["taskSpec"]["containerSpec"]["healthcheck"]["retries"],
            },
            "CapabilityDrop": ["CAP_NET_RAW"],
            "Hosts": ["10.0.0.1 peer"],
            "Mounts": [{"Type": "tmpfs", "Target": "/cache"}],
        },
        "Resources": {"Limits": {"MemoryBytes": 2**30}, "Reservations": {"NanoCPUs": 500_000_000}},
        "RestartPolicy": {"Condition": "any"},
        "Placement": {
            "Constraints": ["node.labels.a==b"],
            "Preferences": [{"Spread": {"SpreadDescriptor": "node.labels.zone"}}],
            "MaxReplicas": 2,
        },
        "LogDriver": {
            "Name": INPUTS["taskSpec"]["logDriver"]["name"],
            "Options": INPUTS["taskSpec"]["logDriver"]["options"],
        },
        "Networks": [{"Target": "gix-network-id", "Aliases": []}],
    },
}
"""What a manager shows of the service with INPUTS: written by hand, in the API's names."""


def changed(where: tuple[str, ...], value: object, record: Any = None) -> Any:
    record = SHOWN if record is None else record
    first, *rest = where
    return record | {first: changed(tuple(rest), value, record[first]) if rest else value}


def fields_that_differ(shown: dict[str, Any]) -> set[str]:
    declared, found = swarm_fields.declared(INPUTS), swarm_fields.observed(shown)
    return {name for name in {*declared, *found} if declared.get(name) != found.get(name)}


def test_a_service_as_declared_has_the_same_fields_on_both_sides() -> None:
    assert fields_that_differ(SHOWN) == set()
    assert len(swarm_fields.declared(INPUTS)) > 30


@pytest.mark.parametrize(
    ("where", "value", "field"),
    [
        (("Labels", "team"), "b", "label team"),
        (("Mode",), {"Replicated": {"Replicas": 2}}, "replicas"),
        (("Mode",), {"Global": {}}, "replicas"),
        (("EndpointSpec", "Mode"), "vip", "endpoint mode"),
        (("UpdateConfig", "Order"), "stop-first", "update order"),
        (("RollbackConfig", "FailureAction"), "continue", "rollback failure action"),
        (("TaskTemplate", "ContainerSpec", "Image"), "other", "image"),
        (("TaskTemplate", "ContainerSpec", "Env"), ["RUST_LOG=info", "RUST_BACKTRACE=0", "A=2"], "variable A"),
        (("TaskTemplate", "ContainerSpec", "StopGracePeriod"), 10**9, "stop grace"),
        (("TaskTemplate", "ContainerSpec", "Healthcheck", "Interval"), 10**9, "health check interval"),
        (("TaskTemplate", "ContainerSpec", "CapabilityDrop"), [], "dropped capabilities"),
        (("TaskTemplate", "ContainerSpec", "Hosts"), ["10.0.0.2 peer"], "hosts"),
        (("TaskTemplate", "ContainerSpec", "Mounts"), [], "mounts"),
        (("TaskTemplate", "ContainerSpec", "Secrets"), [{"SecretName": "s", "File": {"Name": "K"}}], "secrets"),
        (("TaskTemplate", "Resources", "Limits"), {"MemoryBytes": 1}, "memory limit (bytes)"),
        (("TaskTemplate", "Placement", "Preferences"), [], "spread"),
        (("TaskTemplate", "Networks"), [{"Target": "other"}], "networks"),
        (
            ("EndpointSpec",),
            {"Mode": "dnsrr", "Ports": [{"PublishedPort": 1, "TargetPort": 2, "PublishMode": "host"}]},
            "ports",
        ),
    ],
)
def test_a_field_that_was_changed_by_hand_differs(where: tuple[str, ...], value: object, field: str) -> None:
    assert fields_that_differ(changed(where, value)) == {field}


def test_a_scan_refuses_swarm_says_what_to_use_instead_and_touches_nothing(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def touch(*_: object, **_options: object) -> None:
        raise AssertionError("the verb connects to the engine")

    monkeypatch.setattr(Stack, "read", lambda *_: stack())
    monkeypatch.setattr("gix_engine.connection.connect", touch)
    monkeypatch.setattr(sys, "argv", ["gixctl", "scan"])
    with pytest.raises(SystemExit) as ended:
        cli.main()
    assert ended.value.code == 1
    said = " ".join(capsys.readouterr().err.split())
    assert "gixctl scan does not know Swarm (gix:engine.mode: swarm)" in said
    assert "give the digests that gixctl status shows to a scanner" in said
