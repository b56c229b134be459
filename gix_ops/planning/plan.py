"""`gixctl plan`: what a preview means for people, made of the steps that `pulumi preview --json` shows.

With `--json` (the same as `dataclasses.asdict` of a `Plan`, and stable):

    {"stack": "dev", "summary": "router restarted; 2 services untouched",
     "errors": [],                          why the preview failed; then there is nothing else
     "services": [
       {"service": "router", "container": "gix-router",
        "effect": "restarted",              see Effect
        "causes": ["RUST_LOG debug -> info"],
        "downtime": {"usual_seconds": 3, "at_most_seconds": 27},        null where it does not stop
        "data_at_risk": []}],               what may be lost, each in a sentence
     "others": [                            every other step that is not `same`; data at risk first
       {"kind": "network", "name": "gix-network", "operation": "replaced",     kind: network, volume, image, connection
        "causes": ["subnet 172.28.0.0/16 -> 172.29.0.0/16"], "data_at_risk": [], "urn": "urn:pulumi:..."}],
     "notices": ["..."]}                    what the program said meanwhile

Every service of the stack is there, also the untouched ones. Secrets never are: Pulumi hides them in a preview.
Without `--refresh` a preview compares with the state and not with the engine, as `pulumi up` does; `gixctl verify`
compares with the engine.

How long a restart takes is an estimate. Usual: a second to stop, as the services do on their stop signal, then the
first health check, and the provider's own look at it, once a second. At most: the time it has to stop, and the time in
which it must become healthy, after which the update fails. A build goes before it and is in neither.
"""

import json
import math
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Any

from gix_model import units
from gix_model.catalog import CATALOG
from gix_ops import fields
from gix_ops.planning.causes import causes, side
from gix_ops.planning.preview import Step, steps
from gix_ops.pulumi_command import ask
from gix_ops.resources import CONTAINER, KINDS, VOLUME, service_of

RECORD = "record"
"""Kind of what Pulumi alone keeps: components, and the stack itself. Nothing on the engine answers to it."""

_STOP_SECONDS = 1
_LOOK_SECONDS = 1


class Effect(StrEnum):
    """What an update does to a service."""

    UNTOUCHED = "untouched"
    RECORDED = "recorded, not applied"
    """The provider takes the change into its state, and the container stays as it is."""
    UPDATED = "updated live"
    RESTARTED_IF_IMAGE_CHANGES = "restarted if its image changes"
    """Its image is built or pulled in the update; only then it is known whether anything in it is new."""
    RESTARTED = "restarted"
    CREATED = "created"
    REMOVED = "removed"


@dataclass(frozen=True, kw_only=True)
class Downtime:
    """From the stop of the old container until the new one is healthy."""

    usual_seconds: int
    at_most_seconds: int


@dataclass(frozen=True, kw_only=True)
class ServicePlan:
    """What happens to a service, and why."""

    service: str
    container: str
    effect: Effect
    causes: tuple[str, ...] = ()
    downtime: Downtime | None = None
    data_at_risk: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True)
class OtherPlan:
    """What happens to anything else: network, volume, image, connection to the engine, Pulumi's own records."""

    kind: str
    name: str
    operation: str
    causes: tuple[str, ...] = ()
    data_at_risk: tuple[str, ...] = ()
    urn: str


@dataclass(frozen=True, kw_only=True)
class Plan:
    """What an update does. With `errors` there is none: the preview failed."""

    stack: str
    summary: str
    errors: tuple[str, ...] = ()
    services: tuple[ServicePlan, ...] = ()
    others: tuple[OtherPlan, ...] = ()
    notices: tuple[str, ...] = ()


def read(directory: Path, stack: str | None, *, refresh: bool = False) -> Plan:
    """Preview the stack, or the selected one, and say what it means.

    Raises StackError where there is no Pulumi CLI. A preview that fails is a plan with errors.
    """
    return read_with_steps(directory, stack, refresh=refresh)[0]


def read_with_steps(directory: Path, stack: str | None, *, refresh: bool = False) -> tuple[Plan, tuple[Step, ...]]:
    """The plan, as `read` gives it, and the steps that it is made of."""
    words = ["preview", "--json", "--show-sames", *(["--refresh"] if refresh else [])]
    answer = ask(directory, *words, stack=stack)
    try:
        preview = json.loads(answer.stdout)
    except json.JSONDecodeError:
        return _failed(stack or "(selected)", [_tidy(answer.stderr or answer.stdout)]), ()
    return make(preview, stack=stack, failed=bool(answer.returncode)), steps(preview)


def make(preview: Mapping[str, Any], *, stack: str | None = None, failed: bool = False) -> Plan:
    """The plan that a preview amounts to. `failed` says that Pulumi gave up."""
    every = steps(preview)
    shown = stack or next((step.urn.split(":")[2] for step in every), "(selected)")
    said = [(each["severity"], _tidy(each["message"])) for each in preview.get("diagnostics") or []]
    errors = [text for severity, text in said if severity == "error"]
    if failed or errors:
        return _failed(shown, errors)
    acting = {step.urn: step for step in every if step.acts and not step.is_leftover}
    services = tuple(
        sorted((_service(name, step, acting) for step in every if (name := _service_of(step))), key=_place)
    )
    others = [_other(step, acting) for step in every if (step.acts or step.changed_guards) and not _service_of(step)]
    # Pulumi comes to them in an order of the moment; the same change reads the same each time.
    others.sort(key=lambda each: (not each.data_at_risk, each.kind, each.name))
    return Plan(
        stack=shown,
        summary=_summary(services, others),
        services=services,
        others=tuple(others),
        notices=tuple(text for severity, text in said if severity in ("info", "warning")),
    )


def _failed(stack: str, errors: list[str]) -> Plan:
    # Pulumi adds to what went wrong that something went wrong.
    told = [
        text for text in errors if not re.match("preview failed$|an unhandled error occurred: program exited", text)
    ]
    return Plan(stack=stack, summary="the preview failed", errors=tuple(told or errors or ["Pulumi gave no reason"]))


def _tidy(message: str) -> str:
    return re.sub(r"^(error|warning|info): ", "", message.strip())


def _service_of(step: Step) -> str | None:
    return service_of(step.inputs) if step.type == CONTAINER and not step.is_leftover else None


def _place(plan: ServicePlan) -> tuple[int, str]:
    known = list[str](CATALOG)
    return (known.index(plan.service) if plan.service in known else len(known), plan.service)


def _service(name: str, step: Step, acting: Mapping[str, Step]) -> ServicePlan:
    effect = _effect(step, acting)
    return ServicePlan(
        service=name,
        container=step.name,
        effect=effect,
        causes=causes(step, acting),
        downtime=_downtime(step) if step.replaces else None,
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
            return Effect.UPDATED if any(map(step.is_live, step.reasons)) else Effect.RECORDED
        case _:
            replaced = (acting[urn] for urn in step.dependencies if urn in acting and acting[urn].replaces)
            only_image = step.reasons == ("image",) and step.inputs.get("image") == fields.UNKNOWN
            is_open = only_image and all(each.is_image for each in replaced)
            return Effect.RESTARTED_IF_IMAGE_CHANGES if is_open else Effect.RESTARTED


def _downtime(step: Step) -> Downtime:
    check = step.inputs.get("healthcheck") or {}
    first = units.seconds(check.get("startInterval") or "0s") or units.seconds(check.get("interval") or "0s")
    grace = step.old_inputs.get("destroyGraceSeconds") or 0
    return Downtime(
        usual_seconds=_STOP_SECONDS + math.ceil(first) + _LOOK_SECONDS,
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
    old = step.old_inputs.get("name") or step.old.get("id")
    if step.old.get("retainOnDelete"):
        yield f"the stack parts with the volume {old}, which stays on the engine with its data (retainOnDelete)"
    else:
        yield f"THE VOLUME {old} IS DELETED WITH ALL THAT IS IN IT (no retainOnDelete)"


def _risks_of_mounts(step: Step, acting: Mapping[str, Step]) -> Iterator[str]:
    """What becomes of a service's volumes, and what it no longer sees when it runs again."""
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


def _summary(services: Sequence[ServicePlan], others: Sequence[OtherPlan]) -> str:
    parts = []
    if any(each.data_at_risk for each in services) or any(each.data_at_risk for each in others):
        parts.append("DATA AT RISK")
    for effect in reversed(Effect):
        names = [each.service for each in services if each.effect is effect]
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
