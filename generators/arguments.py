"""Generates gix_components/arguments.py: a typed dictionary for each model of the settings, with keys in snake_case.

`make generate` updates the file; a test fails if it is out of date.
"""

import json
import textwrap
from collections.abc import Iterator
from types import NoneType, UnionType
from typing import Annotated, Any, Literal, Union, get_args, get_origin

from pydantic import BaseModel
from pydantic.fields import FieldInfo

from generators.quantities import written, written_type
from gix_model.settings import Settings, StackSettings

_WIDTH = 120
_HEAD = '''\
"""The settings of a stack as a program passes them: the keys of a stack's file in snake_case, all of them optional.

They are plain dictionaries: `ServiceArgs(rust_log="debug")` and `{"rust_log": "debug"}` are equal.
`configuration.from_code` validates them all at once, before anything runs, and so refuses a pulumi.Output. A secret is
a SecretStr of pydantic; it stays secret in the stack's state.

Generated from `gix_model/settings.py` by `make generate`. Change the models there.
"""

from typing import Literal, Required, TypedDict

from pydantic import SecretStr
'''


def python() -> str:
    """The text of arguments.py."""
    return "\n\n".join([_HEAD, *(_definition(model) for model in dict.fromkeys(_models(StackSettings)))])


def _models(model: type[BaseModel]) -> Iterator[type[BaseModel]]:
    """`model` and the models that it uses, each after those that it uses itself."""
    for base in model.__bases__:
        if base is not Settings:
            yield from _models(base)
    for field in model.model_fields.values():
        for part in (field.annotation, *get_args(field.annotation)):
            if isinstance(part, type) and issubclass(part, BaseModel):
                yield from _models(part)
    yield model


def _definition(model: type[BaseModel]) -> str:
    [base] = model.__bases__
    inherited = base.model_fields if issubclass(base, BaseModel) else {}
    parent = "TypedDict" if base is Settings else _name(base)
    lines = [f"class {_name(model)}({parent}, total=False):", f'    """{model.__doc__}"""', ""]
    for name, field in model.model_fields.items():
        if name not in inherited:
            kind = _type(field.annotation)
            lines.append(f"    {name}: {f'Required[{kind}]' if field.is_required() else kind}")
            docstring = f'"""{_sentences(field)}"""'
            lines += textwrap.wrap(docstring, _WIDTH, initial_indent="    ", subsequent_indent="    ")
    return "\n".join(lines) + "\n"


def _sentences(field: FieldInfo) -> str:
    what = field.description or ""
    plain = field.default is not None and not field.is_required() and not isinstance(field.default, BaseModel)
    default = f" Default: {written(field.default)!r}." if plain else ""
    return f"{what[:1].upper()}{what[1:]}.{default}"


def _name(model: type[BaseModel]) -> str:
    return model.__name__.removesuffix("Settings") + "Args"


def _type(annotation: Any) -> str:
    origin, arguments = get_origin(annotation), get_args(annotation)
    if annotation is NoneType:
        return "None"
    if origin is Annotated:
        return _type(arguments[0])
    if origin in (Union, UnionType):
        return " | ".join(map(_type, arguments))
    if origin is Literal:
        return f"Literal[{', '.join(map(json.dumps, arguments))}]"
    if origin is not None:
        return f"{origin.__name__}[{', '.join(map(_type, arguments))}]"
    return _name(annotation) if issubclass(annotation, BaseModel) else str(written_type(annotation).__name__)
