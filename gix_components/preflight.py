"""Checks the engine before anything is declared, and stops the update if something is in the stack's way."""

import pulumi
from docker.errors import DockerException

from gix_components.takeover import Occupants
from gix_engine import collisions, connection
from gix_model import problems
from gix_model.environment import Environment


class PreflightError(problems.PreflightError, pulumi.RunError):
    """The engine is not in a state in which the stack can be brought up. Pulumi shows its text, and no traceback."""


def check(environment: Environment) -> None:
    """Raise PreflightError with everything that stands in the way of the stack on its engine; touch nothing."""
    try:
        client = connection.connect(environment.settings.engine, environment.directory)
        holdings = collisions.observe(client, environment)
        occupants = Occupants.find(client, environment).names if environment.settings.take_over else []
    except (DockerException, OSError, ValueError) as error:
        raise PreflightError("Docker engine", [collisions.unreachable(environment, error)]) from None
    if not holdings.local:
        pulumi.log.info(
            "the engine is not this machine's: its processes, addresses, routes and free disk are not checked"
        )
    found = [*collisions.find(environment, holdings), *collisions.helpers(environment, holdings)]
    if found:
        raise PreflightError(f"Docker engine {holdings.info.name}".rstrip(), found)
    for name in occupants:
        pulumi.log.warn(f"{name} is stopped and removed in this update: gix:takeOver is set")
    unused = collisions.unused_ledgers(environment, holdings)
    if unused:
        pulumi.log.info(f"ledgers that this configuration does not use stay on the engine: {', '.join(unused)}")
