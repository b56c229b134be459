"""`gixctl status`: what of a stack runs, and how it is."""

from dataclasses import dataclass

from docker.errors import NotFound
from rich.table import Table

from gix_components.catalog import CATALOG
from gix_ops.stack import Stack

_COLOURS = {"healthy": "green", "starting": "yellow"}
_SHORT_DIGEST = 19


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
    client = stack.engine()
    found = []
    for service, outputs in sorted(stack.outputs["services"].items(), key=lambda item: list(CATALOG).index(item[0])):
        digest = outputs["digest"]
        try:
            container = client.containers.get(outputs["container"])
        except NotFound:
            health = "missing"
        else:
            state = container.attrs["State"]
            health = state["Health"]["Status"] if state["Running"] and "Health" in state else state["Status"]
            if outputs["digest"].startswith("sha256:"):
                digest = container.attrs["Image"]
        found.append(
            ServiceStatus(
                service=service,
                container=outputs["container"],
                digest=digest,
                address=outputs["endpoint"] or f"{outputs['address']} (in the network)",
                health=health,
            )
        )
    return found


def table(stack: Stack, found: list[ServiceStatus]) -> Table:
    """The statuses for a terminal."""
    network = stack.outputs["network"]
    shown = Table(title=f"{stack.outputs['label']} on {network['name']} {network['subnet']}", title_justify="left")
    for heading in ("service", "container", "image digest", "address", "health"):
        shown.add_column(heading, no_wrap=True)
    for status in found:
        colour = _COLOURS.get(status.health, "red")
        digest = "sha256:" + status.digest.rpartition("sha256:")[2]
        shown.add_row(
            status.service,
            status.container,
            digest[:_SHORT_DIGEST],
            status.address,
            f"[{colour}]{status.health}[/{colour}]",
        )
    return shown
