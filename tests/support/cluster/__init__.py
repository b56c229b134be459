"""A Swarm cluster on this machine: several engines, each in namespaces of its own, and a registry.

A bridge in a network namespace of its own connects the engines, so nothing reaches the machine's network or its
packet filter. All processes are in one PID namespace: they end together, also when they are killed. Needs root.
"""

import contextlib
import hashlib
import os
import shutil
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Final

import docker
import psutil
import requests
from docker.errors import DockerException

from tests.support.registry import PASSWORD, USERNAME, Registry, start_registry

_HERE: Final = Path(__file__).parent
_SWITCH: Final = _HERE / "switch.sh"
_NODE: Final = _HERE / "node.sh"
# Reserved for tests between networks (RFC 2544). Outside of the pools from which Docker and Swarm take theirs.
_NETWORK: Final = "198.18.0"
_PREFIX: Final = 24
_FIRST_NODE: Final = 11
SWITCH_ADDRESS: Final = f"{_NETWORK}.1"
"""The address of the switch's namespace, in which the registry and clients run."""
REGISTRY_ADDRESS: Final = f"{SWITCH_ADDRESS}:5000"
SWARM_PORT: Final = 2377
HEARTBEAT_SECONDS: Final = 2
"""How often a node reports to its manager. After three times as long without a report, the node is down."""
_WITHIN_SECONDS: Final = 60.0
_POLL_SECONDS: Final = 0.05


class ClusterError(Exception):
    """The cluster did not do what it was told. The text has the end of the log."""


@dataclass(frozen=True)
class Node:
    """One engine."""

    name: str
    """Its host name, which is also its name in Swarm."""
    ip: str
    """Its IPv4 address in the cluster's network."""
    manager: bool
    directory: Path
    """The cluster's directory, with its socket and log."""

    @property
    def host(self) -> str:
        """The address of its engine, as in DOCKER_HOST."""
        return f"unix://{self.directory}/{self.name}.sock"

    @cached_property
    def client(self) -> docker.DockerClient:
        """A client of its engine."""
        return docker.DockerClient(base_url=self.host, version="auto")

    def close(self) -> None:
        """Close the client."""
        if "client" in vars(self):
            self.client.close()

    @property
    def log(self) -> str:
        """What the engine has written."""
        return self.log_file.read_text(errors="replace")

    @property
    def log_file(self) -> Path:
        """Where its engine writes."""
        return self.directory / f"{self.name}.log"


@dataclass
class Cluster:
    """Engines that are joined in a swarm. Make one with `running_cluster`."""

    directory: Path
    nodes: tuple[Node, ...]
    registry: Registry
    _login: bool
    _detached: bool = False
    _running: dict[str, "subprocess.Popen[bytes]"] = field(default_factory=dict)

    @classmethod
    def planned(
        cls, directory: Path, *, managers: int = 1, workers: int = 2, login: bool = False, detached: bool = False
    ) -> "Cluster":
        """A cluster in `directory` that is not started. A `detached` one survives this process.

        With `login`, its registry requires the log-in of `tests.support.registry`. The directory's path must be
        short, since the path of a socket has at most 107 bytes.
        """
        names = [
            *((f"manager{number}", True) for number in range(1, managers + 1)),
            *((f"worker{number}", False) for number in range(1, workers + 1)),
        ]
        nodes = tuple(
            Node(name, f"{_NETWORK}.{number}", manager, directory)
            for number, (name, manager) in enumerate(names, _FIRST_NODE)
        )
        return cls(directory, nodes, Registry(REGISTRY_ADDRESS, directory / "registry/log"), login, detached)

    @property
    def manager(self) -> Node:
        """The first manager."""
        return self.nodes[0]

    @property
    def workers(self) -> list[Node]:
        """The nodes that are not managers."""
        return [node for node in self.nodes if not node.manager]

    @property
    def auth(self) -> dict[str, str] | None:
        """The `auth_config` for pushing to the registry and pulling from it."""
        return {"username": USERNAME, "password": PASSWORD} if self._login else None

    def node(self, name: str) -> Node:
        """The node with a host name."""
        [node] = [each for each in self.nodes if each.name == name]
        return node

    @property
    def inside(self) -> list[str]:
        """The words to put before a command so that it runs in the cluster's network.

        It reaches the registry and the published ports of the nodes, and nothing else but its own loopback. Files,
        and so the engines' sockets, are those of the machine.
        """
        return ["nsenter", f"--net=/proc/{self._switch}/ns/net", "--"]

    def start(self) -> None:
        """Start the switch, the registry and all engines, and join them. Waits until all nodes are ready."""
        self._start_switch()
        self._start_registry()
        for node in self.nodes:
            self._start_engine(node)
        for node in self.nodes:
            self._wait(lambda node=node: _answers(node), f"the engine of {node.name}", node)  # type: ignore[misc]
        self._join()
        self.wait_until_ready()

    def wait_until_ready(self) -> None:
        """Wait until all nodes are ready for tasks."""
        ready = {node.name: "ready" for node in self.nodes}
        self._wait(lambda: self.states() == ready, "ready nodes", self.manager)

    def states(self, manager: Node | None = None) -> dict[str, str]:
        """What a manager, by default the first, says of each node: `ready`, `down`, or another state of Swarm."""
        manager = manager or self.manager
        return {
            each.attrs["Description"].get("Hostname", each.id): each.attrs["Status"]["State"]
            for each in manager.client.nodes.list()
        }

    def kill(self, node: Node) -> None:
        """Take the power from a node: its containers, its engine and its network are gone, and others get no word."""
        # First the network: the kernel says good-bye for a process that is killed.
        self._ip("link", "set", node.name, "down")
        _kill_namespace(self._running.pop(node.name))
        # The kernel would do it at some time after the end of the node's network namespace.
        self._ip("link", "delete", node.name)
        self._remove_cgroups(node.name)

    def restart(self, node: Node) -> None:
        """Start a killed node again, with its data. Waits until its engine answers, not until Swarm says ready."""
        self._start_engine(node)
        self._wait(lambda: _answers(node), f"the engine of {node.name}", node)

    def partition(self, node: Node) -> None:
        """Pull the cable of a node. What runs on it goes on."""
        self._ip("link", "set", node.name, "down")

    def heal(self, node: Node) -> None:
        """Plug the cable of a node in again."""
        self._ip("link", "set", node.name, "up")

    def load(self, *images: str) -> None:
        """Copy images from the machine's own engine to the first manager's."""
        with subprocess.Popen(["docker", "save", *images], stdout=subprocess.PIPE) as save:
            subprocess.run(["docker", "--host", self.manager.host, "load", "--quiet"], stdin=save.stdout, check=True)
        if save.returncode:
            raise ClusterError(f"the engine of this machine cannot save {', '.join(images)}")

    def push(self, image: str, name: str) -> str:
        """Push an image of the first manager's engine to the registry as NAME:latest. Returns its name by digest."""
        client, repository = self.manager.client, f"{self.registry.address}/{name}"
        client.images.get(image).tag(repository, "latest")
        for line in client.images.push(repository, "latest", auth_config=self.auth, stream=True, decode=True):
            if "error" in line:
                raise ClusterError(f"cannot push {image}: {line['error']}")
            if digest := line.get("aux", {}).get("Digest"):
                return f"{repository}@{digest}"
        raise ClusterError(f"the push of {image} did not say its digest")

    def remove(self) -> None:
        """End everything and delete all data. Does nothing if there is nothing."""
        for process in _switches(self.directory):
            with contextlib.suppress(psutil.NoSuchProcess):
                process.kill()
        _until(lambda: not _switches(self.directory), "the end of the switch")
        for started in self._running.values():
            started.wait()
        self._running.clear()
        for node in self.nodes:
            node.close()
        self._remove_cgroups()
        if self.directory.exists():
            shutil.rmtree(self.directory)

    @property
    def _cgroup(self) -> str:
        """The parent of the cgroups of all containers of the cluster."""
        return "gix-cluster-" + hashlib.sha256(str(self.directory).encode()).hexdigest()[:12]

    @property
    def _switch(self) -> int:
        """The id of a process in the network and mount namespaces of the switch."""
        for process in _switches(self.directory):
            return process.pid
        raise ClusterError(f"no cluster runs in {self.directory}")

    def _start_switch(self) -> None:
        if _switches(self.directory):
            raise ClusterError(f"a cluster already runs in {self.directory}; remove it with: make cluster-down")
        self.directory.mkdir(parents=True, exist_ok=True)
        # With the death of this process, the kernel ends the switch, and with it all else.
        tied = [] if self._detached else ["setpriv", "--pdeathsig", "KILL"]
        words = [
            *(*tied, "unshare", "--net", "--mount", "--pid", "--fork", "--kill-child", "--mount-proc"),
            *("sh", str(_SWITCH), str(self.directory), f"{SWITCH_ADDRESS}/{_PREFIX}"),
        ]
        log = self.directory / "switch.log"
        self._running[""] = _started(words, log)
        self._wait(lambda: log.read_text().endswith("ready\n"), "the switch", log=log)

    @property
    def _enter(self) -> list[str]:
        """The words before a command that ends with the cluster."""
        switch = self._switch
        return [
            *("nsenter", f"--net=/proc/{switch}/ns/net", f"--mount=/proc/{switch}/ns/mnt"),
            *(f"--pid=/proc/{switch}/ns/pid_for_children", "--"),
        ]

    def _start_registry(self) -> None:
        directory = self.directory / "registry"
        directory.mkdir(exist_ok=True)
        self._running["registry"] = start_registry(
            directory, REGISTRY_ADDRESS, self.directory / "data/registry", prefix=self._enter, login=self._login
        )
        self._wait(lambda: "listening on" in self.registry.log.read_text(), "the registry", log=self.registry.log)

    def _start_engine(self, node: Node) -> None:
        # Of an engine that was killed. It would count as an answer to come.
        (self.directory / f"{node.name}.sock").unlink(missing_ok=True)
        words = [
            *self._enter,
            *("unshare", "--net", "--mount", "--pid", "--uts", "--fork", "--kill-child", "--mount-proc"),
            *("sh", str(_NODE), str(self.directory), node.name, f"{node.ip}/{_PREFIX}"),
            # The systemd of this machine is out of reach.
            *("--exec-opt", "native.cgroupdriver=cgroupfs", "--cgroup-parent", f"/{self._cgroup}/{node.name}"),
            *("--insecure-registry", REGISTRY_ADDRESS),
        ]
        network = Path(f"/proc/{self._switch}/ns/net")
        self._running[node.name] = _started(words, node.log_file, network)

    def _join(self) -> None:
        first, *others = self.nodes
        first.client.swarm.init(advertise_addr=first.ip, dispatcher_heartbeat_period=HEARTBEAT_SECONDS * 1_000_000_000)
        tokens = first.client.swarm.attrs["JoinTokens"]
        for node in others:
            token = tokens["Manager" if node.manager else "Worker"]
            node.client.swarm.join([f"{first.ip}:{SWARM_PORT}"], token, advertise_addr=node.ip)

    def _ip(self, *words: str) -> None:
        subprocess.run([*self.inside, "ip", *words], check=True)

    def _remove_cgroups(self, below: str = "") -> None:
        for place in (
            *Path("/sys/fs/cgroup").glob(f"*/{self._cgroup}/{below}"),
            Path("/sys/fs/cgroup", self._cgroup, below),
        ):
            # The kernel empties a cgroup a moment after the end of its last process.
            _until(lambda place=place: _removed(place), f"an empty {place}")  # type: ignore[misc]

    def _wait(
        self, condition: Callable[[], bool], what: str, node: Node | None = None, log: Path | None = None
    ) -> None:
        process = self._running[node.name if node else ""]
        log = node.log_file if node else log

        def end() -> str:
            return log.read_text(errors="replace")[-4000:] if log and log.exists() else ""

        deadline = time.monotonic() + _WITHIN_SECONDS
        while not condition():
            if process.poll() is not None:
                raise ClusterError(f"{what}: the process has ended: {end()}")
            if time.monotonic() > deadline:
                raise ClusterError(f"waited {_WITHIN_SECONDS:.0f} s for {what}: {end()}")
            time.sleep(_POLL_SECONDS)


@contextmanager
def running_cluster(*, managers: int = 1, workers: int = 2, login: bool = False) -> Iterator[Cluster]:
    """Run a cluster for the time of the block."""
    cluster = Cluster.planned(Path(tempfile.mkdtemp(prefix="gix")), managers=managers, workers=workers, login=login)
    try:
        cluster.start()
        yield cluster
    finally:
        cluster.remove()


def _started(words: Sequence[str], log: Path, stdin: Path = Path(os.devnull)) -> "subprocess.Popen[bytes]":
    with stdin.open() as source, log.open("ab") as output:
        # Ctrl-C in a terminal must reach the test alone, which then removes the cluster.
        return subprocess.Popen(words, stdin=source, stdout=output, stderr=output, start_new_session=True)


def _switches(directory: Path) -> list[psutil.Process]:
    """The processes of the switch of a cluster: `unshare` and its child. Their words tell, also after a crash."""
    found = []
    for process in psutil.process_iter():
        with contextlib.suppress(psutil.NoSuchProcess):
            if process.cmdline()[-3:-1] == [str(_SWITCH), str(directory)]:
                found.append(process)
    return found


def _kill_namespace(process: "subprocess.Popen[bytes]") -> None:
    """Kill process 1 of a node, and so all of the node. Its parents are `unshare` and `nsenter`, and end after it."""
    with contextlib.suppress(psutil.NoSuchProcess, ValueError):
        [unshare] = psutil.Process(process.pid).children()
        [first] = unshare.children()
        first.kill()
    process.wait()


def _answers(node: Node) -> bool:
    try:
        return bool(node.client.ping())
    except (DockerException, requests.RequestException):
        return False


def _removed(cgroup: Path) -> bool:
    """Remove a cgroup and those below it. Says whether it is gone."""
    try:
        for each in sorted((path for path in cgroup.rglob("*") if path.is_dir()), reverse=True):
            each.rmdir()
        cgroup.rmdir()
    except FileNotFoundError:
        return True
    except OSError:
        return False
    return True


def _until(condition: Callable[[], bool], what: str) -> None:
    deadline = time.monotonic() + _WITHIN_SECONDS
    while not condition():
        if time.monotonic() > deadline:
            raise ClusterError(f"waited {_WITHIN_SECONDS:.0f} s for {what}")
        time.sleep(_POLL_SECONDS)
