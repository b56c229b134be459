"""The file of a stack, `Pulumi.<stack>.yaml`: read, changed and written, with all that was not changed as it was."""

import json
import re
from collections.abc import Collection, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, Self

from pydantic import BaseModel
from ruamel.yaml.comments import CommentedMap, CommentedSeq

from gix_model import yaml_text
from gix_model.raw_values import NAMESPACE
from gix_model.secret_values import encrypted_text, is_encrypted, is_same
from gix_model.settings import StackSettings

_CONFIG = "config"
_UNSTATED: dict[str, Any] = {
    str(field.alias): {} if isinstance(field.default, BaseModel) else field.default
    for field in StackSettings.model_fields.values()
}
"""What Pulumi takes for a section that the file does not have: the defaults in Pulumi.yaml."""
_ENCRYPTION = ("secretsprovider", "encryptedkey", "encryptionsalt")


class StackFileError(ValueError):
    """A stack file is missing, or cannot be read or changed; the text says why."""


class StackFile:
    """The file of one stack. Values are text as the file has it: `8080`, `on`. Changes are not written until `write`.

    Comments, the order of keys, quotes and encrypted values stay. Indentation becomes Pulumi's own.
    """

    def __init__(self, path: Path, content: CommentedMap) -> None:
        self.path = path
        self._content = content

    @classmethod
    def read(cls, directory: Path, stack: str) -> Self:
        """Read the file of `stack` in the program's directory.

        Raises StackFileError if there is no such file, or if it is not a stack file.
        """
        path = directory / name(stack)
        try:
            content = yaml_text.load(path.read_text())
            _plain(content)  # raises RecursionError if a value contains itself
        except OSError:
            raise StackFileError(f"there is no {path.name} in {directory}") from None
        except yaml_text.ERRORS as error:
            raise StackFileError(f"{path.name} is not a stack file: {error}") from None
        content = CommentedMap() if content is None else content
        if not isinstance(content, CommentedMap):
            raise StackFileError(f"{path.name} is not a stack file: it has no keys")
        if not isinstance(content.get(_CONFIG, ""), CommentedMap) and content.get(_CONFIG):
            raise StackFileError(f"{path.name} is not a stack file: its config has no keys")
        return cls(path, content)

    @property
    def config(self) -> dict[str, Any]:
        """The configuration by Pulumi's keys, values as text."""
        config: dict[str, Any] = _plain(self._content.get(_CONFIG) or {})
        return config

    @property
    def encryption(self) -> dict[str, str]:
        """The keys of the file that say how its secrets are encrypted; empty if none is."""
        return {key: str(self._content[key]) for key in _ENCRYPTION if key in self._content}

    @encryption.setter
    def encryption(self, keys: Mapping[str, str]) -> None:
        for key in _ENCRYPTION:
            self._content.pop(key, None)
        self._content.update(keys)

    def update(self, settings: StackSettings) -> None:
        """Set the keys that `settings` state explicitly, and leave all others.

        A key whose value is None or an empty mapping is left, too.
        Raises StackFileError if the file has a text or list where a key has keys of its own.
        """
        stated = _without_none(settings.model_dump(by_alias=True, exclude_unset=True))
        self._merge(self._section(), {f"{NAMESPACE}:{key}": value for key, value in stated.items()})

    def replace(self, settings: Mapping[str, Any], *, keep: Collection[str] = ()) -> None:
        """State `settings`, which are by key without the namespace: `images`, `router`. Other keys are removed.

        Encrypted values stay, and so do the sections `keep`.
        """
        section = self._section()
        for key, default in _UNSTATED.items():
            value, stated = settings.get(key, default), f"{NAMESPACE}:{key}"
            if key not in keep and (stated in section or value != default):
                self._replace(section, stated, _without_none(value) if isinstance(value, Mapping) else value)

    def keys(self, *path: str) -> tuple[str, ...]:
        """The keys that the file states below a key, for example below `images`, `digests`.

        Raises KeyError if the settings have no such key.
        """
        return tuple(self._mapping(path))

    def remove(self, *path: str) -> None:
        """Remove a key, for example `images`, `push`, if it is there.

        Raises KeyError if the settings have no such key.
        """
        _check_path(path)
        *above, last = path
        section, key = self._mapping(above), last if above else f"{NAMESPACE}:{last}"
        if key in section:
            yaml_text.remove(section, key)

    def copy_for(self, stack: str) -> Self:
        """The same file for another stack, not written yet. It has the encryption of that stack's file, if any.

        Raises StackFileError if that stack has a file that is not valid.
        """
        path = self.path.with_name(name(stack))
        copied = type(self)(path, yaml_text.load(yaml_text.dump(self._content)))
        copied.encryption = type(self).read(path.parent, stack).encryption if path.exists() else {}
        return copied

    def take_secrets(self) -> dict[str, str]:
        """Remove all encrypted values. Returns their encrypted texts by key, as `pulumi config set --path` takes it."""
        taken: dict[str, str] = {}

        def take(section: CommentedMap, *path: str) -> None:
            for key in list(section):
                value = section[key]
                if is_encrypted(value):
                    taken[key_path((*path, key))] = encrypted_text(value)
                    del section[key]
                elif isinstance(value, CommentedMap):
                    take(value, *path, key)

        # A copy has no aliases, so that each value is met at each of its keys.
        self._content[_CONFIG] = _copy(self._section())
        take(self._content[_CONFIG])
        return taken

    def write(self) -> None:
        """Write the file."""
        self.path.write_text(yaml_text.dump(self._content))

    def _section(self) -> CommentedMap:
        if not self._content.get(_CONFIG):
            # An empty mapping is written as {}, and would stay in that style.
            self._content[_CONFIG] = CommentedMap()
        section: CommentedMap = self._content[_CONFIG]
        return section

    def _mapping(self, path: Sequence[str]) -> CommentedMap:
        """What the file has at `path` if that is a mapping, else an empty one."""
        _check_path(path)
        section: Any = self._section()
        for key in (f"{NAMESPACE}:{key}" if index == 0 else key for index, key in enumerate(path)):
            section = section.get(key) if isinstance(section, CommentedMap) else None
        return section if isinstance(section, CommentedMap) else CommentedMap()

    def _replace(self, section: CommentedMap, key: str, value: Any) -> None:
        below = section.get(key)
        if not isinstance(value, Mapping) or not isinstance(below, CommentedMap):
            if not (is_same(value, below) or value == _plain(below)):
                _set(section, key, value)
            return
        if below.anchor.value is not None:
            below = section[key] = _copy(below)
        for each in [each for each in below if each not in value]:
            if not _has_encrypted(below[each]):
                yaml_text.remove(below, each)
            elif not is_encrypted(below[each]):
                self._replace(below, each, {})
        for each, inside in value.items():
            self._replace(below, each, inside)

    def _merge(self, section: CommentedMap, values: Mapping[str, Any], *path: str) -> None:
        for key, value in values.items():
            below = section.get(key)
            if not (below and isinstance(value, Mapping)):
                _set(section, key, value)
                continue
            if not isinstance(below, CommentedMap):
                where = key_path((*path, key))
                raise StackFileError(f"{self.path.name}: {where} has no keys; write {', '.join(value)} as keys of it")
            if below.anchor.value is not None:
                # Other keys of the file may be aliases of an anchored mapping, and must not change.
                below = section[key] = _copy(below)
            self._merge(below, value, *path, key)


def name(stack: str) -> str:
    """The name of a stack's file."""
    return f"Pulumi.{stack}.yaml"


def read(directory: Path, stack: str) -> dict[str, Any]:
    """The configuration that the stack's file states, values as text; empty if the file cannot be read.

    `directory` is the program's. The file is in it, or in the nearest directory above that has a Pulumi.yaml.
    """
    projects = (each for each in (directory, *directory.parents) if (each / "Pulumi.yaml").exists())
    try:
        return StackFile.read(next(projects, directory), stack).config
    except StackFileError:
        return {}


def key_path(steps: Iterable[str | int]) -> str:
    """A path as `pulumi config set --path` takes it: gix:router.labels["a.b"]."""
    first, *rest = steps
    return str(first) + "".join(
        f"[{step}]" if isinstance(step, int) else f".{step}" if re.fullmatch(r"\w+", step) else f"[{json.dumps(step)}]"
        for step in rest
    )


def _check_path(path: Iterable[str]) -> None:
    model: Any = StackSettings
    for key in path:
        fields = {field.alias: field.annotation for field in model.model_fields.values()}
        model = fields[key]
        if not (isinstance(model, type) and issubclass(model, BaseModel)):
            return


def _without_none(values: Mapping[str, Any]) -> dict[str, Any]:
    """`values` without None, at any depth, and without the mappings that have nothing else."""
    kept = {key: _without_none(value) if isinstance(value, Mapping) else value for key, value in values.items()}
    return {key: value for key, value in kept.items() if value is not None and value != {}}


def _plain(value: Any) -> Any:
    """A value of the document without comments and quotes."""
    if isinstance(value, Mapping):
        return {str(key): _plain(item) for key, item in value.items()}
    return [_plain(item) for item in value] if isinstance(value, list) else "" if value is None else str(value)


def _set(section: CommentedMap, key: str, value: Any) -> None:
    if key in section:
        section[key] = _commented(value)
    else:
        yaml_text.append(section, key, _commented(value))


def _has_encrypted(value: Any) -> bool:
    return is_encrypted(value) or (isinstance(value, Mapping) and any(map(_has_encrypted, value.values())))


def _copy(value: Any) -> Any:
    """A copy of a value of the document, without comments and aliases."""
    if isinstance(value, Mapping):
        return CommentedMap({key: _copy(item) for key, item in value.items()})
    return CommentedSeq([_copy(item) for item in value]) if isinstance(value, list) else value


def _commented(value: Any) -> Any:
    """A value as the document keeps it."""
    if isinstance(value, Mapping):
        return CommentedMap({key: _commented(item) for key, item in value.items()})
    if isinstance(value, list):
        return CommentedSeq([_commented(item) for item in value])
    return yaml_text.scalar(value)
