"""Waits until Swarm has updated a service, and stops the update of the stack if Swarm has not.

The docker provider can wait itself (`converge_config`), but not for a service on all nodes, and it records a service
that Swarm has rolled back as updated, so that the next preview shows no change. Here, a component has the declaration
of the service as its input. Its hook runs when that changes, after the provider has passed it to Swarm. If the hook
fails, Pulumi's state keeps the former input, and the next update looks again.
"""

import asyncio
import hashlib
import json
import time
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import docker
import pulumi
from docker.errors import APIError, DockerException
from pulumi import ResourceHook, ResourceHookArgs, ResourceHookBinding

from gix_components.container_failure import LOG_LINES
from gix_engine import connection, swarm_state
from gix_engine.swarm_state import SwarmService
from gix_model.environment import Environment

_POLL_SECONDS = 0.5
_ALLOWANCE = timedelta(seconds=30)
PULLED_WITHIN = timedelta(minutes=15)
"""How long the nodes may take to pull an image."""


class RolloutError(Exception):
    """Swarm has not updated a service. The text says why, what serves, and what to do."""


@dataclass(frozen=True, kw_only=True)
class Expected:
    """What a service is expected to become. `key` is the section of its settings."""

    key: str
    name: str
    healthy_within: timedelta
    stop_grace: timedelta

    @property
    def within(self) -> timedelta:
        """How long the update may take from one task to the next, without the time to pull the image."""
        return self.healthy_within + self.stop_grace + _ALLOWANCE


class Rollout(pulumi.ComponentResource):
    """Waits until Swarm runs a service as it is declared.

    `service_id` is known when the provider has created or updated the service; `declaration` is what it consists of.
    """

    def __init__(
        self,
        name: str,
        environment: Environment,
        expected: Expected,
        *,
        service_id: pulumi.Input[str],
        declaration: Mapping[str, Any],
        opts: pulumi.ResourceOptions | None = None,
    ) -> None:
        async def attempt(args: ResourceHookArgs) -> None:
            # In a thread, so that several services are awaited at the same time.
            await asyncio.to_thread(run, environment, expected, str((args.new_inputs or {})["service"]))

        hook = ResourceHook(name, attempt)
        hooks = ResourceHookBinding(before_create=[hook], before_update=[hook])
        super().__init__(
            "gix:docker:Rollout",
            name,
            {"service": service_id, "declaration": pulumi.Output.from_input(declaration).apply(_fingerprint)},
            pulumi.ResourceOptions.merge(opts, pulumi.ResourceOptions(hooks=hooks)),
        )
        self.register_outputs({})


def _fingerprint(declaration: Mapping[str, Any]) -> str:
    return hashlib.sha256(json.dumps(declaration, sort_keys=True).encode()).hexdigest()[:16]


def run(environment: Environment, expected: Expected, service_id: str) -> None:
    """Wait until Swarm runs the service as it is declared. Raises RolloutError if it does not."""
    try:
        client = connection.connect(environment.settings.engine, environment.directory)
        service = _awaited(client, service_id, expected)
        if service.is_done:
            return
        raise RolloutError(_text(expected, service, log=_log(client, service_id)))
    except (DockerException, OSError) as error:
        reason = error.explanation if isinstance(error, APIError) else error
        raise RolloutError(
            f"the manager does not say what became of {expected.name}: {reason}\nRun pulumi up again: it looks again"
        ) from error


def _awaited(client: docker.DockerClient, service_id: str, expected: Expected) -> SwarmService:
    """The service in the state in which it stays, or in that at the end of the time."""
    begun = progress = time.monotonic()
    running = 0
    while True:
        service, now = swarm_state.observe_service(client, service_id), time.monotonic()
        if service.is_done or service.given_up:
            return service
        is_pulling = service.is_pulling and now - begun < PULLED_WITHIN.total_seconds()
        if is_pulling or len(service.up_to_date) != running:
            progress, running = now, len(service.up_to_date)
        if now - progress > expected.within.total_seconds():
            return service
        time.sleep(_POLL_SECONDS)


def _text(expected: Expected, service: SwarmService, *, log: str) -> str:
    running, seconds = len(service.up_to_date), expected.within.total_seconds()
    outcome = service.given_up or (
        f"{running} of {service.wanted} tasks run, and no other was healthy in {seconds:g} s"
    )
    reasons = "; ".join(service.errors) or "no task has reported an error"
    return (
        f"the update of {expected.name} failed: {outcome}: {reasons}. The last lines of its log "
        f"(docker service logs {expected.name}):\n{log}\n"
        f"docker service ps --no-trunc {expected.name} shows its tasks. Correct gix:{expected.key} or the image, then "
        "run pulumi up --refresh"
    )


def _log(client: docker.DockerClient, service_id: str) -> str:
    try:
        # The SDK's types lack what it has for Swarm.
        services: Any = client.services
        lines = services.get(service_id).logs(stdout=True, stderr=True, tail=LOG_LINES, follow=False)
        text = b"".join(lines).decode(errors="replace").rstrip()
    except (DockerException, OSError) as error:
        return f"    (it cannot be read: {error})"
    return "\n".join(f"    {line}" for line in text.splitlines()) or "    (it wrote nothing)"
