"""The help texts of gixctl: a first line that fits, and a text for every option."""

from collections.abc import Iterator
from typing import Any

import pytest
import typer

from gix_ops import cli

LONGEST_SUMMARY = 58
"""The characters beside a verb's name in a terminal of 80 columns."""


def commands(group: Any, path: tuple[str, ...] = ()) -> Iterator[tuple[str, Any]]:
    """Every verb, also those of groups, with the words that call it."""
    if path:
        yield " ".join(path), group
    for name, command in getattr(group, "commands", {}).items():
        yield from commands(command, (*path, name))


VERBS = dict(commands(typer.main.get_command(cli.app)))


@pytest.mark.parametrize("verb", VERBS)
def test_the_first_line_of_a_verb_s_help_fits_on_a_line(verb: str) -> None:
    summary = (VERBS[verb].help or "").partition("\n")[0]
    assert summary.endswith(".")
    assert len(summary) <= LONGEST_SUMMARY


@pytest.mark.parametrize("verb", VERBS)
def test_every_option_and_argument_has_a_help_text(verb: str) -> None:
    missing = [each.name for each in VERBS[verb].params if each.name != "help" and not getattr(each, "help", None)]
    assert missing == []
