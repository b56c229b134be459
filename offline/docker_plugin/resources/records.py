"""What the official plugin sends and records of nested inputs that the program leaves out."""

from collections.abc import Mapping
from typing import Final

from offline.docker_plugin.resources.base import in_order
from offline.docker_plugin.schema import Kind, Prop
from offline.docker_plugin.values import Props, Value

_NOT_TEXT: Final = frozenset({"readOnly", "noCopy", "mode", "sizeBytes"})


def completed(fields: Mapping[str, Prop], stated: Props, before: Props) -> Props:
    """Return every field: as stated, or else, where the engine chooses a value, as it was before.

    Args:
        fields: the inputs of the object.
        stated: the object as the program states it.
        before: the recorded object. Empty for a new one.

    """
    result = {}
    for name, prop in fields.items():
        value, old = stated.get(name), before.get(name)
        if prop.computed and value in (None, "", [], {}):
            result[name] = old
        elif prop.kind is Kind.OBJECT and isinstance(value, dict):
            result[name] = completed(prop.fields, value, old if isinstance(old, dict) else {})
        else:
            result[name] = in_order(prop, value)
    return result


def as_recorded(fields: Mapping[str, Prop], stated: Props, found: Props) -> Props:
    """Return what the official plugin records after a create or update, from what a read finds.

    Sets are as the program states them. A list or map that is neither stated nor found is null.
    """
    return {name: _recorded(prop, stated.get(name), found.get(name)) for name, prop in fields.items()}


def _recorded(prop: Prop, stated: Value, found: Value) -> Value:
    if stated is None:
        if prop.computed:
            return found
        if prop.kind is Kind.SET and prop.fields:
            return []
        return found if found or prop.kind not in (Kind.LIST, Kind.MAP, Kind.SET) else None
    if prop.kind is Kind.OBJECT and isinstance(stated, dict) and isinstance(found, dict):
        return as_recorded(prop.fields, stated, found)
    if prop.kind is Kind.SET:
        return in_order(prop, [element(prop.fields, item) if isinstance(item, dict) else item for item in stated])
    return found


def element(fields: Mapping[str, Prop], item: Props) -> Props:
    """Return every field of a stated element of a set as it is recorded. Missing texts and sets are empty."""
    result: Props = {}
    for name, prop in fields.items():
        value = item.get(name)
        if isinstance(value, dict) and prop.fields:
            value = element(prop.fields, value)
        elif value is None:
            value = [] if prop.kind is Kind.SET else None if prop.kind is not Kind.SCALAR or name in _NOT_TEXT else ""
        result[name] = in_order(prop, value)
    return result
