"""Generates docs/stack-file.schema.json, with which an editor checks and completes a `Pulumi.<stack>.yaml`."""

import json
from typing import Any

from pydantic.json_schema import GenerateJsonSchema, JsonSchemaValue
from pydantic_core import core_schema

from generators.quantities import written
from gix_model.settings import StackSettings

NAMESPACE = "gix"

_SEALED = {
    "type": "object",
    "description": "a secret, set with: pulumi config set --secret --path",
    "properties": {"secure": {"type": "string"}},
    "required": ["secure"],
    "additionalProperties": False,
}


class _StackFileSchema(GenerateJsonSchema):
    """The schema of the values as they stand in the file, before the models convert them."""

    def function_before_schema(self, schema: core_schema.BeforeValidatorFunctionSchema) -> JsonSchemaValue:
        """A value that a model converts to text first may be a number or a truth value in the file."""
        converted = super().function_before_schema(schema)
        if converted.get("format") == "password":
            return converted
        if converted.get("type") == "string":
            return {"type": ["string", "number", "boolean"]}
        return {"anyOf": [converted, {"type": "string"}]}

    def encode_default(self, dft: Any) -> Any:
        """A default as the file would state it."""
        return super().encode_default(written(dft))

    def str_schema(self, schema: core_schema.StringSchema) -> JsonSchemaValue:
        """Without a title, which would only repeat the key."""
        return {key: value for key, value in super().str_schema(schema).items() if key != "title"}


def _adapted(node: Any) -> Any:
    """The schema without titles, and with secrets as Pulumi writes them into the file."""
    if isinstance(node, list):
        return [_adapted(item) for item in node]
    if not isinstance(node, dict):
        return node
    if node.get("format") == "password":
        return _SEALED | ({"description": node["description"]} if "description" in node else {})
    # A title is a text; a property that is called `title` is a schema.
    return {key: _adapted(value) for key, value in node.items() if not (key == "title" and isinstance(value, str))}


def stack_file() -> dict[str, Any]:
    """The schema of a stack's file: the keys of the namespace `gix`, and whatever Pulumi or other packages add."""
    settings = _adapted(StackSettings.model_json_schema(schema_generator=_StackFileSchema))
    definitions = settings.pop("$defs")
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "Stack file of the GIX platform",
        "type": "object",
        "properties": {
            "config": {
                "type": "object",
                "properties": {f"{NAMESPACE}:{key}": value for key, value in settings["properties"].items()},
                "patternProperties": {f"^(?!{NAMESPACE}:)": {}},
                "additionalProperties": False,
            }
        },
        "$defs": definitions,
    }


def text() -> str:
    """The schema as it stands in the file."""
    return json.dumps(stack_file(), indent=2) + "\n"
