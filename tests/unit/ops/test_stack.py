"""A stack's outputs, read from its state."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from gix_ops import stack
from gix_ops.errors import StackError
from gix_ops.fields import SIGNATURE
from gix_ops.stack import Stack
from tests.unit.outputs import stack_outputs

STACK = "pulumi:pulumi:Stack"


def pulumi(monkeypatch: pytest.MonkeyPatch, **answers: Any) -> list[str]:
    """Make `pulumi stack export` and `pulumi stack output` answer so. Returns the commands that run."""
    ran: list[str] = []

    def ask(_directory: Path, *words: str, **_options: Any) -> str:
        ran.append(words[1])
        return json.dumps(answers[words[1]])

    monkeypatch.setattr(stack, "ask", ask)
    return ran


def state(outputs: Mapping[str, Any] | None) -> dict[str, Any]:
    other = {"type": "docker:index/network:Network", "outputs": {"services": "of a network"}}
    return {"deployment": {"resources": [other, {"type": STACK} | ({"outputs": outputs} if outputs else {})]}}


def exported() -> dict[str, Any]:
    exported: dict[str, Any] = stack_outputs().model_dump(mode="json", by_alias=True, exclude_none=True)
    return exported


def test_outputs_come_from_the_state_in_one_command(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    ran = pulumi(monkeypatch, export=state(exported()))
    assert Stack.read("dev", tmp_path).outputs == stack_outputs()
    assert ran == ["export"]


def test_given_an_output_that_is_a_secret_pulumi_decrypts_the_outputs(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    sealed = exported() | {"label": {SIGNATURE: "1b47", "ciphertext": "v1:abc"}}
    ran = pulumi(monkeypatch, export=state(sealed), output=exported())
    assert Stack.read("dev", tmp_path).outputs == stack_outputs()
    assert ran == ["export", "output"]


@pytest.mark.parametrize("found", [{"deployment": {}}, state(None), {"deployment": {"resources": None}}])
def test_a_stack_without_outputs_is_not_up(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, found: dict[str, Any]
) -> None:
    pulumi(monkeypatch, export=found)
    with pytest.raises(StackError, match="the stack dev is not up; to bring it up: pulumi up"):
        Stack.read("dev", tmp_path)
