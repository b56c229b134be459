"""A Swarm cluster on this machine: several engines, each in namespaces of its own, and a registry. Needs root.

`python -m tests.support.cluster` runs one for a person.
"""

import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from tests.support.cluster.machines import REGISTRY_ADDRESS, SWITCH_ADDRESS, ClusterError, Machines, Node, nodes_named
from tests.support.registry import PASSWORD, USERNAME, Registry, registry_command

__all__ = ["REGISTRY_ADDRESS", "SWITCH_ADDRESS", "Cluster", "ClusterError", "Node", "running_cluster"]

_SWARM_PORT: Final = 2377
HEARTBEAT_SECONDS: Final = 2
"""How often a node reports to its manager. After three times as long without a report, Swarm says it is down."""


@dataclass
class Cluster(Machines):
    """Machines that have joined a swarm. `running_cluster` runs one."""

    managers: tuple[Node, ...] = ()
    workers: tuple[Node, ...] = ()
    login: bool = False
    """Whether the registry requires the log-in of `tests.support.registry`."""

    @classmethod
    def planned(
        cls, directory: Path, *, managers: int = 1, workers: int = 2, login: bool = False, detached: bool = False
    ) -> "Cluster":
        """A cluster of `manager1`, ..., `worker1`, ..., which `start` starts."""
        names = [f"manager{number + 1}" for number in range(managers)]
        names += [f"worker{number + 1}" for number in range(workers)]
        nodes = nodes_named(directory, names)
        return cls(directory, nodes, detached, managers=nodes[:managers], workers=nodes[managers:], login=login)

    @property
    def manager(self) -> Node:
        """The first manager."""
        return self.managers[0]

    @property
    def registry(self) -> Registry:
        """The registry, which the nodes reach without TLS."""
        return Registry(REGISTRY_ADDRESS, self.directory / "registry.log")

    @property
    def auth(self) -> dict[str, str] | None:
        """The `auth_config` for pushing to the registry and pulling from it."""
        return {"username": USERNAME, "password": PASSWORD} if self.login else None

    def node(self, name: str) -> Node:
        """The node with a host name."""
        [node] = [each for each in self.nodes if each.name == name]
        return node

    def start(self) -> None:
        """Start all nodes and the registry, and join the nodes. Returns when all are ready."""
        super().start()
        self.run(
            "registry",
            registry_command(self.directory, REGISTRY_ADDRESS, self.directory / "data/registry", login=self.login),
        )
        self._join()
        log = self.registry.log
        self.wait("registry", lambda: "listening on" in log.read_text(), log)
        self.wait_until_ready()

    def wait_until_ready(self) -> None:
        """Wait until the first manager says that all nodes are ready for tasks."""
        ready = {node.name: "ready" for node in self.nodes}
        self.wait(self.manager.name, lambda: self.states() == ready, self.manager.log)

    def states(self, manager: Node | None = None) -> dict[str, str]:
        """What a manager, by default the first, says of each node: `ready`, `down`, or another state of Swarm."""
        nodes = (manager or self.manager).client.nodes.list()
        return {each.attrs["Description"].get("Hostname", each.id): each.attrs["Status"]["State"] for each in nodes}

    def load(self, *images: str) -> None:
        """Copy images from this machine's own engine to the first manager's."""
        with subprocess.Popen(["docker", "save", *images], stdout=subprocess.PIPE) as save:
            load = ["docker", "--host", self.manager.host, "load", "--quiet"]
            subprocess.run(load, stdin=save.stdout, stdout=subprocess.DEVNULL, check=True)
        if save.returncode:
            raise ClusterError(f"the engine of this machine cannot save {', '.join(images)}")

    def push(self, image: str, name: str) -> str:
        """Push an image of the first manager's engine to the registry as NAME:latest. Returns NAME with its digest."""
        images, repository = self.manager.client.images, f"{self.registry.address}/{name}"
        images.get(image).tag(repository, "latest")
        for line in images.push(repository, "latest", auth_config=self.auth, stream=True, decode=True):
            if "error" in line:
                raise ClusterError(f"cannot push {image}: {line['error']}")
            if digest := line.get("aux", {}).get("Digest"):
                return f"{repository}@{digest}"
        raise ClusterError(f"the engine did not say the digest of {image}")

    def _join(self) -> None:
        swarm = self.manager.client.swarm
        swarm.init(advertise_addr=self.manager.ip, dispatcher_heartbeat_period=HEARTBEAT_SECONDS * 10**9)
        tokens = swarm.attrs["JoinTokens"]
        for node in self.nodes[1:]:
            token = tokens["Manager" if node in self.managers else "Worker"]
            node.client.swarm.join([f"{self.manager.ip}:{_SWARM_PORT}"], token, advertise_addr=node.ip)


@contextmanager
def running_cluster(*, managers: int = 1, workers: int = 2, login: bool = False) -> Iterator[Cluster]:
    """Run a cluster for the time of the block."""
    # Paths of sockets must be short; pytest's directories are too long.
    directory = Path(tempfile.mkdtemp(prefix="gix"))
    cluster = Cluster.planned(directory, managers=managers, workers=workers, login=login)
    try:
        cluster.start()
        yield cluster
    finally:
        cluster.remove()
