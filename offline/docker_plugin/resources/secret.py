"""`docker.Secret`."""

import base64
from typing import ClassVar

from offline.docker_plugin.engine import Api
from offline.docker_plugin.errors import PluginError, readable
from offline.docker_plugin.resources.base import Context, State, labels_to, without_defaults
from offline.docker_plugin.resources.swarm_object import SwarmObject
from offline.docker_plugin.resources.volume import LABEL
from offline.docker_plugin.rules import base64_text
from offline.docker_plugin.schema import Kind, Prop, ResourceSchema
from offline.docker_plugin.values import Props


class Secret(SwarmObject):
    """A secret of a Swarm. Every change replaces it, which fails while a service uses it."""

    schema: ClassVar = ResourceSchema(
        inputs={
            "data": Prop(force_new=True, required=True, secret=True, rule=base64_text),
            "labels": Prop(kind=Kind.SET, force_new=True, fields=LABEL),
            "name": Prop(force_new=True),
        },
        form='{"schema_version":"1"}',
    )

    def create(self, context: Context, inputs: Props) -> State:
        """Create the secret."""
        from docker.errors import APIError

        try:
            made = context.engine.api.create_secret(
                inputs["name"], base64.b64decode(inputs["data"]), labels=labels_to(inputs.get("labels"))
            )
        except APIError as error:
            raise PluginError(readable(error)) from error
        outputs = {name: without_defaults(inputs.get(name)) for name in self.schema.inputs}
        return State(made["ID"], outputs | {"labels": outputs["labels"] or []})

    def read(self, context: Context, resource_id: str, *, inputs: Props, outputs: Props) -> State | None:
        """Read the secret's name. The engine does not show its data."""
        from docker.errors import APIError

        if not outputs:
            raise PluginError(f"a Secret cannot be imported: {resource_id}")
        try:
            found = context.engine.api.inspect_secret(resource_id)
        except APIError:
            return None
        read = {**outputs, "name": found["Spec"]["Name"]}
        return State(resource_id, read, self.read_inputs(inputs, read))

    def remove(self, api: Api, resource_id: str) -> None:
        """Remove it."""
        api.remove_secret(resource_id)
