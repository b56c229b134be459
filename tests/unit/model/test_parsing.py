"""Invalid and hostile stack files are refused with their problems, and never with a traceback."""

import contextlib
import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, cast, get_args, get_origin

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from pydantic import BaseModel

from gix_components import configuration
from gix_components.arguments import StackArgs
from gix_components.health_check import arguments, tcp_probe, wait_seconds
from gix_engine import collisions
from gix_engine.observed_state import ObservedState
from gix_model.problems import ConfigurationError
from gix_model.settings import StackSettings
from tests.reliability import tried
from tests.unit.declared import environment

NOTHING_VALID = st.one_of(
    st.text(alphabet="!?#%&$ \t{}[]<>", min_size=1, max_size=40),
    st.lists(st.dictionaries(st.just("?"), st.integers()), min_size=1, max_size=3),
    st.floats(max_value=-1, allow_nan=False, allow_infinity=False),
    st.integers(max_value=-2),
)
"""Values that are invalid for every key."""

FREE_TEXT = {str, str | None}
"""Types of keys for which any text is valid."""
STRICT_KEYS = {
    section: sorted(
        str(key.alias) for key in model.model_fields.values() if key.annotation not in FREE_TEXT or key.metadata
    )
    for section, field in StackSettings.model_fields.items()
    if isinstance(model := field.annotation, type) and issubclass(model, BaseModel)
}
"""The keys of each section for which every value of NOTHING_VALID is invalid."""
UNKNOWN = st.text(alphabet="abcxyz", min_size=3, max_size=8).map(lambda text: f"no{text}")


@st.composite
def mistakes(draw: st.DrawFn) -> tuple[str, Any]:
    section = draw(st.sampled_from(sorted(STRICT_KEYS)))
    key = draw(st.one_of(st.sampled_from(STRICT_KEYS[section]), UNKNOWN))
    return section, {key: draw(NOTHING_VALID)}


@settings(max_examples=200, deadline=None)
@given(st.lists(mistakes(), min_size=1, max_size=6))
def test_a_generated_file_with_mistakes_is_refused_with_a_problem_for_each(made_up: list[tuple[str, Any]]) -> None:
    sections: dict[str, dict[str, Any]] = {}
    for section, values in made_up:
        sections.setdefault(section, {}).update(values)
    tried("configurations")
    with pytest.raises(ConfigurationError) as caught:
        environment({f"gix:{section}": json.dumps(values) for section, values in sections.items()})
    message = str(caught.value)
    for section, values in sections.items():
        for key in values:
            assert f"gix:{section}.{key}" in message
    assert all(problem.limit and problem.fix for problem in caught.value.problems)


LEAST_TRIED = 200
"""The least number of hostile configurations in each run."""
LONGEST_LINE = 3 * 1000 + 20
DEEP = 100_000

HOSTILE_VALUES = [
    '"\\u0000"',
    '"a\\u0000b"',
    '"\\ud800"',
    '"' + "x" * 200_000 + '"',
    '"\\u001b[2J\\r\\n"',
    "[" * DEEP + "]" * DEEP,
    '{"a":' * DEEP + "1" + "}" * DEEP,
    "[" * 40 + "]" * 40,
    '{"\\u0000": 1}',
    '{"\\ud800": 1}',
    '{"\\u001b[2J": "x"}',
    '{"' + "k" * 100_000 + '": 1}',
    '{"": {"": {"": null}}}',
    "1" * 5000,
    "-" + "9" * 5000,
    "1e400",
    "-1e400",
    "NaN",
    "Infinity",
    "-Infinity",
    "9223372036854775808",
    "0.1e-400",
    "null",
    "true",
    "[]",
    "{}",
    '""',
    "{",
    "\0",
    "\ud800",
    "",
    "[null, {}, [[]]]",
    '"\\u0661\\u0662"',
    '"99999999999999999999h"',
    f'"{"9" * 400}h"',
    '"0.0000001s"',
    f'"{"9" * 400}T"',
    '"../../../../../../../dev/zero"',
    '"~nobody-of-this-name/x"',
]
"""JSON and other text that is valid for no key or for few."""
JSON = st.recursive(
    st.one_of(
        st.none(),
        st.booleans(),
        st.integers(min_value=-(2**70), max_value=2**70),
        st.floats(),
        st.text(alphabet=st.characters(exclude_categories=[])),
        st.sampled_from(["0", "1s", "64MiB", "172.28.0.0/16", "latest", "SIGINT", "/data", "unix:///x", "\0", "\x1b["]),
    ),
    lambda inner: st.one_of(
        st.lists(inner, max_size=3),
        st.dictionaries(st.text(alphabet=st.characters(exclude_categories=[]), max_size=6), inner, max_size=3),
    ),
    max_leaves=8,
)


def keys(model: type[BaseModel] = StackSettings, path: tuple[str, ...] = ()) -> Iterator[tuple[str, ...]]:
    """Every key and section of a file. NAME stands for any name."""
    for name, field in model.model_fields.items():
        step = (*path, field.alias or name)
        yield step
        kind = field.annotation
        if get_origin(kind) is dict:
            step, kind = (*step, "NAME"), get_args(kind)[1]
            yield step
        if isinstance(kind, type) and issubclass(kind, BaseModel):
            yield from keys(kind, step)


KEYS = sorted(keys())


def at(path: tuple[str, ...], value: str) -> dict[str, str]:
    """A file with `value` at a key. The value may be JSON or any text."""
    section, *inner = path
    for step in reversed(inner):
        value = f"{{{json.dumps(step)}: {value}}}"
    return {f"gix:{section}": value}


def accept_or_refuse(config: Mapping[str, str]) -> None:
    """Check that a file gives an environment that can be declared, or problems that a terminal can show."""
    tried("configurations")
    refused, read = None, None
    try:
        read = environment(config, secret_keys=set(config))
    except ConfigurationError as error:
        refused = error
    if refused is not None:
        assert refused.problems
        assert all(problem.subject and problem.limit and problem.fix for problem in refused.problems)
        assert all(line.isprintable() and len(line) < LONGEST_LINE for line in str(refused).splitlines())
        return
    assert read
    for spec in read.specs:
        service = read.services[spec.name]
        assert arguments(tcp_probe(spec.port), service.health_check)
        assert wait_seconds(service.health_check) > 0
        assert read.image_name(spec)
    collisions.find(read, ObservedState())


@pytest.mark.parametrize("value", HOSTILE_VALUES, ids=range(len(HOSTILE_VALUES)))
def test_a_hostile_value_at_any_key_is_accepted_or_refused_without_a_traceback(
    value: str,
) -> None:
    for path in KEYS:
        accept_or_refuse(at(path, value))


@settings(max_examples=2 * LEAST_TRIED, deadline=None)
@given(st.sampled_from(KEYS), JSON)
def test_any_json_at_any_key_is_accepted_or_refused_without_a_traceback(path: tuple[str, ...], value: Any) -> None:
    accept_or_refuse(at(path, json.dumps(value)))


@settings(max_examples=LEAST_TRIED, deadline=None)
@given(st.dictionaries(st.text(alphabet=st.characters(exclude_categories=[])).map("gix:{}".format), st.text()))
@example({"gix:[key]": ""})  # what pydantic calls a wrong key
def test_any_text_under_any_key_is_accepted_or_refused_without_a_traceback(config: dict[str, str]) -> None:
    accept_or_refuse(config)


@settings(max_examples=LEAST_TRIED, deadline=None)
@given(st.sampled_from(["router", "images", "ledger", "services", "source", "prefix"]), JSON)
def test_any_value_from_code_is_accepted_or_refused_without_a_traceback(key: str, value: Any) -> None:
    tried("configurations")
    with contextlib.suppress(ConfigurationError):
        configuration.from_code(**cast("StackArgs", {key: value}))


def test_a_value_that_contains_itself_is_refused() -> None:
    endless: dict[str, Any] = {}
    endless["environment"] = endless
    with pytest.raises(ConfigurationError, match="nested more than"):
        configuration.from_code(**cast("StackArgs", {"router": endless}))


@pytest.mark.parametrize(
    ("path", "value", "limit"),
    [
        ("source", "a\0b", "NUL"),
        ("source", "x" * 100_000, "File name too long"),
        ("source", "\ud800", "not valid Unicode"),
        ("source", "/dev/null", "is not a directory"),
        ("router", "[" * DEEP, "nested more than"),
        ("router.cpus", "1e400", "64 bits"),
        ("router.hostPort", "1" * 5000, "64 bits"),
        ("router.environment.A", '"a\\u0000b"', "NUL"),
        ("router.environment.A", f'"{"x" * 200_000}"', "200000 bytes long"),
        ("router.healthCheck.interval", f'"{"9" * 400}h"', "is over 1000h"),
        ("router.memory", '"9999999T"', "more than any machine has"),
    ],
    ids=range(11),
)
def test_the_problem_of_a_hostile_value_names_its_key_and_the_limit(path: str, value: str, limit: str) -> None:
    with pytest.raises(ConfigurationError) as caught:
        environment(at(tuple(path.split(".")), value))
    [problem] = caught.value.problems
    assert problem.subject.startswith(f"gix:{path}")
    assert limit in problem.limit


def test_a_source_directory_that_links_to_itself_is_refused(tmp_path: Path) -> None:
    (tmp_path / "loop").symlink_to("loop")
    with pytest.raises(ConfigurationError, match="gix:source = loop: cannot be read"):
        environment({"gix:source": "loop"}, directory=tmp_path)


def test_very_many_problems_are_counted_and_the_first_are_shown() -> None:
    with pytest.raises(ConfigurationError) as caught:
        environment({"gix:router": json.dumps({f"no{number}": 1 for number in range(500)})})
    assert len(caught.value.problems) == 500
    assert "and 450 more" in str(caught.value)
