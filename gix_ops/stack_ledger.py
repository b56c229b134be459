"""The ledger of a stack, as its outputs and its engine tell; and the one way in which this project deletes one."""

from dataclasses import dataclass

from docker.errors import APIError, DockerException, NotFound
from docker.models.volumes import Volume

from gix_ledger import recovery
from gix_ledger.location import LedgerLocation
from gix_model.environment import STACK_LABEL
from gix_ops.errors import StackError
from gix_ops.resources import VOLUME, export
from gix_ops.stack import Stack, StackReference


def locate(stack: Stack) -> LedgerLocation:
    """The ledger of the stack; raises StackError where it keeps none, or its engine does not answer."""
    auction = stack.outputs.services.get("auction")
    volume = stack.outputs.volume
    if auction is None or volume is None:
        raise StackError("the stack keeps no ledger: it does not run the auction (gix:services)")
    client = stack.connect()
    try:
        image = str(client.containers.get(auction.container).attrs["Image"])
    except NotFound:
        image = auction.digest
    return LedgerLocation(
        engine=stack.engine,
        directory=stack.directory,
        label=stack.label,
        volume=volume,
        container=auction.container,
        image=image,
    )


def owner(stack: Stack) -> str:
    """UID:GID of the user that the stack's auction runs as; raises StackError where its container is missing."""
    name = locate(stack).container
    try:
        user = str(stack.connect().containers.get(name).attrs["Config"]["User"])
    except NotFound:
        raise StackError(f"there is no container {name} to tell whose the ledger is; give --owner UID:GID") from None
    uid, _, gid = user.partition(":")
    return f"{uid}:{gid or uid}"


@dataclass(frozen=True, kw_only=True)
class Deletable:
    """A ledger's volume that its stack may delete: everything that could forbid it has been checked."""

    volume: Volume
    engine: str

    def delete(self) -> None:
        """Delete the volume with all that is in it; raises StackError where a container uses it."""
        try:
            self.volume.remove()
        except (DockerException, OSError) as error:
            what = error.explanation if isinstance(error, APIError) else error
            raise StackError(f"the volume {self.volume.name} stays on {self.engine}: {what}") from error


def deletable(stack: StackReference, name: str, *, destroyed_first: bool = False) -> Deletable:
    """The volume `name` on the engine of `stack`, which need not be up.

    With `destroyed_first` the caller destroys the stack before it deletes the volume. Raises StackError where there is
    no such volume, it is not the stack's, its ledger is protected, or something uses it.
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
        volume = client.volumes.get(name)
        holders = client.containers.list(all=True, filters={"volume": name}, ignore_removed=True)
    except NotFound:
        raise StackError(
            f"there is no volume {name} on {engine}, the engine of the stack {stack.name}; docker volume ls shows "
            "which there are"
        ) from None
    except (DockerException, OSError) as error:
        raise StackError(f"{engine} does not answer ({error}); start it: make setup") from error
    owner = (volume.attrs["Labels"] or {}).get(STACK_LABEL)
    if owner is None and declared is None:
        raise StackError(
            f"the volume {name} on {engine} was not made by the stack {stack.name}, so it is left alone; if it must "
            f"go: docker volume rm {name}"
        )
    if owner not in (None, stack.label):
        raise StackError(
            f"the volume {name} on {engine} is the ledger of the stack {owner}, not of {stack.label}, so "
            f"it is left alone; delete it with that stack: gixctl delete-ledger {name} --stack STACK"
        )
    users = [
        str(each.name) for each in holders if not (destroyed_first and each.labels.get(STACK_LABEL) == stack.label)
    ]
    if users:
        raise StackError(
            f"the volume {name} on {engine} is in use by {', '.join(users)}; remove what uses it: "
            f"docker rm --force {' '.join(users)}"
        )
    return Deletable(volume=volume, engine=engine)


def recover(stack: Stack) -> list[str]:
    """End what a backup or restore left behind when it was interrupted; say what was done.

    Raises StackError or LedgerError if that fails.
    """
    return recovery.recover(locate(stack))
