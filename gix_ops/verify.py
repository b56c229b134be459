"""`gixctl verify`: the declared state of a stack, compared with the observed state of its engine, field by field.

The declared state is read from Pulumi's state: the inputs of the stack's containers, network, volume and images.
Secrets are compared in memory and never shown; of a variable that is not declared only the name is shown. What a
container has from its image is not a difference. `--json` prints:

    {"stack": "gix/dev", "compared": 96, "not_compared": ["router dns"],
     "differences": [{"type": "value", "kind": "container", "name": "gix-router", "id": "3f4e...", "subject": "router",
                      "field": "memory", "declared": "256 MiB", "found": "300 MiB", "fix": "pulumi up --refresh"}]}

`type` is a DifferenceType. `kind`, `name` and `id` are those of the object on the engine: container, network, volume or
image, in Swarm also service, secret or config; `id` is null if the object is missing. `subject` is the service of a
container, otherwise kind and name. `declared` and `found` are null if there is no value on that side. `compared` counts
fields, `not_compared` names the fields that the engine does not show.
"""

import docker
from docker.errors import DockerException
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from gix_engine import observed_state
from gix_engine.observed_state import ObservedState
from gix_ops import fields, resources, swarm, verify_containers, verify_swarm
from gix_ops.differences import DifferenceType, Object, Report
from gix_ops.errors import StackError
from gix_ops.resources import State
from gix_ops.stack import StackReference


def verify(stack: StackReference) -> Report:
    """Compare the stack with its engine. Raises StackError if one of them cannot be read."""
    state = resources.export(stack)
    try:
        client = stack.connect()
        return compare(stack, state, client, observed_state.observe(client))
    except (DockerException, OSError) as error:
        raise StackError(f"the Docker engine cannot be read: {error}") from error


def compare(stack: StackReference, state: State, client: docker.DockerClient, observed: ObservedState) -> Report:
    """Compare the state of a stack with its engine, or with its Swarm.

    Raises StackError if a manager does not answer, docker.errors.DockerException or OSError.
    """
    report = Report(stack=stack.label)
    _records(report, state)
    if swarm.is_swarm(stack):
        verify_swarm.compare(report, stack, state, client, observed)
    else:
        verify_containers.compare(report, state, client, observed)
    return report


def _records(report: Report, state: State) -> None:
    """Add what Pulumi's state itself says of failed and interrupted updates."""
    for resource in state.resources:
        if resource.errors:
            found = "; ".join(" ".join(error.split()) for error in resource.errors)
            here = Object.declared(report, resource, resource.id)
            here.add(DifferenceType.FAILED_UPDATE, "last update", declared="succeeded", found=found, fix="pulumi up")
    for name, operation in state.pending:
        Object(report=report, kind="resource", name=name, id=None, subject=name).add(
            DifferenceType.INTERRUPTED_UPDATE,
            "last update",
            declared="finished",
            found=f"interrupted while {operation}",
            fix="pulumi refresh --clear-pending-creates, then pulumi up",
        )


def summary(report: Report) -> str:
    """The result on one line."""
    count = len(report.differences)
    outcome = "as declared" if not count else "1 difference" if count == 1 else f"{count} differences"
    left_out = f"; not compared: {', '.join(report.not_compared)}" if report.not_compared else ""
    return f"{report.stack}: {outcome}, {report.compared} fields compared{left_out}"


def table(report: Report) -> Table:
    """The differences for a terminal."""
    shown = Table()
    for heading in ("what", "field", "declared", "found", "fix"):
        shown.add_column(heading, overflow="fold")
    for each in report.differences:
        sides = ("-" if side is None else fields.short(side) for side in (each.declared, each.found))
        shown.add_row(*map(escape, (each.subject, each.field, *sides, each.fix)))
    return shown


def show(report: Report, console: Console) -> None:
    """Print the result, and the differences if there are some."""
    console.print(summary(report), highlight=False, markup=False)
    if report.differences:
        console.print(table(report))
