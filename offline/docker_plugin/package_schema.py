"""The package schema of the plugin, by which languages without an SDK of the docker package know its resources."""

from collections.abc import Iterable, Mapping
from typing import Any, Final

from offline.docker_plugin import VERSION
from offline.docker_plugin.schema import ResourceSchema

_ANY: Final = {"$ref": "pulumi.json#/Any"}


def package_schema(resources: Mapping[str, ResourceSchema]) -> dict[str, Any]:
    """Describe every resource type with its inputs and outputs. Values can have any type."""
    return {
        "name": "docker",
        "version": VERSION,
        "resources": {
            token: {
                "inputProperties": _properties(schema.inputs),
                "requiredInputs": [name for name, prop in schema.inputs.items() if prop.required],
                "properties": _properties([*schema.inputs, *schema.outputs]),
            }
            for token, schema in resources.items()
        },
    }


def _properties(names: Iterable[str]) -> dict[str, Any]:
    return dict.fromkeys(names, _ANY)
