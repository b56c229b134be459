"""`docker.ServiceConfig`."""

import base64
from typing import Any, ClassVar

from offline.docker_plugin.engine import Api
from offline.docker_plugin.errors import PluginError, readable
from offline.docker_plugin.resources.base import Check, Context, State, labels_from, labels_to
from offline.docker_plugin.resources.swarm_object import SwarmObject
from offline.docker_plugin.resources.volume import LABEL
from offline.docker_plugin.rules import base64_text
from offline.docker_plugin.schema import Kind, Problem, Prop, ResourceSchema
from offline.docker_plugin.values import Props


class ServiceConfig(SwarmObject):
    """A configuration file of a Swarm. Every change replaces it, which fails while a service uses it."""

    schema: ClassVar = ResourceSchema(
        inputs={
            "data": Prop(force_new=True, rule=base64_text),
            "dataRaw": Prop(force_new=True),
            "labels": Prop(kind=Kind.SET, force_new=True, fields=LABEL),
            "name": Prop(force_new=True),
        },
    )

    def check(self, context: Context, request: Check) -> tuple[Props, list[Problem]]:
        """Refuse content that is stated twice, or not at all, too."""
        inputs, problems = super().check(context, request)
        if (request.stated.get("data") is None) == (request.stated.get("dataRaw") is None):
            problems.append(Problem("data", "is one of two inputs of which exactly one must be stated: data, dataRaw"))
        return inputs, problems

    def create(self, context: Context, inputs: Props) -> State:
        """Create the configuration file."""
        from docker.errors import APIError

        raw = inputs.get("dataRaw")
        content = base64.b64decode(inputs["data"]) if raw is None else raw.encode()
        api = context.engine.api
        try:
            made = api.create_config(inputs["name"], content, labels=labels_to(inputs.get("labels")))
        except APIError as error:
            raise PluginError(readable(error)) from error
        return State(made["ID"], _outputs(api.inspect_config(made["ID"]), is_raw=raw is not None))

    def read(self, context: Context, resource_id: str, *, inputs: Props, outputs: Props) -> State | None:
        """Read the configuration file."""
        from docker.errors import APIError

        try:
            found = context.engine.api.inspect_config(resource_id)
        except APIError:
            return None
        read = _outputs(found, is_raw=bool(outputs.get("dataRaw")))
        return State(resource_id, read, self.read_inputs(inputs, read))

    def remove(self, api: Api, resource_id: str) -> None:
        """Remove it."""
        api.remove_config(resource_id)


def _outputs(found: dict[str, Any], *, is_raw: bool) -> Props:
    data = found["Spec"].get("Data") or ""
    return {
        "data": None if is_raw else data,
        "dataRaw": base64.b64decode(data).decode() if is_raw else None,
        "labels": labels_from(found["Spec"].get("Labels")),
        "name": found["Spec"]["Name"],
    }
