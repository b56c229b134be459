"""A second, empty Docker engine on this machine, in namespaces of its own."""

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import docker

from tests.support.cluster.machines import Machines, nodes_named


@contextmanager
def engine_of_its_own() -> Iterator[docker.DockerClient]:
    """Start an engine for the time of the block. Yields a client."""
    # Paths of sockets must be short; pytest's directories are too long.
    directory = Path(tempfile.mkdtemp(prefix="gix"))
    machines = Machines(directory, nodes_named(directory, ["other"]))
    try:
        machines.start()
        yield machines.nodes[0].client
    finally:
        machines.remove()
