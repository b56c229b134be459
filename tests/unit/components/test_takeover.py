"""`gix:takeOver`: which containers and networks are removed, and by which ids."""

from typing import Any, cast

import pytest

from gix_components import takeover
from gix_components.takeover import Occupants
from gix_engine import connection, observed_state
from tests.unit.declared import environment
from tests.unit.engine.fake_engine import FakeEngine

TAKE_OVER = {
    "gix:takeOver": "true",
    "gix:images": '{"way": "registry"}',
    "gix:registry": '{"address": "registry.test"}',
}


@pytest.fixture
def engine(monkeypatch: pytest.MonkeyPatch) -> FakeEngine:
    engine = FakeEngine()
    engine.add_container("c1", "gix-router")
    engine.add_container("c2", "gix-auction", stack="gix/dev")
    engine.add_container("c3", "unrelated")
    engine.add_network("n1", "gix-network")
    engine.add_network("n2", "unrelated")
    monkeypatch.setattr(connection, "connect", lambda *_: engine.client)
    return engine


def clear() -> None:
    """Run the hook that precedes the creation of a container or network."""
    [hook] = takeover.take_over("take-over", environment(TAKE_OVER)).before_create or []
    cast("Any", hook).callback(None)


def test_what_has_the_stack_s_names_and_another_maker_is_removed_by_its_id(engine: FakeEngine) -> None:
    occupants = Occupants.find(observed_state.observe(engine.client), environment(TAKE_OVER))
    assert occupants.descriptions == ["container gix-router", "network gix-network"]
    clear()
    grace = environment(TAKE_OVER).longest_grace_seconds
    assert engine.calls == [(f"stop within {grace} s", "c1"), ("remove", "c1"), ("remove", "n1")]
    assert (list(engine.all_containers), list(engine.all_networks)) == (["c2", "c3"], ["n2"])


def test_without_the_key_there_is_no_hook() -> None:
    assert takeover.take_over("take-over", environment()).before_create is None
