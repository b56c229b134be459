"""The deletion of a ledger: the volume that was checked, and no other one of its name."""

import pytest

from gix_engine import observed_state
from gix_ops.errors import StackError
from gix_ops.stack_ledger import Deletable
from tests.unit.engine.fake_engine import FakeEngine

LEDGER = "gcam-data"


def checked(engine: FakeEngine) -> Deletable:
    volume = observed_state.observe(engine.client).volume(LEDGER)
    assert volume is not None
    return Deletable(client=engine.client, volume=volume, engine="the engine at there")


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
