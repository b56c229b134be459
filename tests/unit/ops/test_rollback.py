"""Which update of a history a rollback goes to, and why it may refuse."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from gix_model.settings import EngineSettings
from gix_ops import history, rollback
from gix_ops.errors import StackError
from gix_ops.stack import StackReference

Find = Callable[..., str]


def update(
    tag: str, *, result: str = "succeeded", kind: str = "update", config: dict[str, Any] | None = None
) -> dict[str, Any]:
    """An update as `pulumi stack history --json` prints it. Its images are built from source."""
    section = {"tag": tag}
    return {
        "version": 0,
        "kind": kind,
        "startTime": "2026-01-02T03:04:05.000Z",
        "message": f"release {tag}",
        "environment": {"git.head": f"commit-of-{tag}"},
        "config": {"gix:images": {"value": json.dumps(section), "objectValue": section, "secret": False}}
        | (config or {}),
        "result": result,
    }


@pytest.fixture
def refusal(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Find:
    """The error of a rollback, given a history from the oldest update to the newest."""
    (tmp_path / "Pulumi.yaml").write_text("name: gix\n")
    (tmp_path / "Pulumi.dev.yaml").write_text("config: {}\n")
    stack = StackReference(name="dev", directory=tmp_path, label="gix/dev", engine=EngineSettings())

    def refusal(*updates: dict[str, Any], version: int | None = None) -> str:
        monkeypatch.setattr(history, "ask", lambda *_words, **_options: json.dumps(list(reversed(updates))))
        with pytest.raises(StackError) as caught:
            rollback.find(stack, version)
        return str(caught.value)

    return refusal


@pytest.mark.parametrize(
    ("updates", "version"),
    [
        ([update("one"), update("two")], 1),
        ([update("one"), update("two", result="failed"), update("three")], 1),
        ([update("one"), update("two"), update("three", result="failed")], 2),
        ([update("one"), update("two"), update("two")], 1),
        ([update("one"), update("two"), update("two", kind="refresh")], 1),
        ([update("one", kind="refresh"), update("two"), update("three")], 2),
    ],
    ids=["two", "one_failed", "newest_failed", "twice_the_same", "then_refreshed", "refreshed_before"],
)
def test_it_goes_to_the_last_success_with_other_images_or_settings(
    refusal: Find, updates: list[dict[str, Any]], version: int
) -> None:
    assert f"the stack dev cannot go back to version {version}: its images were built from source" in refusal(*updates)


def test_the_numbers_of_the_pulumi_service_are_those_of_the_history(refusal: Find) -> None:
    updates = [update("one") | {"version": 41}, update("two") | {"version": 42}]
    assert "version 41" in refusal(*updates)
    assert "commit-of-two" in refusal(*updates, version=42)


@pytest.mark.parametrize("updates", [[], [update("one")], [update("one"), update("one")]])
def test_given_no_other_update_it_refuses(refusal: Find, updates: list[dict[str, Any]]) -> None:
    assert "no earlier update of the stack dev succeeded" in refusal(*updates)


def test_all_reasons_are_named_at_once(refusal: Find) -> None:
    text = '{"secretEnvironment": {"TOKEN": "t0ken"}}'
    sealed = {"gix:auction": {"value": text, "objectValue": json.loads(text), "secret": True}}
    said = refusal(update("one", result="failed", config=sealed), update("two"), version=1)
    assert "its result is failed" in said
    assert "pulumi config set --secret --path gix:auction.secretEnvironment.TOKEN" in said
    assert "check out its commit (commit-of-one)" in said
    assert "t0ken" not in said
    assert "it is no update, but a destroy" in refusal(update("one", kind="destroy"), version=1)


def test_a_section_that_cannot_be_decrypted_is_named(refusal: Find) -> None:
    said = refusal(update("one", config={"gix:registry": {"secret": True}}), version=1)
    assert "gix:registry had a secret that cannot be decrypted" in said
    assert "gixctl history --json" in said


@pytest.mark.parametrize("images", ["text", {"digests": ["none"]}, {"tag": {"no": "text"}}])
def test_an_update_whose_configuration_was_wrong_is_in_the_history(refusal: Find, images: object) -> None:
    wrong = update("one", result="failed", config={"gix:images": {"value": json.dumps(images), "secret": False}})
    assert "its result is failed" in refusal(wrong, update("two"), version=1)
