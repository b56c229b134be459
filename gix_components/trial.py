"""Tries the successor of a service's container before an update replaces the container.

The inputs of the service's component are what its container is made of. A hook of the component runs when one of them
changes, before the container below it is touched. It runs the new image with the new settings in a container beside
the old one, without published ports and without the service's host name, until its health check succeeds. If that
fails, the hook raises TrialError, the update ends, and the old container still serves.
"""

import asyncio
import contextlib
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import docker
import pulumi
from docker.errors import APIError, DockerException, NotFound
from docker.models.containers import Container
from pulumi import ResourceHook, ResourceHookArgs, ResourceHookBinding

from gix_components.container_failure import describe_state, log_end
from gix_engine import connection, observed_state
from gix_engine.observed_state import ObservedContainer, ObservedState
from gix_ledger import helper, working_copy
from gix_ledger.errors import LedgerError
from gix_ledger.location import LedgerLocation
from gix_ledger.working_copy import WorkingCopy
from gix_model import container_inputs
from gix_model.catalog import DATA_DIRECTORY, ServiceSpec
from gix_model.environment import HELPER_LABEL, SERVICE_LABEL, STACK_LABEL, Environment
from gix_model.settings import EngineSettings

VERB: helper.Verb = "trial"
"""Value of the label HELPER_LABEL of a trial's containers. `gixctl doctor --fix` ends them as it ends backups."""
PROBE_INTERVAL = timedelta(seconds=1)
"""Time between the probes of a trial, unless the health check's own interval is shorter."""
SUCCESSES = 2
"""Number of successful probes after which a trial has succeeded: a service may become healthy and then end."""

_POLL_SECONDS = 0.1
_NANO = 10**9


class TrialError(Exception):
    """A trial failed. The text says why, that the old container still serves, and what to do."""


@dataclass(frozen=True, kw_only=True)
class Successor:
    """What the new container of a service is made of."""

    environment: Environment
    spec: ServiceSpec
    command: list[str]
    probe: list[str]
    """The test of the health check."""
    variables: Mapping[str, str]
    """The environment, with its secrets."""
    healthy_within: timedelta
    """How long the service may take to become healthy."""

    @property
    def name(self) -> str:
        """The name of the container, without a suffix that the provider adds."""
        return self.environment.name(self.spec.container)

    def inputs(self, image: pulumi.Input[str]) -> dict[str, Any]:
        """The inputs of the service's component: whatever changes them replaces the container.

        The settings are a secret, because variables may be.
        """
        service = self.environment.services[self.spec.name]
        settings = container_inputs.replacing(service)
        made_of = {"command": self.command, "probe": self.probe, "variables": dict(self.variables), **settings}
        # `probe` has the command that follows from the keys that are left out here.
        check = service.health_check.model_dump(mode="json", by_alias=True, exclude={"probe", "command"})
        made_of["healthCheck"] = check
        return {"image": image, "settings": pulumi.Output.secret(made_of)}


def try_before_replacement(name: str, successor: Successor) -> ResourceHookBinding:
    """Hooks for the service's component that try the successor. `name` is the hook's own.

    There are none if `gix:rollout.trial` is false. In Swarm, only the service with the ledger is tried: Swarm itself
    goes back from a version of the others that does not become healthy.
    """
    environment = successor.environment
    is_tried_by_swarm = environment.is_swarm and not successor.spec.keeps_ledger
    if is_tried_by_swarm or not environment.settings.rollout.trial:
        return ResourceHookBinding()

    async def attempt(args: ResourceHookArgs) -> None:
        # In a thread, so that the trials of several services run at the same time.
        await asyncio.to_thread(run, successor, str((args.new_inputs or {})["image"]))

    hook = ResourceHook(name, attempt)
    return ResourceHookBinding(before_create=[hook], before_update=[hook])


def run(successor: Successor, image: str) -> None:
    """Run the image with the successor's settings until it is healthy, if the service has a container that runs.

    Raises TrialError if it does not become healthy, or if the ledger cannot be copied for it.
    """
    environment, spec = successor.environment, successor.spec
    client = connection.connect(_engine(environment), environment.directory)
    observed = observed_state.observe(client)
    serving = _serving(successor, observed)
    if serving is None:
        return
    for left in _leftovers(successor, observed):
        with contextlib.suppress(NotFound):
            helper.remove(client.containers.get(left.id))
    pulumi.log.info(f"trying the new {spec.name} beside {serving.name}, which serves meanwhile")
    ledger = _ledger(successor, serving)
    try:
        if environment.is_swarm:
            _pull(client, environment, image)
        with (
            contextlib.nullcontext() if ledger is None else working_copy.copied(ledger) as copy,
            _container(client, successor, image, observed, copy) as container,
        ):
            _require_health(container, successor, serving)
    except LedgerError as error:
        raise _failed(successor, serving, f"there is no copy of the ledger for it: {error}") from error
    except (DockerException, OSError) as error:
        reason = error.explanation if isinstance(error, APIError) else error
        raise _failed(successor, serving, f"the engine refused it: {reason}") from error


def _engine(environment: Environment) -> EngineSettings:
    """The engine that the service runs on. In Swarm, only the auction is tried, where its ledger is."""
    return environment.ledger_engine if environment.is_swarm else environment.settings.engine


def _pull(client: docker.DockerClient, environment: Environment, image: str) -> None:
    """Pull an image by digest. The engine of a node gets no images from the provider."""
    registry = environment.settings.registry
    login = None
    if registry.username is not None and registry.password is not None:
        login = {"username": registry.username, "password": registry.password.get_secret_value()}
    client.images.pull(image, auth_config=login)


def _serving(successor: Successor, observed: ObservedState) -> ObservedContainer | None:
    own = observed.created_by(successor.environment.label).containers
    of_service = [each for each in own if each.service == successor.spec.name and each.helper is None]
    # A container that restarts again and again serves nothing.
    return next((each for each in of_service if each.is_running and each.state != "restarting"), None)


def _leftovers(successor: Successor, observed: ObservedState) -> list[ObservedContainer]:
    """Containers of trials that were interrupted."""
    own = observed.created_by(successor.environment.label).containers
    return [each for each in own if each.helper == VERB and each.service == successor.spec.name]


def _ledger(successor: Successor, serving: ObservedContainer) -> LedgerLocation | None:
    """The ledger to copy; None if the service keeps none, or gets another one than the container that serves."""
    environment = successor.environment
    volume = environment.name(environment.settings.ledger.volume)
    if not successor.spec.keeps_ledger or volume not in serving.volumes:
        return None
    return LedgerLocation(
        engine=_engine(environment),
        directory=environment.directory,
        label=environment.label,
        volume=volume,
        container=serving.name,
        image=serving.image_id,
    )


@contextlib.contextmanager
def _container(
    client: docker.DockerClient, successor: Successor, image: str, observed: ObservedState, copy: WorkingCopy | None
) -> Iterator[Container]:
    """The successor's container, started. It is removed at the end."""
    environment, spec = successor.environment, successor.spec
    settings = environment.services[spec.name]
    network = environment.name(environment.settings.network.name)
    interval = min(PROBE_INTERVAL, settings.health_check.interval)
    options: dict[str, Any] = container_inputs.created(settings)
    if copy is not None:
        options["volumes"] = {copy.volume: {"bind": DATA_DIRECTORY, "mode": "rw"}}
    if observed.network(network) is not None:
        options["network"] = network
    container = client.containers.create(
        image,
        successor.command,
        name=f"{successor.name}-trial",
        working_dir="/",
        # The engine adds the host name to the names on the network. Under the service's own, it would get requests, and
        # settle jobs in the copy of the ledger.
        hostname=f"{spec.hostname}-trial",
        environment=dict(successor.variables),
        labels={
            STACK_LABEL: environment.label,
            SERVICE_LABEL: spec.name,
            HELPER_LABEL: VERB,
            helper.WORK_LABEL: VERB if copy is None else copy.work,
            helper.RESUME_LABEL: "nothing",
        },
        healthcheck={
            "test": successor.probe,
            "interval": _nanoseconds(interval),
            "timeout": _nanoseconds(settings.health_check.timeout),
            # Failed probes count only after this time. Then the trial is over.
            "start_period": _nanoseconds(successor.healthy_within),
            "retries": 1,
        },
        **options,
    )
    try:
        container.start()
        yield container
    finally:
        helper.remove(container)


def _require_health(container: Container, successor: Successor, serving: ObservedContainer) -> None:
    deadline = time.monotonic() + successor.healthy_within.total_seconds()
    probes: list[int] = []
    while probes[-SUCCESSES:] != SUCCESSES * [0]:
        container.reload()
        state = container.attrs["State"]
        if state["Status"] != "running" or time.monotonic() > deadline:
            # The container is removed, and its log with it.
            reason = f"{describe_state(container)}. The last lines of its log:\n{log_end(container)}"
            raise _failed(successor, serving, reason)
        probes = [each["ExitCode"] for each in (state.get("Health") or {}).get("Log") or []]
        time.sleep(_POLL_SECONDS)


def _failed(successor: Successor, serving: ObservedContainer, reason: str) -> TrialError:
    return TrialError(
        f"the trial of the new {successor.spec.name} failed, so {serving.name} was not replaced and still serves: "
        f"{reason}\nCorrect the image or the configuration, then run pulumi up again. To replace it "
        "without a trial: pulumi config set --path gix:rollout.trial false"
    )


def _nanoseconds(time: timedelta) -> int:
    return round(time.total_seconds() * _NANO)
