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
from gix_ops.doctor.patient import Patient
from gix_ops.errors import StackError
from gix_ops.pulumi_command import ask
from gix_ops.recovery import recover
from gix_ops.resources import CONTAINER

_HEALTHY_WITHIN_SECONDS = 60.0


def mend(patient: Patient) -> list[str]:
    """Do what can be done safely, and say each thing that was done, or was left and why. Raises nothing."""
    done = []
    for remedy in (_release_locks, _forget_cut_off, _recover_ledger, _remove_strangers, _let_go_on):
        try:
            done += list(remedy(patient))
        except (StackError, LedgerError) as error:
            done.append(f"left {_WHAT[remedy]}: {error}")
        except (DockerException, OSError) as error:
            done.append(f"left {_WHAT[remedy]}: the Docker engine can't be read: {error}")
    if done:
        _await_health(patient)
    return done


def _await_health(patient: Patient) -> None:
    """Wait while a service of the stack is starting, so that the next look does not find it so."""
    with contextlib.suppress(StackError, DockerException, OSError):
        for found in health.wait(patient.up, patient.client, _HEALTHY_WITHIN_SECONDS):
            if not any(each.health == "starting" for each in found):
                return


Remedy = Callable[[Patient], Iterator[str]]


def _release_locks(patient: Patient) -> Iterator[str]:
    found = patient.locks
    if not found:
        return
    if not all(lock.is_stale for lock in found):
        raise StackError("not all of them are of processes that are gone")
    _pulumi(patient, "cancel", "--yes")
    for lock in found:
        yield f"released the lock of {lock}"


def _forget_cut_off(patient: Patient) -> Iterator[str]:
    pending = patient.state.pending
    if not pending:
        return
    if any(each.field == "volume" for each in patient.comparison.differences):
        raise StackError("a refresh would forget the ledger's volume, which is gone; bring it back first")
    _pulumi(patient, "refresh", "--clear-pending-creates", "--yes", "--skip-preview")
    for name, operation in pending:
        yield f"cleared what a cut-off update was at: {operation} {name}"


def _recover_ledger(patient: Patient) -> Iterator[str]:
    if stack_checks.helpers(patient):
        yield from recover(patient.up)


def _remove_strangers(patient: Patient) -> Iterator[str]:
    for name in stack_checks.strangers(patient, "container"):
        if stack_checks.keeps_data(patient, name):
            yield f"left the container {name}: it uses a ledger"
            continue
        patient.client.api.remove_container(name, force=True)
        yield f"removed the container {name}, which the stack does not know"
    for name in stack_checks.strangers(patient, "network"):
        try:
            patient.client.api.remove_network(name)
        except APIError as error:
            yield f"left the network {name}: {error.explanation}"
        else:
            yield f"removed the network {name}, which the stack does not know"


def _let_go_on(patient: Patient) -> Iterator[str]:
    if stack_checks.helpers(patient):
        raise StackError("a backup or restore is not at its end")
    containers = {each.subject: each.id for each in patient.state.resources if each.type == CONTAINER}
    for each in patient.comparison.differences:
        if each.field != "state" or not stack_checks.startable(each.found):
            continue
        container = patient.client.containers.get(containers[each.subject])
        # The recovery may have been faster.
        if container.status == "paused":
            container.unpause()
            yield f"let the {each.subject} go on, which was paused"
        elif container.status != "running":
            container.start()
            yield f"started the {each.subject}, which was {container.status}"


def _pulumi(patient: Patient, *words: str) -> None:
    answer = ask(patient.directory, *words, stack=patient.name)
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
