"""Generates docs/configuration.md, the reference of all keys, and the `config` block of Pulumi.yaml."""

import json
from collections.abc import Iterator
from enum import StrEnum
from typing import Annotated, Any, Literal, get_args, get_origin

import yaml
from pydantic import BaseModel, SecretStr, TypeAdapter, ValidationError
from pydantic.fields import FieldInfo

from generators.examples import EXAMPLES
from generators.quantities import written, written_type
from gix_model.settings import ServiceDefaults, ServiceSettings, StackSettings

_SCALARS = {str: "string", bool: "boolean", int: "integer", float: "number", SecretStr: "secret"}
_CONFIG_BEGINS = "config:\n"

_PROBE = "!"
"""A value that every rule for text refuses."""

_INTRODUCTION = """\
# Configuration

All keys of a stack file, `Pulumi.<stack>.yaml`. This page is generated from the models in `gix_model/settings.py` by
`make generate`.

Set a key with `pulumi config set --path 'gix:router.rustLog' debug`, or edit the file. Add `--secret` for a secret. The
program reports all problems of a file at once, each with key, value, limit and fix, before it changes anything.

Every key is optional. A service's own keys override `gix:defaults`, key by key.

Times are written like `500ms`, `10s` or `1m30s`. Amounts of memory are written like `512MiB` or `2G`; `M`, `MB` and
`MiB` are all 2^20 bytes.

For an editor, [stack-file.schema.json](stack-file.schema.json) is a JSON schema of the file. Editors with the YAML
language server check and complete a file that begins with this line:

```yaml
# yaml-language-server: $schema=docs/stack-file.schema.json
```

## Secrets

`gix:registry.password` and the values of `secretEnvironment` must be secrets. `gix:edge.key` must be a secret, or the
path of a file. `gix:edge.certificate` and `gix:edge.clientCa` may be secrets. All other values must be plain, also
`gix:registry.username`.

The file `Pulumi.<stack>.yaml` beside `Pulumi.yaml` shows the program which values are secrets. If a key holds a
secret, its other values must be in that file in plain text. With `--config-file`, `stackConfigDir` or Pulumi ESC the
program takes them for secrets and refuses them. In Python code, a secret is a `SecretStr`.

## Defaults of a machine

The environment variables GIX_BUILDER_BASE, GIX_RUNTIME_BASE, GIX_GRPC_PROBE_IMAGE and GIX_EDGE_IMAGE set the defaults
of `gix:images.builderBase`, `gix:images.runtimeBase`, `gix:images.grpcProbeImage` and `gix:edge.image`. The values of a
stack override them.
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
    sections.append("## Keys with one value\n\n" + _example("") + _table("gix:", plain))
    for alias, field in _fields(StackSettings):
        model = _model(field)
        if model is None:
            continue
        fields = dict(_fields(model))
        text = f"## gix:{alias}\n\n{_sentence(field)}\n\n"
        if model is ServiceSettings:
            fields = {key: value for key, value in fields.items() if key not in dict(_fields(ServiceDefaults))}
            text += "All keys of `gix:defaults`, and:\n\n"
        sections.append(text + _example(alias) + _table(f"gix:{alias}.", fields))
    return "\n".join(sections)


def project_config() -> dict[str, dict[str, Any]]:
    """The `config` block of Pulumi.yaml: each key with type, description and default."""
    block: dict[str, dict[str, Any]] = {}
    for alias, field in _fields(StackSettings):
        if _model(field) is not None:
            # The program applies the defaults of an object's keys. Pulumi has defaults for whole objects only.
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
    """The text of Pulumi.yaml with an updated `config` block, which is the last one in the file."""
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
    rows = ["| key | type | allowed values | default | description |", "|---|---|---|---|---|"]
    rows += [f"| {' | '.join(row)} |" for row in _rows(prefix, fields)]
    return "\n".join(rows) + "\n"


def _example(group: str) -> str:
    return f"```yaml\n{EXAMPLES[group]}```\n\n"


def _rows(prefix: str, fields: dict[str, FieldInfo]) -> Iterator[tuple[str, str, str, str, str]]:
    for alias, field in fields.items():
        model = _model(field)
        if model is not None:
            yield from _rows(f"{prefix}{alias}.", dict(_fields(model)))
            continue
        yield f"`{prefix}{alias}`", _type(field.annotation), _allowed(field), _default(field), field.description or ""
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
        return _SCALARS[type(arguments[0])]
    if arguments:
        return _type(next(argument for argument in arguments if argument is not type(None)))
    return _SCALARS.get(written_type(annotation), "object")


def _allowed(field: FieldInfo) -> str:
    """The values that a key may have: a choice, a range, or the fix that an error about the key gives."""
    if field.annotation is bool:
        return "`true`, `false`"
    parts = list(_parts(field.annotation)) + field.metadata
    choices = [str(value) for part in parts if get_origin(part) is Literal for value in get_args(part)]
    if choices and get_origin(field.annotation) is not dict:
        return ", ".join(f"`{value}`" for value in choices)
    least = next((part.ge for part in parts if hasattr(part, "ge")), None)
    most = next((part.le for part in parts if hasattr(part, "le")), None)
    if least is not None:
        return f"{least} to {most}" if most is not None else f"{least} or more"
    names = [f"names: {', '.join(choices)}"] if choices else []
    return "; ".join([*names, *_fixes(field, name=choices[0] if choices else _PROBE)]) or "any"


def _parts(annotation: Any) -> Iterator[Any]:
    """An annotation, and all that it is made of."""
    yield annotation
    for part in (*get_args(annotation), *getattr(annotation, "metadata", ())):
        yield from _parts(part)


def _fixes(field: FieldInfo, name: str) -> Iterator[str]:
    """What the errors about a wrong value say to write instead. `name` is the one that a value by name gets."""
    kind: Any = Annotated[field.annotation, *field.metadata] if field.metadata else field.annotation
    origin = get_origin(field.annotation)
    probe: Any = [_PROBE] if origin is list else _PROBE
    if any(get_origin(part) is dict for part in (field.annotation, *get_args(field.annotation))):
        probe = {name: _PROBE}
    try:
        TypeAdapter(kind).validate_python(probe)
    except ValidationError as error:
        for detail in error.errors():
            fix = detail.get("ctx", {}).get("fix")
            if fix:
                text = fix.removeprefix("write ").removeprefix("use ")
                yield f"names: {text}" if "[key]" in detail["loc"] else text


def _default(field: FieldInfo) -> str:
    if field.is_required():
        return "required"
    return "none" if field.default is None else f"`{json.dumps(written(field.default))}`"


def _sentence(field: FieldInfo) -> str:
    text = field.description or ""
    return f"{text[:1].upper()}{text[1:]}."
