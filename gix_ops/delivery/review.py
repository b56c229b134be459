"""`gixctl review`: a throw-away stack for one pull request, beside every other stack of the engine."""

import ipaddress
from pathlib import Path
from typing import Any

import yaml

from gix_model.catalog import CATALOG
from gix_model.merging import merged
from gix_ops import pulumi_command, stack_ledger
from gix_ops.stack import Stack

BASE = "dev"
"""The environment that a review stack is like."""
PLACES = 7_500
"""How many pull requests have ports and subnets of their own; a higher number takes those of number - PLACES."""
_FIRST_PORT = 10_000  # so that the last is below those that the kernel gives to clients
_SUBNETS = ipaddress.IPv4Network("10.64.0.0/10")
_SUBNET_BITS = 24


def settings(number: int, base: dict[str, Any]) -> dict[str, Any]:
    """The stack file's `config` for the pull request `number`: `base` with names, ports and a subnet of its own."""
    place = number % PLACES
    subnet = ipaddress.IPv4Address(int(_SUBNETS.network_address) + place * 2 ** (32 - _SUBNET_BITS))
    own: dict[str, Any] = {
        "gix:prefix": f"pr-{number}",
        "gix:network": {"subnet": f"{subnet}/{_SUBNET_BITS}"},
        "gix:ledger": {"protect": False},
    }
    ports = len(CATALOG)
    for index, service in enumerate(CATALOG):
        own[f"gix:{service}"] = {"hostPort": _FIRST_PORT + place * ports + index}
    return merged(base, own)


def bring_up(directory: Path, number: int) -> None:
    """Create the stack `pr-NUMBER` where it is not there, and bring it up to date.

    Raises StackError where a command of Pulumi's fails, whose own words have been shown.
    """
    name, file = _stack(directory, number)
    base = yaml.safe_load((directory / f"Pulumi.{BASE}.yaml").read_text())["config"]
    known = yaml.safe_load(file.read_text()) if file.exists() else {}
    file.write_text(yaml.safe_dump(known | {"config": settings(number, base)}))
    pulumi_command.show(directory, "stack", "select", "--create", name)
    pulumi_command.show(directory, "up", "--stack", name, "--yes", "--skip-preview")


def take_down(directory: Path, number: int) -> None:
    """Remove the stack `pr-NUMBER` with its ledger, images and file; all that the review made is gone.

    Raises StackError where there is no such stack, or a command of Pulumi's fails.
    """
    name, file = _stack(directory, number)
    stack = Stack.read(name, directory)
    client = stack.connect()
    volume = stack.outputs.volume
    kept = stack_ledger.deletable(stack, volume, destroyed_first=True) if volume else None
    pulumi_command.show(directory, "destroy", "--stack", name, "--yes", "--skip-preview")
    if kept is not None:
        kept.delete()
    for service in stack.outputs.services.values():
        if client.images.list(service.image):
            client.images.remove(service.image)
    pulumi_command.show(directory, "stack", "rm", name, "--yes")
    file.unlink(missing_ok=True)


def _stack(directory: Path, number: int) -> tuple[str, Path]:
    name = f"pr-{number}"
    return name, directory / f"Pulumi.{name}.yaml"
