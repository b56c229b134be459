"""The table of CONTRIBUTING.md that says where to change what."""

import re

import pytest

from tests.unit.declared import PROGRAM

TASKS = dict(re.findall(r"^\| (add [^|]+) \| (.+) \|$", (PROGRAM / "CONTRIBUTING.md").read_text(), re.MULTILINE))
"""What to change, by task."""
_PATH = re.compile(r"`((?:[\w.-]+/)+[\w.-]*|[\w-]+\.(?:md|toml))`")


@pytest.mark.parametrize("task", TASKS)
def test_the_files_of_a_task_exist(task: str) -> None:
    assert [path for path in _PATH.findall(TASKS[task]) if not (PROGRAM / path).exists()] == []


@pytest.mark.parametrize(
    "task", ["add a key that sets an input of the container", "add a service", "add a verb to `gixctl`"]
)
def test_a_key_a_service_and_a_verb_need_at_most_four_files(task: str) -> None:
    to_change = TASKS[task].partition(". ")[0]
    assert 0 < len(_PATH.findall(to_change)) <= 4
