"""The doctor's checks of the stack: records, locks, resources, ledger; and what the remedies ask of them."""

import socket
from collections.abc import Iterator

from docker.errors import NotFound

from gix_engine import collisions
from gix_model.environment import HELPER_LABEL, STACK_LABEL
from gix_model.problems import ConfigurationError
from gix_ops import fields
from gix_ops.doctor.facts import Facts
from gix_ops.doctor.finding import Finding, fault, ok, one_line, skipped, warning
from gix_ops.errors import StackError
from gix_ops.resources import VOLUME
from gix_ops.verify import Difference

_ANSWER_WITHIN_SECONDS = 5
_GRAVE = frozenset({"container", "container id", "health", "image", "last update", "network", "network id", "state"})
"""Fields of gixctl verify that say that something does not work; others say that it is not as declared."""


def stack(facts: Facts) -> Iterator[Finding]:
    """Whether the stack is there, where its state is kept, and whether it is up."""
    _ = facts.directory, facts.pulumi
    try:
        name = facts.name
    except StackError as error:
        yield fault(str(error), f"pulumi stack select --create {facts.wanted or 'dev'}")
        return
    try:
        _ = facts.up
        state = "is up"
    except StackError:
        state = "is not up; pulumi up brings it up"
    yield ok(f"{name}, kept at {facts.back_end}, {state}")


def configuration(facts: Facts) -> Iterator[Finding]:
    """Every problem of the stack's file."""
    file = f"Pulumi.{facts.name}.yaml"
    try:
        found = facts.configuration
    except StackError as error:
        fix = "give it: PULUMI_CONFIG_PASSPHRASE or PULUMI_CONFIG_PASSPHRASE_FILE"
        yield fault(f"{file} can't be read: {error}", fix if "passphrase" in str(error) else f"mend {file}")
        return
    if isinstance(found, ConfigurationError):
        for problem in found.problems:
            yield fault(f"{problem.subject}: {problem.limit}", problem.fix)
    else:
        yield ok(f"{file} holds")


def locks(facts: Facts) -> Iterator[Finding]:
    """Who has locked the stack, and whether he is gone."""
    found = facts.locks
    if found is None:
        yield skipped(f"{facts.back_end} is no file back end; pulumi itself tells who has locked the stack there")
        return
    by_fix = all(lock.is_stale for lock in found)
    cancel = f"pulumi cancel --yes --stack {facts.name}"
    for lock in found:
        if lock.is_stale:
            yield fault(f"held by a process that is gone: {lock}", cancel, by_fix=by_fix)
        else:
            yield warning(f"held by {lock}", f"wait for its end; if nothing runs there any more: {cancel}")
    if not found:
        yield ok("none")


def conflicts(facts: Facts) -> Iterator[Finding]:
    """Everything on the engine that stands in the way of the stack's next update."""
    environment = facts.environment
    problems = collisions.find(environment, collisions.observe(facts.client, environment))
    for problem in problems:
        yield fault(f"{problem.subject}: {problem.limit}", problem.fix)
    if not problems:
        yield ok("nothing on the engine is in the stack's way")
    if not facts.is_local:
        yield skipped(
            "the engine is not this machine's: its processes, addresses, routes and free disk can't be seen from here"
        )


def helpers(facts: Facts) -> dict[str, str]:
    """Containers that backups and restores of the stack left behind, or work with now: state by name."""
    labels = [f"{STACK_LABEL}={facts.label}", HELPER_LABEL]
    found = facts.client.api.containers(all=True, filters={"label": labels})
    return {each["Names"][0].removeprefix("/"): each["State"] for each in found if each["Names"]}


def strangers(facts: Facts, kind: str) -> list[str]:
    """Names of what bears the stack's label and is not in its state, less the helpers; `kind` as verify calls it."""
    left_out = helpers(facts)
    names = [
        each.subject.removeprefix(f"{kind} ")
        for each in facts.comparison.differences
        if each.field == kind and each.declared is None
    ]
    return [name for name in names if name not in left_out]


def keeps_data(facts: Facts, container: str) -> bool:
    """Whether a container has a volume of this project mounted: then only a person may say that it can go."""
    for mount in facts.client.api.inspect_container(container)["Mounts"]:
        if mount["Type"] == "volume":
            labels = facts.client.api.inspect_volume(mount["Name"])["Labels"] or {}
            if STACK_LABEL in labels or mount["Name"] == _ledger_name(facts):
                return True
    return False


def _ledger_name(facts: Facts) -> str | None:
    try:
        volume = facts.up.outputs.volume
        return None if volume is None else str(volume)
    except StackError:
        pass
    environment = facts.environment
    keeps = any(spec.keeps_ledger for spec in environment.specs)
    return environment.name(environment.settings.ledger.volume) if keeps else None


def resources(facts: Facts) -> Iterator[Finding]:
    """Every difference between what the stack declares and what the engine has; cut-off updates and strangers, too."""
    left_out = {f"container {name}" for name in helpers(facts)}
    # The ledger's volume has a check of its own.
    differences = [
        each for each in facts.comparison.differences if each.subject not in left_out and each.field != "volume"
    ]
    for each in differences:
        tell = fault if each.field in _GRAVE else warning
        yield tell(_told(each), each.fix, by_fix=_is_fixed(facts, each))
    if not differences:
        yield ok(f"as declared, {facts.comparison.compared} fields compared")


def _told(difference: Difference) -> str:
    if difference.declared is None and difference.field in ("container", "network"):
        return f"{difference.subject} bears the stack's label, and the stack does not know it"
    found = fields.short(difference.found or "missing")
    declared = "" if difference.declared is None else f", declared {fields.short(difference.declared)}"
    return f"{difference.subject}: {difference.field} is {found}{declared}"


def _is_fixed(facts: Facts, difference: Difference) -> bool:
    match difference:
        case Difference(field="last update", declared="finished"):
            return True
        case Difference(field="state", found=found):
            return startable(found)
        case Difference(field="container", declared=None, subject=subject):
            return not keeps_data(facts, subject.removeprefix("container "))
        case Difference(field="network", declared=None):
            return True
        case _:
            return False


def startable(state: str | None) -> bool:
    """Whether a container that was found in this state, in verify's words, can be started or go on."""
    return state is not None and state.startswith(("paused", "exited", "created"))


def cut_off_backups(facts: Facts) -> Iterator[Finding]:
    """What backups and restores left behind."""
    found = helpers(facts)
    for name, state in found.items():
        if state == "running":
            yield warning(
                f"{name} is there: a backup or restore is at work, or was cut off",
                "wait for its end; if none is at work: gixctl doctor --fix",
                by_fix=True,
            )
        else:
            yield fault(f"a backup or restore was cut off, and left {name}", "gixctl doctor --fix", by_fix=True)
    if not found:
        yield ok("no backup or restore was cut off")


def ledger(facts: Facts) -> Iterator[Finding]:
    """Whether the ledger's volume is there, and whose it is."""
    name = _ledger_name(facts)
    if name is None:
        yield skipped("the stack keeps no ledger")
        return
    try:
        labels = facts.client.api.inspect_volume(name)["Labels"] or {}
    except NotFound:
        if any(each.type == VOLUME for each in facts.state.resources):
            yield fault(
                f"the volume {name} is gone",
                "pulumi up --refresh begins an empty one, and gixctl restore fills it from a backup",
            )
        else:
            yield ok(f"the volume {name} is not made yet")
    else:
        owner = labels.get(STACK_LABEL)
        whose = "the stack's own" if owner == facts.label else f"taken over from {owner or 'something else'}"
        yield ok(f"the volume {name}, {whose}")
    mine = facts.client.api.volumes(filters={"label": f"{STACK_LABEL}={facts.label}"})["Volumes"] or []
    for volume in mine:
        if volume["Name"] != name:
            yield warning(
                f"the volume {volume['Name']} is an earlier ledger of this stack, which does not use it now",
                f"keep it; or, for good: gixctl delete-ledger {volume['Name']} --stack {facts.name}",
            )


def ports(facts: Facts) -> Iterator[Finding]:
    """Whether something answers where running services are published."""
    if not facts.is_local:
        yield skipped("the engine is not this machine's: its ports can't be tried from here")
        return
    running = {each["Names"][0].removeprefix("/") for each in facts.client.api.containers() if each["Names"]}
    answering = []
    for service, each in facts.up.outputs.services.items():
        if each.endpoint is None or each.container not in running:
            continue
        host, _, port = each.endpoint.rpartition(":")
        try:
            with socket.create_connection((host, int(port)), timeout=_ANSWER_WITHIN_SECONDS):
                answering.append(each.endpoint)
        except OSError as error:
            yield fault(
                f"nothing answers at {each.endpoint}, where the {service} is published: {one_line(error)}",
                f"docker restart {each.container}",
            )
    yield ok(f"answering: {', '.join(answering)}" if answering else "no service that runs is published")
