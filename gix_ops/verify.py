"""`gixctl verify`: the declared state of a stack, compared with the observed state of its engine, field by field.

The declared state is read from Pulumi's state: the inputs of the stack's containers, network, volume and images.
Secrets are compared in memory and never shown; of a variable that is not declared only the name is shown. What a
container has from its image is not a difference. `--json` prints:

    {"stack": "gix/dev", "compared": 96, "not_compared": ["router dns"],
     "differences": [{"type": "value", "kind": "container", "name": "gix-router", "id": "3f4e...", "subject": "router",
                      "field": "memory", "declared": "256 MiB", "found": "300 MiB", "fix": "pulumi up --refresh"}]}

`type` is a DifferenceType. `kind`, `name` and `id` are those of the object on the engine: container, network, volume or
image; `id` is null if the object is missing. `subject` is the service of a container, otherwise kind and name.
`declared` and `found` are null if there is no value on that side. `compared` counts fields, `not_compared` names the
fields that the engine does not show.
"""

import dataclasses
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from enum import StrEnum

import docker
from docker.errors import DockerException
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from gix_engine import observed_state
from gix_engine.observed_state import ObservedState
from gix_model import container_inputs, provider_facts
from gix_model.container_inputs import INPUTS
from gix_ops import fields, inspection, resources, swarm
from gix_ops.errors import StackError
from gix_ops.fields import Value
from gix_ops.resources import Record, Resource, State
from gix_ops.stack import StackReference

_NETWORK_DEFAULTS = ("gateway", "ipam driver")
"""Fields of a network that the engine sets from its own configuration if they are not declared."""
_UNSTATED = {fields.words_for(row.name): Value(row.unstated) for row in INPUTS.values() if row.unstated}
_UNSTATED |= dict.fromkeys(("internal", "attachable", "ipv6"), Value("no"))
"""The values of options that are not declared."""
_SET_LIVE = frozenset(map(fields.words_for, container_inputs.LIVE))
"""Fields that the provider sets on a running container, but cannot remove from it."""
_REFRESH = "pulumi up --refresh"


class DifferenceType(StrEnum):
    """In what way the engine differs from the declared state."""

    MISSING = "missing"
    """A declared object is not on the engine."""
    UNDECLARED = "undeclared"
    """An object with the stack's label is not in the stack's state."""
    REPLACED = "replaced"
    """An object has the declared name and not the id in the state: something else made it."""
    STATE = "state"
    """A container does not run."""
    HEALTH = "health"
    """A container that runs is not healthy."""
    IMAGE = "image"
    """A container runs another image, or its image no longer exists."""
    VALUE = "value"
    """A field has another value."""
    FAILED_UPDATE = "failed update"
    """The last update of the resource failed."""
    UPDATE_STATE = "update state"
    """Swarm has paused the last update of a service, or rolled it back."""
    INTERRUPTED_UPDATE = "interrupted update"
    """The last update of the resource did not end."""


@dataclass(frozen=True, kw_only=True)
class Difference:
    """One difference between the engine and the declared state; see the docstring of this module."""

    type: DifferenceType
    kind: str
    name: str
    id: str | None = None
    subject: str
    field: str
    declared: str | None
    found: str | None
    fix: str


@dataclass(kw_only=True)
class Report:
    """The result of a comparison."""

    stack: str
    compared: int = 0
    not_compared: list[str] = field(default_factory=list)
    differences: list[Difference] = field(default_factory=list)


@dataclass(frozen=True, kw_only=True)
class Object:
    """An object on the engine whose differences are added to a report; `id` is None if it is missing."""

    report: Report
    kind: str
    name: str
    id: str | None
    subject: str

    @classmethod
    def declared(cls, report: Report, resource: Resource, id_: str | None) -> "Object":
        """The object of a resource in the state."""
        return cls(report=report, kind=resource.kind, name=resource.name, id=id_, subject=resource.subject)

    def add(self, type_: DifferenceType, field_name: str, *, declared: str | None, found: str | None, fix: str) -> None:
        """Add a difference."""
        self.report.differences.append(
            Difference(
                type=type_,
                kind=self.kind,
                name=self.name,
                id=self.id,
                subject=self.subject,
                field=field_name,
                declared=declared,
                found=found,
                fix=fix,
            )
        )

    def compare(
        self, declared: Mapping[str, Value], found: Mapping[str, Value], *, replace: str, fix: str | None
    ) -> None:
        """Add every field in which both sides differ. Default for `fix`: a refresh, or `replace`, for each field."""
        for name in sorted({*declared, *found}):
            self.report.compared += 1
            wanted, seen = declared.get(name), found.get(name)
            if (wanted or _UNSTATED.get(name)) != (seen or _UNSTATED.get(name)):
                self.add(
                    DifferenceType.IMAGE if name == "image" else DifferenceType.VALUE,
                    name,
                    declared=None if wanted is None else str(wanted),
                    found=_shown(wanted, seen),
                    fix=fix or (_REFRESH if wanted and name in _SET_LIVE else replace),
                )


def verify(stack: StackReference) -> Report:
    """Compare the stack with its engine. Raises StackError if one of them cannot be read."""
    state = resources.export(stack)
    try:
        client = stack.connect()
        return compare_stack(stack, state, client, observed_state.observe(client))
    except (DockerException, OSError) as error:
        raise StackError(f"the Docker engine cannot be read: {error}") from error


def compare_stack(stack: StackReference, state: State, client: docker.DockerClient, observed: ObservedState) -> Report:
    """Compare the state of a stack with its engine, or with its Swarm.

    Raises StackError if a manager does not answer, docker.errors.DockerException or OSError.
    """
    if not swarm.is_swarm(stack):
        return compare(stack.label, state, client, observed)
    report = Report(stack=stack.label)
    _records(report, state)
    from gix_ops import verify_swarm  # noqa: PLC0415 - it uses this module

    verify_swarm.compare(report, stack, state, client, observed)
    return report


def compare(label: str, state: State, client: docker.DockerClient, observed: ObservedState) -> Report:
    """Compare the state of the stack `label`, PROJECT/STACK, with the observed state of its engine.

    The whole records of its objects are read by `client`. Raises docker.errors.DockerException or OSError.
    """
    report = Report(stack=label)
    containers = [each for each in state.resources if each.type == provider_facts.CONTAINER]
    own = frozenset(name for each in containers for name in (each.id, each.name))
    _records(report, state)
    for resource in state.resources:
        match resource.type:
            case provider_facts.CONTAINER:
                _container(report, client, observed, resource)
            case provider_facts.NETWORK:
                _network(report, client, observed, resource, own)
            case provider_facts.VOLUME:
                compare_volume(report, client, resource)
            case provider_facts.IMAGE:
                compare_image(report, client, resource)
    networks = frozenset(each.id for each in state.resources if each.type == provider_facts.NETWORK)
    _undeclared(report, observed.created_by(label), own | networks | state.superseded)
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


def declared_fields(report: Report, resource: Resource, shown: frozenset[str]) -> dict[str, Value]:
    """The fields of a resource's inputs that the engine shows; adds the others to `report.not_compared`."""
    stated = fields.read(resource.inputs)
    for name, values in stated.items():
        if name not in shown and name not in container_inputs.INSTRUCTIONS:
            report.not_compared += [f"{resource.subject} {field_name}" for field_name in values]
    return fields.flat({name: values for name, values in stated.items() if name in shown})


def compare_container(report: Report, resource: Resource, found: Record, image: Record) -> None:
    """Compare a container's fields. `found` and `image` are the engine's records, `image` is empty if it is missing."""
    here, fix = Object.declared(report, resource, found["Id"]), None
    if found["Id"] != resource.id:
        fix = f"docker rm -f {resource.name}, then {_REFRESH}"
        here.add(DifferenceType.REPLACED, "container id", declared=resource.id, found=found["Id"], fix=fix)
    _compare_state(here, resource, found["State"])
    if not image:
        replace = resource.replace_command
        here.add(DifferenceType.IMAGE, "image", declared="on the engine", found=None, fix=replace)
    declared = declared_fields(report, resource, inspection.SHOWN)
    shown = inspection.container(found, image)
    # Without the image, nothing says which fields came from it.
    inherited = inspection.inherited(image) if image else fields.flat(shown)
    defaults = {name for row in INPUTS.values() if row.engine_default for name in shown.get(row.name, {})}
    actual = _without_defaults(fields.flat(shown), declared, inherited, defaults)
    here.compare(declared, actual, replace=resource.replace_command, fix=fix)


def compare_network(report: Report, resource: Resource, found: Record, own: frozenset[str]) -> None:
    """Compare a network's fields, and add containers that are connected to it and not in `own` (ids and names)."""
    here, fix = Object.declared(report, resource, found["Id"]), None
    if found["Id"] != resource.id:
        fix = f"remove the network {resource.name} (docker network rm), then {_REFRESH}"
        here.add(DifferenceType.REPLACED, "network id", declared=resource.id, found=found["Id"], fix=fix)
    declared = declared_fields(report, resource, inspection.SHOWN_OF_NETWORK)
    shown = _without_defaults(fields.flat(inspection.network(found)), declared, {}, _NETWORK_DEFAULTS)
    here.compare(declared, shown, replace=resource.replace_command, fix=fix)
    for container, endpoint in sorted((found.get("Containers") or {}).items()):
        name = endpoint["Name"]
        if not {container, name} & own:
            disconnect = f"docker network disconnect -f {resource.name} {name}"
            here.add(DifferenceType.VALUE, "endpoint", declared=None, found=f"container {name}", fix=disconnect)


def _without_defaults(
    found: Mapping[str, Value],
    declared: Mapping[str, Value],
    inherited: Mapping[str, Value],
    defaults: Collection[str],
) -> dict[str, Value]:
    """What was found, without what is not declared and comes from the image or is one of the engine's `defaults`."""
    return {
        name: value
        for name, value in found.items()
        if name in declared or not (inherited.get(name) == value or name in defaults)
    }


def _compare_state(here: Object, resource: Resource, state: Record) -> None:
    here.report.compared += 1
    logs = f"docker logs {resource.name} shows why; docker restart {resource.name} starts it again"
    status = state["Status"]
    health = (state.get("Health") or {}).get("Status", "none")
    if resource.inputs.get("mustRun", True) and status != "running":
        fix = {"paused": f"docker unpause {resource.name}", "restarting": logs}.get(status, _REFRESH)
        found = f"{status}, exit code {state['ExitCode']}" if status == "exited" else status
        here.add(DifferenceType.STATE, "state", declared="running", found=found, fix=fix)
    elif "healthcheck" in resource.inputs and health != "healthy":
        fix = "wait for its health check, and verify again" if health == "starting" else logs
        here.add(DifferenceType.HEALTH, "health", declared="healthy", found=health, fix=fix)


def missing(report: Report, resource: Resource, fix: str = _REFRESH) -> None:
    """Add that a declared object is missing."""
    here = Object.declared(report, resource, None)
    here.add(DifferenceType.MISSING, resource.kind, declared=resource.name, found=None, fix=fix)


def _container(report: Report, client: docker.DockerClient, observed: ObservedState, resource: Resource) -> None:
    here = observed.container(resource.id, resource.name)
    found = None if here is None else observed_state.inspect_container(client, here.id)
    if found is None:
        missing(report, resource)
        return
    wanted = str(resource.inputs.get("image"))
    image = _image_record(client, wanted).get("Id", wanted)
    resolved = dataclasses.replace(resource, inputs={**resource.inputs, "image": image})
    compare_container(report, resolved, found, _image_record(client, found["Image"]))


def _network(
    report: Report, client: docker.DockerClient, observed: ObservedState, resource: Resource, own: frozenset[str]
) -> None:
    here = observed.network(resource.id, resource.name)
    found = None if here is None else observed_state.inspect_network(client, here.id)
    if found is None:
        missing(report, resource)
    else:
        compare_network(report, resource, found, own)


def compare_volume(report: Report, client: docker.DockerClient, resource: Resource) -> None:
    """Compare a volume with that of the engine of `client`."""
    # Labels are not compared: the stack does not change those of a volume that it adopted.
    report.compared += 1
    record = observed_state.inspect_volume(client, resource.name)
    if record is None:
        begin = f"restore it from a backup, or begin with an empty one: {_REFRESH}"
        missing(report, resource, begin if resource.keeps_ledger else _REFRESH)
        return
    found = record["Driver"]
    declared = str(resource.inputs.get("driver") or resource.outputs.get("driver") or found)
    if found != declared:
        here = Object.declared(report, resource, resource.name)
        fix = "back up its content first: the stack declares a volume of another driver"
        here.add(DifferenceType.VALUE, "driver", declared=declared, found=found, fix=fix)


def compare_image(report: Report, client: docker.DockerClient, resource: Resource) -> None:
    """Compare an image that was built with that of the engine of `client`."""
    report.compared += 1
    digest = str(resource.outputs.get("repoDigest"))
    built = _image_record(client, digest).get("Id")
    tagged = _image_record(client, resource.name).get("Id")
    if tagged is None or tagged != built:
        here = Object.declared(report, resource, tagged)
        fix = resource.replace_command if built is None else f"docker tag {built} {resource.name}"
        here.add(DifferenceType.VALUE, "tag", declared=built or digest, found=tagged, fix=fix)


def _undeclared(report: Report, own: ObservedState, declared: frozenset[str]) -> None:
    """Add the stack's own containers and networks that are not in its state, whose ids and names are `declared`."""
    found = [
        (provider_facts.CONTAINER, each.name, each.id, f"docker rm -f {each.name}")
        for each in own.containers
        if not {each.id, *each.names} & declared
    ]
    found += [
        (provider_facts.NETWORK, each.name, each.id, f"docker network rm {each.name}")
        for each in own.networks
        if each.id not in declared
    ]
    for type_, name, id_, fix in found:
        kind = provider_facts.KINDS[type_]
        here = Object(report=report, kind=kind, name=name, id=id_, subject=f"{kind} {name}")
        here.add(DifferenceType.UNDECLARED, kind, declared=None, found="there", fix=fix)


def _image_record(client: docker.DockerClient, reference: str) -> Record:
    return observed_state.inspect_image(client, reference) or {}


def _shown(wanted: Value | None, seen: Value | None) -> str | None:
    if seen is None:
        return None
    if wanted is None:
        return "(not shown)" if seen.secret else seen.text
    return "another value" if wanted.secret else seen.text


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
