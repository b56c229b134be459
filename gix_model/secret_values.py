"""Finds the secrets of a stack's configuration, and replaces each by a SecretStr.

Pulumi tells a program which keys hold a secret, but not where: `gix:router` counts as secret as a whole if one of its
variables is. The stack file says it for each value: `secure: v1:...` is an encrypted value.
"""

import itertools
import json
from collections.abc import Mapping
from typing import Any

from pydantic import SecretStr

from gix_model import yaml_text

_ENCRYPTED = "secure"


class Unstated(SecretStr):
    """A value of a key that holds a secret, if the stack file does not show the same value: it may be the secret.

    This is so if the configuration comes from elsewhere: `--config-file`, or an environment of Pulumi ESC.
    """


def with_secrets(value: Any, stated: Any) -> Any:
    """`value`, of a key that holds a secret, with a SecretStr in place of each value that may be one.

    A value is not secret if the file, which has `stated` for the key, shows the same value in plain text. An object
    that is encrypted as a whole becomes one SecretStr: its keys are secret, too.
    """
    if isinstance(value, dict | list) and (is_encrypted(stated) or not isinstance(stated, Mapping | list)):
        return _secret(value, stated)
    return _inside(value, stated)


def with_encrypted(value: Any) -> Any:
    """`value`, as a stack file states it, with a SecretStr of the encrypted text in place of each encrypted value."""
    if is_encrypted(value):
        return SecretStr(value[_ENCRYPTED])
    if isinstance(value, Mapping):
        return {key: with_encrypted(item) for key, item in value.items()}
    return [with_encrypted(item) for item in value] if isinstance(value, list) else value


def is_encrypted(stated: Any) -> bool:
    """Whether a value of a stack file is an encrypted one."""
    return isinstance(stated, Mapping) and list(stated) == [_ENCRYPTED] and isinstance(stated[_ENCRYPTED], str)


def encrypted_text(stated: Mapping[str, str]) -> str:
    """The encrypted text of a value that is_encrypted accepts."""
    return str(stated[_ENCRYPTED])


def is_same(value: Any, stated: Any) -> bool:
    """Whether a text or number is the one that a stack file states as the text `stated`."""
    if not isinstance(stated, str):
        return False
    return bool(value == stated or (not isinstance(value, str) and value in yaml_text.meanings(stated)))


def _inside(value: Any, stated: Any) -> Any:
    if isinstance(value, dict):
        below = stated if isinstance(stated, Mapping) else {}
        return {key: _inside(item, below.get(key)) for key, item in value.items()}
    if isinstance(value, list):
        items = stated if isinstance(stated, list) else []
        return [_inside(item, beside) for item, beside in itertools.zip_longest(value, items[: len(value)])]
    return value if value is None or is_same(value, stated) else _secret(value, stated)


def _secret(value: Any, stated: Any) -> SecretStr:
    kind = SecretStr if is_encrypted(stated) else Unstated
    return kind(value if isinstance(value, str) else json.dumps(value))
