"""Secrets in a configuration: the keys that take them, and messages that never show one.

The keys are read from the settings' models, so that new keys are tested too.
"""

import contextlib
import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Annotated, Any, Literal, get_args, get_origin

import pytest
from pydantic import BaseModel, SecretStr, TypeAdapter, ValidationError

from gix_components import configuration
from gix_model import parsing, stack_file
from gix_model.problems import ConfigurationError
from gix_model.settings import StackSettings
from tests.support.secret_places import SECRET_OR_FILE_PLACES, SECRET_PLACES, VARIABLE
from tests.unit.declared import Configured, configured, environment

SECRET = "hunter2-of-secrets"  # noqa: S105 - what must show nowhere

Step = str | int
NAMES = (VARIABLE, "/a/path", "nofile")
"""Names, one of which is valid as a key of each mapping in the settings."""
BESIDE: Mapping[str, dict[str, Any]] = {"registry": {"address": "registry.test", "username": "me"}}
"""Further settings that make a configuration valid."""


def places(annotation: Any = StackSettings, *path: Step) -> Iterator[tuple[Step, ...]]:
    """Every path of the model: sections, keys, and one item of each list and mapping."""
    if path:
        yield path
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        for name, field in annotation.model_fields.items():
            yield from places(field.annotation, *path, field.alias or name)
    elif get_origin(annotation) is dict:
        yield from places(get_args(annotation)[1], *path, _name(get_args(annotation)[0]))
    elif get_origin(annotation) is list:
        yield from places(get_args(annotation)[0], *path, 0)
    elif get_origin(annotation) is Annotated:
        yield from places(get_args(annotation)[0], *path)
    else:
        for each in get_args(annotation):
            if get_origin(each) in (dict, list, Annotated) or isinstance(each, type):
                yield from (place for place in places(each, *path) if place != path)


def _name(annotation: Any) -> str:
    """A valid key of a mapping."""
    if get_origin(annotation) is Literal:
        return str(get_args(annotation)[0])
    return next(name for name in NAMES if _takes(annotation, name))


def _takes(annotation: Any, name: str) -> bool:
    with contextlib.suppress(ValidationError):
        return bool(TypeAdapter(annotation).validate_python(name) == name)
    return False


def at(path: tuple[Step, ...], value: Any) -> Any:
    """A configuration with `value` at `path`."""
    for step in reversed(path):
        value = [value] if isinstance(step, int) else {step: value}
    return value


def beside(path: tuple[Step, ...], value: Any) -> dict[str, Any]:
    """A configuration with `value` at `path`, and the settings that it needs."""
    [(section, own)] = at(path, value).items()
    return {section: BESIDE.get(section, {}) | own if isinstance(own, dict) else own}


def key(path: tuple[Step, ...]) -> str:
    return "gix:" + "".join(f"[{step}]" if isinstance(step, int) else f".{step}" for step in path)[1:]


def problems(arguments: Configured) -> dict[str, str]:
    """The problems of a configuration: limit and fix by subject. None shows a secret."""
    with pytest.raises(ConfigurationError) as caught:
        environment(**arguments)
    assert SECRET not in str(caught.value) + repr(caught.value) + repr(caught.value.problems)
    # Keep the first problem of a subject, since later ones can follow from it.
    return {each.subject: f"{each.limit}; {each.fix}" for each in reversed(caught.value.problems)}


PLACES = tuple(dict.fromkeys(places()))
OTHERS = tuple(path for path in PLACES if path not in (*SECRET_PLACES, *SECRET_OR_FILE_PLACES))


def shown(path: tuple[Step, ...]) -> str:
    return key(path)


def test_every_kind_of_key_is_found_in_the_model() -> None:
    assert set(PLACES) >= set(SECRET_PLACES)
    assert set(PLACES) >= {
        ("source",),
        ("services", 0),
        ("images", "buildArgs", VARIABLE),
        ("images", "digests", "router"),
        ("registry", "username"),
        ("router",),
        ("router", "hostPort"),
        ("router", "environment", VARIABLE),
        ("router", "dropCapabilities", 0),
        ("auction", "logging", "options", VARIABLE),
        ("enclave", "ulimits", "nofile", "soft"),
        ("defaults", "healthCheck", "retries"),
    }


@pytest.mark.parametrize("path", SECRET_PLACES, ids=shown)
def test_a_secret_in_a_secret_key_is_accepted(path: tuple[Step, ...]) -> None:
    read = environment(**configured(beside(path, SecretStr(SECRET))))
    assert SECRET not in repr(read)
    value: Any = read.settings.model_dump(by_alias=True)
    for step in path:
        value = value[step]
    assert value == SecretStr(SECRET)


@pytest.mark.parametrize("path", OTHERS, ids=shown)
@pytest.mark.parametrize("text", [SECRET, "50051", "true", json.dumps({SECRET: SECRET}), json.dumps([SECRET])])
def test_a_secret_in_any_other_key_is_refused_with_the_key(path: tuple[Step, ...], text: str) -> None:
    found = problems(configured(beside(path, SecretStr(text))))
    assert (
        "only gix:registry.password, secretEnvironment of a service or of gix:defaults, and certificate, key and "
        "clientCa of gix:edge take secrets" in found[key(path)]
    )
    assert text not in found[key(path)]


@pytest.mark.parametrize("path", SECRET_PLACES, ids=shown)
@pytest.mark.parametrize("value", [SECRET, [SECRET], {SECRET: SECRET}, 1, True])
@pytest.mark.parametrize("others", [SecretStr("sealed"), "plain"])
def test_a_plain_text_value_in_a_secret_key_is_refused(path: tuple[Step, ...], value: object, others: object) -> None:
    config = beside(path, value)
    section = config[str(path[0])]
    below = section if len(path) == 2 else section["secretEnvironment"]
    below |= {"OTHER" if len(path) == 3 else "username": others}
    limit = problems(configured(config))[key(path)]
    assert limit.startswith("is in plain text; replace the secret, because it was readable")
    assert f"pulumi config set --secret --path {key(path)}" in limit


@pytest.mark.parametrize("section", ["registry", "defaults", "router"])
def test_a_value_of_the_wrong_type_in_a_secret_key_is_not_shown(section: str) -> None:
    assert set(problems(configured({section: [SECRET]}))) == {f"gix:{section} = (not shown)"}
    if section != "registry":
        found = problems(configured({section: {"secretEnvironment": SECRET}}))
        assert set(found) == {f"gix:{section}.secretEnvironment = (not shown)"}


def test_a_secret_in_an_unknown_key_is_reported_with_the_key_only() -> None:
    found = problems(configured({"registry": {"passwort": SecretStr(SECRET)}, "token": SecretStr(SECRET)}))
    assert found["gix:registry.passwort"] == "is not a known key; did you mean password?"
    assert "gix:token" in found


def test_a_path_with_special_characters_is_quoted_for_the_shell() -> None:
    found = problems(configured({"router": {"tmpfs": {"/a.b c": SecretStr(SECRET)}}}))
    assert """--path 'gix:router.tmpfs["/a.b c"]' VALUE""" in found["gix:router.tmpfs./a.b c"]


@pytest.mark.parametrize("path", OTHERS, ids=shown)
def test_code_accepts_secrets_in_the_same_keys(path: tuple[Step, ...], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(parsing, "_as_in_a_file", lambda given, _: given)
    with pytest.raises(ConfigurationError) as caught:
        configuration.from_code(**beside(path, SecretStr(SECRET)))
    assert SECRET not in str(caught.value)
    [problem] = [each for each in caught.value.problems if each.subject == key(path)]
    assert problem.limit == "is a secret, but this key takes no secrets"
    assert "pulumi config" not in problem.fix


@pytest.mark.parametrize("path", SECRET_PLACES, ids=shown)
def test_code_that_gives_a_plain_value_in_a_secret_key_is_refused(
    path: tuple[Step, ...], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(parsing, "_as_in_a_file", lambda given, _: given)
    with pytest.raises(ConfigurationError) as caught:
        configuration.from_code(**beside(path, SECRET))
    assert SECRET not in str(caught.value)
    assert [each.subject for each in caught.value.problems] == [key(path)]
    assert caught.value.problems[0].fix.endswith(
        "pass it as a secret: SecretStr in Python, pulumi.secret or fn::secret in other languages"
    )


ROUTER: dict[str, Any] = {
    "hostPort": 50051,
    "cpus": 1.5,
    "memory": "512M",
    "publish": True,
    "memorySwap": None,
    "dropCapabilities": ["ALL"],
    "secretEnvironment": {VARIABLE: SecretStr(SECRET)},
}


def test_given_a_file_elsewhere_no_value_beside_a_secret_is_accepted_or_shown() -> None:
    arguments = configured({"router": ROUTER, "prefix": "a"})
    arguments["stated"] = {}
    [(subject, text)] = problems(arguments).items()
    assert subject == "gix:router"
    assert "gix:router contains one, and this value is not in plain text in Pulumi.dev.yaml" in text


def test_given_another_value_in_the_file_the_value_counts_as_a_secret() -> None:
    arguments = configured({"router": ROUTER})
    arguments["stated"] = configured({"router": ROUTER | {"hostPort": 50052, "dropCapabilities": []}})["stated"]
    assert set(problems(arguments)) == {"gix:router.hostPort", "gix:router.dropCapabilities[0]"}


@pytest.mark.parametrize("stated", ["2024-99-99", "@", "[", "!!int x"])
def test_given_an_invalid_text_in_the_file_the_program_s_value_counts_as_a_secret(stated: str) -> None:
    arguments = configured({"router": ROUTER})
    arguments["stated"]["gix:router"]["hostPort"] = stated
    assert set(problems(arguments)) == {"gix:router.hostPort"}


def test_given_a_secret_that_is_not_in_the_file_it_is_accepted() -> None:
    arguments = configured({"router": ROUTER})
    arguments["stated"] = configured({"router": ROUTER | {"secretEnvironment": {}}})["stated"]
    kept = environment(**arguments).services["router"].secret_environment
    assert {name: value.get_secret_value() for name, value in kept.items()} == {VARIABLE: SECRET}


@pytest.mark.parametrize(
    ("written", "value"),
    [
        ("cpus: 2.0", {"cpus": 2}),
        ("user: 1000:50", {"user": "1000:50"}),
        ("restart: no", {"restart": "no"}),
        ("restart: no", {"restart": False}),
        ("publish: True", {"publish": True}),
        ("rustLog: 'info'", {"rustLog": "info"}),
        ("memory: >-\n      512M", {"memory": "512M"}),
        ("labels: {a: 2024-01-01, b: 012}", {"labels": {"a": "2024-01-01", "b": "012"}}),
        ("<<: {hostPort: 1}", {"hostPort": 1}),
        ("memory: null", {"memory": None}),
    ],
)
def test_a_plain_value_is_recognized_however_it_is_written(written: str, value: dict[str, Any], tmp_path: Path) -> None:
    file = f"config:\n  gix:router:\n    secretEnvironment: {{{VARIABLE}: {{secure: 'v1:a'}}}}\n    {written}\n"
    (tmp_path / "Pulumi.dev.yaml").write_text(file)
    environment(
        {"gix:router": json.dumps({"secretEnvironment": {VARIABLE: SECRET}} | value)},
        secret_keys={"gix:router"},
        stated=stack_file.read(tmp_path, "dev"),
    )


def test_a_program_below_its_project_finds_the_file_beside_the_project(tmp_path: Path) -> None:
    (tmp_path / "Pulumi.yaml").touch()
    (tmp_path / "Pulumi.dev.yaml").write_text("config: {gix:prefix: a}")
    (tmp_path / "program").mkdir()
    assert stack_file.read(tmp_path / "program", "dev") == {"gix:prefix": "a"}


@pytest.mark.parametrize(
    "content", [b"", b"a: [", b"\xff", b"- 1", b"config: 1", b"config: {gix:router: 1}", b"[" * 2_000, b"a: !!int b"]
)
def test_given_an_unreadable_or_empty_file_every_value_counts_as_a_secret(content: bytes, tmp_path: Path) -> None:
    (tmp_path / "Pulumi.dev.yaml").write_bytes(content)
    arguments = configured({"router": ROUTER})
    arguments["stated"] = stack_file.read(tmp_path, "dev")
    assert set(problems(arguments)) == {"gix:router"}
