"""What an update does to a service of a Swarm.

Swarm replaces the tasks of a service one after the other, in the order that the service has: `start-first` starts the
new task before it stops the old one, `stop-first` after it.
"""

import math

from gix_model import units
from gix_model.provider_facts import SERVICE
from gix_ops import fields, swarm_fields
from gix_ops.planning.effects import Downtime, Effect
from gix_ops.planning.preview import Step

_EFFECTS = {
    "same": Effect.UNTOUCHED,
    "create": Effect.CREATED,
    "import": Effect.CREATED,
    "delete": Effect.REMOVED,
}
_STOP_SECONDS = 1


def effect(step: Step) -> Effect:
    """What a step does to a service.

    A change of `replicas` or labels alone may also replace the tasks of a service that starts first, because the
    provider sends variables in another order. The plan calls it updated. One that stops first is restarted then.
    """
    if step.op in _EFFECTS:
        return _EFFECTS[step.op]
    if step.replaces:
        # The provider deletes the service first.
        return Effect.RESTARTED
    is_open = _changed(step) == {"image"} and _has_unknown_image(step)
    if (step.inputs.get("updateConfig") or {}).get("order") != "start-first":
        return Effect.RESTARTED_IF_IMAGE_CHANGES if is_open else Effect.RESTARTED
    if is_open:
        return Effect.REPLACED_IF_IMAGE_CHANGES
    return Effect.REPLACED if replaces_tasks(step) else Effect.UPDATED


def replaces_tasks(step: Step) -> bool:
    """Whether a step that updates a service gives it other tasks."""
    declared = [fields.opened(inputs) for inputs in (step.old_inputs, step.inputs)]
    before, after = (each.get("taskSpec") for each in declared)
    # A refresh has found something else, of which the inputs say nothing.
    return bool(before != after or declared[0] == declared[1])


def is_tried(step: Step, component: Step | None) -> bool:
    """Whether the successor of a service's task is tried before an update replaces it: the component has the hook."""
    return step.type == SERVICE and step.op == "update" and component is not None and component.has_hooks


def downtime(step: Step) -> Downtime:
    """The time without a task, if the old one stops first."""
    container = (fields.opened(step.inputs).get("taskSpec") or {}).get("containerSpec") or {}
    check = container.get("healthcheck") or {}
    interval, timeout, start, grace = (
        units.parse_duration(text or "0s").total_seconds()
        for text in (
            *(check.get(key) for key in ("interval", "timeout", "startPeriod")),
            container.get("stopGracePeriod"),
        )
    )
    within = start + ((check.get("retries") or 0) + 1) * (interval + timeout)
    return Downtime(
        usual_seconds=_STOP_SECONDS + math.ceil(interval), at_most_seconds=math.ceil(grace) + math.ceil(within)
    )


def _changed(step: Step) -> set[str]:
    before, after = (swarm_fields.declared(inputs) for inputs in (step.old_inputs, step.inputs))
    return {name for name in {*before, *after} if before.get(name) != after.get(name)}


def _has_unknown_image(step: Step) -> bool:
    image = swarm_fields.declared(step.inputs).get("image")
    return image is not None and fields.UNKNOWN in image.text
