"""`docker.Volume`."""

from typing import Any, ClassVar, Final

from offline.docker_plugin.errors import PluginError, readable
from offline.docker_plugin.resources.base import Context, Resource, State, labels_from, labels_to, remove_when_free
from offline.docker_plugin.schema import Kind, Prop, ResourceSchema
from offline.docker_plugin.values import Props

LABEL: Final = {"label": Prop(force_new=True, required=True), "value": Prop(force_new=True, required=True)}


class Volume(Resource):
    """A volume. As in the engine, an existing one is adopted without a message, and keeps its labels."""

    schema: ClassVar = ResourceSchema(
        inputs={
            "cluster": Prop(kind=Kind.OBJECT, supported=False),
            "driver": Prop(force_new=True, computed=True),
            "driverOpts": Prop(kind=Kind.MAP, force_new=True),
            "labels": Prop(kind=Kind.SET, force_new=True, fields=LABEL),
            "name": Prop(force_new=True, computed=True),
        },
        outputs=("mountpoint",),
        form='{"schema_version":"1"}',
    )

    def create(self, context: Context, inputs: Props) -> State:
        """Create the volume, or adopt the one of that name."""
        from docker.errors import APIError

        try:
            volume = context.engine.api.create_volume(
                name=inputs["name"],
                driver=inputs.get("driver"),
                driver_opts=inputs.get("driverOpts"),
                labels=labels_to(inputs.get("labels")),
            )
        except APIError as error:
            raise PluginError(f"Unable to create volume: {readable(error)}") from error
        return State(volume["Name"], _outputs(volume))

    def read(self, context: Context, resource_id: str, *, inputs: Props, outputs: Props) -> State | None:
        """Read the volume."""
        from docker.errors import NotFound

        del outputs
        try:
            found = _outputs(context.engine.api.inspect_volume(resource_id))
        except NotFound:
            return None
        return State(resource_id, found, self.read_inputs(inputs, found))

    def update(self, context: Context, resource_id: str, *, inputs: Props, outputs: Props) -> Props:
        """Record the changes."""
        del context, resource_id
        return self.planned(inputs, outputs)

    def delete(self, context: Context, resource_id: str, outputs: Props) -> None:
        """Remove the volume and its data."""
        del outputs
        api = context.engine.api
        remove_when_free(
            f"volume {resource_id}", lambda: api.remove_volume(resource_id, force=True), busy="volume is in use"
        )


def _outputs(volume: dict[str, Any]) -> Props:
    return {
        "cluster": None,
        "driver": volume["Driver"],
        "driverOpts": volume["Options"] or None,
        "labels": labels_from(volume["Labels"]),
        "mountpoint": volume["Mountpoint"],
        "name": volume["Name"],
    }
