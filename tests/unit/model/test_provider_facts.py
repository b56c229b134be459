"""The facts about the docker provider agree with its recorded state, its SDK, and what docs/provider.md measured."""

import inspect
import json
import re
from collections.abc import Callable
from typing import Any

import pulumi_docker as docker
import pytest

from gix_model import container_inputs, provider_facts, units
from tests.unit.declared import PROGRAM

RECORD: dict[str, dict[str, Any]] = json.loads((PROGRAM / "tests/plugin/official_record.json").read_text())
DOCUMENT = (PROGRAM / "docs/provider.md").read_text()


def inputs(arguments: type) -> set[str]:
    """The names of a resource's inputs in the state, from its arguments in the SDK."""
    names = set(inspect.signature(arguments).parameters) - {"self"}
    return {re.sub(r"_(\w)", lambda match: match[1].upper(), name) for name in names}


def row(start: str) -> list[str]:
    """The cells of the row in docs/provider.md that starts with `start`."""
    [line] = [line for line in DOCUMENT.splitlines() if line.startswith(f"| {start}")]
    return [cell.strip() for cell in line.strip("|").split("|")]


def quoted(cell: str) -> list[str]:
    """What stands in backquotes."""
    return re.findall(r"`([^`]*)`", cell)


@pytest.mark.parametrize(
    ("token", "resource"),
    [
        (provider_facts.CONTAINER, docker.Container),
        (provider_facts.IMAGE, docker.Image),
        (provider_facts.NETWORK, docker.Network),
        (provider_facts.REMOTE_IMAGE, docker.RemoteImage),
        (provider_facts.VOLUME, docker.Volume),
        (provider_facts.PROVIDER, docker.Provider),
    ],
)
def test_a_type_has_the_token_of_the_sdk(token: str, resource: type) -> None:
    assert token == resource.pulumi_type  # type: ignore[attr-defined]


def test_every_resource_that_the_provider_recorded_has_a_kind() -> None:
    assert {each["type"] for each in RECORD.values()} <= provider_facts.KINDS.keys()


def test_the_facts_are_about_inputs_that_exist() -> None:
    assert container_inputs.INPUTS.keys() - inputs(docker.ContainerArgs) == set()


def test_what_is_recorded_only_is_what_the_documentation_says() -> None:
    what, _, effect = row("healthcheck edit")
    assert "only the state changes" in effect
    assert [name for name in container_inputs.RECORDED_ONLY if name in what] == [*container_inputs.RECORDED_ONLY]


def test_what_changes_without_a_restart_is_what_the_documentation_says() -> None:
    what, preview, effect = row("restart;")
    assert (preview, effect) == ("update", "live, no restart")
    for name in ("restart", "memory", "memorySwap"):
        assert re.sub(r"[A-Z]", lambda match: f"_{match[0].lower()}", name) in what
        assert container_inputs.is_applied_live(name, {name: 1})


def test_a_limit_that_is_removed_is_not_applied_live() -> None:
    assert container_inputs.is_applied_live("memory", {"memory": 64})
    assert not container_inputs.is_applied_live("memory", {})
    assert container_inputs.is_applied_live("restart", {})
    assert not container_inputs.is_applied_live("healthcheck", {"healthcheck": {}})


@pytest.mark.parametrize(
    ("start", "form"),
    [
        ("cpus `2`", lambda stated: provider_facts.recorded_processors(float(stated))),
        ("health check `90s`", lambda stated: provider_facts.recorded_time(units.parse_duration(stated))),
    ],
)
def test_a_value_is_stated_in_the_form_that_the_documentation_says_is_recorded(
    start: str, form: Callable[[str], str]
) -> None:
    stated, recorded, _ = row(start)
    assert [form(each) for each in quoted(stated)] == quoted(recorded)


def test_a_number_that_the_provider_rounds_is_refused_with_the_number_that_it_records() -> None:
    stated, recorded, _ = row("cpus `0.05`")
    for count, rounded in zip(quoted(stated)[:3], quoted(recorded), strict=True):
        with pytest.raises(ValueError, match=rf"^{re.escape(rounded)}$"):
            provider_facts.recorded_processors(float(count))


@pytest.mark.parametrize(
    ("count", "recorded"),
    [
        (2, "2.0"),
        (2.0, "2.0"),
        (1.5, "1.5"),
        (0.5, "0.5"),
        (0.25, "0.25"),
        (10, "10."),
        (10.25, "10.25"),
        (0.015, "0.015"),
        (0.051, "0.051"),
    ],
)
def test_processors_are_written_as_the_provider_records_them(count: float, recorded: str) -> None:
    assert provider_facts.recorded_processors(count) == recorded


@pytest.mark.parametrize(("count", "recorded"), [(0.05, "0.1"), (0.01, "0.0"), (20.05, "20.1"), (1.0000000001, "1.0")])
def test_processors_that_the_provider_records_as_another_number_are_refused(count: float, recorded: str) -> None:
    with pytest.raises(ValueError, match=recorded):
        provider_facts.recorded_processors(count)


def test_a_start_period_of_zero_is_stated_as_the_shortest_one() -> None:
    [stated], [recorded] = quoted(row("start period")[0]), quoted(row("start period")[2])
    assert provider_facts.recorded_start_period(units.parse_duration(stated)) == recorded == "1ms"
    assert provider_facts.recorded_start_period(units.parse_duration("5s")) == "5s"


def test_a_capability_is_recorded_with_the_prefix() -> None:
    stated, recorded, _ = row("capability")
    assert quoted(recorded) == [provider_facts.CAPABILITY_PREFIX + name for name in quoted(stated)]
