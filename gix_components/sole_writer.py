"""Refuses to create the auction of a Swarm while a container writes its ledger.

A stack that moves to Swarm has its auction in a container until then. Pulumi deletes it before it creates the service,
because the network of both is replaced between. This makes sure of it.
"""

from docker.errors import DockerException
from pulumi import ResourceHook, ResourceHookArgs, ResourceHookBinding

from gix_engine import connection, observed_state
from gix_model.environment import Environment


class SoleWriterError(Exception):
    """A container writes the ledger. The text says which, and what to do."""


def require(name: str, environment: Environment) -> ResourceHookBinding:
    """Hooks for the service of the auction that refuse its creation beside another writer. `name` is the hook's own."""

    def check(_args: ResourceHookArgs) -> None:
        volume, node = environment.name(environment.settings.ledger.volume), environment.settings.ledger.node
        try:
            client = connection.connect(environment.ledger_engine, environment.directory)
            observed = observed_state.observe(client)
        except (DockerException, OSError) as error:
            raise SoleWriterError(f"the engine of {node} does not say what writes the ledger: {error}") from error
        writers = [each.name for each in observed.containers if each.is_running and volume in each.written_volumes]
        if writers:
            raise SoleWriterError(
                f"{', '.join(writers)} on {node} writes the volume {volume}, and two auctions must not write one "
                f"ledger. The auction was not started. Stop it: docker stop {' '.join(writers)}; then run pulumi up "
                "again"
            )

    return ResourceHookBinding(before_create=[ResourceHook(name, check)])
