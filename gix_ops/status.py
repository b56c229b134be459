"""`gixctl status`: what of a stack runs, and how it is, in one line for each service."""

from dataclasses import dataclass

from rich.table import Table

from gix_ops import services
from gix_ops.stack import Stack

COLOURS = {"healthy": "green", "starting": "yellow"}
"""Colours of the words for health; any other is red."""


@dataclass(frozen=True, kw_only=True)
class ServiceStatus:
    """One service as the engine shows it now. `health` is the engine's word, or the state of what does not run."""

    service: str
    container: str
    digest: str
    address: str
    health: str

    @property
    def is_healthy(self) -> bool:
        """Whether the engine calls it healthy."""
        return self.health == "healthy"


def statuses(stack: Stack) -> list[ServiceStatus]:
    """The state of every service of the stack; raises StackError where its engine does not answer."""
    return [
        ServiceStatus(
            service=each.service,
            container=each.name,
            digest=each.digest,
            address=each.outputs.endpoint or f"{each.outputs.address} (in the network)",
            health=each.health,
        )
        for each in services.read(stack, stack.connect())
    ]


def table(stack: Stack, found: list[ServiceStatus]) -> Table:
    """The statuses for a terminal."""
    shown = Table(title=title(stack), title_justify="left")
    for heading in ("service", "container", "image digest", "address", "health"):
        shown.add_column(heading, no_wrap=True)
    for status in found:
        digest = services.short_digest(status.digest)
        shown.add_row(status.service, status.container, digest, status.address, coloured(status.health))
    return shown


def title(stack: Stack) -> str:
    """What stands over a table of the stack's services."""
    network = stack.outputs.network
    return f"{stack.label} on {network.name} {network.subnet}"


def coloured(health: str) -> str:
    """A word for health, marked up for rich."""
    colour = COLOURS.get(health, "red")
    return f"[{colour}]{health}[/{colour}]"
