"""Pieces of the programs that scenarios run."""

from typing import Any, Final

import pulumi_docker as docker

from tests.plugin.sandbox import Sandbox

HEALTHCHECK: Final = {"tests": ["CMD", "true"], "interval": "1s", "timeout": "1s", "retries": 3}

Inputs = dict[str, Any]


def image(part: str, image_name: str, **inputs: Any) -> docker.Image:
    """An image that stays on the engine, unless its inputs say otherwise."""
    return docker.Image(part, image_name=image_name, **{"skip_push": True, **inputs})


def container(sandbox: Sandbox, part: str, **inputs: Any) -> docker.Container:
    """A container of the sandbox that sleeps, unless its inputs say otherwise."""
    options = inputs.pop("opts", None)
    stated = {"image": sandbox.base, "command": ["sleep", "600"], **inputs}
    return docker.Container(part, name=sandbox.name(part), opts=options, **stated)
