"""Takes the place of containers and a network that something else made under the stack's names.

Only where `gix:takeOver` says so. Volumes are never removed.
"""

import threading
from dataclasses import dataclass

import docker
import pulumi
from docker.errors import NotFound
from docker.models.containers import Container
from docker.models.networks import Network
from pulumi import ResourceHook, ResourceHookArgs, ResourceHookBinding

from gix_engine import connection
from gix_model.environment import STACK_LABEL, Environment


@dataclass(frozen=True, kw_only=True)
class Occupants:
    """Containers and networks that bear the stack's names and are not the stack's."""

    containers: list[Container]
    networks: list[Network]

    @classmethod
    def find(cls, client: docker.DockerClient, environment: Environment) -> "Occupants":
        """Ask the engine; raises docker.errors.DockerException where it does not answer."""
        names = {environment.name(spec.container) for spec in environment.specs}
        network = environment.name(environment.settings.network.name)
        return cls(
            containers=[
                each
                for each in client.containers.list(all=True, ignore_removed=True)
                if each.name in names and each.labels.get(STACK_LABEL) != environment.label
            ],
            networks=[
                each
                for each in client.networks.list(names=[network])
                if each.name == network and (each.attrs["Labels"] or {}).get(STACK_LABEL) != environment.label
            ],
        )

    @property
    def names(self) -> list[str]:
        """What they are, for a person."""
        return [f"container {each.name}" for each in self.containers] + [
            f"network {each.name}" for each in self.networks
        ]


def take_over(name: str, environment: Environment) -> ResourceHookBinding:
    """Hooks that clear the way just before the stack's own network or container is created; none where not told to.

    `name` is the hook's own. Containers are stopped with their own signal and the time that their successor has.
    """
    if not environment.settings.take_over:
        return ResourceHookBinding()
    one_at_a_time = threading.Lock()

    def clear(_args: ResourceHookArgs) -> None:
        with one_at_a_time:
            client = connection.connect(environment.settings.engine, environment.directory)
            occupants = Occupants.find(client, environment)
            for container in occupants.containers:
                pulumi.log.info(f"stopping and removing the container {container.name}, whose place this stack takes")
                container.stop(timeout=environment.longest_grace_seconds)
                container.remove()
            for network in occupants.networks:
                pulumi.log.info(f"removing the network {network.name}, whose place this stack takes")
                try:
                    network.remove()
                except NotFound:
                    continue

    return ResourceHookBinding(before_create=[ResourceHook(name, clear)])
