"""What `gixctl doctor --fix` does: the safe part of what mends a stack.

Nothing here touches what is on a volume, but for the end of a restore that was cut off; and nothing is removed that
does not bear the stack's own label. What a cut-off update left in the place of a service that the stack knows may
serve: it stays until a person says otherwise.
"""

import contextlib
from collections.abc import Callable, Iterator

from docker.errors import APIError, DockerException

from gix_ledger.errors import LedgerError
from gix_ops import health
from gix_ops.doctor import stack_checks
from gix_ops.doctor.facts import Facts
from gix_ops.errors import StackError
from gix_ops.pulumi_command import ask
from gix_ops.resources import CONTAINER
from gix_ops.stack_ledger import recover

_HEALTHY_WITHIN_SECONDS = 60.0


def mend(facts: Facts) -> list[str]:
    """Do what can be done safely, and say each thing that was done, or was left and why. Raises nothing."""
    done = []
    for remedy in (_release_locks, _forget_cut_off, _recover_ledger, _remove_strangers, _let_go_on):
        try:
            done += list(remedy(facts))
        except (StackError, LedgerError) as error:
            done.append(f"left {_WHAT[remedy]}: {error}")
        except (DockerException, OSError) as error:
            done.append(f"left {_WHAT[remedy]}: the Docker engine can't be read: {error}")
    if done:
        _await_health(facts)
    return done


def _await_health(facts: Facts) -> None:
    """Wait while a service of the stack is starting, so that the next look does not find it so."""
    with contextlib.suppress(StackError, DockerException, OSError):
        for found in health.wait(facts.up, facts.client, _HEALTHY_WITHIN_SECONDS):
            if not any(each.health == "starting" for each in found):
                return


Remedy = Callable[[Facts], Iterator[str]]


def _release_locks(facts: Facts) -> Iterator[str]:
    found = facts.locks
    if not found:
        return
    if not all(lock.is_stale for lock in found):
        raise StackError("not all of them are of processes that are gone")
    _pulumi(facts, "cancel", "--yes")
    for lock in found:
        yield f"released the lock of {lock}"


def _forget_cut_off(facts: Facts) -> Iterator[str]:
    pending = facts.state.pending
    if not pending:
        return
    if any(each.field == "volume" for each in facts.comparison.differences):
        raise StackError("a refresh would forget the ledger's volume, which is gone; bring it back first")
    _pulumi(facts, "refresh", "--clear-pending-creates", "--yes", "--skip-preview")
    for name, operation in pending:
        yield f"cleared what a cut-off update was at: {operation} {name}"


def _recover_ledger(facts: Facts) -> Iterator[str]:
    if stack_checks.helpers(facts):
        yield from recover(facts.up)


def _remove_strangers(facts: Facts) -> Iterator[str]:
    for name in stack_checks.strangers(facts, "container"):
        if stack_checks.keeps_data(facts, name):
            yield f"left the container {name}: it uses a ledger"
            continue
        facts.client.api.remove_container(name, force=True)
        yield f"removed the container {name}, which the stack does not know"
    for name in stack_checks.strangers(facts, "network"):
        try:
            facts.client.api.remove_network(name)
        except APIError as error:
            yield f"left the network {name}: {error.explanation}"
        else:
            yield f"removed the network {name}, which the stack does not know"


def _let_go_on(facts: Facts) -> Iterator[str]:
    if stack_checks.helpers(facts):
        raise StackError("a backup or restore is not at its end")
    containers = {each.subject: each.id for each in facts.state.resources if each.type == CONTAINER}
    for each in facts.comparison.differences:
        if each.field != "state" or not stack_checks.startable(each.found):
            continue
        container = facts.client.containers.get(containers[each.subject])
        # The recovery may have been faster.
        if container.status == "paused":
            container.unpause()
            yield f"let the {each.subject} go on, which was paused"
        elif container.status != "running":
            container.start()
            yield f"started the {each.subject}, which was {container.status}"


def _pulumi(facts: Facts, *words: str) -> None:
    answer = ask(facts.directory, *words, stack=facts.name)
    if answer.returncode:
        said = " ".join((answer.stderr.strip() or answer.stdout).split())
        raise StackError(f"pulumi {words[0]} failed: {said[-500:]}")


_WHAT: dict[Remedy, str] = {
    _release_locks: "the locks",
    _forget_cut_off: "what a cut-off update was at",
    _recover_ledger: "the backup or restore that was cut off",
    _remove_strangers: "what the stack does not know",
    _let_go_on: "what stands still",
}
"""What a remedy is for."""
