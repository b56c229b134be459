"""Changes inputs of a running stack and compares preview, engine and a second update for each."""

import json
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from gix_model.environment import SERVICE_LABEL, STACK_LABEL
from tests.support.pulumi_cli import PulumiError
from tests.support.stack_under_test import SERVICES, StackUnderTest

REMOVED = object()
"""A value that stands for removing the key from the stack's file."""

_UNCHANGED = {"same", "refresh", "read"}
_BUILT_IMAGE = "docker:index/image:Image"
_REPLACING = {"replace", "create-replacement", "delete-replaced"}


class Act(StrEnum):
    CHANGE = "change"
    REMOVE = "remove"


class Effect(StrEnum):
    """What Pulumi does to a resource."""

    NOTHING = "nothing"
    UPDATE = "update"
    REPLACE = "replace"
    REFUSED = "refused"


Shows = Callable[[StackUnderTest], Any]


@dataclass(frozen=True, kw_only=True)
class Cell:
    """One input, changed or removed by one key. `resources` have the input, by their names in Pulumi.

    `effect` is the expected effect on them, and `others` are replaced with them. If `certain` is False, `others` may
    stay: they depend on the content of an image, which is unknown before the build.
    `shows` reads the value from the engine, which must equal `expected`.
    """

    resource: str
    input: str
    act: Act
    key: str
    value: Any
    resources: frozenset[str]
    shows: Shows
    expected: Any
    effect: Effect = Effect.REPLACE
    others: frozenset[str] = frozenset()
    certain: bool = True


@dataclass(frozen=True, kw_only=True)
class Planned:
    """A preview's effect on a resource. `reasons` maps each changed input to its effect."""

    effect: Effect
    reasons: Mapping[str, Effect]


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """A cell and its result in words. `faults` lists what is wrong."""

    cell: Cell
    said: str
    happened: str
    faults: Sequence[str]
    then: str = "in force, clean"


@dataclass(frozen=True, kw_only=True)
class Observed:
    """One update: its preview, the identity of each resource before and after it, and the changes of two more updates.

    `replaced` are the resources that the cells replace, `expected` all resources that they change.
    """

    planned: Mapping[str, Planned]
    before: Mapping[str, str]
    after: Mapping[str, str]
    second: frozenset[str]
    refreshed: frozenset[str]
    replaced: frozenset[str]
    expected: frozenset[str]

    def became_new(self, name: str) -> bool:
        return self.before.get(name) != self.after.get(name)


def containers(services: Iterable[str] = SERVICES) -> frozenset[str]:
    """The names of the services' containers in Pulumi."""
    return frozenset(f"gix-{service}-container" for service in services)


def images(services: Iterable[str] = SERVICES) -> frozenset[str]:
    """The names of the services' images in Pulumi."""
    return frozenset(f"gix-images-{service}-image" for service in services)


def inspected(stack: StackUnderTest, service: str) -> dict[str, Any]:
    """`docker inspect` of a service's container, found by its labels."""
    wanted = [f"{STACK_LABEL}=gix/{stack.name}", f"{SERVICE_LABEL}={service}"]
    [container] = stack.client.containers.list(all=True, filters={"label": wanted})
    return dict(container.attrs)


def recorded(stack: StackUnderTest) -> dict[str, dict[str, Any]]:
    """The resources in Pulumi's state that have an id, by name."""
    return {each["urn"].rpartition("::")[2]: each for each in stack.resources() if "id" in each}


def put(config: dict[str, Any], key: str, value: Any) -> None:
    """Set a key such as `router.rustLog` in a stack's configuration, or remove it."""
    first, *rest = key.split(".")
    steps = [f"gix:{first}", *rest]
    for step in steps[:-1]:
        config = config.setdefault(step, {})
    if value is REMOVED:
        del config[steps[-1]]
    else:
        config[steps[-1]] = value


def preview(stack: StackUnderTest) -> dict[str, Planned]:
    """The changes that `pulumi preview --json` lists, by resource."""
    steps = [step for step in json.loads(stack.pulumi.run("preview", "--json"))["steps"] if _acts(step)]
    return {step["urn"].rpartition("::")[2]: _planned(step) for step in steps}


def _acts(step: Mapping[str, Any]) -> bool:
    """Whether a step changes the engine. A component exists only in Pulumi's state."""
    is_component = step["urn"].split("::")[2].rpartition("$")[2].startswith("gix:")
    return step["op"] not in _UNCHANGED and not is_component


def _planned(step: dict[str, Any]) -> Planned:
    effect = Effect.REPLACE if step["op"] in _REPLACING else Effect.UPDATE
    old, new = ((step.get(state) or {}).get("inputs") or {} for state in ("oldState", "newState"))
    differing = _differing(old, new)
    replacing = set(step.get("replaceReasons") or [])
    if step.get("diffReasons"):
        reasons = {name: Effect.REPLACE if name in replacing else Effect.UPDATE for name in step["diffReasons"]}
    else:
        # Pulumi gives no reasons for a provider, and none for a resource that is replaced with another one.
        reasons = dict.fromkeys(differing, effect)
    reasons |= {f"build.{name}": Effect.UPDATE for name in _differing(old.get("build") or {}, new.get("build") or {})}
    return Planned(effect=effect, reasons=reasons)


def _differing(old: Mapping[str, Any], new: Mapping[str, Any]) -> set[str]:
    return {name for name in {*old, *new} if old.get(name) != new.get(name)}


def up(stack: StackUnderTest, *arguments: str) -> frozenset[str]:
    """Run `pulumi up`. Returns the names of the resources that it changed."""
    words = ("up", "--yes", "--skip-preview", "--json", *arguments)
    events = map(json.loads, stack.pulumi.run(*words).splitlines())
    steps = [event["resourcePreEvent"]["metadata"] for event in events if "resourcePreEvent" in event]
    return frozenset(step["urn"].rpartition("::")[2] for step in steps if _acts(step))


def identities(stack: StackUnderTest) -> dict[str, str]:
    """The identity of each resource. It changes on replacement, and for containers also on restart."""
    found = {
        name: str(each["outputs"]["repoDigest"] if each["type"] == _BUILT_IMAGE else each["id"])
        for name, each in recorded(stack).items()
    }
    for service in SERVICES:
        if f"gix-{service}-container" in found:
            container = inspected(stack, service)
            found[f"gix-{service}-container"] = f"{container['Id']} since {container['State']['StartedAt']}"
    return found


def run(stack: StackUnderTest, cells: Sequence[Cell], **also: Any) -> list[Outcome]:
    """Apply `cells` in one update and return their outcomes. `also` sets further keys without effect on the engine."""
    for key, value in {cell.key: cell.value for cell in cells}.items():
        put(stack.config, key, value)
    stack.change(**also)
    before = identities(stack)
    planned = preview(stack)
    up(stack)
    after = identities(stack)
    shown = [cell.shows(stack) for cell in cells]
    second, refreshed = up(stack), up(stack, "--refresh")
    observed = Observed(
        planned=planned,
        before=before,
        after=after,
        second=second,
        refreshed=refreshed,
        replaced=_all_of([cell for cell in cells if cell.effect is Effect.REPLACE]) | _others_of(cells),
        expected=_all_of(cells) | _others_of(cells),
    )
    return [_judged(cell, observed, value) for cell, value in zip(cells, shown, strict=True)]


def _all_of(cells: Iterable[Cell]) -> frozenset[str]:
    return frozenset().union(*(cell.resources for cell in cells))


def _others_of(cells: Iterable[Cell]) -> frozenset[str]:
    return frozenset().union(*(cell.others for cell in cells))


def run_refused(stack: StackUnderTest, cell: Cell) -> Outcome:
    """Apply `cell`, which preview and up must refuse without a change, and restore the configuration."""
    configuration = json.dumps(stack.config)
    put(stack.config, cell.key, cell.value)
    before = identities(stack)
    stack.write()
    faults = []
    for command in (preview, up):
        try:
            command(stack)
            faults.append(f"{command.__name__} did not refuse it")
        except PulumiError as error:
            if "gix:ledger.protect = true" not in str(error):
                faults.append(f"{command.__name__} fails for another reason: {error}")
    if identities(stack) != before:
        faults.append("something was recreated all the same")
    shown = cell.shows(stack)
    if shown != cell.expected:
        faults.append(f"the engine shows {shown!r}, not {cell.expected!r}")
    stack.config = json.loads(configuration)
    stack.write()
    return Outcome(cell=cell, said="refused", happened="nothing touched", faults=faults, then="as before")


def _judged(cell: Cell, observed: Observed, shown: Any) -> Outcome:
    faults = [*_said_wrongly(cell, observed), *_done_wrongly(cell, observed)]
    if shown != cell.expected:
        faults.append(f"not applied: the engine shows {shown!r}, not {cell.expected!r}")
    for command, names in (("a second up", observed.second), ("up --refresh", observed.refreshed)):
        if names & (cell.resources | cell.others) or names - observed.expected:
            faults.append(f"{command} is not empty: {', '.join(sorted(names))}")
    return Outcome(cell=cell, said=_said(cell, observed), happened=_happened(cell, observed), faults=faults)


def _said_wrongly(cell: Cell, observed: Observed) -> Iterator[str]:
    for name in sorted(cell.resources):
        planned = observed.planned.get(name)
        said = planned.reasons.get(cell.input, Effect.NOTHING) if planned else Effect.NOTHING
        if said is not cell.effect:
            yield f"preview says {said} of {name} for its {cell.input}, not {cell.effect}"
    for name in sorted(cell.others):
        planned = observed.planned.get(name)
        if planned is None or planned.effect is not Effect.REPLACE:
            yield f"preview does not say that {name} is replaced"
    for name in sorted(observed.planned.keys() - observed.expected):
        yield f"preview says {observed.planned[name].effect} of {name}"


def _done_wrongly(cell: Cell, observed: Observed) -> Iterator[str]:
    must = (cell.resources if cell.effect is Effect.REPLACE else frozenset()) | (
        cell.others if cell.certain else frozenset()
    )
    yield from (f"{name} was not recreated" for name in sorted(must) if not observed.became_new(name))
    if cell.resource == "Container":
        for name in sorted(cell.resources - observed.replaced):
            if observed.became_new(name):
                yield f"{name} was recreated or restarted"
    for name in sorted((observed.before.keys() & observed.after.keys()) - observed.planned.keys()):
        if observed.became_new(name):
            yield f"{name} was recreated or restarted, and preview did not say so"


def _said(cell: Cell, observed: Observed) -> str:
    effects = {planned.effect for name in cell.resources if (planned := observed.planned.get(name))}
    said = " or ".join(sorted(effects)) or "nothing"
    if not cell.others:
        return said
    return f"{said}; replace of {_kinds(cell.others)}" + ("" if cell.certain else ", whose image may differ")


def _happened(cell: Cell, observed: Observed) -> str:
    new = {name for name in cell.resources if observed.became_new(name)}
    words = {
        "Container": ("recreated", "changed live"),
        "Network": ("recreated", "kept"),
        "Volume": ("a new one, the old one kept", "kept"),
        "Image": ("built", "built, with the same content"),
        "RemoteImage": ("another reference", "kept"),
        "Provider": ("replaced", "changed"),
    }[cell.resource]
    happened = words[0] if new == cell.resources else words[1] if not new else f"{words[0]}: {_kinds(frozenset(new))}"
    others = frozenset(name for name in cell.others if observed.became_new(name))
    if not cell.others:
        return happened
    return f"{happened}; {_kinds(others)} recreated" if others else f"{happened}; {_kinds(cell.others)} kept"


def _kinds(names: frozenset[str]) -> str:
    if names == containers():
        return "all containers"
    if names == {"gix-edge-container"}:
        return "container edge"
    services = [service for service in SERVICES if any(f"-{service}-" in name for name in names)]
    return f"container{'s' * (len(services) > 1)} {', '.join(services)}"
