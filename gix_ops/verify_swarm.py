"""The comparison of `gixctl verify` for a stack in Swarm: services against Pulumi's record, their updates and tasks.

The docker provider records an update that Swarm paused or rolled back as done, so that the next preview shows no
change. Swarm's own state of the update and the tasks tell.
"""

from typing import Any

import docker

from gix_engine import observed_state
from gix_engine.observed_state import ObservedState
from gix_engine.swarm_state import UPDATING, SwarmService, SwarmState
from gix_model import provider_facts
from gix_ops import stack, swarm, swarm_fields
from gix_ops.differences import REFRESH, DifferenceType, Object, Report, missing, undeclared
from gix_ops.errors import StackError
from gix_ops.resources import Resource, State
from gix_ops.stack import StackReference
from gix_ops.verify_containers import compare_image, compare_network, compare_volume


def compare(
    report: Report, reference: StackReference, state: State, client: docker.DockerClient, observed: ObservedState
) -> None:
    """Add the differences of a stack in Swarm. Raises StackError if a manager does not answer."""
    found = swarm.observe_settled(client, report.stack)
    declared = frozenset(each.id for each in state.resources) | state.superseded
    for resource in state.resources:
        match resource.type:
            case provider_facts.SERVICE:
                _service(report, resource, found)
            case provider_facts.SECRET | provider_facts.SERVICE_CONFIG:
                _named(report, client, resource)
            case provider_facts.NETWORK:
                _network(report, client, observed, resource)
            case provider_facts.VOLUME:
                _volume(report, reference, found, resource)
            case provider_facts.IMAGE:
                compare_image(report, client, resource)
    _undeclared(report, found, observed, declared)


def _undeclared(report: Report, found: SwarmState, observed: ObservedState, declared: frozenset[str]) -> None:
    for service in found.created_by(report.stack):
        if service.id not in declared:
            fix = f"docker service rm {service.name}"
            undeclared(report, provider_facts.SERVICE, service.name, service.id, fix)
    for network in observed.created_by(report.stack).networks:
        if network.id not in declared:
            undeclared(report, provider_facts.NETWORK, network.name, network.id, f"docker network rm {network.name}")


def _service(report: Report, resource: Resource, found: SwarmState) -> None:
    service = found.service(resource.id) or found.service(resource.name)
    if service is None:
        missing(report, resource)
        return
    here = Object.declared(report, resource, service.id)
    if service.id != resource.id:
        fix = f"docker service rm {resource.name}, then {REFRESH}"
        here.add(DifferenceType.REPLACED, "service id", declared=resource.id, found=service.id, fix=fix)
    declared, shown = swarm_fields.declared(resource.inputs), swarm_fields.observed(service.spec)
    before = len(report.differences)
    here.compare(declared, shown, replace=REFRESH, fix=REFRESH)
    compare_tasks(here, service, found)
    compare_update(here, service, as_declared=len(report.differences) == before)


def compare_update(here: Object, service: SwarmService, *, as_declared: bool) -> None:
    """Add an update that Swarm gave up, or that is at work.

    Swarm remembers the one that it gave up until the next one, also after the declaration has been set back. So it is
    no difference if all else is `as_declared`.
    """
    here.report.compared += 1
    if service.given_up and not as_declared:
        found = f"{service.given_up}: {'; '.join(service.errors) or service.update_message}"
        fix = f"gixctl logs {service.service or 'edge'} shows why; correct the image or its settings, then: {REFRESH}"
        here.add(DifferenceType.UPDATE_STATE, "last update", declared="completed", found=found, fix=fix)
    elif service.update in UPDATING:
        fix = "wait until it ends, and verify again"
        here.add(DifferenceType.UPDATE_STATE, "last update", declared="completed", found=service.update, fix=fix)


def compare_tasks(here: Object, service: SwarmService, observed: SwarmState) -> None:
    """Add tasks that do not run, or that run another declaration than the service's present one."""
    here.report.compared += 1
    serving = [task for task in service.current if task.serves]
    if len(serving) < service.wanted:
        states = ", ".join(f"{task.state} on {task.node or 'no node'}" for task in service.current if not task.serves)
        reason = "; ".join(service.errors)
        found = f"{len(serving)} running" + (f"; {states}" if states else "") + (f": {reason}" if reason else "")
        fix = f"gixctl status and gixctl nodes show where; gixctl logs {service.service or 'edge'} shows why"
        here.add(DifferenceType.STATE, "tasks", declared=f"{service.wanted} running", found=found, fix=fix)
    for task in serving:
        name = f"task {service.task_name(task)}"
        node = observed.node(task.node)
        if task.image != service.image:
            fix = f"docker service update --force {service.name}"
            here.add(DifferenceType.IMAGE, f"image of {name}", declared=service.image, found=task.image, fix=fix)
        elif not service.runs_declaration(task):
            fix = f"docker service update --force {service.name}"
            here.add(DifferenceType.VALUE, name, declared="the present one", found="an earlier one", fix=fix)
        if node is not None and not node.is_ready:
            fix = f"start the engine of {node.hostname}, or: docker node rm --force {node.hostname}"
            here.add(DifferenceType.STATE, f"node of {name}", declared="ready", found=node.state, fix=fix)


def _named(report: Report, client: docker.DockerClient, resource: Resource) -> None:
    """Compare a secret or a config by name and id. Swarm does not show the content of a secret."""
    report.compared += 1
    # The SDK's types lack what it has for Swarm.
    api: Any = client.api
    listed = api.secrets() if resource.type == provider_facts.SECRET else api.configs()
    if not any(each["ID"] == resource.id for each in listed):
        missing(report, resource)


def _network(report: Report, client: docker.DockerClient, observed: ObservedState, resource: Resource) -> None:
    here = observed.network(resource.id, resource.name)
    found = None if here is None else observed_state.inspect_network(client, here.id)
    if found is None:
        missing(report, resource)
        return
    # The manager lists the endpoints of its own node only, and those of Swarm itself.
    compare_network(report, resource, {**found, "Containers": {}}, frozenset())


def _volume(report: Report, reference: StackReference, found: SwarmState, resource: Resource) -> None:
    if not resource.keeps_ledger:
        return
    node = swarm.ledger_node(reference, found)
    engine = None if node is None else reference.engine.node(node)
    if engine is None:
        report.not_compared.append(f"{resource.subject} (gix:engine.nodes has no address of the ledger's node)")
        return
    try:
        compare_volume(report, stack.connect(engine, reference.directory), resource)
    except StackError as error:
        report.not_compared.append(f"{resource.subject} on {node} ({error})")
