"""Checks the engine before the program declares anything, and stops the update if something prevents it."""

import docker
import pulumi
from docker.errors import DockerException

from gix_components.takeover import Occupants
from gix_engine import collisions, connection, observed_state, swarm_collisions, swarm_state
from gix_engine.observed_state import ObservedState
from gix_engine.swarm_state import NoManagerError
from gix_model import problems
from gix_model.environment import Environment
from gix_model.problems import Problem


class PreflightError(problems.PreflightError, pulumi.RunError):
    """The engine is not in a state in which the stack can be brought up. Pulumi shows its text, and no traceback."""


def check(environment: Environment) -> None:
    """Raise PreflightError with everything that prevents the stack from being brought up; change nothing."""
    settings = environment.settings
    try:
        client = connection.connect(settings.engine, environment.directory)
        observed = observed_state.observe(client, local=connection.is_local(settings.engine))
    except (DockerException, OSError, ValueError) as error:
        raise PreflightError("Docker engine", [collisions.unreachable(environment, error)]) from None
    if not observed.local:
        pulumi.log.info(
            "the engine does not run on this machine: its processes, addresses, routes and free disk are not checked"
        )
    found, engine = collisions.find(environment, observed), observed.info.name
    if environment.is_swarm:
        problems_of_swarm, observed = _swarm(environment, client, observed)
        found += problems_of_swarm
    found += collisions.helpers(environment, observed)
    if found:
        raise PreflightError(f"Docker engine {engine}".rstrip(), found)
    if settings.take_over:
        for description in Occupants.find(observed, environment).descriptions:
            pulumi.log.warn(f"{description} is stopped and removed in this update: gix:takeOver is set")
    # In Swarm, on the engine of the ledger's node.
    unused = collisions.unused_ledgers(environment, observed)
    if unused:
        pulumi.log.info(f"ledgers that this configuration does not use stay on the engine: {', '.join(unused)}")


def _swarm(
    environment: Environment, client: docker.DockerClient, manager: ObservedState
) -> tuple[list[Problem], ObservedState]:
    """The problems of a Swarm, and the observed state of the engine with the ledger."""
    if not manager.info.is_manager:
        return [swarm_collisions.no_manager(environment)], manager
    try:
        found = swarm_collisions.find(environment, swarm_state.observe(client), local=manager.local)
    except (NoManagerError, DockerException, OSError) as error:
        return [swarm_collisions.no_answer(environment, error)], manager
    if not any(spec.keeps_ledger for spec in environment.specs):
        return found, manager
    try:
        observed = observed_state.observe(connection.connect(environment.ledger_engine, environment.directory))
    except (DockerException, OSError, ValueError) as error:
        return [*found, swarm_collisions.unreachable_node(environment, error)], manager
    return [*found, *swarm_collisions.ledger_problems(environment, observed)], observed
