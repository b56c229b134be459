"""What the secrets and the configuration files of a Swarm have in common: the engine cannot change them."""

from abc import abstractmethod

from offline.docker_plugin.engine import Api
from offline.docker_plugin.errors import PluginError, readable
from offline.docker_plugin.resources.base import Context, Resource
from offline.docker_plugin.values import Props


class SwarmObject(Resource):
    """An object of a Swarm that is created and removed, and never changed."""

    @abstractmethod
    def remove(self, api: Api, resource_id: str) -> None:
        """Remove it. Raises docker.errors.APIError."""

    def update(self, context: Context, resource_id: str, *, inputs: Props, outputs: Props) -> Props:
        """Record the changes."""
        del context, resource_id
        return self.planned(inputs, outputs)

    def delete(self, context: Context, resource_id: str, outputs: Props) -> None:
        """Remove it. It is an error if it is in use or does not exist, as in the official plugin."""
        from docker.errors import APIError

        del outputs
        try:
            self.remove(context.engine.api, resource_id)
        except APIError as error:
            raise PluginError(readable(error)) from error
