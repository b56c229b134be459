"""The doctor's checks of the stack: records, locks, resources, ledger, ports; and the objects that a fix is about."""

import socket
from collections.abc import Iterator

from gix_engine import collisions, swarm_collisions
from gix_engine.observed_state import ObservedContainer, ObservedNetwork
from gix_model.problems import ConfigurationError
from gix_model.provider_facts import CONTAINER, KINDS, NETWORK, VOLUME
from gix_ops import fields
from gix_ops.differences import Difference, DifferenceType
from gix_ops.doctor.facts import Facts
from gix_ops.doctor.finding import Finding, fault, ok, one_line, skipped, warning
from gix_ops.errors import StackError

_ANSWER_WITHIN_SECONDS = 5
_WARNINGS = frozenset({DifferenceType.VALUE})
"""Differences with which the stack works, although it is not as declared. All others are faults."""
_STARTABLE = frozenset({"paused", "exited", "created"})
"""States from which a container can be started or unpaused."""


def stack(facts: Facts) -> Iterator[Finding]:
    """Whether the stack exists, where its state is kept, and whether it is up."""
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
        state = "is not up; to bring it up: pulumi up"
    yield ok(f"{name}, kept at {facts.back_end}, {state}")


def configuration(facts: Facts) -> Iterator[Finding]:
    """Every problem of the stack's file."""
    file = f"Pulumi.{facts.name}.yaml"
    try:
        found = facts.configuration
    except StackError as error:
        # Pulumi reports a wrong passphrase only as text.
        is_sealed = "passphrase" in str(error)
        fix = "set PULUMI_CONFIG_PASSPHRASE or PULUMI_CONFIG_PASSPHRASE_FILE" if is_sealed else f"correct {file}"
        yield fault(f"{file} cannot be read: {error}", fix)
        return
    if isinstance(found, ConfigurationError):
        for problem in found.problems:
            yield fault(f"{problem.subject}: {problem.limit}", problem.fix)
    else:
        yield ok(f"{file} is valid")


def locks(facts: Facts) -> Iterator[Finding]:
    """The locks on the stack, and whether their processes still run."""
    found = facts.locks
    if found is None:
        yield skipped(f"{facts.back_end} is not a file back end; pulumi itself says who has locked the stack there")
        return
    by_fix = all(lock.is_stale for lock in found)
    cancel = f"pulumi cancel --yes --stack {facts.name}"
    for lock in found:
        if lock.is_stale:
            yield fault(f"held by a process that has ended: {lock}", cancel, by_fix=by_fix)
        else:
            yield warning(f"held by {lock}", f"wait until it ends; if it no longer runs: {cancel}")
    if not found:
        yield ok("none")


def conflicts(facts: Facts) -> Iterator[Finding]:
    """Everything on the engine that prevents the stack's next update."""
    environment = facts.environment
    problems = collisions.find(environment, facts.observed)
    if environment.is_swarm:
        problems += swarm_collisions.find(environment, facts.swarm, local=facts.is_local)
        if facts.ledger_node is not None:
            problems += swarm_collisions.ledger_problems(environment, facts.at_ledger)
    for problem in problems:
        yield fault(f"{problem.subject}: {problem.limit}", problem.fix)
    if not problems:
        yield ok("nothing on the engine prevents the next update")
    if not facts.is_local:
        yield skipped(
            "the engine does not run on this machine: its processes, addresses, routes and free disk are not checked"
        )


def helpers(facts: Facts) -> list[ObservedContainer]:
    """The containers of backups and restores of the stack, running or interrupted."""
    return [each for each in facts.at_ledger.created_by(facts.label).containers if each.helper]


def undeclared_containers(facts: Facts) -> list[ObservedContainer]:
    """The containers with the stack's label that are not in its state, without the helpers."""
    ids = _undeclared(facts, KINDS[CONTAINER])
    return [each for each in facts.observed.containers if each.id in ids and not each.helper]


def undeclared_networks(facts: Facts) -> list[ObservedNetwork]:
    """The networks with the stack's label that are not in its state."""
    ids = _undeclared(facts, KINDS[NETWORK])
    return [each for each in facts.observed.networks if each.id in ids]


def _undeclared(facts: Facts, kind: str) -> set[str | None]:
    return {
        each.id for each in facts.comparison.differences if each.type is DifferenceType.UNDECLARED and each.kind == kind
    }


def mounts_ledger(facts: Facts, container: ObservedContainer) -> bool:
    """Whether a container mounts a volume of this project. Then only a person may decide to remove it."""
    known = {each.name: each for each in facts.observed.volumes}
    # A volume that was created after the observation may be a ledger, too.
    return any(
        name not in known or (known[name].stack is not None and known[name].keeps_ledger) or name == _ledger_name(facts)
        for name in container.volumes
    )


def _ledger_name(facts: Facts) -> str | None:
    try:
        return facts.up.outputs.volume
    except StackError:
        pass
    environment = facts.environment
    keeps = any(spec.keeps_ledger for spec in environment.specs)
    return environment.name(environment.settings.ledger.volume) if keeps else None


def resources(facts: Facts) -> Iterator[Finding]:
    """Every difference between the declared state and the engine, interrupted updates and undeclared objects included.

    The check `ledger` reports a missing volume, and `backups` reports the helpers of backups and restores.
    """
    left_out = {each.id for each in helpers(facts)}
    differences = [
        each for each in facts.comparison.differences if each.id not in left_out and not _is_missing_ledger(facts, each)
    ]
    for each in differences:
        level = warning if each.type in _WARNINGS else fault
        yield level(_text(each), each.fix, by_fix=_is_fixed(facts, each))
    if not differences:
        yield ok(f"as declared, {facts.comparison.compared} fields compared")


def is_volume_missing(facts: Facts) -> bool:
    """Whether the declared volume of the ledger is not on the engine."""
    return any(_is_missing_ledger(facts, each) for each in facts.comparison.differences)


def _is_missing_ledger(facts: Facts, difference: Difference) -> bool:
    names = [each.name for each in facts.state.resources if each.keeps_ledger]
    return difference.type is DifferenceType.MISSING and difference.kind == KINDS[VOLUME] and difference.name in names


def _text(difference: Difference) -> str:
    if difference.type is DifferenceType.UNDECLARED:
        return f"{difference.subject} has the stack's label and is not in its state"
    found = fields.short(difference.found or "missing")
    declared = "" if difference.declared is None else f", declared {fields.short(difference.declared)}"
    return f"{difference.subject}: {difference.field} is {found}{declared}"


def _is_fixed(facts: Facts, difference: Difference) -> bool:
    match difference.type:
        case DifferenceType.INTERRUPTED_UPDATE:
            return True
        case DifferenceType.STATE:
            return startable(facts, difference) is not None
        case DifferenceType.UNDECLARED:
            if difference.kind == KINDS[NETWORK]:
                return True
            container = facts.observed.container(difference.id or "")
            return container is not None and not mounts_ledger(facts, container)
        case _:
            return False


def startable(facts: Facts, difference: Difference) -> ObservedContainer | None:
    """The container of a difference, if it is the one in the stack's state and can be started or unpaused."""
    if difference.type is not DifferenceType.STATE or difference.id is None:
        return None
    container = facts.observed.container(difference.id)
    declared = {each.id for each in facts.state.resources}
    can_start = container is not None and container.id in declared and container.state in _STARTABLE
    return container if can_start else None


def interrupted_backups(facts: Facts) -> Iterator[Finding]:
    """What interrupted backups, restores and trials left on the engine."""
    found = helpers(facts)
    for each in found:
        if each.state == "running":
            yield warning(
                f"{each.name} exists: a backup, restore or trial is running, or was interrupted",
                "wait until it ends; if it was interrupted: gixctl doctor --fix",
                by_fix=True,
            )
        else:
            yield fault(
                f"a backup, restore or trial was interrupted and left {each.name}", "gixctl doctor --fix", by_fix=True
            )
    if not found:
        yield ok("no backup, restore or trial was interrupted")


def ledger(facts: Facts) -> Iterator[Finding]:
    """Whether the ledger's volume exists, and which stack it belongs to."""
    name = _ledger_name(facts)
    if name is None:
        yield skipped("the stack keeps no ledger")
        return
    volume = facts.at_ledger.volume(name)
    if volume is not None:
        owner = "the stack's own" if volume.stack == facts.label else f"adopted from {volume.stack or 'something else'}"
        where = "" if facts.ledger_node is None else f" on {facts.ledger_node}"
        yield ok(f"the volume {name}{where}, {owner}")
    elif any(each.keeps_ledger for each in facts.state.resources):
        yield fault(
            f"the volume {name} no longer exists",
            "pulumi up --refresh creates an empty one, and gixctl restore fills it from a backup",
        )
    else:
        yield ok(f"the volume {name} is not created yet")
    for each in facts.at_ledger.created_by(facts.label).volumes:
        if each.name != name and each.keeps_ledger:
            yield warning(
                f"the volume {each.name} is an earlier ledger of this stack, which does not use it now",
                f"keep it, or delete it for good: gixctl delete-ledger {each.name} --stack {facts.name}",
            )


def ports(facts: Facts) -> Iterator[Finding]:
    """Whether something answers at the published ports of running services."""
    if facts.engine_settings.mode == "swarm":
        yield skipped(
            "each edge publishes the ports of its node, which are not tried from here; gixctl health shows the edges"
        )
        return
    if not facts.is_local:
        yield skipped("the engine does not run on this machine: its ports cannot be tried from here")
        return
    answering = []
    for service, each in facts.up.outputs.services.items():
        containers = [facts.observed.container(name) for name in each.containers]
        if each.endpoint is None or not any(found is not None and found.is_running for found in containers):
            continue
        host, _, port = each.endpoint.rpartition(":")
        try:
            with socket.create_connection((host, int(port)), timeout=_ANSWER_WITHIN_SECONDS):
                answering.append(each.endpoint)
        except OSError as error:
            yield fault(
                f"nothing answers at {each.endpoint}, where the {service} is published: {one_line(error)}",
                f"docker restart {facts.up.outputs.edge or each.containers[0]}",
            )
    yield ok(f"answering: {', '.join(answering)}" if answering else "no running service is published")
