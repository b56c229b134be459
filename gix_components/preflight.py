"""Checks the engine before the program declares anything, and stops the update if something prevents it."""

import pulumi
from docker.errors import DockerException

from gix_components.takeover import Occupants
from gix_engine import collisions, connection, observed_state
from gix_model import problems
from gix_model.environment import Environment


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
    found = [*collisions.find(environment, observed), *collisions.helpers(environment, observed)]
    if found:
        raise PreflightError(f"Docker engine {observed.info.name}".rstrip(), found)
    if settings.take_over:
        for description in Occupants.find(observed, environment).descriptions:
            pulumi.log.warn(f"{description} is stopped and removed in this update: gix:takeOver is set")
    unused = collisions.unused_ledgers(environment, observed)
    if unused:
        pulumi.log.info(f"ledgers that this configuration does not use stay on the engine: {', '.join(unused)}")
