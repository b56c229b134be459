"""Pulumi's property values as plain Python values, and back."""

from collections.abc import Collection, Iterator, Mapping, Sequence
from typing import Any, Final, TypeAlias

from pulumi.provider.experimental.property_value import PropertyValue
from pulumi.runtime import rpc

Value: TypeAlias = Any
"""str, bool, int, float, None, lists and dicts of these, and UNKNOWN."""

Props = dict[str, Value]
"""A resource's inputs or outputs."""

UNKNOWN: Final = rpc.UNKNOWN
"""The SDK's string for a value that is unknown until the update."""

DEFAULTS: Final = "__defaults"
"""The key under which an object lists the inputs that Check filled in."""

BRIDGE_KEYS: Final = ("__meta", "__pulumi_raw_state_delta")
"""Outputs in which the official plugin describes the form of a resource's state."""

SECRET_OUTPUTS: Final = ("__inputs",)
"""Outputs that are always secret."""


def to_plain(properties: Mapping[str, PropertyValue]) -> Props:
    """Convert property values to plain ones, without secrecy and dependencies. Whole numbers become int."""
    return {key: _plain(value) for key, value in properties.items()}


def to_properties(
    props: Props, *, like: Mapping[str, PropertyValue], secret: Collection[str] = ()
) -> dict[str, PropertyValue]:
    """Wrap plain values, and mark secrets as the Pulumi engine does for a plugin that does not support them.

    Args:
        props: the values.
        like: the properties that mark the secrets. A list with a secret becomes secret as a whole, a map does not.
        secret: names of values that are always secret.

    """
    wrapped = {key: _wrap_like(value, like.get(key)) for key, value in props.items()}
    return {key: value.with_secret(value.is_secret or key in secret) for key, value in wrapped.items()}


def secret_strings(value: PropertyValue) -> Iterator[str]:
    """Yield every secret string inside `value`."""
    if value.is_secret:
        yield from _strings(_plain(value))
    elif isinstance(value.value, Mapping):
        for item in value.value.values():
            yield from secret_strings(item)
    elif isinstance(value.value, Sequence) and not isinstance(value.value, str):
        for item in value.value:
            yield from secret_strings(item)


def has_unknown(value: Value) -> bool:
    """Return whether a value, or a value inside it, is unknown until the update."""
    if isinstance(value, dict):
        return any(has_unknown(item) for item in value.values())
    if isinstance(value, list):
        return any(has_unknown(item) for item in value)
    return bool(value == UNKNOWN)


def is_zero(value: Value) -> bool:
    """Return whether a value means the same as none: None, "", 0, False, [], {}."""
    return not value


def _strings(value: Value) -> Iterator[str]:
    if isinstance(value, dict):
        for item in value.values():
            yield from _strings(item)
    elif isinstance(value, list):
        for item in value:
            yield from _strings(item)
    elif isinstance(value, str):
        yield value


def _plain(value: PropertyValue) -> Value:
    raw = value.value
    if isinstance(raw, Mapping):
        return {key: _plain(item) for key, item in raw.items()}
    if isinstance(raw, float):
        return int(raw) if raw.is_integer() else raw
    if raw is None or isinstance(raw, bool):
        return raw
    if isinstance(raw, str):
        return raw
    if isinstance(raw, Sequence):
        return [_plain(item) for item in raw if isinstance(item, PropertyValue)]
    raise TypeError(f"a {type(raw).__name__} is not a value that a docker resource takes")


def _wrap(value: Value) -> PropertyValue:
    if isinstance(value, dict):
        return PropertyValue({key: _wrap(item) for key, item in value.items()})
    if isinstance(value, list):
        return PropertyValue([_wrap(item) for item in value])
    if isinstance(value, int) and not isinstance(value, bool):
        return PropertyValue(float(value))
    return PropertyValue(value)


def _wrap_like(value: Value, original: PropertyValue | None) -> PropertyValue:
    if original is None:
        return _wrap(value)
    inner = original.value
    if isinstance(value, dict) and isinstance(inner, Mapping) and not original.is_secret:
        return PropertyValue({key: _wrap_like(item, inner.get(key)) for key, item in value.items()})
    return _wrap(value).with_secret(original.contains_secret())
