"""Images that tests have built.

Stacks with the same content have the same images, and a container of one keeps an image that another has built. So a
test removes its own names of an image. The image itself may be one that another test is about to use or to tag: it is
removed when all tests have ended.
"""

import contextlib
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


def remove_name(client: docker.DockerClient, name: str) -> None:
    """Remove a tag or a digest, if it exists. An image in use stays: the last name of one is removed only by force."""
    with contextlib.suppress(ImageNotFound):
        client.images.remove(name, force=True)


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
