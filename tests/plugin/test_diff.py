"""The generic comparison, checks and defaults, without an engine."""

from typing import Any

import pytest
from pulumi.provider.experimental.provider import PropertyDiffKind

from offline.docker_plugin.diff import changes, replaced_properties
from offline.docker_plugin.durations import nanoseconds, text
from offline.docker_plugin.errors import PluginError
from offline.docker_plugin.resources import RESOURCES
from offline.docker_plugin.rules import absolute_path, duration, no_empty_words, number, one_of
from offline.docker_plugin.schema import Kind, Prop, ResourceSchema, Rule, problems, with_defaults
from offline.docker_plugin.values import DEFAULTS, UNKNOWN

LABEL = {"label": Prop(force_new=True, required=True), "value": Prop(force_new=True)}
SCHEMA = ResourceSchema(
    inputs={
        "envs": Prop(kind=Kind.SET, force_new=True, computed=True),
        "labels": Prop(kind=Kind.SET, force_new=True, fields=LABEL),
        "command": Prop(kind=Kind.LIST, force_new=True, computed=True),
        "restart": Prop(default="no", rule=one_of("no", "always")),
        "memory": Prop(),
        "options": Prop(kind=Kind.MAP),
        "healthcheck": Prop(
            kind=Kind.OBJECT, computed=True, fields={"tests": Prop(kind=Kind.LIST), "timeout": Prop(default="0s")}
        ),
        "uploads": Prop(kind=Kind.SET, supported=False),
    }
)


def compared(old: dict[str, Any], new: dict[str, Any], **options: Any) -> dict[str, str]:
    return {path: kind.name for path, kind in changes(SCHEMA, old, new, **options).items()}


@pytest.mark.parametrize(
    ("old", "new", "expected"),
    [
        ({"envs": ["A", "B"]}, {"envs": ["B", "A"]}, {}),
        ({"envs": ["A", "B"]}, {"envs": ["C", "B"]}, {"envs[0]": "UPDATE_REPLACE"}),
        ({"envs": ["A"]}, {"envs": ["A", "B"]}, {"envs[1]": "ADD_REPLACE"}),
        ({"envs": ["A", "B"]}, {"envs": ["A"]}, {"envs[1]": "DELETE_REPLACE"}),
        ({"envs": ["A", "A"]}, {"envs": ["A"]}, {}),
        ({"envs": ["A"]}, {"envs": ["B", "A", "A"]}, {"envs[0]": "ADD_REPLACE"}),
        ({"envs": ["A"]}, {}, {}),
        (
            {"command": ["a", "b"]},
            {"command": ["b", "a"]},
            {"command[0]": "UPDATE_REPLACE", "command[1]": "UPDATE_REPLACE"},
        ),
        ({"command": ["a"]}, {"command": []}, {}),
        ({"memory": 0}, {}, {}),
        ({"memory": 64}, {}, {"memory": "DELETE"}),
        ({"memory": None}, {"memory": 64}, {"memory": "ADD"}),
        ({"memory": 64}, {"memory": 96}, {"memory": "UPDATE"}),
        ({"memory": 64}, {"memory": 0}, {"memory": "UPDATE"}),
        ({"labels": [{"label": "a", "value": ""}]}, {"labels": [{DEFAULTS: [], "label": "a"}]}, {}),
        ({"labels": []}, {"labels": [{"label": "a", "value": "1"}]}, {"labels": "ADD_REPLACE"}),
        (
            {"options": {"a.b": "1", "c": "1"}},
            {"options": {"a.b": "2"}},
            {'options["a.b"]': "UPDATE", "options.c": "DELETE"},
        ),
        ({"healthcheck": {"tests": ["x"], "timeout": "1s"}}, {}, {}),
        (
            {"healthcheck": {"tests": ["x"], "timeout": "1s"}},
            {"healthcheck": {DEFAULTS: [], "tests": ["y"], "timeout": "1s"}},
            {"healthcheck.tests[0]": "UPDATE"},
        ),
        ({"envs": ["A"]}, {"envs": UNKNOWN}, {"envs": "UPDATE_REPLACE"}),
        ({"envs": ["A"]}, {"envs": [UNKNOWN]}, {"envs[0]": "UPDATE_REPLACE"}),
        ({"memory": 64}, {"memory": UNKNOWN}, {"memory": "UPDATE"}),
    ],
)
def test_a_difference_is_a_change_or_not(old: dict[str, Any], new: dict[str, Any], expected: dict[str, str]) -> None:
    assert compared(old, new) == expected


def test_an_ignored_change_is_no_change() -> None:
    assert compared({"memory": 1, "envs": ["A"]}, {"memory": 2, "envs": ["B"]}, ignored=["envs[0]"]) == {
        "memory": "UPDATE"
    }


def test_what_is_beside_an_ignored_path_still_changes() -> None:
    old, new = ({"healthcheck": {"retries": count, "timeout": f"{count}s"}} for count in (1, 2))
    assert compared(old, new, ignored=["healthcheck.retries"]) == {"healthcheck.timeout": "UPDATE"}
    assert compared(old, new, ignored=["healthcheck"]) == {}


def test_the_replaced_properties_are_named_once() -> None:
    found = {
        "envs[0]": PropertyDiffKind.UPDATE_REPLACE,
        "envs[1]": PropertyDiffKind.ADD_REPLACE,
        "memory": PropertyDiffKind.UPDATE,
    }
    assert replaced_properties(found) == ["envs"]


def filled(stated: dict[str, Any], before: dict[str, Any] | None = None, seed: bytes = b"seed") -> dict[str, Any]:
    return with_defaults(SCHEMA, stated, before=before or {}, resource_name="api", random_seed=seed)


def test_defaults_are_filled_in_and_listed() -> None:
    stated = {"name": "api", "memory": None, "healthcheck": {"tests": ["x"]}, "labels": [{"label": "a", "value": "1"}]}
    assert filled(stated) == {
        "name": "api",
        "restart": "no",
        "healthcheck": {"tests": ["x"], "timeout": "0s", DEFAULTS: ["timeout"]},
        "labels": [{"label": "a", "value": "1", DEFAULTS: []}],
        DEFAULTS: ["restart"],
    }


def test_a_name_is_generated_once_and_kept() -> None:
    first = filled({})
    assert first["name"].startswith("api-")
    assert first[DEFAULTS] == ["name", "restart"]
    assert filled({}, before=first, seed=b"other")["name"] == first["name"]
    assert filled({}, seed=b"other")["name"] != first["name"]


def test_every_invalid_input_is_named() -> None:
    stated = {
        "uploads": [{"file": "/x"}],
        "restart": "sometimes",
        "labels": [{"value": "1"}],
        "healthcheck": {"test": ["x"]},
        "unheard": 1,
    }
    assert {problem.path for problem in problems(SCHEMA, stated)} == {
        "uploads",
        "restart",
        "labels[0].label",
        "healthcheck.test",
        "unheard",
    }
    assert problems(SCHEMA, {"uploads": [], "restart": "always"}) == []


@pytest.mark.parametrize(
    ("rule", "good", "bad"),
    [
        (duration, "1m30s", "90"),
        (number, "0.5", "half"),
        (number, 0, -1),
        (absolute_path, "/data", "data"),
        (no_empty_words, ["sh", "-c"], ["sh", ""]),
        (one_of("a", "b"), "a", "c"),
    ],
)
def test_an_invalid_value_is_refused(rule: Rule, good: Any, bad: Any) -> None:
    assert rule(good) is None
    assert rule(bad)


def test_every_input_of_the_published_classes_is_known() -> None:
    import pulumi_docker as docker  # noqa: PLC0415 - takes a second, and only this test needs it

    published = {
        "container:Container": docker.ContainerArgs,
        "image:Image": docker.ImageArgs,
        "network:Network": docker.NetworkArgs,
        "remoteImage:RemoteImage": docker.RemoteImageArgs,
        "volume:Volume": docker.VolumeArgs,
    }
    for token, arguments in published.items():
        names = {getattr(arguments, name).fget.__name__ for name in dir(arguments) if name[0] != "_"}
        known = set(RESOURCES[f"docker:index/{token}"].schema.inputs)
        assert {_camel_case(name) for name in names} == known, token


@pytest.mark.parametrize(
    ("written", "duration", "canonical"),
    [
        ("10s", 10_000_000_000, "10s"),
        ("60s", 60_000_000_000, "1m0s"),
        ("1h", 3_600_000_000_000, "1h0m0s"),
        ("1500ms", 1_500_000_000, "1.5s"),
        ("500ms", 500_000_000, "500ms"),
        ("1m30s", 90_000_000_000, "1m30s"),
        ("0s", 0, "0s"),
    ],
)
def test_durations_are_written_as_go_writes_them(written: str, duration: int, canonical: str) -> None:
    assert nanoseconds(written) == duration
    assert text(duration) == canonical


def test_an_invalid_duration_is_refused() -> None:
    with pytest.raises(PluginError, match="'10'"):
        nanoseconds("10")


def _camel_case(name: str) -> str:
    first, *rest = name.split("_")
    return first + "".join(word.title() for word in rest)
