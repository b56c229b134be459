"""The inputs of a resource type as data, and the checks and defaults that follow from them."""

import hashlib
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from enum import Enum, auto
from typing import Final

from offline.docker_plugin.values import DEFAULTS, Props, Value, has_unknown, is_zero

_SUFFIX_LENGTH: Final = 7


class Kind(Enum):
    """How a value is compared."""

    SCALAR = auto()
    LIST = auto()
    SET = auto()
    """The order does not matter."""
    MAP = auto()
    OBJECT = auto()


Rule = Callable[[Value], str | None]


@dataclass(frozen=True, kw_only=True)
class Prop:
    """One input.

    Attributes:
        kind: how its values are compared.
        force_new: whether a change replaces the resource.
        computed: whether the engine chooses a value if the program states none, so removing the input is no change.
        default: filled in by Check. As in the official plugin, only values other than false, 0 and "" are recorded.
        fields: the inputs inside an object, or inside each element of a set.
        required: whether the program must state it.
        supported: whether this plugin implements it.
        rule: returns what is wrong with a value, or None.
        secret: whether its value is always a secret in the state.

    """

    kind: Kind = Kind.SCALAR
    force_new: bool = False
    computed: bool = False
    default: Value = None
    fields: Mapping[str, "Prop"] = field(default_factory=dict)
    required: bool = False
    supported: bool = True
    rule: Rule | None = None
    secret: bool = False


@dataclass(frozen=True, kw_only=True)
class ResourceSchema:
    """One resource type.

    Attributes:
        inputs: the inputs that a program can state.
        outputs: the outputs that only the engine knows.
        delete_first: whether a replacement always deletes the old object first. With a stated name it always does.
        named: whether a missing name is generated from the resource's name in the program.
        form: the official plugin's name for the form of the state. Without it, that plugin converts the state as if it
            were of an early version.

    """

    inputs: Mapping[str, Prop]
    outputs: tuple[str, ...] = ()
    delete_first: bool = False
    named: bool = True
    form: str | None = None


@dataclass(frozen=True)
class Problem:
    """An invalid input, and the reason."""

    path: str
    reason: str


def problems(schema: ResourceSchema, stated: Props) -> list[Problem]:
    """Return every input that is missing, unknown, not implemented or has an invalid value."""
    return list(_problems(schema.inputs, stated, prefix=""))


def with_defaults(
    schema: ResourceSchema, stated: Props, *, before: Props, resource_name: str, random_seed: bytes
) -> Props:
    """Fill in what the program left out, and list it under `__defaults`.

    Args:
        schema: the resource type.
        stated: what the program states.
        before: the inputs of the previous update. A generated name is kept.
        resource_name: the resource's name in the program.
        random_seed: makes a generated name unique.

    """
    inputs = _filled(schema.inputs, stated)
    if schema.named and "name" not in inputs:
        kept = before.get("name") if "name" in before.get(DEFAULTS, []) else None
        inputs["name"] = kept or f"{resource_name}-{hashlib.sha256(random_seed).hexdigest()[:_SUFFIX_LENGTH]}"
        inputs[DEFAULTS] = sorted([*inputs[DEFAULTS], "name"])
    return inputs


def _problems(fields: Mapping[str, Prop], stated: Props, *, prefix: str) -> Iterator[Problem]:
    for name, prop in fields.items():
        if prop.required and stated.get(name) is None:
            yield Problem(prefix + name, "is required and not stated")
    for name, value in stated.items():
        if name == DEFAULTS or value is None:
            continue
        if name in fields:
            yield from _value_problems(fields[name], value, path=prefix + name)
        else:
            yield Problem(prefix + name, "is not an input of this resource")


def _value_problems(prop: Prop, value: Value, *, path: str) -> Iterator[Problem]:
    if not prop.supported:
        if not is_zero(value):
            yield Problem(
                path, "is not implemented by the offline docker plugin: leave it out, or use the official one"
            )
    elif prop.rule and not has_unknown(value):
        reason = prop.rule(value)
        if reason:
            yield Problem(path, reason if prop.secret else f"is {value!r}: {reason}")
    elif prop.fields:
        elements = [(f"{path}[{index}].", item) for index, item in enumerate(value)] if isinstance(value, list) else []
        for prefix, item in elements or [(f"{path}.", value)]:
            if isinstance(item, dict):
                yield from _problems(prop.fields, item, prefix=prefix)


def _filled(fields: Mapping[str, Prop], stated: Props) -> Props:
    result: Props = {
        name: _filled_value(fields.get(name), value) for name, value in stated.items() if value is not None
    }
    defaults = {name: prop.default for name, prop in fields.items() if not is_zero(prop.default) and name not in result}
    return {**result, **defaults, DEFAULTS: sorted(defaults)}


def _filled_value(prop: Prop | None, value: Value) -> Value:
    if prop is None or not prop.fields:
        return value
    if isinstance(value, dict):
        return _filled(prop.fields, value)
    if isinstance(value, list):
        return [_filled(prop.fields, item) if isinstance(item, dict) else item for item in value]
    return value
