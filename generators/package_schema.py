"""Generates gix_components/package_schema.json: the platform's arguments and outputs for every Pulumi language."""

import json
from typing import Any

from generators import schema
from gix_components.package import PACKAGE, PLATFORM
from gix_model import __version__
from gix_model.outputs import StackOutputs

_LANGUAGES = ("nodejs", "python", "go", "csharp", "java")


def package() -> dict[str, Any]:
    """The package as https://www.pulumi.com/docs/iac/using-pulumi/pulumi-packages/schema describes it."""
    file = schema.stack_file()
    arguments = file["properties"]["config"]["properties"]
    outputs = StackOutputs.model_json_schema(mode="serialization")
    definitions = file["$defs"] | outputs["$defs"]
    return {
        "name": PACKAGE,
        "displayName": "GIX",
        "version": __version__,
        "description": "The GIX services on Docker",
        "license": "Apache-2.0",
        "resources": {
            PLATFORM: {
                **_object(outputs),
                "isComponent": True,
                "description": "The GIX platform: images, network, ledger and services of one environment.",
                "inputProperties": {
                    key.removeprefix(f"{schema.NAMESPACE}:"): _property(value) for key, value in arguments.items()
                },
            }
        },
        "types": {_token(name): {"type": "object", **_object(value)} for name, value in sorted(definitions.items())},
        "language": {language: {"respectSchemaVersion": True} for language in _LANGUAGES},
    }


def text() -> str:
    """The schema as it stands in the file."""
    return json.dumps(package(), indent=2) + "\n"


def _object(definition: dict[str, Any]) -> dict[str, Any]:
    """The parts of an object's type."""
    parts = {
        "description": definition.get("description"),
        "properties": {key: _property(value) for key, value in definition["properties"].items()},
        "required": definition.get("required"),
    }
    return {key: value for key, value in parts.items() if value}


def _property(node: dict[str, Any]) -> dict[str, Any]:
    """A property: its type, and a description with the values that it may have and its default."""
    description = node.get("description", "")
    sentences = [f"{description[:1].upper()}{description[1:]}."] if description else []
    if values := _values(node):
        sentences.append(f"One of: {', '.join(map(str, values))}.")
    if isinstance(node.get("default"), str | bool | int | float):
        sentences.append(f"Default: {json.dumps(node['default'])}.")
    return _type(node) | ({"description": " ".join(sentences)} if sentences else {})


def _type(node: dict[str, Any]) -> dict[str, Any]:
    """A type. What a file may write in several ways (1, "1") is text; null is left out, as any property may be."""
    if node.get("required") == ["secure"]:
        return {"type": "string", "secret": True}
    if "$ref" in node:
        return {"$ref": f"#/types/{_token(node['$ref'].rpartition('/')[2])}"}
    if "anyOf" in node:
        return _type(node["anyOf"][0])
    kind = node["type"] if isinstance(node["type"], str) else node["type"][0]
    if kind == "array":
        return {"type": kind, "items": _item(node["items"])}
    if kind == "object":
        return {"type": kind, "additionalProperties": _item(node["additionalProperties"])}
    return {"type": kind}


def _item(node: dict[str, Any]) -> dict[str, Any]:
    """The type of an item: a schema knows secrets among properties only."""
    return {key: value for key, value in _type(node).items() if key != "secret"}


def _values(node: dict[str, Any]) -> list[Any]:
    values: list[Any] = node.get("enum") or node.get("items", {}).get("enum") or []
    return values


def _token(model: str) -> str:
    return f"{PLATFORM.rpartition(':')[0]}:{model.removesuffix('Settings')}"
