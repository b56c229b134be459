"""Finds the secrets of a stack's configuration, and replaces each by a SecretStr.

Pulumi tells a program which keys hold a secret, but not where: `gix:router` counts as secret as a whole when one of
its variables is. The stack's file says it for each value: `secure: v1:...` stands where a secret is.
"""

import itertools
import json
import re
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import yaml
from pydantic import SecretStr

_SEALED = "secure"


class Unstated(SecretStr):
    """A value of a key that holds a secret, where the stack's file does not show the same value: it may be the secret.

    This is so when the configuration comes from elsewhere: `--config-file`, or an environment of Pulumi ESC.
    """


class _Texts(yaml.SafeLoader):
    """Reads every scalar as text: the Pulumi CLI and PyYAML differ in what they read as a number or a boolean."""

    yaml_implicit_resolvers = {"<": yaml.SafeLoader.yaml_implicit_resolvers["<"]}  # noqa: RUF012 - as in the base class


def name(stack: str) -> str:
    """The name of a stack's file."""
    return f"Pulumi.{stack}.yaml"


def read(directory: Path, stack: str) -> dict[str, Any]:
    """The `config` of the stack's file, its values as text; empty where the file can't be read.

    `directory` is the program's. The file is in it, or in the nearest one above that has a Pulumi.yaml.
    """
    projects = (each for each in (directory, *directory.parents) if (each / "Pulumi.yaml").exists())
    try:
        content = yaml.load((next(projects, directory) / name(stack)).read_text(), _Texts)  # noqa: S506 - it is a SafeLoader
    except (OSError, ValueError, RecursionError, yaml.YAMLError):
        return {}
    config = content.get("config") if isinstance(content, dict) else None
    return config if isinstance(config, dict) else {}


def key_path(steps: Iterable[str | int]) -> str:
    """A path as `pulumi config set --path` takes it: gix:router.labels["a.b"]."""
    first, *rest = steps
    return str(first) + "".join(
        f"[{step}]" if isinstance(step, int) else f".{step}" if re.fullmatch(r"\w+", step) else f"[{json.dumps(step)}]"
        for step in rest
    )


def with_secrets(value: Any, stated: Any) -> Any:
    """`value`, of a key that holds a secret, with a SecretStr in place of each value that may be one.

    A value is none where the file, which has `stated` for the key, shows the same one in plain text. An object that is
    sealed as a whole becomes one SecretStr: its keys are secret, too.
    """
    if isinstance(value, dict | list) and (_is_sealed(stated) or not isinstance(stated, Mapping | list)):
        return _secret(value, stated)
    return _inside(value, stated)


def _inside(value: Any, stated: Any) -> Any:
    if isinstance(value, dict):
        below = stated if isinstance(stated, Mapping) else {}
        return {key: _inside(item, below.get(key)) for key, item in value.items()}
    if isinstance(value, list):
        items = stated if isinstance(stated, list) else []
        return [_inside(item, beside) for item, beside in itertools.zip_longest(value, items[: len(value)])]
    return value if value is None or _is_same(value, stated) else _secret(value, stated)


def _secret(value: Any, stated: Any) -> SecretStr:
    kind = SecretStr if _is_sealed(stated) else Unstated
    return kind(value if isinstance(value, str) else json.dumps(value))


def _is_sealed(stated: Any) -> bool:
    return isinstance(stated, Mapping) and list(stated) == [_SEALED] and isinstance(stated[_SEALED], str)


def _is_same(value: Any, stated: Any) -> bool:
    if not isinstance(stated, str):
        return False
    try:
        return value == stated or (not isinstance(value, str) and bool(yaml.safe_load(stated) == value))
    except (ValueError, yaml.YAMLError):
        return False
