"""The inputs of a resource as named, readable fields, which `plan` and `verify` share.

An input without an effect (no ports, no limit, an option that is off) has no field, so that it equals one that is left
out. Secrets are compared like any other value and are never shown.
"""

import json
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from gix_model import input_texts
from gix_model.container_inputs import INPUTS
from gix_model.input_texts import EMPTY, Texts

UNKNOWN = "04da6b54-80e4-46f7-96ec-b56ff0331ba9"
"""Pulumi's marker of an unknown value in a preview. A copy: the SDK takes a third of a second to load."""

SECRET = "(secret)"  # noqa: S105 - a placeholder

SIGNATURE = "4dabf18193072939515e22adb298388d"
"""The key by which Pulumi marks a special value. In inputs, this is always a secret."""
_HIDDEN = "[secret]"
"""Pulumi's placeholder for a secret in a preview."""


@dataclass(frozen=True)
class Value:
    """The value of a field. If it is a secret that cannot be read, `text` is empty."""

    text: str = field(repr=False)
    secret: bool = field(default=False, compare=False)

    def __str__(self) -> str:
        return SECRET if self.secret else self.text


Fields = dict[str, dict[str, Value]]
"""By input: its fields, by name."""


@dataclass(frozen=True)
class Sealed:
    """A secret; `value` is None if it cannot be read."""

    value: Any = field(repr=False)


def read(inputs: Mapping[str, Any]) -> Fields:
    """The fields of the inputs or outputs of a resource in a preview or an exported state."""
    return {
        name: dict(_read(name, opened(value), inputs))
        for name, value in inputs.items()
        if not name.startswith("__") and value is not None
    }


def flat(fields: Fields) -> dict[str, Value]:
    """All fields by name."""
    return {name: value for values in fields.values() for name, value in values.items()}


def opened(value: Any) -> Any:
    """`value` with a Sealed for each secret, at every depth."""
    if value == _HIDDEN:
        return Sealed(None)
    if isinstance(value, list):
        return [opened(item) for item in value]
    if isinstance(value, Mapping):
        if SIGNATURE in value:
            return Sealed(json.loads(value["plaintext"]) if "plaintext" in value else None)
        return {key: opened(item) for key, item in value.items() if not key.startswith("__")}
    return value


def is_sealed(value: Any) -> bool:
    """Whether an input is or contains a secret."""
    return _has_sealed(opened(value))


def secrets(value: Any) -> Iterator[str]:
    """The secret texts in a result of `opened`."""
    match value:
        case Sealed(value=str(text)):
            yield text
        case dict():
            yield from (text for item in value.values() for text in secrets(item))
        case list():
            yield from (text for item in value for text in secrets(item))


def short(text: str) -> str:
    """`text` with short digests and ids, and readable text for unknown values."""
    return re.sub(r"\b([0-9a-f]{12})[0-9a-f]{52}\b", r"\1", text).replace(UNKNOWN, "(known after the update)")


def words_for(name: str) -> str:
    """The name of an input in texts."""
    row = INPUTS.get(name)
    return _TITLES.get(name) or (row and row.title) or input_texts.words(name)


def _read(name: str, value: Any, inputs: Mapping[str, Any]) -> Iterator[tuple[str, Value]]:
    if name == "envs" and (variables := _one_by_one(value)) is not None:
        yield from _variables(variables)
        return
    if _has_sealed(value):
        yield words_for(name), Value("", secret=True)
        return
    for title, text in _texts(name, value, inputs):
        if text:
            yield title, Value(text)


def _has_sealed(value: object) -> bool:
    if isinstance(value, list):
        return any(map(_has_sealed, value))
    if isinstance(value, dict):
        return any(map(_has_sealed, value.values()))
    return isinstance(value, Sealed)


def _one_by_one(variables: Any) -> list[Any] | None:
    """The variables one by one; None if they cannot be read. With one secret, the whole list is marked as secret."""
    if not isinstance(variables, Sealed):
        return list(variables)
    return None if variables.value is None else [Sealed(item) for item in variables.value]


def _variables(items: list[Any]) -> Iterator[tuple[str, Value]]:
    unread = 0
    for item in items:
        secret = isinstance(item, Sealed)
        text = item.value if isinstance(item, Sealed) else item
        if text is None:
            unread += 1
            yield f"secret variable {unread}", Value("", secret=True)
        else:
            name, _, value = str(text).partition("=")
            yield f"variable {name}", Value(value or EMPTY, secret=secret)


def _texts(name: str, value: Any, inputs: Mapping[str, Any]) -> Texts:
    if name in ("restart", "maxRetryCount"):
        # One field shows both, as the configuration has one key for them.
        retries = inputs.get("maxRetryCount")
        return iter([("restart", (inputs.get("restart") or "no") + (f":{retries}" if retries else ""))])
    if name in _READERS:
        return _READERS[name](value)
    if name in INPUTS:
        return INPUTS[name].read(value)
    return iter([(words_for(name), input_texts.plain(value))])


_TITLES = {"imageName": "tag", "registryAuth": "registry log-in", "host": "engine"}
"""What texts call inputs of other resources than containers, where the words of the name are not clear."""
_READERS: dict[str, Callable[[Any], Texts]] = {
    "build": input_texts.build_fields,
    "ipamConfigs": input_texts.subnet_fields,
}
"""The fields of inputs of other resources than containers that have several."""
