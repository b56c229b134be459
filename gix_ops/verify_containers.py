"""The comparison of `gixctl verify` for containers, networks, volumes and images of one engine."""

import dataclasses
from collections.abc import Collection, Mapping

import docker

from gix_engine import observed_state
from gix_engine.observed_state import ObservedState
from gix_model import container_inputs, provider_facts
from gix_model.container_inputs import INPUTS
from gix_ops import fields, inspection
from gix_ops.differences import REFRESH, DifferenceType, Object, Report, missing, undeclared
from gix_ops.fields import Value
from gix_ops.resources import Record, Resource, State

_NETWORK_DEFAULTS = ("gateway", "ipam driver")
"""Fields of a network that the engine sets from its own configuration if they are not declared."""


def compare(report: Report, state: State, client: docker.DockerClient, observed: ObservedState) -> None:
    """Add the differences of a stack in containers, with the observed state of its engine.

    The whole records of its objects are read by `client`. Raises docker.errors.DockerException or OSError.
    """
    containers = [each for each in state.resources if each.type == provider_facts.CONTAINER]
    own = frozenset(name for each in containers for name in (each.id, each.name))
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
    _undeclared(report, observed.created_by(report.stack), own | networks | state.superseded)


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
        fix = f"docker rm -f {resource.name}, then {REFRESH}"
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
        fix = f"remove the network {resource.name} (docker network rm), then {REFRESH}"
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
        fix = {"paused": f"docker unpause {resource.name}", "restarting": logs}.get(status, REFRESH)
        found = f"{status}, exit code {state['ExitCode']}" if status == "exited" else status
        here.add(DifferenceType.STATE, "state", declared="running", found=found, fix=fix)
    elif "healthcheck" in resource.inputs and health != "healthy":
        fix = "wait for its health check, and verify again" if health == "starting" else logs
        here.add(DifferenceType.HEALTH, "health", declared="healthy", found=health, fix=fix)


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
        begin = f"restore it from a backup, or begin with an empty one: {REFRESH}"
        missing(report, resource, begin if resource.keeps_ledger else REFRESH)
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
        undeclared(report, type_, name, id_, fix)


def _image_record(client: docker.DockerClient, reference: str) -> Record:
    return observed_state.inspect_image(client, reference) or {}
