"""Turns the configuration of a stack, from its file or from code, into an Environment, and reports all problems."""

import contextlib
import difflib
import itertools
import json
import shlex
from collections.abc import Mapping
from collections.abc import Set as AbstractSet
from pathlib import Path
from typing import Any, get_args, get_origin

from pydantic import BaseModel, SecretStr, ValidationError
from pydantic_core import ErrorDetails

from gix_model import raw_values, rules, stack_file
from gix_model.catalog import CATALOG
from gix_model.environment import Environment
from gix_model.merging import merged
from gix_model.problems import ConfigurationError, Problem
from gix_model.raw_values import NAMESPACE
from gix_model.secret_keys import holds_secrets
from gix_model.secret_values import Unstated, with_encrypted, with_secrets
from gix_model.settings import PLAIN_TEXT, ServiceSettings, StackSettings

_MACHINE_DEFAULTS = {
    "GIX_BUILDER_BASE": ("images", "builderBase"),
    "GIX_RUNTIME_BASE": ("images", "runtimeBase"),
    "GIX_GRPC_PROBE_IMAGE": ("images", "grpcProbeImage"),
    "GIX_EDGE_IMAGE": ("edge", "image"),
}
_KEYS_OF_SECRETS = (
    "gix:registry.password, secretEnvironment of a service or of gix:defaults, and certificate, key and clientCa of "
    "gix:edge"
)
_SECRET_IN_CODE = "a secret: SecretStr in Python, pulumi.secret or fn::secret in other languages"  # noqa: S105 - a text
_LONGEST_VALUE = 60


def parse(
    config: Mapping[str, str],
    *,
    project: str,
    stack: str,
    directory: Path,
    secret_keys: AbstractSet[str] = frozenset(),
    stated: Mapping[str, Any] | None = None,
    machine: Mapping[str, str] | None = None,
) -> Environment:
    """Make an environment from `config`: Pulumi's keys (`gix:source`) with their values as text, objects as JSON.

    `secret_keys` are the keys that contain a secret. `stated`, from stack_file.read, says which of their values are
    secret; without it, all of them count as secret. `machine` may have GIX_BUILDER_BASE, GIX_RUNTIME_BASE,
    GIX_GRPC_PROBE_IMAGE and GIX_EDGE_IMAGE, the defaults of a machine, which the keys of the stack override.

    Raises ConfigurationError with all problems.
    """
    raw: dict[str, Any] = {}
    too_deep = []
    for key, value in config.items():
        namespace, _, name = key.partition(":")
        if namespace == NAMESPACE:
            try:
                decoded = _decode(name, value)
                raw[name] = with_secrets(decoded, (stated or {}).get(key)) if key in secret_keys else decoded
            except RecursionError:
                too_deep.append(raw_values.too_deep((name,)))
    file = stack_file.name(stack)
    settings, problems = _validated(_with_machine_defaults(raw, machine or {}), file)
    problems += too_deep
    problems += rules.foreign_keys(config)
    return _environment(settings, problems, where=file, project=project, stack=stack, directory=directory)


def from_code(
    settings: Mapping[str, Any],
    *,
    project: str,
    stack: str,
    directory: Path,
    machine: Mapping[str, str],
    unresolved: tuple[type, ...] = (),
) -> Environment:
    """Make an environment from settings in code: keys in snake_case, secrets as SecretStr.

    `machine` is as for `parse`. Values of the types `unresolved` are refused, because they are not known yet.

    Raises ConfigurationError with all problems. It names keys as in a file: gix:router.hostPort.
    """
    raw = _with_machine_defaults(_as_in_a_file(settings, StackSettings), machine)
    found, problems = _validated(raw, None, unresolved)
    return _environment(found, problems, where=f"{project}/{stack}", project=project, stack=stack, directory=directory)


def stated_settings(config: Mapping[str, Any]) -> StackSettings:
    """The settings that a stack file states, as StackFile.config gives them, and the defaults of all others.

    A wrong value counts as not stated, so that files can be compared before they are correct. A secret is its
    encrypted text.
    """
    return _validated(sections(config), None)[0]


def sections(config: Mapping[str, Any]) -> dict[str, Any]:
    """`config`, by Pulumi's keys, without the namespace. A value that is a text is decoded as Pulumi writes it.

    Values that are nested too deeply, and keys of other namespaces, are left out.
    """
    found: dict[str, Any] = {}
    for key, value in config.items():
        namespace, _, name = key.partition(":")
        if namespace == NAMESPACE:
            with contextlib.suppress(RecursionError):
                found[name] = _decode(name, value) if isinstance(value, str) else with_encrypted(value)
    return found


def _with_machine_defaults(raw: Mapping[str, Any], machine: Mapping[str, str]) -> dict[str, Any]:
    found = dict(raw)
    for variable, (section, key) in _MACHINE_DEFAULTS.items():
        stated = found.get(section, {})
        if machine.get(variable) and isinstance(stated, dict):
            found[section] = {key: machine[variable]} | stated
    return found


def _environment(
    settings: StackSettings, problems: list[Problem], *, where: str, project: str, stack: str, directory: Path
) -> Environment:
    """The environment with `settings`. Raises ConfigurationError with `problems` and those of the rules."""
    services = {
        name: ServiceSettings.model_validate(merged(_given(settings.defaults), _given(getattr(settings, name))))
        for name in CATALOG
        if name in settings.services
    }
    environment = Environment(project=project, stack=stack, directory=directory, settings=settings, services=services)
    # What is refused by itself is reported once.
    refused = {each.subject.partition(" = ")[0] for each in problems}
    problems = problems + [
        each for each in rules.between_keys(environment) if each.subject.partition(" = ")[0] not in refused
    ]
    if problems:
        raise ConfigurationError(where, problems)
    return environment


def _decode(key: str, value: str) -> Any:
    field = _fields(StackSettings).get(key)
    if field is None or field.annotation is str:
        return value
    try:
        return raw_values.decode(value)
    except json.JSONDecodeError:
        return value


def _as_in_a_file(given: Any, annotation: Any) -> Any:
    """A value from code with the keys of a file. Unknown keys stay as they are, so that validation reports them."""
    if not isinstance(given, Mapping):
        return given
    if get_origin(annotation) is dict:
        return {key: _as_in_a_file(value, get_args(annotation)[1]) for key, value in given.items()}
    if not (isinstance(annotation, type) and issubclass(annotation, BaseModel)):
        return given
    result = {}
    for key, value in given.items():
        field = annotation.model_fields.get(key)
        if field is None:
            result[key] = value
        else:
            result[field.alias] = _as_in_a_file(value, field.annotation)
    return result


def _fields(model: type[BaseModel]) -> dict[str, Any]:
    return {field.alias or name: field for name, field in model.model_fields.items()}


def _given(settings: BaseModel) -> dict[str, Any]:
    return settings.model_dump(by_alias=True, exclude_unset=True)


def _validated(
    raw: dict[str, Any], file: str | None, unresolved: tuple[type, ...] = ()
) -> tuple[StackSettings, list[Problem]]:
    """The settings without the values that are not valid, and a problem for each of those.

    `file` is the name of the stack's file, or None for settings from code.
    """
    raw, problems = raw_values.fit(raw)
    while True:
        try:
            return StackSettings.model_validate(raw), problems
        except ValidationError as error:
            for detail in error.errors(include_url=False):
                problems.append(_problem(detail, file, unresolved))
                raw = _without(raw, detail)


def _without(raw: dict[str, Any], detail: ErrorDetails) -> dict[str, Any]:
    """`raw` without the value that `detail` is about, or its whole list. A secret in plain text becomes a SecretStr."""
    path = _steps(detail)
    if detail["type"] == "missing":
        path = path[:-1]
    keys = list(itertools.takewhile(lambda step: isinstance(step, str), path))

    def strip(value: Any, rest: list[int | str]) -> Any:
        if not isinstance(value, dict) or rest[0] not in value:
            return value
        if len(rest) == 1 and detail["type"] == PLAIN_TEXT:
            return value | {rest[0]: SecretStr("")}
        if len(rest) == 1:
            return {key: item for key, item in value.items() if key != rest[0]}
        return value | {rest[0]: strip(value[rest[0]], rest[1:])}

    stripped: dict[str, Any] = strip(raw, keys)
    return stripped


def _steps(detail: ErrorDetails) -> list[int | str]:
    """The keys that lead to the value. pydantic adds `[key]` if a key of a mapping is wrong, and not its value."""
    is_unknown = detail["type"] == "extra_forbidden"
    return [step for step in detail["loc"] if step != "[key]" or is_unknown]


def _problem(detail: ErrorDetails, file: str | None, unresolved: tuple[type, ...]) -> Problem:
    steps = _steps(detail)
    key = raw_values.key_of(tuple(steps))
    field, siblings, holds_secrets = _declared(steps)
    context = detail.get("ctx") or {}
    if detail["type"] == "extra_forbidden":
        close = difflib.get_close_matches(str(steps[-1]), siblings, n=1)
        fix = f"did you mean {close[0]}?" if close else f"the known keys are {', '.join(siblings)}"
        return Problem(subject=key, limit="is not a known key", fix=fix)
    if detail["type"] == "missing":
        return Problem(subject=key, limit="is missing", fix=f"set it: {field}")
    if isinstance(detail["input"], unresolved):
        fix = "pass a value that is known before anything runs; in Python, pass a secret as a SecretStr"
        return Problem(subject=key, limit="is an Output, which has no value yet", fix=fix)
    if detail["type"] == PLAIN_TEXT or isinstance(detail["input"], SecretStr):
        return _secret_problem(detail, steps, file, is_section=holds_secrets)
    hidden = holds_secrets or isinstance(detail["input"], dict)
    subject = key if "[key]" in detail["loc"] else f"{key} = {'(not shown)' if hidden else _shown(detail['input'])}"
    if detail["type"] == "gix":
        return Problem(subject=subject, limit=context["limit"], fix=context["fix"])
    limit = detail["msg"][0].lower() + detail["msg"][1:]
    return Problem(subject=subject, limit=limit, fix=f"expected: {field}" if field else "see docs/configuration.md")


def _secret_problem(detail: ErrorDetails, steps: list[int | str], file: str | None, *, is_section: bool) -> Problem:
    """The problem of a secret in a key that takes none, or of a plain value in a key for secrets. It hides the value.

    `is_section` says that the key has keys for secrets in it. `file` is the name of the stack's file, or None for
    settings from code.
    """
    option = shlex.quote(stack_file.key_path([f"{NAMESPACE}:{steps[0]}", *steps[1:]]))
    if detail["type"] == PLAIN_TEXT:
        fix = f"set it with: pulumi config set --secret --path {option}" if file else f"pass it as {_SECRET_IN_CODE}"
        limit, fix = "is in plain text", f"replace the secret, because it was readable, and {fix}"
        return Problem(subject=raw_values.key_of(tuple(steps)), limit=limit, fix=fix)
    limit = "is a secret, but this key takes no secrets"
    if isinstance(detail["input"], Unstated):
        limit = (
            f"counts as a secret: {NAMESPACE}:{steps[0]} contains one, and this value is not in plain text in {file}"
        )
    if is_section:
        fix = "set its values one by one, with --secret only for secrets"
    elif file is None:
        fix = "pass the plain value"
    else:
        fix = f"set it in {file}: pulumi config set --plaintext --path {option} VALUE"
    return Problem(
        subject=raw_values.key_of(tuple(steps)), limit=limit, fix=f"{fix}; only {_KEYS_OF_SECRETS} take secrets"
    )


def _declared(steps: list[int | str]) -> tuple[str, list[str], bool]:
    """The description of the field at `steps`, the keys of its model, and whether it may contain secrets."""
    model: type[BaseModel] | None = StackSettings
    description, siblings, annotation = "", list(_fields(StackSettings)), None
    for step in steps:
        if model is None or isinstance(step, int):
            continue
        siblings = list(_fields(model))
        field = _fields(model).get(step)
        if field is None:
            continue
        description = field.description or ""
        annotation = field.annotation
        below = get_args(annotation)[1] if get_origin(annotation) is dict else annotation
        model = below if isinstance(below, type) and issubclass(below, BaseModel) else None
    return description, siblings, holds_secrets(annotation)


def _shown(value: object) -> str:
    try:
        text = json.dumps(value, default=str)
    except (ValueError, RecursionError):
        return f"({type(value).__name__})"
    return text if len(text) <= _LONGEST_VALUE else f"{text[:_LONGEST_VALUE]}..."
