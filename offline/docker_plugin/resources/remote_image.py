"""`docker.RemoteImage`: an image from a registry."""

from typing import ClassVar

from offline.docker_plugin.errors import PluginError, readable
from offline.docker_plugin.registry import find_or_pull
from offline.docker_plugin.resources.base import Context, Resource, State
from offline.docker_plugin.schema import Kind, Prop, ResourceSchema
from offline.docker_plugin.values import Props


class RemoteImage(Resource):
    """A pulled image. An image of that name on the engine is not pulled again, even if its tag has moved."""

    schema: ClassVar = ResourceSchema(
        inputs={
            "build": Prop(kind=Kind.OBJECT, supported=False),
            "forceRemove": Prop(),
            "keepLocally": Prop(),
            "name": Prop(force_new=True, required=True),
            "platform": Prop(force_new=True),
            "pullTriggers": Prop(kind=Kind.SET, force_new=True),
            "triggers": Prop(kind=Kind.MAP, force_new=True),
        },
        outputs=("imageId", "repoDigest"),
        named=False,
    )

    def create(self, context: Context, inputs: Props) -> State:
        """Find the image on the engine, or pull it."""
        try:
            image = find_or_pull(context.engine, inputs["name"], platform=inputs.get("platform"))
        except PluginError as error:
            raise PluginError(f"Unable to read Docker image into resource: {error}") from error
        return self._state(inputs, image["Id"], image["RepoDigests"])

    def read(self, context: Context, resource_id: str, *, inputs: Props, outputs: Props) -> State | None:
        """Read the image of that name on the engine."""
        from docker.errors import ImageNotFound

        name = outputs.get("name")
        if not name:
            raise PluginError(f"a RemoteImage cannot be imported: {resource_id}")
        try:
            image = context.engine.api.inspect_image(name)
        except ImageNotFound:
            return None
        state = self._state(outputs, image["Id"], image["RepoDigests"])
        return State(state.resource_id, state.outputs, self.read_inputs(inputs, state.outputs))

    def update(self, context: Context, resource_id: str, *, inputs: Props, outputs: Props) -> Props:
        """Find the image again."""
        del resource_id, outputs
        return self.create(context, inputs).outputs

    def delete(self, context: Context, resource_id: str, outputs: Props) -> None:
        """Remove the image from the engine unless `keepLocally` is set."""
        from docker.errors import APIError, ImageNotFound

        del resource_id
        if outputs.get("keepLocally"):
            return
        try:
            context.engine.api.remove_image(outputs["name"], force=bool(outputs.get("forceRemove")))
        except ImageNotFound:
            return
        except APIError as error:
            raise PluginError(f"Unable to remove Docker image: {readable(error)}") from error

    def _state(self, inputs: Props, image_id: str, repo_digests: list[str]) -> State:
        name = str(inputs["name"])
        outputs = self.planned(inputs, {}) | {"imageId": image_id, "repoDigest": _digest_of(name, repo_digests or [])}
        return State(image_id + name, outputs)


def _digest_of(name: str, repo_digests: list[str]) -> str:
    """The digest that the official provider states.

    It takes what comes before the first colon for the repository. Of a name with a port, that is only the host. If no
    digest starts with that, or there is only one, it is the first one.
    """
    repository = name.partition(":")[0]
    own = (digest for digest in repo_digests if digest.startswith(repository))
    return next(own, next(iter(repo_digests), ""))
