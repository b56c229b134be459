"""The table of hostile inputs in docs/reliability.md is complete, and a run that tries fewer fails."""

from collections import Counter

from tests import reliability
from tests.reliability import KINDS, Tally


def test_the_document_has_a_figure_for_every_kind() -> None:
    assert reliability.documented().keys() == KINDS.keys(), "run: python -m tests.reliability --write"
    assert all(reliability.documented().values())


def test_a_run_of_every_kind_that_tries_less_than_the_document_says_fails() -> None:
    enough = Counter(reliability.documented())
    assert Tally(inputs=enough).shortfall() == []
    [line] = Tally(inputs=enough - Counter(archives=1)).shortfall()
    assert line.startswith("archives: ")


def test_a_run_of_some_kinds_does_not_fail() -> None:
    assert Tally(inputs=Counter(archives=1)).shortfall() == []
