"""`gixctl verify`: what a stack declares beside what `docker inspect` shows, field by field.

What is declared is read from the stack's state: the inputs of its containers, network, volume and images. Secrets are
compared in memory and never shown; a variable that nobody declared is shown by its name alone. What a container has
from its image is no difference. With `--json`:

    {"stack": "gix/dev", "compared": 96, "not_compared": ["router dns"],
     "differences": [{"subject": "router", "field": "memory", "declared": "256 MiB", "found": "300 MiB",
                      "fix": "pulumi up --refresh"}]}

`subject` is a service, or another thing with its kind: `network gix-network`. `declared` and `found` are null where
there is nothing on that side. `compared` counts fields, `not_compared` names those that the engine does not show.
"""

import functools
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

import docker
from docker.errors import DockerException, ImageNotFound, NotFound
from rich.markup import escape
from rich.table import Table

from gix_model.environment import STACK_LABEL
from gix_ops import fields, inspection, resources
from gix_ops.errors import StackError
from gix_ops.fields import Value
from gix_ops.resources import Record, Resource, State
from gix_ops.stack import StackReference

_ENGINES_OWN = ("log driver", "hostname", "ulimit ", "gateway", "ipam driver")
"""Beginnings of fields that the engine fills in by its own configuration where nobody states them."""
_UNSTATED = dict.fromkeys(
    ("init", "read-only root", "privileged", "restart", "internal", "attachable", "ipv6"), Value("no")
)
"""What it means to say nothing of a switch."""
_SET_BACK = frozenset({"memory", "memory with swap", "memory reservation", "cpu shares", "cpu set", "restart"})
"""Fields that a refresh sees, and the provider changes on a running container, to any value but to none."""
_REFRESH = "pulumi up --refresh"


@dataclass(frozen=True, kw_only=True)
class Difference:
    """One field in which the engine is not what the stack declares; None where a side has nothing."""

    subject: str
    field: str
    declared: str | None
    found: str | None
    fix: str


@dataclass(kw_only=True)
class Report:
    """What came of a comparison."""

    stack: str
    compared: int = 0
    not_compared: list[str] = field(default_factory=list)
    differences: list[Difference] = field(default_factory=list)

    def add(self, subject: str, field_name: str, *, declared: str | None, found: str | None, fix: str) -> None:
        """Put down a difference."""
        self.differences.append(Difference(subject=subject, field=field_name, declared=declared, found=found, fix=fix))

    def compare(
        self, resource: Resource, declared: Mapping[str, Value], found: Mapping[str, Value], fix: str | None = None
    ) -> None:
        """Put down every field in which both sides differ; without a `fix`, each gets its own."""
        for name in sorted({*declared, *found}):
            self.compared += 1
            wanted, seen = declared.get(name), found.get(name)
            if (wanted or _UNSTATED.get(name)) != (seen or _UNSTATED.get(name)):
                self.add(
                    resource.subject,
                    name,
                    declared=None if wanted is None else str(wanted),
                    found=_shown(name, wanted, seen),
                    fix=fix or (_REFRESH if wanted and name in _SET_BACK else resource.anew),
                )


def verify(stack: StackReference) -> Report:
    """Compare the stack with its engine; raises StackError where one of them can't be read."""
    state = resources.export(stack)
    try:
        return _verify(stack, state, stack.connect())
    except DockerException as error:
        raise StackError(f"the Docker engine can't be read: {error}") from error


def _verify(stack: StackReference, state: State, client: docker.DockerClient) -> Report:
    report = Report(stack=stack.label)
    containers = [each for each in state.resources if each.type == resources.CONTAINER]
    own = frozenset(name for each in containers for name in (each.id, each.name))
    comparisons: dict[str, Callable[[Report, docker.DockerClient, Resource], None]] = {
        resources.CONTAINER: _container,
        resources.NETWORK: functools.partial(_network, own=own),
        resources.VOLUME: _volume,
        resources.IMAGE: _image,
    }
    for resource in state.resources:
        if resource.errors:
            found = "; ".join(" ".join(error.split()) for error in resource.errors)
            report.add(resource.subject, "last update", declared="succeeded", found=found, fix="pulumi up")
        if resource.type in comparisons:
            comparisons[resource.type](report, client, resource)
    for name, operation in state.pending:
        fix = "pulumi refresh --clear-pending-creates, then pulumi up"
        report.add(name, "last update", declared="finished", found=f"cut off while {operation}", fix=fix)
    networks = frozenset(each.id for each in state.resources if each.type == resources.NETWORK)
    _strangers(report, client, own | networks)
    return report


def declared_fields(report: Report, resource: Resource, shown: frozenset[str]) -> dict[str, Value]:
    """The fields of a resource's inputs that the engine shows; `report` is told of those that it does not."""
    stated = fields.read(resource.inputs)
    for name, values in stated.items():
        if name not in shown and name not in resources.TOLD_TO_PROVIDER:
            report.not_compared += [f"{resource.subject} {field_name}" for field_name in values]
    return fields.flat({name: values for name, values in stated.items() if name in shown})


def compare_container(report: Report, resource: Resource, found: Record, image: Record) -> None:
    """Compare a container's fields; `found` and `image` are inspections, `image` empty where it is gone."""
    fix = None
    if found["Id"] != resource.id:
        fix = f"docker rm -f {resource.name}, then {_REFRESH}"
        report.add(resource.subject, "container id", declared=resource.id, found=found["Id"], fix=fix)
    _compare_state(report, resource, found["State"])
    if not image:
        report.add(resource.subject, "image", declared="on the engine", found=None, fix=resource.anew)
    declared = declared_fields(report, resource, inspection.SHOWN)
    shown = inspection.container(found, image)
    # Without the image nobody can tell what came from it.
    report.compare(resource, declared, _less(shown, declared, inspection.inherited(image) if image else shown), fix)


def compare_network(report: Report, resource: Resource, found: Record, own: frozenset[str]) -> None:
    """Compare a network's fields, and look who is on it besides the containers of `own`, ids or names."""
    fix = None
    if found["Id"] != resource.id:
        fix = f"remove the network {resource.name} (docker network rm), then {_REFRESH}"
        report.add(resource.subject, "network id", declared=resource.id, found=found["Id"], fix=fix)
    declared = declared_fields(report, resource, inspection.SHOWN_OF_NETWORK)
    report.compare(resource, declared, _less(inspection.network(found), declared, {}), fix)
    for container, endpoint in sorted((found.get("Containers") or {}).items()):
        if not {container, endpoint["Name"]} & own:
            report.add(
                resource.subject,
                "endpoint",
                declared=None,
                found=f"container {endpoint['Name']}",
                fix=f"docker network disconnect -f {resource.name} {endpoint['Name']}",
            )


def _less(
    found: Mapping[str, Value], declared: Mapping[str, Value], inherited: Mapping[str, Value]
) -> dict[str, Value]:
    """What was found, less what nobody stated and the image or the engine's own configuration brings."""
    return {
        name: value
        for name, value in found.items()
        if name in declared or not (inherited.get(name) == value or name.startswith(_ENGINES_OWN))
    }


def _compare_state(report: Report, resource: Resource, state: Record) -> None:
    report.compared += 1
    look = f"docker logs {resource.name} tells why; docker restart {resource.name} starts it again"
    status = state["Status"]
    health = (state.get("Health") or {}).get("Status", "none")
    if resource.inputs.get("mustRun", True) and status != "running":
        fix = {"paused": f"docker unpause {resource.name}", "restarting": look}.get(status, _REFRESH)
        found = f"{status}, exit code {state['ExitCode']}" if status == "exited" else status
        report.add(resource.subject, "state", declared="running", found=found, fix=fix)
    elif "healthcheck" in resource.inputs and health != "healthy":
        fix = "wait for its health check, and verify again" if health == "starting" else look
        report.add(resource.subject, "health", declared="healthy", found=health, fix=fix)


def _container(report: Report, client: docker.DockerClient, resource: Resource) -> None:
    for key in (resource.id, resource.name):
        try:
            found = client.containers.get(key).attrs
        except NotFound:
            continue
        wanted = str(resource.inputs.get("image"))
        here = _image_attributes(client, wanted).get("Id", wanted)
        resolved = Resource(**vars(resource) | {"inputs": {**resource.inputs, "image": here}})
        compare_container(report, resolved, found, _image_attributes(client, found["Image"]))
        return
    report.add(resource.subject, "container", declared=resource.name, found=None, fix=_REFRESH)


def _network(report: Report, client: docker.DockerClient, resource: Resource, *, own: frozenset[str]) -> None:
    for key in (resource.id, resource.name):
        try:
            found = client.api.inspect_network(key)
        except NotFound:
            continue
        compare_network(report, resource, found, own)
        return
    report.add(resource.subject, "network", declared=resource.name, found=None, fix=_REFRESH)


def _volume(report: Report, client: docker.DockerClient, resource: Resource) -> None:
    # Its labels are not compared: the stack leaves those of a volume that it took over as they are.
    report.compared += 1
    try:
        found = client.volumes.get(resource.name).attrs["Driver"]
    except NotFound:
        fix = f"restore it from a backup, or begin an empty one: {_REFRESH}"
        report.add(resource.subject, "volume", declared=resource.name, found=None, fix=fix)
        return
    declared = str(resource.inputs.get("driver") or resource.outputs.get("driver") or found)
    if found != declared:
        fix = "save what is in it first: the stack has another volume in mind"
        report.add(resource.subject, "driver", declared=declared, found=found, fix=fix)


def _image(report: Report, client: docker.DockerClient, resource: Resource) -> None:
    report.compared += 1
    digest = str(resource.outputs.get("repoDigest"))
    built = _image_attributes(client, digest).get("Id")
    tagged = _image_attributes(client, resource.name).get("Id")
    if tagged is None or tagged != built:
        fix = resource.anew if built is None else f"docker tag {built} {resource.name}"
        report.add(resource.subject, "tag", declared=built or digest, found=tagged, fix=fix)


def _strangers(report: Report, client: docker.DockerClient, own: frozenset[str]) -> None:
    """Look for what bears the stack's label and is not in its state, of which `own` has ids and names."""
    labelled = {"label": f"{STACK_LABEL}={report.stack}"}
    for container in client.api.containers(all=True, filters=labelled):
        names = [name.removeprefix("/") for name in container["Names"] or [container["Id"]]]
        if not {container["Id"], *names} & own:
            fix = f"docker rm -f {names[0]}"
            report.add(f"container {names[0]}", "container", declared=None, found="there", fix=fix)
    for network in client.api.networks(filters=labelled):
        if network["Id"] not in own:
            fix = f"docker network rm {network['Name']}"
            report.add(f"network {network['Name']}", "network", declared=None, found="there", fix=fix)


def _image_attributes(client: docker.DockerClient, reference: str) -> Record:
    try:
        attributes: Record = client.images.get(reference).attrs
    except ImageNotFound:
        return {}
    return attributes


def _shown(name: str, wanted: Value | None, seen: Value | None) -> str | None:
    if seen is None:
        return None
    if wanted is not None and wanted.secret:
        return "another value"
    return "(not shown)" if wanted is None and name.startswith("variable ") else str(seen)


def summary(report: Report) -> str:
    """What came of it, in a line."""
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
