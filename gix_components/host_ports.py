"""Stops containers of the stack that hold a port on the host which another container of the stack is about to publish.

Another `gix:rollout.strategy` moves the ports from the services to the edge, or back. The container that has them until
then is deleted later in the same update.
"""

import contextlib
from collections.abc import Collection
from typing import Any

import pulumi
from docker.errors import NotFound
from pulumi import ResourceHook, ResourceHookArgs, ResourceHookBinding

from gix_engine import connection, observed_state
from gix_engine.observed_state import ObservedContainer, ObservedState
from gix_model.environment import Environment


def release_ports(name: str, environment: Environment) -> ResourceHookBinding:
    """Hooks for containers that stop the stack's own containers which hold a port that the new one publishes.

    `name` is the hook's own.
    """

    def release(args: ResourceHookArgs) -> None:
        wanted = [(str(each["ip"]), int(each["external"])) for each in (args.new_inputs or {}).get("ports") or ()]
        if not wanted:
            return
        client = connection.connect(environment.settings.engine, environment.directory)
        for holder in holders(observed_state.observe(client), environment.label, wanted):
            pulumi.log.info(f"stopping {holder.name}: its port moves to {_new_name(args)}")
            with contextlib.suppress(NotFound):
                client.containers.get(holder.id).stop(timeout=environment.longest_grace_seconds)

    return ResourceHookBinding(before_create=[ResourceHook(name, release)])


def holders(observed: ObservedState, stack: str, ports: Collection[tuple[str, int]]) -> list[ObservedContainer]:
    """The running containers of `stack`, PROJECT/STACK, that publish one of `ports`: addresses and numbers."""
    return [
        each
        for each in observed.created_by(stack).containers
        if each.is_running and any(published.collides(*port) for published in each.published for port in ports)
    ]


def _new_name(args: ResourceHookArgs) -> Any:
    return (args.new_inputs or {}).get("name") or args.name
