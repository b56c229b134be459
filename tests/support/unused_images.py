"""Images that stacks under test have built.

Stacks with the same content have the same images. An image that has no tag at the moment may be one that another test
is about to tag, so these images are removed when all tests have ended.
"""

from collections.abc import Iterable
from http import HTTPStatus

import docker
from docker.errors import APIError, ImageNotFound

_noted: set[str] = set()


def note(images: Iterable[str]) -> None:
    """Remember the ids of images that tests of this process, or of a worker, have built."""
    _noted.update(images)


def noted() -> list[str]:
    """The ids so far."""
    return sorted(_noted)


def remove(client: docker.DockerClient) -> None:
    """Remove the noted images that have neither a tag nor a container."""
    for image in noted():
        try:
            if not client.images.get(image).tags:
                client.images.remove(image)
        except ImageNotFound:
            continue
        except APIError as error:
            if error.status_code != HTTPStatus.CONFLICT:
                raise
