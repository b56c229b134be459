"""A trial that cannot begin: the error says that the old container still serves."""

from collections.abc import Iterator
from contextlib import contextmanager
from types import SimpleNamespace

import pulumi
import pytest

from gix_components import trial
from gix_components.trial import Successor, TrialError
from gix_engine import connection, observed_state
from gix_engine.observed_state import ObservedContainer, ObservedState
from gix_ledger import working_copy
from gix_ledger.errors import LedgerError
from gix_model import parsing
from gix_model.catalog import CATALOG
from gix_model.environment import SERVICE_LABEL, STACK_LABEL
from gix_model.units import parse_duration
from tests.unit.declared import PROGRAM


def successor() -> Successor:
    environment = parsing.parse({}, project="gix", stack="dev", directory=PROGRAM)
    return Successor(
        environment=environment,
        spec=CATALOG["auction"],
        command=["gcam-node"],
        probe=["CMD", "true"],
        variables={},
        healthy_within=parse_duration("1s"),
    )


@pytest.fixture
def serving(monkeypatch: pytest.MonkeyPatch) -> None:
    """The auction's container, which is all that the engine has."""
    container = ObservedContainer(
        id="of-the-auction",
        names=("gix-auction",),
        state="running",
        labels={STACK_LABEL: "gix/dev", SERVICE_LABEL: "auction"},
        volumes=frozenset({"gcam-data"}),
    )
    monkeypatch.setattr(connection, "connect", lambda *_: SimpleNamespace())
    monkeypatch.setattr(observed_state, "observe", lambda _: ObservedState(containers=(container,)))
    monkeypatch.setattr(pulumi.log, "info", lambda _: None)


@pytest.mark.usefixtures("serving")
def test_given_a_ledger_that_cannot_be_copied_the_reason_and_what_to_do_are_named(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    @contextmanager
    def copied(_: object) -> Iterator[None]:
        raise LedgerError("no space for a copy of gcam-data")
        yield

    monkeypatch.setattr(working_copy, "copied", copied)
    with pytest.raises(TrialError) as caught:
        trial.run(successor(), "sha256:new")
    assert "gix-auction was not replaced and still serves: there is no copy of the ledger for it" in str(caught.value)
    assert "no space for a copy of gcam-data" in str(caught.value)
    assert "pulumi config set --path gix:rollout.trial false" in str(caught.value)
