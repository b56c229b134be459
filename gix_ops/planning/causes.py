"""Why an update changes a resource: its own differences, then the changes of the resources that it depends on."""

from collections.abc import Iterator, Mapping

from gix_model.container_inputs import INSTRUCTIONS
from gix_model.provider_facts import CONTAINER, IMAGE, KINDS, SERVICE
from gix_ops import fields, swarm_fields
from gix_ops.fields import Fields, Value
from gix_ops.planning.preview import Step


def causes(step: Step, acting: Mapping[str, Step]) -> tuple[str, ...]:
    """The causes, each as a short phrase. `acting` has all steps that change something, by URN."""
    return tuple(dict.fromkeys(_causes(step, acting)))


def side(value: Value | None) -> str:
    """A value as one side of a change."""
    return "(none)" if value is None else fields.short(str(value))


def _causes(step: Step, acting: Mapping[str, Step]) -> Iterator[str]:
    yield from step.changed_guards
    if not (step.old and step.new):
        return
    if step.type == SERVICE:
        yield from _causes_of_service(step, acting)
        return
    if step.starts:
        yield "it does not run"
        return
    before, after = _before(step), fields.read(step.inputs)
    for reason in step.reasons:
        if step.inputs.get(reason) == fields.UNKNOWN:
            upstream = [urn for urn in step.by_input.get(reason, ()) if urn in acting]
            known = [cause for urn in upstream for cause in _cause_of(urn, acting)]
            yield from known or [f"{fields.words_for(reason)} known only after the update"]
            continue
        if any(fields.is_sealed(inputs.get(reason)) for inputs in (step.old_inputs, step.inputs)):
            yield f"{fields.words_for(reason)} changed (secret)"
            continue
        own = list(_differences(before.get(reason, {}), after.get(reason, {})))
        yield from own or [f"{fields.words_for(reason)} changed"]
    recorded = [each for each in step.reasons if not step.is_live(each) and each not in INSTRUCTIONS]
    if recorded and step.type == CONTAINER and not step.replaces:
        what = ", ".join(map(fields.words_for, recorded))
        yield f"recorded, not applied until the container is replaced: {what}"
    for urn in step.dependencies:
        is_included = any(urn in step.by_input.get(reason, ()) for reason in step.reasons)
        if urn in acting and acting[urn].replaces and not is_included:
            yield from _cause_of(urn, acting)


def _causes_of_service(step: Step, acting: Mapping[str, Step]) -> Iterator[str]:
    """The causes of a change of a service in Swarm: its fields, which `gixctl verify` compares, too."""
    before, after = (swarm_fields.declared(inputs, hide_variables=False) for inputs in (step.old_inputs, step.inputs))
    unknown = {name for name, value in after.items() if fields.UNKNOWN in value.text}
    known = [{name: value for name, value in side.items() if name not in unknown} for side in (before, after)]
    own = list(_differences(*known))
    yield from own
    upstream = [
        urn for urn in step.dependencies if urn in acting and (acting[urn].replaces or acting[urn].type == IMAGE)
    ]
    given = [cause for urn in upstream for cause in _cause_of(urn, acting)]
    yield from given or (f"{name} known only after the update" for name in sorted(unknown))
    if step.acts and not (own or given or unknown):
        yield "it differs from the declaration: gixctl verify shows in what"


def _before(step: Step) -> Fields:
    """The fields before the update: the declared ones, or the real ones if only the real ones have changed."""
    stated, found, after = (
        fields.read(step.old_inputs),
        fields.read(step.old.get("outputs") or {}),
        fields.read(step.inputs),
    )
    return {
        # The provider never reads variables from a container, and hides all of them if one is a secret.
        reason: found.get(reason, {})
        if reason != "envs" and stated.get(reason, {}) == after.get(reason, {})
        else stated.get(reason, {})
        for reason in step.reasons
    }


def _differences(before: Mapping[str, Value], after: Mapping[str, Value]) -> Iterator[str]:
    for name in dict.fromkeys((*before, *after)):
        old, new = before.get(name), after.get(name)
        if old == new:
            continue
        yield f"{name} changed" if name == "source" else f"{name.removeprefix('variable ')} {side(old)} -> {side(new)}"


def _cause_of(urn: str, acting: Mapping[str, Step]) -> Iterator[str]:
    """What happens to a resource, as the cause of a change to another resource."""
    step = acting[urn]
    what = f"{KINDS.get(step.type, step.name)} {step.operation}"
    why = causes(step, acting)
    yield f"{what}: {'; '.join(why)}" if why else what
