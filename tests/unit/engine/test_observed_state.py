"""The observed state of an engine: which objects belong to a stack, and which one a key means."""

from gix_engine import observed_state
from tests.unit.engine.fake_engine import FakeEngine

MINE, OTHER = "gix/dev", "gix/other"


def test_the_part_of_a_stack_is_what_carries_its_label() -> None:
    engine = FakeEngine()
    engine.add_container("c1", "mine", stack=MINE, service="router")
    engine.add_container("c2", "other", stack=OTHER)
    engine.add_container("c3", "unlabelled")
    engine.add_network("n1", "mine", stack=MINE)
    engine.add_network("n2", "other", stack=OTHER)
    engine.add_volume("mine", stack=MINE)
    engine.add_volume("unlabelled")
    observed = observed_state.observe(engine.client)
    own = observed.created_by(MINE)
    assert [(each.id, each.service, each.helper) for each in own.containers] == [("c1", "router", None)]
    assert [each.id for each in own.networks] == ["n1"]
    assert [each.name for each in own.volumes] == ["mine"]
    assert [each.stack for each in observed.containers] == [MINE, OTHER, None]


def test_an_id_is_looked_up_before_a_name() -> None:
    engine = FakeEngine()
    engine.add_container("c1", "gix-router")
    engine.add_container("c2", "renamed")
    observed = observed_state.observe(engine.client)
    by_id = observed.container("c2", "gix-router")
    by_name = observed.container("gone", "gix-router")
    assert by_id is not None
    assert by_name is not None
    assert (by_id.id, by_name.id) == ("c2", "c1")
    assert observed.container("gone", "unheard-of") is None


def test_a_paused_container_counts_as_running_and_a_created_one_does_not() -> None:
    engine = FakeEngine()
    for state in ("running", "paused", "restarting", "created", "exited", "dead"):
        engine.add_container(state, state, state=state)
    running = [each.name for each in observed_state.observe(engine.client).containers if each.is_running]
    assert running == ["running", "paused", "restarting"]


def test_the_record_of_an_object_that_does_not_exist_is_none() -> None:
    assert observed_state.inspect_container(FakeEngine().client, "gone") is None
    assert observed_state.inspect_volume(FakeEngine().client, "gone") is None
