"""The ledger of a stack, as its outputs and its engine tell; and the one way in which this project deletes one."""

import docker
from docker.errors import APIError, DockerException, NotFound

from gix_ledger.ledger import Ledger
from gix_model.environment import STACK_LABEL
from gix_ops.errors import StackError
from gix_ops.stack import Stack


def of(stack: Stack) -> Ledger:
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
    return Ledger(
        engine=stack.engine,
        directory=stack.directory,
        label=stack.label,
        volume=volume,
        container=auction.container,
        image=image,
    )


def owner(stack: Stack) -> str:
    """UID:GID of the user that the stack's auction runs as; raises StackError where its container is missing."""
    name = of(stack).container
    try:
        user = str(stack.connect().containers.get(name).attrs["Config"]["User"])
    except NotFound:
        raise StackError(f"there is no container {name} to tell whose the ledger is; give --owner UID:GID") from None
    uid, _, gid = user.partition(":")
    return f"{uid}:{gid or uid}"


def delete(client: docker.DockerClient, name: str) -> None:
    """Delete the volume `name` with all that is in it.

    Raises StackError where there is no such volume, a container uses it, or no stack of this project made it.
    """
    try:
        volume = client.volumes.get(name)
        if STACK_LABEL not in (volume.attrs["Labels"] or {}):
            raise StackError(
                f"the volume {name} was not made by a stack of this project, so it is left alone; "
                f"if it must go: docker volume rm {name}"
            )
        volume.remove()
    except NotFound:
        raise StackError(f"there is no volume {name}; docker volume ls shows which there are") from None
    except APIError as error:
        raise StackError(f"the volume {name} stays: {error.explanation}") from error
    except DockerException as error:
        raise StackError(f"the Docker engine does not answer ({error}); start it: make setup") from error
