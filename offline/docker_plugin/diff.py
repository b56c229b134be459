"""The differences between the state and the program, property by property."""

import re
from collections.abc import Collection, Iterator, Mapping
from typing import Final

from pulumi.provider.experimental.provider import PropertyDiffKind

from offline.docker_plugin.schema import Kind, Prop, ResourceSchema
from offline.docker_plugin.values import DEFAULTS, UNKNOWN, Props, Value, is_zero

Changes = dict[str, PropertyDiffKind]
"""A property path, such as `envs[0]`, and what happens to it."""

REPLACING: Final = frozenset(
    {PropertyDiffKind.ADD_REPLACE, PropertyDiffKind.DELETE_REPLACE, PropertyDiffKind.UPDATE_REPLACE}
)

_WITH_REPLACE: Final = {
    PropertyDiffKind.ADD: PropertyDiffKind.ADD_REPLACE,
    PropertyDiffKind.DELETE: PropertyDiffKind.DELETE_REPLACE,
    PropertyDiffKind.UPDATE: PropertyDiffKind.UPDATE_REPLACE,
}


def changes(schema: ResourceSchema, old: Props, new: Props, *, ignored: Collection[str] = ()) -> Changes:
    """Compare the recorded outputs with the program's inputs.

    The outputs are compared, not the previous inputs, because only they have the drift that a refresh found.

    Args:
        schema: the resource type.
        old: the recorded outputs.
        new: the inputs after Check.
        ignored: property paths whose changes do not count, and neither do changes below them.

    """
    return {
        path: kind
        for name, prop in schema.inputs.items()
        for path, kind in _compare(prop, name, old.get(name), new.get(name), replace=False)
        if not any(path == each or path.startswith((f"{each}.", f"{each}[")) for each in ignored)
    }


def replaced_properties(found: Changes) -> list[str]:
    """Return the top-level properties whose change replaces the resource."""
    return sorted({top_level(path) for path, kind in found.items() if kind in REPLACING})


def same(prop: Prop, old: Value, new: Value) -> bool:
    """Return whether `new` asks for the same as `old`."""
    if _unstated(new) and prop.computed:
        return True
    if is_zero(old) and is_zero(new):
        return True
    if isinstance(old, dict) and isinstance(new, dict):
        return all(same(sub, old.get(key), new.get(key)) for key, sub in _fields(prop, old, new).items())
    if isinstance(old, list) and isinstance(new, list):
        return not any(_element_differences(prop, old, new))
    return bool(old == new) and new != UNKNOWN


def top_level(path: str) -> str:
    """Cut a property path after its first name."""
    return re.split(r"[.\[]", path, maxsplit=1)[0]


def _compare(
    prop: Prop,
    path: str,
    old: Value,
    new: Value,
    *,
    replace: bool,
) -> Iterator[tuple[str, PropertyDiffKind]]:
    if same(prop, old, new):
        return
    replace = replace or prop.force_new
    if _unstated(new):
        yield path, _kind(PropertyDiffKind.DELETE, replace=replace)
    elif _unstated(old):
        yield path, _kind(PropertyDiffKind.ADD, replace=replace)
    elif isinstance(old, dict) and isinstance(new, dict):
        for key, sub in _fields(prop, old, new).items():
            yield from _compare(sub, _join(path, key), old.get(key), new.get(key), replace=replace)
    elif isinstance(old, list) and isinstance(new, list):
        yield from _compare_elements(prop, path, old, new, replace=replace)
    else:
        yield path, _kind(PropertyDiffKind.UPDATE, replace=replace)


def _compare_elements(
    prop: Prop, path: str, old: list[Value], new: list[Value], *, replace: bool
) -> Iterator[tuple[str, PropertyDiffKind]]:
    gone, added = _element_differences(prop, old, new)
    for index in sorted(gone | added):
        if index in gone and index in added:
            kind = PropertyDiffKind.UPDATE
        else:
            kind = PropertyDiffKind.ADD if index in added else PropertyDiffKind.DELETE
        yield f"{path}[{index}]", _kind(kind, replace=replace)


def _element_differences(prop: Prop, old: list[Value], new: list[Value]) -> tuple[set[int], set[int]]:
    """Return the indices in `old` of the removed elements, and in `new` of the added ones."""
    if prop.kind is Kind.SET:
        return _set_differences(prop, old, new)
    pairs = enumerate(zip(old, new, strict=False))
    differing = {index for index, pair in pairs if not _same_element(prop, *pair)}
    return differing | set(range(len(new), len(old))), differing | set(range(len(old), len(new)))


def _set_differences(prop: Prop, old: list[Value], new: list[Value]) -> tuple[set[int], set[int]]:
    gone = {index for index, item in enumerate(old) if not any(_same_element(prop, item, other) for other in new)}
    added = {index for index, item in enumerate(new) if not any(_same_element(prop, other, item) for other in old)}
    return gone, added


def _same_element(prop: Prop, old: Value, new: Value) -> bool:
    return same(Prop(kind=Kind.OBJECT if prop.fields else Kind.SCALAR, fields=prop.fields), old, new)


def _fields(prop: Prop, old: Props, new: Props) -> Mapping[str, Prop]:
    if prop.fields:
        return prop.fields
    return {key: Prop() for key in sorted({*old, *new} - {DEFAULTS})}


def _unstated(value: Value) -> bool:
    return value is None or value in ("", [], {})


def _kind(kind: PropertyDiffKind, *, replace: bool) -> PropertyDiffKind:
    return _WITH_REPLACE[kind] if replace else kind


def _join(path: str, key: str) -> str:
    return f"{path}.{key}" if re.fullmatch(r"\w+", key) else f'{path}["{key}"]'
