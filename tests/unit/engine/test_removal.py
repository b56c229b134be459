"""What was observed is removed by its id; what has replaced it under the same name is not."""

import pytest

from gix_engine import observed_state, removal
from gix_engine.observed_state import ObservedState
from tests.unit.engine.fake_engine import FakeEngine

MINE = "gix/dev"


@pytest.fixture
def engine() -> FakeEngine:
    engine = FakeEngine()
    engine.add_container("c1", "left", stack=MINE)
    engine.add_network("n1", "left-network", stack=MINE)
    engine.add_volume("left-volume", stack=MINE)
    return engine


def observed(engine: FakeEngine) -> ObservedState:
    return observed_state.observe(engine.client)


def test_given_an_unchanged_engine_the_observed_objects_are_removed(engine: FakeEngine) -> None:
    found = observed(engine)
    assert removal.remove_container(engine.client, found.containers[0])
    assert removal.remove_network(engine.client, found.networks[0])
    assert removal.remove_volume(engine.client, found.volumes[0])
    assert engine.calls == [("kill and remove", "c1"), ("remove", "n1"), ("remove", "left-volume")]
    assert observed(engine) == ObservedState(info=found.info)


def test_given_a_stop_grace_the_container_is_stopped_before_it_is_removed(engine: FakeEngine) -> None:
    assert removal.remove_container(engine.client, observed(engine).containers[0], stop_seconds=7)
    assert engine.calls == [("stop within 7 s", "c1"), ("remove", "c1")]


def test_given_a_container_that_was_replaced_after_the_observation_its_successor_is_not_removed(
    engine: FakeEngine,
) -> None:
    found = observed(engine).containers[0]
    del engine.all_containers["c1"]
    engine.add_container("c2", "left", stack=MINE)
    assert not removal.remove_container(engine.client, found)
    assert not removal.remove_container(engine.client, found, stop_seconds=7)
    assert engine.calls == []
    assert list(engine.all_containers) == ["c2"]


def test_given_a_container_that_was_renamed_after_the_observation_it_is_not_removed(engine: FakeEngine) -> None:
    found = observed(engine).containers[0]
    engine.add_container("c1", "gix-router", stack=MINE)
    assert not removal.remove_container(engine.client, found)
    assert engine.calls == []


def test_given_a_network_that_was_replaced_after_the_observation_its_successor_is_not_removed(
    engine: FakeEngine,
) -> None:
    found = observed(engine).networks[0]
    del engine.all_networks["n1"]
    engine.add_network("n2", "left-network", stack=MINE)
    assert not removal.remove_network(engine.client, found)
    assert list(engine.all_networks) == ["n2"]


@pytest.mark.parametrize(
    "change", [{"created": "2026-01-02T03:04:06Z", "stack": MINE}, {"stack": "gix/other"}], ids=str
)
def test_given_a_volume_that_was_replaced_after_the_observation_its_successor_is_not_removed(
    engine: FakeEngine, change: dict[str, str]
) -> None:
    found = observed(engine).volumes[0]
    engine.add_volume("left-volume", **change)
    assert not removal.remove_volume(engine.client, found)
    del engine.all_volumes["left-volume"]
    assert not removal.remove_volume(engine.client, found)
    assert engine.calls == []
