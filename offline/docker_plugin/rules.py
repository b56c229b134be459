"""Rules for values beyond their type. They are checked before an update deletes anything."""

import base64
from collections.abc import Callable
from pathlib import PurePosixPath

from offline.docker_plugin.durations import nanoseconds
from offline.docker_plugin.errors import PluginError
from offline.docker_plugin.values import Value


def one_of(*choices: str) -> Callable[[Value], str | None]:
    """Make a rule: the value is one of `choices`."""

    def rule(value: Value) -> str | None:
        return None if value in choices else f"must be one of {', '.join(choices)}"

    return rule


def duration(value: Value) -> str | None:
    """A duration in Go's form, such as 1m30s."""
    try:
        nanoseconds(str(value))
    except PluginError as error:
        return str(error)
    return None


def number(value: Value) -> str | None:
    """A number of at least 0."""
    try:
        return None if float(value) >= 0 else "must not be negative"
    except (TypeError, ValueError):
        return "must be a number"


def ratio(value: Value) -> str | None:
    """A number from 0 to 1, as text."""
    try:
        return None if 0 <= float(value) <= 1 else "must be from 0 to 1"
    except (TypeError, ValueError):
        return "must be a number from 0 to 1"


def base64_text(value: Value) -> str | None:
    """Text in base64. The value itself is not shown: it can be a secret."""
    try:
        base64.b64decode(str(value), validate=True)
    except ValueError:
        return "must be base64-encoded"
    return None


def absolute_path(value: Value) -> str | None:
    """An absolute path."""
    return None if PurePosixPath(str(value)).is_absolute() else "must be an absolute path"


def no_empty_words(value: Value) -> str | None:
    """A command without empty arguments."""
    return "values for command may not be empty" if "" in value else None
