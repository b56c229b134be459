"""Removes the containers and the network of another program that have the stack's names, before it creates its own.

Only if `gix:takeOver` is set. Volumes are never removed.
"""

import threading
from dataclasses import dataclass

import pulumi
from pulumi import ResourceHook, ResourceHookArgs, ResourceHookBinding

from gix_engine import connection, observed_state, removal
from gix_engine.observed_state import ObservedContainer, ObservedNetwork, ObservedState
from gix_model.environment import Environment


@dataclass(frozen=True, kw_only=True)
class Occupants:
    """Containers and networks that have the stack's names and belong to something else."""

    containers: tuple[ObservedContainer, ...]
    networks: tuple[ObservedNetwork, ...]

    @classmethod
    def find(cls, observed: ObservedState, environment: Environment) -> "Occupants":
        """Find them in the observed state of the stack's engine."""
        names = environment.container_names
        network = environment.name(environment.settings.network.name)
        return cls(
            containers=tuple(
                each
                for each in observed.containers
                if names.intersection(each.names) and each.stack != environment.label
            ),
            networks=tuple(
                each for each in observed.networks if each.name == network and each.stack != environment.label
            ),
        )

    @property
    def descriptions(self) -> list[str]:
        """Kind and name of each."""
        return [f"container {each.name}" for each in self.containers] + [
            f"network {each.name}" for each in self.networks
        ]


def take_over(name: str, environment: Environment) -> ResourceHookBinding:
    """Hooks that remove the occupants just before the stack creates its network or a container.

    There are no hooks if `gix:takeOver` is not set. `name` is the hook's own. Containers are stopped with their own
    stop signal, and killed after the stack's longest stop grace.
    """
    if not environment.settings.take_over:
        return ResourceHookBinding()
    one_at_a_time = threading.Lock()

    def clear(_args: ResourceHookArgs) -> None:
        with one_at_a_time:
            client = connection.connect(environment.settings.engine, environment.directory)
            occupants = Occupants.find(observed_state.observe(client), environment)
            for container in occupants.containers:
                pulumi.log.info(f"stopping and removing the container {container.name}: gix:takeOver is set")
                removal.remove_container(client, container, stop_seconds=environment.longest_grace_seconds)
            for network in occupants.networks:
                pulumi.log.info(f"removing the network {network.name}: gix:takeOver is set")
                removal.remove_network(client, network)

    return ResourceHookBinding(before_create=[ResourceHook(name, clear)])
