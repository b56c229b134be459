"""Writes what is derived from the settings' models: docs/configuration.md, Pulumi.yaml's `config` and arguments.py.

`python -m generators.reference` brings the files up to date; a test fails where they are not.
"""

import json
from collections.abc import Iterator
from enum import StrEnum
from typing import Annotated, Any, Literal, get_args, get_origin

import yaml
from pydantic import BaseModel, SecretStr
from pydantic.fields import FieldInfo

from gix_model.settings import ServiceDefaults, ServiceSettings, StackSettings

_SCALARS = {str: "string", bool: "boolean", int: "integer", float: "number", SecretStr: "secret"}
_CONFIG_BEGINS = "config:\n"

_INTRODUCTION = """\
# Configuration

Every key of a stack's file, `Pulumi.<stack>.yaml`. Made from the models in `gix_model/settings.py` by
`make generate`; change it there. Set a key with `pulumi config set --path 'gix:router.rustLog' debug`, and a secret
one with `--secret` besides. All problems of a file are reported at once, each with key, value, limit and fix,
before anything is touched.

Only `gix:registry.password` and the variables in `secretEnvironment` take secrets, and they take nothing else. A
plain value there is refused, and so is a secret in any other key, `gix:registry.username` included.
`Pulumi.<stack>.yaml`, beside `Pulumi.yaml`, tells the program which values are secret. If a key has a secret in it,
its other values must be in that file in plain text. With `--config-file`, `stackConfigDir` or Pulumi ESC they count
as secrets and are refused. From code, a secret is a `SecretStr`.

A service runs with what `gix:defaults` says, over which goes, key by key, what its own key says.

The defaults of `gix:images.builderBase` and `gix:images.runtimeBase` can be set for a machine: by the environment
variables GIX_BUILDER_BASE and GIX_RUNTIME_BASE. A stack's own value goes before them.
"""


class Declared(StrEnum):
    """The types that Pulumi knows for a key of a project."""

    STRING = "string"
    BOOLEAN = "boolean"
    ARRAY = "array"
    OBJECT = "object"


def markdown() -> str:
    """The text of docs/configuration.md."""
    sections = [_INTRODUCTION]
    plain = {alias: field for alias, field in _fields(StackSettings) if _model(field) is None}
    sections.append("## Keys with one value\n\n" + _table("gix:", plain))
    for alias, field in _fields(StackSettings):
        model = _model(field)
        if model is None:
            continue
        fields = dict(_fields(model))
        text = f"## gix:{alias}\n\n{_sentence(field)}\n\n"
        if model is ServiceSettings:
            fields = {key: value for key, value in fields.items() if key not in dict(_fields(ServiceDefaults))}
            text += "All keys of `gix:defaults`, and:\n\n"
        sections.append(text + _table(f"gix:{alias}.", fields))
    return "\n".join(sections)


def project_config() -> dict[str, dict[str, Any]]:
    """The `config` block of Pulumi.yaml: each key with type, description and default."""
    block: dict[str, dict[str, Any]] = {}
    for alias, field in _fields(StackSettings):
        if _model(field) is not None:
            # The defaults within an object are the program's: Pulumi puts a default in place of a whole object only.
            block[alias] = {"type": Declared.OBJECT.value, "description": field.description, "default": {}}
        elif get_origin(field.annotation) is list:
            block[alias] = {
                "type": Declared.ARRAY.value,
                "items": {"type": Declared.STRING.value},
                "description": field.description,
                "default": field.default,
            }
        else:
            kind = Declared.BOOLEAN if field.annotation is bool else Declared.STRING
            block[alias] = {"type": kind.value, "description": field.description, "default": field.default}
    return block


def project_file(text: str) -> str:
    """The text of Pulumi.yaml with its `config` block, which is its last, brought up to date."""
    head = text.partition(_CONFIG_BEGINS)[0].rstrip("\n")
    block = yaml.safe_dump({"config": project_config()}, sort_keys=False, width=120, allow_unicode=True)
    return f"{head}\n{block}"


def _fields(model: type[BaseModel]) -> Iterator[tuple[str, FieldInfo]]:
    for name, field in model.model_fields.items():
        yield field.alias or name, field


def _model(field: FieldInfo) -> type[BaseModel] | None:
    kind = field.annotation
    return kind if isinstance(kind, type) and issubclass(kind, BaseModel) else None


def _table(prefix: str, fields: dict[str, FieldInfo]) -> str:
    rows = ["| key | type | default | what it is |", "|---|---|---|---|"]
    rows += [f"| `{key}` | {kind} | {default} | {what} |" for key, kind, default, what in _rows(prefix, fields)]
    return "\n".join(rows) + "\n"


def _rows(prefix: str, fields: dict[str, FieldInfo]) -> Iterator[tuple[str, str, str, str]]:
    for alias, field in fields.items():
        model = _model(field)
        if model is not None:
            yield from _rows(f"{prefix}{alias}.", dict(_fields(model)))
            continue
        yield f"{prefix}{alias}", _type(field.annotation), _default(field), field.description or ""
        if get_origin(field.annotation) is dict:
            below = get_args(field.annotation)[1]
            if isinstance(below, type) and issubclass(below, BaseModel):
                yield from _rows(f"{prefix}{alias}.NAME.", dict(_fields(below)))


def _type(annotation: Any) -> str:
    origin, arguments = get_origin(annotation), get_args(annotation)
    if origin is Annotated:
        return _type(arguments[0])
    if origin is dict:
        return f"{_type(arguments[1])} by name"
    if origin is list:
        return f"list of {_type(arguments[0])}"
    if origin is Literal:
        return ", ".join(f"`{value}`" for value in arguments)
    if arguments:
        return _type(next(argument for argument in arguments if argument is not type(None)))
    return _SCALARS.get(annotation, "object")


def _default(field: FieldInfo) -> str:
    if field.is_required():
        return "required"
    return "none" if field.default is None else f"`{json.dumps(field.default)}`"


def _sentence(field: FieldInfo) -> str:
    text = field.description or ""
    return f"{text[:1].upper()}{text[1:]}."
