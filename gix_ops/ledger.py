"""`gixctl delete-ledger`: the one way in which this project deletes a ledger, and only by its name."""

import docker
from docker.errors import APIError, DockerException, NotFound

from gix_components.environment import STACK_LABEL
from gix_ops.errors import StackError


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
