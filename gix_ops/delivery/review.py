"""`gixctl review`: a temporary stack for one pull request."""

import ipaddress
from pathlib import Path

from gix_model.catalog import CATALOG
from gix_model.settings import LedgerSettings, NetworkSettings, ServiceSettings, StackSettings
from gix_model.stack_file import StackFile
from gix_ops.delivery.temporary_stack import TemporaryStack

BASE = "dev"
"""The stack whose configuration a review stack starts from."""
_PORTS = range(10_000, 32_768)
"""The ports of review stacks. Linux gives the ports from 32768 on to clients."""
PLACES = len(_PORTS) // len(CATALOG)
"""Pull requests that have ports and subnets of their own. A higher number has those of number - PLACES."""
_SUBNETS = ipaddress.IPv4Network("10.64.0.0/10")
_SUBNET_BITS = 24


def stack(directory: Path, number: int) -> TemporaryStack:
    """The review stack `pr-NUMBER` of the program in `directory`."""
    name = f"pr-{number}"
    return TemporaryStack(name=name, directory=directory, prefix=name)


def settings(number: int) -> StackSettings:
    """What the review stack `pr-NUMBER` does not share with BASE: names, ports and a subnet."""
    place = number % PLACES
    subnet = ipaddress.IPv4Address(int(_SUBNETS.network_address) + place * 2 ** (32 - _SUBNET_BITS))
    first = _PORTS[place * len(CATALOG)]
    services = {service: ServiceSettings(hostPort=first + index) for index, service in enumerate(CATALOG)}
    return StackSettings(
        prefix=f"pr-{number}",
        network=NetworkSettings(subnet=f"{subnet}/{_SUBNET_BITS}"),
        ledger=LedgerSettings(protect=False),
        **services,
    )


def bring_up(directory: Path, number: int) -> None:
    """Create the stack `pr-NUMBER` if it does not exist, and bring it up.

    Raises StackError if Pulumi fails, whose own output has been shown, or StackFileError if BASE has no valid file.
    """
    review = stack(directory, number)
    review.configure(StackFile.read(directory, BASE), settings(number), without=[("edge", "metricsPort")])
    review.create()
    review.up()
