"""The ledger of a stack, from its outputs and its engine, and the only code of this project that deletes a ledger."""

from dataclasses import dataclass

import docker
from docker.errors import APIError, DockerException

from gix_engine import observed_state, removal
from gix_engine.observed_state import ObservedVolume
from gix_ledger import recovery
from gix_ledger.location import LedgerLocation
from gix_model.provider_facts import VOLUME
from gix_ops.errors import StackError
from gix_ops.resources import export
from gix_ops.stack import Stack, StackReference


def locate(stack: Stack) -> LedgerLocation:
    """The ledger of the stack. Raises StackError if the stack keeps none, or its engine does not answer."""
    auction = stack.outputs.services.get("auction")
    volume = stack.outputs.volume
    if auction is None or volume is None:
        raise StackError("the stack keeps no ledger: it does not run the auction (gix:services)")
    record = observed_state.inspect_container(stack.connect(), auction.containers[0])
    return LedgerLocation(
        engine=stack.engine,
        directory=stack.directory,
        label=stack.label,
        volume=volume,
        container=auction.containers[0],
        image=auction.digest if record is None else str(record["Image"]),
    )


def owner(stack: Stack) -> str:
    """UID:GID of the user that the stack's auction runs as. Raises StackError if its container is missing."""
    name = locate(stack).container
    record = observed_state.inspect_container(stack.connect(), name)
    if record is None:
        raise StackError(f"the container {name} is missing, so its user is not known; give --owner UID:GID")
    uid, _, gid = str(record["Config"]["User"]).partition(":")
    return f"{uid}:{gid or uid}"


@dataclass(frozen=True, kw_only=True)
class Deletable:
    """A ledger's volume that its stack may delete: everything that could forbid it has been checked."""

    client: docker.DockerClient
    volume: ObservedVolume
    engine: str

    def delete(self) -> None:
        """Delete the volume with its content.

        Raises StackError if a container uses the volume, or it is no longer the volume that was checked.
        """
        try:
            deleted = removal.remove_volume(self.client, self.volume)
        except (DockerException, OSError) as error:
            what = error.explanation if isinstance(error, APIError) else error
            raise StackError(f"the volume {self.volume.name} stays on {self.engine}: {what}") from error
        if not deleted:
            raise StackError(
                f"the volume {self.volume.name} on {self.engine} was deleted or replaced after it was checked; run the "
                "command again to delete the volume that has this name now"
            )


def deletable(stack: StackReference, name: str, *, destroyed_first: bool = False) -> Deletable:
    """The volume `name` on the engine of `stack`, which need not be up.

    With `destroyed_first` the caller destroys the stack before it deletes the volume. Raises StackError if there is no
    such volume, it does not belong to the stack, its ledger is protected, or something uses it.
    """
    engine = f"the engine at {stack.engine.host or 'DOCKER_HOST or /var/run/docker.sock'}"
    client = stack.connect()
    declared = next((each for each in export(stack).resources if each.type == VOLUME and each.name == name), None)
    if declared is not None and declared.protected:
        raise StackError(
            f"gix:ledger.protect = true: the stack {stack.name} protects its ledger on {name}. Allow it first: "
            f"pulumi config set --stack {stack.name} --path gix:ledger.protect false; pulumi up --stack {stack.name}"
        )
    if declared is not None and not destroyed_first:
        raise StackError(
            f"the stack {stack.name} uses the volume {name}; destroy the stack first, or with it: "
            f"gixctl delete-ledger {name} --stack {stack.name} --destroy"
        )
    try:
        observed = observed_state.observe(client)
    except (DockerException, OSError) as error:
        raise StackError(f"{engine} does not answer ({error}); start it: make setup") from error
    volume = observed.volume(name)
    if volume is None:
        raise StackError(
            f"there is no volume {name} on {engine}, the engine of the stack {stack.name}; docker volume ls lists the "
            "volumes"
        )
    if volume.stack is None and declared is None:
        raise StackError(
            f"the volume {name} on {engine} was not made by the stack {stack.name}, so it is not deleted; to delete "
            f"it: docker volume rm {name}"
        )
    if volume.stack not in (None, stack.label):
        raise StackError(
            f"the volume {name} on {engine} is the ledger of the stack {volume.stack}, not of {stack.label}, so "
            f"it is not deleted; delete it with that stack: gixctl delete-ledger {name} --stack STACK"
        )
    users = [
        each.name
        for each in observed.containers
        if name in each.volumes and not (destroyed_first and each.stack == stack.label)
    ]
    if users:
        raise StackError(
            f"the volume {name} on {engine} is in use by {', '.join(users)}; remove what uses it: "
            f"docker rm --force {' '.join(users)}"
        )
    return Deletable(client=client, volume=volume, engine=engine)


def recover(stack: Stack) -> list[str]:
    """End the interrupted backups and restores of the stack's ledger; return what was done.

    Raises StackError or LedgerError if that fails.
    """
    return recovery.recover(locate(stack))
