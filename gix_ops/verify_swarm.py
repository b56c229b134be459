"""The comparison of `gixctl verify` for a stack in Swarm: services against Pulumi's record, their updates and tasks.

The docker provider records an update that Swarm paused or rolled back as done, so that the next preview shows no
change. Swarm's own state of the update and the tasks tell.
"""

from collections.abc import Iterable, Mapping
from typing import Any

import docker

from gix_engine import observed_state
from gix_engine.observed_state import ObservedState
from gix_engine.swarm_state import SwarmService, SwarmState
from gix_model import provider_facts, units
from gix_ops import fields, stack, swarm, verify
from gix_ops.errors import StackError
from gix_ops.fields import Sealed, Value
from gix_ops.resources import Record, Resource, State
from gix_ops.stack import StackReference
from gix_ops.verify import DifferenceType, Object, Report

_REFRESH = "pulumi up --refresh"
_UPDATING = frozenset({"updating", "rollback_started"})
_GIVEN_UP = {
    "paused": "paused",
    "rollback_paused": "the rollback is paused",
    "rollback_completed": "rolled back, and the former version serves",
}


def compare(
    report: Report, reference: StackReference, state: State, client: docker.DockerClient, observed: ObservedState
) -> None:
    """Add the differences of a stack in Swarm. Raises StackError if a manager does not answer."""
    found = swarm.observe(client)
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
                verify.compare_image(report, client, resource)
    _undeclared(report, reference, found, observed, declared)


def _undeclared(
    report: Report, reference: StackReference, found: SwarmState, observed: ObservedState, declared: frozenset[str]
) -> None:
    for service in found.created_by(reference.label):
        if service.id not in declared:
            here = Object(
                report=report, kind="service", name=service.name, id=service.id, subject=f"service {service.name}"
            )
            fix = f"docker service rm {service.name}"
            here.add(DifferenceType.UNDECLARED, "service", declared=None, found="there", fix=fix)
    for network in observed.created_by(reference.label).networks:
        if network.id not in declared:
            here = Object(
                report=report, kind="network", name=network.name, id=network.id, subject=f"network {network.name}"
            )
            fix = f"docker network rm {network.name}"
            here.add(DifferenceType.UNDECLARED, "network", declared=None, found="there", fix=fix)


def _service(report: Report, resource: Resource, found: SwarmState) -> None:
    service = found.service(resource.id) or found.service(resource.name)
    if service is None:
        verify.missing(report, resource)
        return
    here = Object.declared(report, resource, service.id)
    if service.id != resource.id:
        fix = f"docker service rm {resource.name}, then {_REFRESH}"
        here.add(DifferenceType.REPLACED, "service id", declared=resource.id, found=service.id, fix=fix)
    here.compare(declared_fields(resource.inputs), observed_fields(service.spec), replace=_REFRESH, fix=_REFRESH)
    compare_update(here, service)
    compare_tasks(here, service, found)


def compare_update(here: Object, service: SwarmService) -> None:
    """Add an update that Swarm gave up, or that is at work."""
    here.report.compared += 1
    errors = "; ".join(service.errors[:2]) or service.update_message
    if service.update in _GIVEN_UP:
        found = f"{_GIVEN_UP[service.update]}: {errors}"
        fix = f"gixctl logs {here.subject} shows why; correct the image or its settings, then: {_REFRESH}"
        here.add(DifferenceType.UPDATE_STATE, "last update", declared="completed", found=found, fix=fix)
    elif service.update in _UPDATING:
        fix = "wait until it ends, and verify again"
        here.add(DifferenceType.UPDATE_STATE, "last update", declared="completed", found=service.update, fix=fix)


def compare_tasks(here: Object, service: SwarmService, observed: SwarmState) -> None:
    """Add tasks that do not run, or that run another declaration than the service's present one."""
    here.report.compared += 1
    serving = [task for task in service.current if task.serves]
    wanted = service.replicas if service.replicas is not None else max(len(service.current), 1)
    if len(serving) < wanted:
        states = ", ".join(f"{task.state} on {task.node or 'no node'}" for task in service.current if not task.serves)
        reason = "; ".join(service.errors[:2])
        found = f"{len(serving)} running" + (f"; {states}" if states else "") + (f": {reason}" if reason else "")
        fix = f"gixctl status and gixctl nodes show where; gixctl logs {here.subject} shows why"
        here.add(DifferenceType.STATE, "tasks", declared=f"{wanted} running", found=found, fix=fix)
    for task in serving:
        name = f"task {service.name}.{task.slot or task.node}"
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
        verify.missing(report, resource)


def _network(report: Report, client: docker.DockerClient, observed: ObservedState, resource: Resource) -> None:
    here = observed.network(resource.id, resource.name)
    found = None if here is None else observed_state.inspect_network(client, here.id)
    if found is None:
        verify.missing(report, resource)
        return
    # The manager lists the endpoints of its own node only, and those of Swarm itself.
    verify.compare_network(report, resource, {**found, "Containers": {}}, frozenset())


def _volume(report: Report, reference: StackReference, found: SwarmState, resource: Resource) -> None:
    if not resource.keeps_ledger:
        return
    tied = (each for each in found.created_by(reference.label) if each.service == "auction")
    node = next((swarm.tied_to(each) for each in tied), None)
    engine = None if node is None else swarm.engine_of(reference, node)
    if engine is None:
        report.not_compared.append(f"{resource.subject} (gix:engine.nodes has no address of the ledger's node)")
        return
    try:
        verify.compare_volume(report, stack.connect(engine, reference.directory), resource)
    except StackError as error:
        report.not_compared.append(f"{resource.subject} on {node} ({error})")


def declared_fields(inputs: Record) -> dict[str, Value]:
    """The fields of a service from its inputs in Pulumi's state."""
    whole: Any = _plain(inputs)
    task = whole.get("taskSpec") or {}
    container = task.get("containerSpec") or {}
    check = container.get("healthcheck") or {}
    restart, placement = task.get("restartPolicy") or {}, task.get("placement") or {}
    resources, driver = task.get("resources") or {}, task.get("logDriver") or {}
    endpoint, mode = whole.get("endpointSpec") or {}, whole.get("mode") or {}
    found = {
        "image": container.get("image"),
        "entrypoint": _joined(container.get("commands")),
        "command": _joined(container.get("args")),
        "user": container.get("user"),
        "working directory": container.get("dir"),
        "read-only root": container.get("readOnly") or None,
        "init": container.get("init") or None,
        "stop signal": container.get("stopSignal"),
        "stop grace": _time(container.get("stopGracePeriod")),
        "health check": _joined(check.get("tests")),
        **{f"health check {name}": _time(check.get(key)) for name, key in _CHECK_TIMES.items()},
        "health check retries": check.get("retries"),
        "dropped capabilities": _sorted(map(_capability, container.get("capDrops") or ())),
        "added capabilities": _sorted(map(_capability, container.get("capAdds") or ())),
        "restart": restart.get("condition"),
        "constraints": _sorted(placement.get("constraints") or ()),
        "spread": _sorted(placement.get("prefs") or ()),
        "most tasks on a node": placement.get("maxReplicas") or None,
        "log driver": driver.get("name"),
        "networks": _sorted(each.get("id") or each.get("name") for each in task.get("networksAdvanceds") or ()),
        "mode": "global" if mode.get("global") else (mode.get("replicated") or {}).get("replicas"),
        "endpoint mode": endpoint.get("mode"),
        "secrets": _sorted(f"{each.get('secretName')} {each['fileName']}" for each in container.get("secrets") or ()),
        "configs": _sorted(f"{each.get('configName')} {each['fileName']}" for each in container.get("configs") or ()),
        "hosts": _sorted(f"{each['host']} {each['ip']}" for each in container.get("hosts") or ()),
        "mounts": _sorted(
            f"{each.get('type')} {each.get('source') or ''} {each['target']}" for each in container.get("mounts") or ()
        ),
        "ports": _sorted(
            f"{each.get('publishedPort')}:{each['targetPort']} {each.get('publishMode')}"
            for each in endpoint.get("ports") or ()
        ),
        **_amounts("limit", resources.get("limits"), "nanoCpus", "memoryBytes"),
        **_amounts("reservation", resources.get("reservation"), "nanoCpus", "memoryBytes"),
        **_policy("update", whole.get("updateConfig"), "order", "failureAction", "parallelism"),
        **_policy("rollback", whole.get("rollbackConfig"), "order", "failureAction", "parallelism"),
        **{f"label {each['label']}": each.get("value") for each in whole.get("labels") or ()},
        **{f"log option {key}": value for key, value in (driver.get("options") or {}).items()},
    }
    return _values(found) | {
        f"variable {key}": Value(f"{value}", secret=True) for key, value in (container.get("env") or {}).items()
    }


_CHECK_TIMES = {"interval": "interval", "timeout": "timeout", "start period": "startPeriod"}


def observed_fields(spec: Record) -> dict[str, Value]:
    """The fields of a service from the manager's record of it."""
    task: Any = spec["TaskTemplate"]
    container = task["ContainerSpec"]
    check = container.get("Healthcheck") or {}
    restart, placement = task.get("RestartPolicy") or {}, task.get("Placement") or {}
    resources, driver = task.get("Resources") or {}, task.get("LogDriver") or {}
    endpoint, mode = spec.get("EndpointSpec") or {}, spec.get("Mode") or {}
    times = {"interval": "Interval", "timeout": "Timeout", "start period": "StartPeriod"}
    found = {
        "image": container.get("Image"),
        "entrypoint": _joined(container.get("Command")),
        "command": _joined(container.get("Args")),
        "user": container.get("User"),
        "working directory": container.get("Dir"),
        "read-only root": container.get("ReadOnly") or None,
        "init": container.get("Init") or None,
        "stop signal": container.get("StopSignal"),
        "stop grace": _nanoseconds(container.get("StopGracePeriod")),
        "health check": _joined(check.get("Test")),
        **{f"health check {name}": _nanoseconds(check.get(key)) for name, key in times.items()},
        "health check retries": check.get("Retries"),
        "dropped capabilities": _sorted(map(_capability, container.get("CapabilityDrop") or ())),
        "added capabilities": _sorted(map(_capability, container.get("CapabilityAdd") or ())),
        "restart": restart.get("Condition"),
        "constraints": _sorted(placement.get("Constraints") or ()),
        "spread": _sorted(each["Spread"]["SpreadDescriptor"] for each in placement.get("Preferences") or ()),
        "most tasks on a node": placement.get("MaxReplicas") or None,
        "log driver": driver.get("Name"),
        "networks": _sorted(each["Target"] for each in task.get("Networks") or spec.get("Networks") or ()),
        "mode": "global" if "Global" in mode else (mode.get("Replicated") or {}).get("Replicas"),
        "endpoint mode": endpoint.get("Mode"),
        "secrets": _sorted(f"{each['SecretName']} {each['File']['Name']}" for each in container.get("Secrets") or ()),
        "configs": _sorted(f"{each['ConfigName']} {each['File']['Name']}" for each in container.get("Configs") or ()),
        "hosts": _sorted(" ".join(reversed(each.split())) for each in container.get("Hosts") or ()),
        "mounts": _sorted(
            f"{each.get('Type')} {each.get('Source') or ''} {each['Target']}" for each in container.get("Mounts") or ()
        ),
        "ports": _sorted(
            f"{each.get('PublishedPort')}:{each['TargetPort']} {each.get('PublishMode')}"
            for each in endpoint.get("Ports") or ()
        ),
        **_amounts("limit", resources.get("Limits"), "NanoCPUs", "MemoryBytes"),
        **_amounts("reservation", resources.get("Reservations"), "NanoCPUs", "MemoryBytes"),
        **_policy("update", spec.get("UpdateConfig"), "Order", "FailureAction", "Parallelism"),
        **_policy("rollback", spec.get("RollbackConfig"), "Order", "FailureAction", "Parallelism"),
        **{f"label {key}": value for key, value in (spec.get("Labels") or {}).items()},
        **{f"log option {key}": value for key, value in (driver.get("Options") or {}).items()},
    }
    variables = (each.partition("=") for each in container.get("Env") or ())
    return _values(found) | {f"variable {key}": Value(value, secret=True) for key, _, value in variables}


def _plain(value: Any) -> Any:
    """Inputs without the marks of Pulumi; a secret as its value."""
    found = fields.opened(value)
    return _unsealed(found)


def _unsealed(value: Any) -> Any:
    match value:
        case Sealed(value=inner):
            return _unsealed(inner)
        case dict():
            return {key: _unsealed(each) for key, each in value.items()}
        case list():
            return [_unsealed(each) for each in value]
    return value


def _values(found: Mapping[str, object]) -> dict[str, Value]:
    return {name: Value(_text(value)) for name, value in found.items() if value not in (None, "", [])}


def _text(value: object) -> str:
    return "yes" if value is True else str(value)


def _joined(words: Iterable[str] | None) -> str:
    return " ".join(words or ())


def _sorted(values: Iterable[object]) -> str:
    return ", ".join(sorted(map(str, values)))


def _capability(name: str) -> str:
    return name.removeprefix(provider_facts.CAPABILITY_PREFIX)


def _time(text: str | None) -> str | None:
    return None if not text else f"{units.parse_duration(text).total_seconds():g} s"


def _nanoseconds(count: int | None) -> str | None:
    return None if not count else f"{count / 10**9:g} s"


def _amounts(what: str, found: Mapping[str, Any] | None, cpus: str, memory: str) -> dict[str, object]:
    amounts = found or {}
    return {f"cpu {what} (nano)": amounts.get(cpus) or None, f"memory {what} (bytes)": amounts.get(memory) or None}


def _policy(what: str, found: Mapping[str, Any] | None, *keys: str) -> dict[str, object]:
    policy = found or {}
    names = ("order", "failure action", "parallelism")
    return {f"{what} {name}": policy.get(key) for name, key in zip(names, keys, strict=True)}
