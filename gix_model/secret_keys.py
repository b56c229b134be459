"""Which keys of the settings hold secrets."""

from collections.abc import Mapping
from typing import Any, get_args, get_origin

from pydantic import BaseModel, SecretStr

from gix_model.settings import StackSettings

KeyPath = tuple[str, ...]
"""The keys that lead to a value, without the namespace: `registry`, `password`."""


def holds_secrets(annotation: Any) -> bool:
    """Whether a value of this type is a secret, or has one in it."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return any(holds_secrets(field.annotation) for field in annotation.model_fields.values())
    return annotation is SecretStr or any(map(holds_secrets, get_args(annotation)))


def split(settings: Mapping[str, Any]) -> tuple[dict[str, Any], tuple[KeyPath, ...]]:
    """`settings`, as a stack file states them, without the values of keys for secrets; and the paths of those keys."""
    found: list[KeyPath] = []
    return _split(settings, StackSettings, (), found), tuple(found)


def _split(values: Mapping[str, Any], annotation: Any, path: KeyPath, found: list[KeyPath]) -> dict[str, Any]:
    kept = {}
    for key, value in values.items():
        below = _below(annotation, key)
        if not holds_secrets(below):
            kept[key] = value
        elif _has_keys(below) and isinstance(value, Mapping):
            kept[key] = _split(value, below, (*path, key), found)
        else:
            found.append((*path, key))
    return kept


def _below(annotation: Any, key: str) -> Any:
    """The type of the value at a key; None if there is no such key."""
    if get_origin(annotation) is dict:
        return get_args(annotation)[1]
    fields = {field.alias: field.annotation for field in annotation.model_fields.values()}
    return fields.get(key)


def _has_keys(annotation: Any) -> bool:
    return get_origin(annotation) is dict or (isinstance(annotation, type) and issubclass(annotation, BaseModel))
