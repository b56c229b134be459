"""How `pulumi` is run: its output, its failures, and its environment variables."""

import os
from pathlib import Path

import pytest

from gix_ops import pulumi_command
from gix_ops.errors import StackError


@pytest.fixture
def pulumi(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A directory with a `pulumi` command that a test writes; it is the only one on PATH."""
    monkeypatch.setenv("PATH", f"{tmp_path}:/bin:/usr/bin")
    return tmp_path


def command(directory: Path, script: str) -> None:
    (directory / "pulumi").write_text(f"#!/bin/sh\n{script}\n")
    (directory / "pulumi").chmod(0o755)


def test_ask_returns_what_pulumi_prints(pulumi: Path) -> None:
    command(pulumi, 'echo "$@"; cat')
    output = pulumi_command.ask(pulumi, "config", "set", stack="dev", stdin="value")
    assert output == "config set --color never --non-interactive --stack dev\nvalue"


def test_given_a_failure_ask_raises_pulumis_own_message(pulumi: Path) -> None:
    command(pulumi, 'echo "shown"; echo "error: no stack named dev\n  was found" >&2; exit 6')
    with pytest.raises(StackError, match=r"^no stack named dev was found$"):
        pulumi_command.ask(pulumi, "stack", "output")
    assert pulumi_command.answer(pulumi, "stack", "output").returncode == 6
    with pytest.raises(StackError, match="pulumi stack output failed; its output is above"):
        pulumi_command.show(pulumi, "stack", "output")


def test_given_a_failure_without_a_message_ask_names_the_command(pulumi: Path) -> None:
    command(pulumi, "exit 3")
    with pytest.raises(StackError, match="pulumi stack output failed with exit code 3"):
        pulumi_command.ask(pulumi, "stack", "output", "--json")


def test_variables_are_those_of_the_command_alone(pulumi: Path) -> None:
    command(pulumi, 'printf %s "$PULUMI_BACKEND_URL $HOME"')
    before = dict(os.environ)
    output = pulumi_command.ask(pulumi, "whoami", variables={"PULUMI_BACKEND_URL": "file://state"})
    assert output == f"file://state {before.get('HOME', '')}"
    assert dict(os.environ) == before
