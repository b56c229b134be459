"""The deletion of a ledger: the volume that was checked, and no other one of its name."""

from types import SimpleNamespace
from typing import Any

import pytest

from gix_engine import observed_state
from gix_engine.swarm_state import SwarmState
from gix_model.provider_facts import VOLUME
from gix_ops import stack_ledger, swarm
from gix_ops.errors import StackError
from gix_ops.resources import Resource, State
from gix_ops.stack import Stack
from gix_ops.stack_ledger import Deletable
from tests.unit.engine.fake_engine import FakeEngine
from tests.unit.ops.test_swarm import CLIENT, observed, stack

LEDGER = "gcam-data"


def checked(engine: FakeEngine) -> Deletable:
    volume = observed_state.observe(engine.client).volume(LEDGER)
    assert volume is not None
    return Deletable(client=engine.client, volume=volume, engine="the engine at there", stack="gix/dev")


@pytest.fixture
def engine() -> FakeEngine:
    engine = FakeEngine()
    engine.add_volume(LEDGER, stack="gix/dev")
    return engine


def test_the_volume_that_was_checked_is_deleted(engine: FakeEngine) -> None:
    checked(engine).delete()
    assert engine.all_volumes == {}


def test_a_volume_that_was_created_again_after_the_check_is_not_deleted(engine: FakeEngine) -> None:
    deletable = checked(engine)
    engine.add_volume(LEDGER, created="2026-01-02T03:04:06Z", stack="gix/dev")
    with pytest.raises(StackError, match="was deleted or replaced after it was checked"):
        deletable.delete()
    assert list(engine.all_volumes) == [LEDGER]


def in_swarm(
    monkeypatch: pytest.MonkeyPatch,
    found: SwarmState,
    *,
    declared: bool = True,
    protected: bool = False,
    **engines: Any,
) -> Stack:
    """A stack in Swarm whose nodes have these engines. Its state has the volume, if it is `declared`."""
    volume = Resource(urn=LEDGER, type=VOLUME, id=LEDGER, inputs={"name": LEDGER}, outputs={}, protected=protected)
    monkeypatch.setattr(stack_ledger, "export", lambda _: State(resources=(volume,) if declared else (), pending=()))
    monkeypatch.setattr(swarm, "observe", lambda _: found)
    monkeypatch.setattr(swarm, "connect_to_node", lambda _, node: engines[node])
    monkeypatch.setattr(Stack, "connect", lambda _: CLIENT)
    up = stack()
    nodes = dict.fromkeys(engines, "unix:///nowhere")
    return Stack.from_outputs(
        up.outputs.model_copy(update={"engine": up.engine.model_copy(update={"nodes": nodes})}), up.directory
    )


def with_ledger() -> FakeEngine:
    engine = FakeEngine()
    engine.add_volume(LEDGER, stack="gix/dev")
    return engine


def test_in_swarm_the_ledger_is_found_on_its_node(monkeypatch: pytest.MonkeyPatch) -> None:
    ended = SimpleNamespace(status="exited", attrs={"Image": "sha256:old", "Config": {"User": "1:1"}})
    running = SimpleNamespace(status="running", attrs={"Image": "sha256:new", "Config": {"User": "1000"}})
    two = SimpleNamespace(containers=SimpleNamespace(list=lambda **_: [ended, running]))
    up = in_swarm(monkeypatch, observed(), two=two)
    found = stack_ledger.locate(up)
    assert (found.engine.host, found.container, found.image) == ("unix:///nowhere", "gix-auction", "sha256:new")
    assert found.manager is not None
    assert found.manager.mode == "containers"
    monkeypatch.setattr(type(found), "connect", lambda _: two)
    assert stack_ledger.owner(up) == "1000:1000"

    two.containers.list = lambda **_: []
    assert stack_ledger.locate(up).image == "new", "as the service names it"
    with pytest.raises(StackError, match="give --owner"):
        stack_ledger.owner(up)


def test_without_a_manager_the_ledger_is_on_the_only_node_that_has_the_volume(monkeypatch: pytest.MonkeyPatch) -> None:
    def observe(_: object) -> None:
        raise StackError("the Swarm has no leader")

    def node(*volumes: str) -> Any:
        running = SimpleNamespace(status="running", attrs={"Image": "sha256:new"})
        engine = FakeEngine()
        for each in volumes:
            engine.add_volume(each)
        return SimpleNamespace(api=engine, containers=SimpleNamespace(list=lambda **_: [running]))

    up = in_swarm(monkeypatch, observed(), one=node(), two=node(LEDGER))
    monkeypatch.setattr(swarm, "observe", observe)
    assert stack_ledger.locate(up).image == "sha256:new"
    up = in_swarm(monkeypatch, observed(), one=node(LEDGER), two=node(LEDGER))
    monkeypatch.setattr(swarm, "observe", observe)
    with pytest.raises(StackError, match="the Swarm has no leader"):
        stack_ledger.locate(up)


def test_in_swarm_a_missing_auction_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(StackError, match="the service gix-auction is missing"):
        stack_ledger.locate(in_swarm(monkeypatch, SwarmState()))


def test_in_swarm_a_ledger_that_the_stack_uses_or_protects_is_not_deletable(monkeypatch: pytest.MonkeyPatch) -> None:
    up = in_swarm(monkeypatch, observed(), one=FakeEngine().client, two=with_ledger().client)
    with pytest.raises(StackError, match="uses the volume gcam-data; destroy the stack first"):
        stack_ledger.deletable(up, LEDGER)
    assert stack_ledger.deletable(up, LEDGER, destroyed_first=True).engine == "the engine of two"
    protected = in_swarm(monkeypatch, observed(), protected=True, two=with_ledger().client)
    for node in (None, "two"):
        with pytest.raises(StackError, match=r"gix:ledger\.protect = true"):
            stack_ledger.deletable(protected, LEDGER, destroyed_first=True, node=node)
    # Not to be told from the present one while no service says where that is.
    down = in_swarm(monkeypatch, SwarmState(), protected=True, two=with_ledger().client)
    with pytest.raises(StackError, match=r"gix:ledger\.protect = true"):
        stack_ledger.deletable(down, LEDGER, destroyed_first=True)


def test_in_swarm_a_former_ledger_on_another_node_is_deleted_and_the_present_one_stays(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    former, present = with_ledger(), with_ledger()
    up = in_swarm(monkeypatch, observed(), protected=True, one=former.client, two=present.client)
    with pytest.raises(
        StackError, match=r"several nodes have a volume gcam-data \(one, two\); name the node with --node"
    ):
        stack_ledger.deletable(up, LEDGER)
    stack_ledger.deletable(up, LEDGER, node="one").delete()
    assert (list(former.all_volumes), list(present.all_volumes)) == ([], [LEDGER])


def test_in_swarm_a_volume_that_no_node_has_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    up = in_swarm(monkeypatch, observed(), declared=False, one=FakeEngine().client)
    with pytest.raises(StackError, match=r"no node has a volume gcam-data \(one\); name the node with --node"):
        stack_ledger.deletable(up, LEDGER)


def test_outside_a_swarm_there_is_no_node_to_name(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stack_ledger, "export", lambda _: State(resources=(), pending=()))
    plain = stack()
    plain = Stack.from_outputs(
        plain.outputs.model_copy(update={"engine": plain.engine.model_copy(update={"mode": "containers"})}),
        plain.directory,
    )
    with pytest.raises(StackError, match="--node is for a stack in Swarm"):
        stack_ledger.deletable(plain, LEDGER, node="one")
