"""What `gixctl doctor --fix` does: the fixes that are safe.

The content of volumes does not change, except that an interrupted restore is finished. Only objects with the stack's
own label are removed, by the ids with which they were observed. A container that an interrupted update created in place
of a declared one may be serving, so it is not removed.
"""

import contextlib
from collections.abc import Callable, Iterator
from datetime import timedelta

from docker.errors import APIError, DockerException

from gix_engine import removal
from gix_ledger.errors import LedgerError
from gix_ops import health
from gix_ops.doctor import stack_checks
from gix_ops.doctor.facts import Facts
from gix_ops.errors import StackError
from gix_ops.health import ServiceHealth
from gix_ops.pulumi_command import ask
from gix_ops.stack_ledger import recover

_HEALTHY_WITHIN = timedelta(minutes=1)


def apply(facts: Facts) -> list[str]:
    """Apply the safe fixes. Return what was done, and what was not done and why. Raises nothing."""
    done = []
    for remedy in (_release_locks, _clear_pending, _recover_ledger, _remove_undeclared, _start_services):
        try:
            done += list(remedy(facts))
        except (StackError, LedgerError) as error:
            done.append(f"did not {_PURPOSES[remedy]}: {error}")
        except (DockerException, OSError) as error:
            done.append(f"did not {_PURPOSES[remedy]}: the Docker engine cannot be read: {error}")
    if done:
        _await_health(facts)
    return done


def _await_health(facts: Facts) -> None:
    """Wait while the health of a service of the stack is not known, so that the checks that follow do not report it."""
    before: dict[str, str] = {}
    with contextlib.suppress(StackError, DockerException, OSError):
        for found in health.wait(facts.up, facts.client, _HEALTHY_WITHIN):
            before = before or {each.container: _last_probe(each) for each in found}
            # A container that was paused is unhealthy until its next probe.
            if not any(
                each.health == "starting"
                or (each.health == "unhealthy" and _last_probe(each) == before.get(each.container))
                for each in found
            ):
                return


def _last_probe(service: ServiceHealth) -> str:
    return service.probes[-1].started if service.probes else ""


Remedy = Callable[[Facts], Iterator[str]]


def _release_locks(facts: Facts) -> Iterator[str]:
    found = facts.locks
    if not found:
        return
    if not all(lock.is_stale for lock in found):
        raise StackError("not all of them belong to processes that have ended")
    ask(facts.directory, "cancel", "--yes", stack=facts.name)
    for lock in found:
        yield f"released the lock of {lock}"


def _clear_pending(facts: Facts) -> Iterator[str]:
    pending = facts.state.pending
    if not pending:
        return
    if stack_checks.is_volume_missing(facts):
        raise StackError("a refresh would remove the missing ledger volume from the state; restore the volume first")
    ask(facts.directory, "refresh", "--clear-pending-creates", "--yes", "--skip-preview", stack=facts.name)
    for name, operation in pending:
        yield f"cleared the pending operation of an interrupted update: {operation} {name}"


def _recover_ledger(facts: Facts) -> Iterator[str]:
    if stack_checks.helpers(facts):
        yield from recover(facts.up)


def _remove_undeclared(facts: Facts) -> Iterator[str]:
    containers, networks = stack_checks.undeclared_containers(facts), stack_checks.undeclared_networks(facts)
    # An update that is at work has created objects that are not in the state yet.
    held = [str(lock) for lock in facts.locks or () if not lock.is_stale]
    if held and (containers or networks):
        raise StackError(f"an update may be at work; a lock is held by {', '.join(held)}")
    for container in containers:
        if stack_checks.mounts_ledger(facts, container):
            yield f"did not remove the container {container.name}: it mounts a ledger"
        elif removal.remove_container(facts.client, container):
            yield f"removed the container {container.name}, which is not in the stack's state"
        else:
            yield f"did not remove the container {container.name}: it was removed or replaced meanwhile"
    for network in networks:
        try:
            removed = removal.remove_network(facts.client, network)
        except APIError as error:
            yield f"did not remove the network {network.name}: {error.explanation}"
            continue
        if removed:
            yield f"removed the network {network.name}, which is not in the stack's state"
        else:
            yield f"did not remove the network {network.name}: it was removed or replaced meanwhile"


def _start_services(facts: Facts) -> Iterator[str]:
    # Observed again: the ledger's recovery has removed the helpers that ended.
    if any(each.helper for each in facts.observe().created_by(facts.label).containers):
        raise StackError("a backup or restore has not ended")
    for each in facts.comparison.differences:
        observed = stack_checks.startable(facts, each)
        if observed is None:
            continue
        container = facts.client.containers.get(observed.id)
        # The ledger's recovery may have started it.
        if container.status == "paused":
            container.unpause()
            yield f"unpaused the {each.subject}"
        elif container.status != "running":
            container.start()
            yield f"started the {each.subject}, whose container was {container.status}"


_PURPOSES: dict[Remedy, str] = {
    _release_locks: "release the locks",
    _clear_pending: "clear the pending operations",
    _recover_ledger: "end the interrupted backup or restore",
    _remove_undeclared: "remove what is not in the stack's state",
    _start_services: "start stopped services",
}
"""What each remedy is for."""
