"""`gixctl status`: one line for each container of a stack's services and for its edge, with address and health.

In Swarm, each line is a task with its node, and the error that the task reports.
"""

from dataclasses import dataclass

from rich.markup import escape
from rich.table import Table

from gix_ops import services, swarm
from gix_ops.stack import Stack

COLOURS = {"healthy": "green", "starting": "yellow"}
"""Colours by health; any other health is red."""


@dataclass(frozen=True, kw_only=True)
class ServiceStatus:
    """One container. `health` is its health if it runs, otherwise its state."""

    service: str
    """The service, and the number if it has several containers: `router`, `router-2`; `edge` for the edge."""
    container: str
    digest: str
    address: str
    health: str
    node: str | None = None
    """Host name of its node, in Swarm; null outside, and if no node runs it."""
    error: str = ""
    """What its task reports, in Swarm."""

    @property
    def is_healthy(self) -> bool:
        """Whether its health check succeeds."""
        return self.health == "healthy"


def statuses(stack: Stack) -> list[ServiceStatus]:
    """The status of every container of the stack. Raises StackError if its engine does not answer."""
    return [
        ServiceStatus(
            service=each.title,
            container=each.name,
            digest=each.digest,
            address=each.address,
            health=each.health,
            node=each.node,
            error=each.error,
        )
        for each in services.read(stack, stack.connect())
    ]


def table(stack: Stack, found: list[ServiceStatus]) -> Table:
    """The statuses for a terminal."""
    shown = Table(title=title(stack), title_justify="left")
    in_swarm = swarm.is_swarm(stack)
    node = ["node"] if in_swarm else []
    for heading in ("service", "task" if in_swarm else "container", *node, "image digest", "address", "health"):
        shown.add_column(heading, no_wrap=True)
    if any(status.error for status in found):
        shown.add_column("error", overflow="fold")
    for status in found:
        digest = services.short_digest(status.digest)
        where = [status.node or "-"] if in_swarm else []
        cells = [status.service, status.container, *where, digest, status.address, coloured(status.health)]
        shown.add_row(*cells, *([escape(status.error)] if status.error else []))
    return shown


def title(stack: Stack) -> str:
    """The title of a table of the stack's services."""
    network = stack.outputs.network
    return f"{stack.label} on {network.name} {network.subnet}"


def coloured(health: str) -> str:
    """A health in its colour, as markup of rich."""
    colour = COLOURS.get(health, "red")
    return f"[{colour}]{health}[/{colour}]"
