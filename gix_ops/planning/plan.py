"""`gixctl plan`: what `pulumi up` would do to each service, and why, from the steps of `pulumi preview --json`.

`--json` prints (it is `dataclasses.asdict` of a `Plan`, and stable):

    {"stack": "dev", "summary": "router restarted; 2 services untouched",
     "errors": [],                          why the preview failed; then all other lists are empty
     "services": [
       {"service": "router", "container": "gix-router",
        "effect": "restarted",              see Effect
        "tried": true,                      whether its successor is tried before it is replaced
        "causes": ["RUST_LOG debug -> info"],
        "downtime": {"usual_seconds": 3, "at_most_seconds": 27},        null if the service does not stop
        "data_at_risk": []}],               sentences that say which data may be lost
     "others": [                            every other step that is not `same`; data at risk first
       {"kind": "network", "name": "gix-network", "operation": "replaced",     kind: network, volume, image, connection
        "causes": ["subnet 172.28.0.0/16 -> 172.29.0.0/16"], "data_at_risk": [], "urn": "urn:pulumi:..."}],
     "notices": ["..."]}                    messages of the program

All services of the stack are included, untouched ones too. Secrets never are: Pulumi hides them in a preview. Without
`--refresh` a preview compares with the state and not with the engine, as `pulumi up` does. `gixctl verify` compares
with the engine.

The downtime of a restart is an estimate. Usual: one second to stop, as the services need after their stop signal, then
the first health check, then the provider's next check of the health, which runs once a second. At most: the stop grace
and the time in which the service must become healthy, after which the update fails. The time of a build is in neither,
because images are built before anything stops.
"""

import json
import math
import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from gix_model import units
from gix_model.catalog import CATALOG
from gix_model.environment import EDGE_LABEL
from gix_model.provider_facts import CONTAINER, KINDS, SERVICE, VOLUME
from gix_ops import fields
from gix_ops.planning import swarm_services
from gix_ops.planning.causes import causes, side
from gix_ops.planning.effects import Downtime, Effect
from gix_ops.planning.preview import Step, steps
from gix_ops.pulumi_command import Variables, answer
from gix_ops.resources import label_of, service_of

RECORD = "record"
"""Kind of what only Pulumi's state has: components, and the stack itself. It is nothing on the engine."""

_EDGE_CHECK = "gix:docker:EdgeCheck"
"""Type of the component whose update lets the edge read another certificate."""
_STOP_SECONDS = 1
_PROVIDER_INTERVAL_SECONDS = 1


@dataclass(frozen=True, kw_only=True)
class ServicePlan:
    """What an update does to a container of a service, or to its service in Swarm, and why."""

    service: str
    container: str
    effect: Effect
    tried: bool = False
    """Whether its successor runs beside it until it is healthy, before it is replaced: `gix:rollout.trial`."""
    causes: tuple[str, ...] = ()
    downtime: Downtime | None = None
    data_at_risk: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True)
class OtherPlan:
    """What an update does to anything else: network, volume, image, connection to the engine, Pulumi's own records."""

    kind: str
    name: str
    operation: str
    causes: tuple[str, ...] = ()
    data_at_risk: tuple[str, ...] = ()
    urn: str


@dataclass(frozen=True, kw_only=True)
class Plan:
    """What an update does. With `errors` it has nothing else, because the preview failed."""

    stack: str
    summary: str
    errors: tuple[str, ...] = ()
    services: tuple[ServicePlan, ...] = ()
    """The containers of the services."""
    others: tuple[OtherPlan, ...] = ()
    notices: tuple[str, ...] = ()

    @property
    def puts_data_at_risk(self) -> bool:
        """Whether the update may lose data."""
        return _puts_data_at_risk(self.services, self.others)


def read(directory: Path, stack: str | None, *, refresh: bool = False) -> Plan:
    """Preview the stack, or the selected stack, and make the plan.

    Raises StackError if there is no Pulumi CLI. If the preview fails, the plan has errors.
    """
    return read_with_steps(directory, stack, refresh=refresh)[0]


def read_with_steps(
    directory: Path, stack: str | None, *, refresh: bool = False, variables: Variables | None = None
) -> tuple[Plan, tuple[Step, ...]]:
    """The plan, as `read` returns it, and the steps that it is made of.

    `variables` are environment variables of Pulumi, for example those of another back end.
    """
    words = ["preview", "--json", "--show-sames", *(["--refresh"] if refresh else [])]
    done = answer(directory, *words, stack=stack, variables=variables)
    try:
        preview = json.loads(done.stdout)
    except json.JSONDecodeError:
        return _failed(stack or "(selected)", [_tidy(done.stderr or done.stdout)]), ()
    return make(preview, stack=stack, failed=bool(done.returncode)), steps(preview)


def make(preview: Mapping[str, Any], *, stack: str | None = None, failed: bool = False) -> Plan:
    """The plan of a preview. `failed` says that Pulumi ended with an error."""
    every = steps(preview)
    shown = stack or next((step.urn.split(":")[2] for step in every), "(selected)")
    messages = [(each["severity"], _tidy(each["message"])) for each in preview.get("diagnostics") or []]
    errors = [text for severity, text in messages if severity == "error"]
    if failed or errors:
        return _failed(shown, errors)
    acting = {step.urn: step for step in every if step.acts and not step.is_leftover}
    services = tuple(
        sorted((_service(name, step, acting) for step in every if (name := _service_of(step))), key=_place)
    )
    # The update of a service's component is the trial of its container's successor.
    shown_with_service = {step.parent for step in every if _service_of(step)}
    others = [
        _other(step, acting)
        for step in every
        if (step.acts or step.changed_guards)
        and not _service_of(step)
        and not (step.op == "update" and step.urn in shown_with_service)
        # What hands over to a container, below the same component.
        and not (step.op == "update" and not step.is_custom and step.parent in shown_with_service)
    ]
    # Pulumi's order varies; the same change always gives the same plan.
    others.sort(key=lambda each: (not each.data_at_risk, each.kind, each.name))
    return Plan(
        stack=shown,
        summary=_summary(services, others),
        services=services,
        others=tuple(others),
        notices=tuple(
            [text for severity, text in messages if severity in ("info", "warning")]
            + [
                "the edge is replaced: no service answers for some seconds"
                for each in acting.values()
                if _replaces_edge(each)
            ]
            + [
                "the edge of each node is replaced, one after the other: the node answers nothing for some seconds"
                for each in acting.values()
                if _replaces_edges(each)
            ]
            + [
                "the edge gets another certificate, without an interruption"
                for each in acting.values()
                if _renews_certificate(each)
            ]
        ),
    )


def _replaces_edge(step: Step) -> bool:
    return step.type == CONTAINER and step.replaces and label_of(step.old_inputs, EDGE_LABEL) is not None


def _replaces_edges(step: Step) -> bool:
    is_edge = step.type == SERVICE and label_of(step.old_inputs, EDGE_LABEL) is not None
    return is_edge and (step.replaces or (step.op == "update" and swarm_services.replaces_tasks(step)))


def _renews_certificate(step: Step) -> bool:
    before, after = step.old_inputs.get("certificate"), step.inputs.get("certificate")
    return step.type == _EDGE_CHECK and None not in (before, after) and before != after


def _failed(stack: str, errors: list[str]) -> Plan:
    # Pulumi adds general messages after the error itself.
    causing = [
        text for text in errors if not re.match("preview failed$|an unhandled error occurred: program exited", text)
    ]
    return Plan(stack=stack, summary="the preview failed", errors=tuple(causing or errors or ["Pulumi gave no reason"]))


def _tidy(message: str) -> str:
    return re.sub(r"^(error|warning|info): ", "", message.strip())


def _service_of(step: Step) -> str | None:
    return service_of(step.inputs) if step.type in (CONTAINER, SERVICE) and not step.is_leftover else None


def _place(plan: ServicePlan) -> tuple[int, str]:
    known = list[str](CATALOG)
    return (known.index(plan.service) if plan.service in known else len(known), plan.service)


def _service(name: str, step: Step, acting: Mapping[str, Step]) -> ServicePlan:
    in_swarm = step.type == SERVICE
    effect = swarm_services.effect(step) if in_swarm else _effect(step, acting)
    component = acting.get(step.parent)
    stops = effect in (Effect.RESTARTED, Effect.RESTARTED_IF_IMAGE_CHANGES)
    return ServicePlan(
        service=name,
        container=step.name,
        effect=effect,
        tried=swarm_services.is_tried(step, component) or (step.replaces and _is_tried(component)),
        causes=causes(step, acting),
        downtime=(swarm_services.downtime(step) if in_swarm else _downtime(step)) if stops else None,
        data_at_risk=tuple(_risks_of_mounts(step, acting)),
    )


def _effect(step: Step, acting: Mapping[str, Step]) -> Effect:
    match step.op:
        case "same":
            return Effect.UNTOUCHED
        case "create" | "import":
            return Effect.CREATED
        case "delete":
            return Effect.REMOVED
        case "update":
            if step.starts:
                return Effect.STARTED
            return Effect.UPDATED if any(map(step.is_live, step.reasons)) else Effect.RECORDED
        case _:
            return _replacement(step, acting)


def _replacement(step: Step, acting: Mapping[str, Step]) -> Effect:
    replaced = [acting[urn] for urn in step.dependencies if urn in acting and acting[urn].replaces]
    only_image = step.reasons == ("image",) and step.inputs.get("image") == fields.UNKNOWN
    is_open = only_image and all(each.is_image for each in replaced)
    # To replace a network, Pulumi deletes the containers that use it first.
    if step.starts_first and all(each.is_image for each in replaced):
        return Effect.REPLACED_IF_IMAGE_CHANGES if is_open else Effect.REPLACED
    return Effect.RESTARTED_IF_IMAGE_CHANGES if is_open else Effect.RESTARTED


def _is_tried(component: Step | None) -> bool:
    return component is not None and component.op == "update" and component.has_hooks


def _downtime(step: Step) -> Downtime:
    check = step.inputs.get("healthcheck") or {}
    start, interval = (units.parse_duration(check.get(name) or "0s") for name in ("startInterval", "interval"))
    grace = step.old_inputs.get("destroyGraceSeconds") or 0
    return Downtime(
        usual_seconds=_STOP_SECONDS + math.ceil((start or interval).total_seconds()) + _PROVIDER_INTERVAL_SECONDS,
        at_most_seconds=math.ceil(grace + (step.inputs.get("waitTimeout") or 0)),
    )


def _other(step: Step, acting: Mapping[str, Step]) -> OtherPlan:
    return OtherPlan(
        kind=KINDS.get(step.type) or ("other" if step.is_custom else RECORD),
        name=step.name if step.type in KINDS else f"{step.type.rpartition(':')[2]} {step.name}",
        operation=step.operation,
        causes=causes(step, acting),
        data_at_risk=tuple(_risks_of_volume(step)),
        urn=step.urn,
    )


def _risks_of_volume(step: Step) -> Iterator[str]:
    if step.type != VOLUME or not (step.op == "delete" or step.replaces):
        return
    # The certificate is in the configuration.
    if label_of(step.old_inputs, EDGE_LABEL) is not None:
        return
    old = step.old_inputs.get("name") or step.old.get("id")
    if step.old.get("retainOnDelete"):
        yield f"the stack no longer uses the volume {old}, which stays on the engine with its data (retainOnDelete)"
    else:
        yield f"THE VOLUME {old} IS DELETED WITH ITS CONTENT (no retainOnDelete)"


def _risks_of_mounts(step: Step, acting: Mapping[str, Step]) -> Iterator[str]:
    """What happens to a service's volumes, and which data it no longer sees when it runs again."""
    for urn in step.dependencies:
        if urn in acting:
            yield from _risks_of_volume(acting[urn])
    if not step.replaces:
        return
    before, after = (
        fields.read({"volumes": inputs.get("volumes") or []})["volumes"] for inputs in (step.old_inputs, step.inputs)
    )
    for name, value in before.items():
        if after.get(name) != value:
            yield f"{name} {side(value)} -> {side(after.get(name))}: the service no longer sees what it wrote"


def _puts_data_at_risk(services: Sequence[ServicePlan], others: Sequence[OtherPlan]) -> bool:
    return any(each.data_at_risk for each in services) or any(each.data_at_risk for each in others)


def _summary(services: Sequence[ServicePlan], others: Sequence[OtherPlan]) -> str:
    parts = ["DATA AT RISK"] if _puts_data_at_risk(services, others) else []
    for effect in reversed(Effect):
        counts = Counter(each.service for each in services if each.effect is effect)
        names = [name if count == 1 else f"{name} ({count} containers)" for name, count in counts.items()]
        if effect is Effect.UNTOUCHED and names:
            parts.append(f"{len(names)} {'service' if len(names) == 1 else 'services'} untouched")
        elif names:
            parts.append(f"{', '.join(names)} {effect}")
    more = sum(each.kind != RECORD for each in others)
    if more:
        parts.append(f"{more} other {'change' if more == 1 else 'changes'}")
    if not others and all(each.effect is Effect.UNTOUCHED for each in services):
        return "nothing changes"
    return "; ".join(parts)
