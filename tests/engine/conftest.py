"""Stacks on the real engine. Each is removed after its tests."""

import os
from collections.abc import Iterator

import docker
import pytest

from tests.support.cluster import Cluster
from tests.support.stack_under_test import StackUnderTest, temporary_stack
from tests.support.swarm_stack import provide_images


@pytest.fixture(scope="module")
def platform(client: docker.DockerClient, tmp_path_factory: pytest.TempPathFactory) -> Iterator[StackUnderTest]:
    """A stack that is up. Tests must leave it up."""
    with temporary_stack(client, tmp_path_factory.mktemp("platform") / "gix") as stack:
        stack.up()
        yield stack


@pytest.fixture
def fresh(client: docker.DockerClient, tmp_path_factory: pytest.TempPathFactory) -> Iterator[StackUnderTest]:
    """A stack that is not up yet."""
    with temporary_stack(client, tmp_path_factory.mktemp("fresh") / "gix") as stack:
        yield stack


@pytest.fixture(scope="module")
def images(cluster: Cluster) -> dict[str, str]:
    """The images of the services and of the edge, by digest, in the registry of the module's `cluster`."""
    return provide_images(cluster)


@pytest.fixture(scope="session")
def image(client: docker.DockerClient) -> str:
    """An image with a shell that is already on the engine."""
    base = os.environ.get("GIX_RUNTIME_BASE", "debian:bookworm-slim")
    assert client.images.list(base), f"{base} is not on the engine; make setup provides it, or: docker pull {base}"
    return base
