"""Machines that are namespaces: each runs an engine of its own, and a bridge that only they see connects them.

All their processes are in one PID namespace, so they end together, also when they are killed. Needs root.
"""

import contextlib
import hashlib
import os
import shutil
import subprocess
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Final

import docker
import psutil
import requests
from docker.errors import DockerException

SWITCH: Final = Path(__file__).with_name("switch.sh")
_MACHINE: Final = Path(__file__).with_name("machine.sh")
# Reserved for tests between networks (RFC 2544). Outside of the pools from which Docker and Swarm take theirs.
_NETWORK: Final = "198.18.0"
_PREFIX: Final = 24
_FIRST_MACHINE: Final = 11
SWITCH_ADDRESS: Final = f"{_NETWORK}.1"
"""The address of the switch's namespace, in which registry and clients run."""
REGISTRY_ADDRESS: Final = f"{SWITCH_ADDRESS}:5000"
"""The address of the registry that the engines reach without TLS."""
_WITHIN_SECONDS: Final = 60.0
_POLL_SECONDS: Final = 0.05
_LONGEST_SOCKET: Final = 107
_LOG_CHARACTERS: Final = 4000


class ClusterError(Exception):
    """The machines cannot start or change. The text has the reason, or the end of a log."""


@dataclass(frozen=True)
class Node:
    """One machine and its engine."""

    name: str
    """Its host name, which is also its name in Swarm."""
    ip: str
    """Its IPv4 address in the network of the switch."""
    directory: Path
    """The directory with its socket and its log."""

    @property
    def socket(self) -> Path:
        """The socket of its engine. It can be used from every network namespace."""
        return self.directory / f"{self.name}.sock"

    @property
    def host(self) -> str:
        """The address of its engine, as in DOCKER_HOST."""
        return f"unix://{self.socket}"

    @cached_property
    def client(self) -> docker.DockerClient:
        """A client of its engine."""
        return docker.DockerClient(base_url=self.host, version="auto")

    @property
    def log(self) -> Path:
        """The log of its engine."""
        return self.directory / f"{self.name}.log"

    def answers(self) -> bool:
        """Whether its engine answers."""
        try:
            return bool(self.client.ping())
        except (DockerException, requests.RequestException):
            return False


def nodes_named(directory: Path, names: Sequence[str]) -> tuple[Node, ...]:
    """Nodes with these host names. Raises ClusterError if the path of the directory is too long for sockets."""
    nodes = tuple(Node(name, f"{_NETWORK}.{last}", directory) for last, name in enumerate(names, _FIRST_MACHINE))
    for node in nodes:
        if len(os.fsencode(node.socket)) > _LONGEST_SOCKET:
            raise ClusterError(f"{node.socket}: longer than the {_LONGEST_SOCKET} bytes that a socket's path may have")
    return nodes


@dataclass
class Machines:
    """Machines with an engine each. `directory` has their sockets and logs. Their data is in memory.

    Detached machines survive this process. Others end with the thread that has started them, also when it is killed.
    """

    directory: Path
    nodes: tuple[Node, ...]
    detached: bool = False
    _running: dict[str, "subprocess.Popen[bytes]"] = field(default_factory=dict)

    @property
    def inside(self) -> list[str]:
        """The words to put before a command, so that it runs in the network of the switch.

        There it reaches the registry, the published ports of the nodes, and a loopback of its own. Files, and so the
        sockets of engines, are those of this machine.
        """
        return ["nsenter", f"--net={self.network}", "--"]

    @property
    def network(self) -> Path:
        """The network namespace of the switch. Raises ClusterError if it does not run."""
        return self._namespace("net")

    @property
    def running(self) -> bool:
        """Whether they have been started, by this process or another, and have not ended."""
        return bool(_switches(self.directory))

    def start(self) -> None:
        """Start the switch and all engines. Returns when all engines answer."""
        self.directory.mkdir(parents=True, exist_ok=True)
        tied = [] if self.detached else ["setpriv", "--pdeathsig", "KILL"]
        log = self.directory / "switch.log"
        self._running["switch"] = _started(
            [
                *(*tied, "unshare", "--net", "--mount", "--pid", "--fork", "--kill-child", "--mount-proc"),
                *("sh", str(SWITCH), str(self.directory), f"{SWITCH_ADDRESS}/{_PREFIX}"),
            ],
            log,
        )
        self.wait("switch", lambda: log.read_text().endswith("ready\n"), log)
        for node in self.nodes:
            self._start_engine(node)
        for node in self.nodes:
            self.wait(node.name, node.answers, node.log)

    def run(self, name: str, words: Sequence[str]) -> None:
        """Run a command in the namespaces of the switch. It ends with them. Its log is NAME.log."""
        self._running[name] = _started([*self._enter, *words], self.directory / f"{name}.log")

    def kill(self, node: Node) -> None:
        """Cut the power of a node. Its containers, engine and network are gone, and the other nodes are not told."""
        # The network comes first: when a process is killed, the kernel still closes its connections.
        self.partition(node)
        _kill_first(self._running.pop(node.name))
        # The kernel removes it a while after the namespace's last process, and a restart would find it.
        self._ip("link", "delete", node.name)
        self._remove_cgroups(node.name)

    def stop(self, node: Node) -> None:
        """Stop the engine of a node as `systemctl stop docker` does, then switch off the machine.

        Raises psutil.TimeoutExpired if the engine does not end.
        """
        [engine] = [each for each in self.processes(node) if each.name() == "dockerd"]
        engine.terminate()
        engine.wait(_WITHIN_SECONDS)
        self.kill(node)

    def engine_data(self, node: Node) -> Path:
        """The directory with the data of a node's engine. Only commands of `call` see it."""
        return self.directory / "data" / node.name / "engine"

    def call(self, *words: str) -> None:
        """Run a command in the namespaces of the switch and wait for its end. Raises CalledProcessError if it fails."""
        subprocess.run([*self._enter, *words], check=True)

    @property
    def alive(self) -> list[Node]:
        """The nodes that have not been killed."""
        return [node for node in self.nodes if node.name in self._running]

    def processes(self, node: Node) -> list[psutil.Process]:
        """The processes in the namespaces of a node: its engine and the containers."""
        return psutil.Process(self._running[node.name].pid).children(recursive=True)

    def restart(self, node: Node) -> None:
        """Start a killed node with its data. Returns when its engine answers. The swarm finds it a little later."""
        self._start_engine(node)
        self.wait(node.name, node.answers, node.log)

    def partition(self, node: Node) -> None:
        """Pull the network cable of a node. What runs there goes on."""
        self._ip("link", "set", node.name, "down")

    def heal(self, node: Node) -> None:
        """Plug the network cable of a node in again."""
        self._ip("link", "set", node.name, "up")

    def remove(self) -> None:
        """End everything and delete `directory`. Does nothing if there is nothing."""
        for process in _switches(self.directory):
            with contextlib.suppress(psutil.NoSuchProcess):
                process.kill()
        _until(lambda: not self.running, "the end of the switch")
        for started in self._running.values():
            started.wait()
        self._running.clear()
        for node in self.nodes:
            if "client" in vars(node):
                node.client.close()
        self._remove_cgroups()
        if self.directory.exists():
            shutil.rmtree(self.directory)

    def wait(self, name: str, condition: Callable[[], bool], log: Path) -> None:
        """Wait for a condition. Raises ClusterError with the end of the log if it takes too long, or NAME ends."""

        def ended() -> bool:
            return self._running[name].poll() is not None

        with contextlib.suppress(TimeoutError):
            _until(lambda: condition() or ended(), name)
            if not ended():
                return
        raise ClusterError(f"{name} did not start: {log.read_text(errors='replace')[-_LOG_CHARACTERS:]}")

    def _start_engine(self, node: Node) -> None:
        words = [
            *("unshare", "--net", "--mount", "--pid", "--uts", "--fork", "--kill-child", "--mount-proc"),
            *("sh", str(_MACHINE), str(self.directory), node.name, f"{node.ip}/{_PREFIX}"),
            # The namespaces have no systemd.
            *("--exec-opt", "native.cgroupdriver=cgroupfs", "--cgroup-parent", f"/{self._cgroup}/{node.name}"),
            *("--insecure-registry", REGISTRY_ADDRESS),
        ]
        self._running[node.name] = _started([*self._enter, *words], node.log, self.network)

    def _namespace(self, kind: str) -> Path:
        for process in _switches(self.directory):
            return Path(f"/proc/{process.pid}/ns/{kind}")
        raise ClusterError(f"nothing runs in {self.directory}")

    @property
    def _enter(self) -> list[str]:
        """The words before a command that is to run in all namespaces of the switch."""
        kinds = {"net": "net", "mount": "mnt", "pid": "pid_for_children"}
        return ["nsenter", *(f"--{option}={self._namespace(kind)}" for option, kind in kinds.items()), "--"]

    def _ip(self, *words: str) -> None:
        subprocess.run([*self.inside, "ip", *words], check=True)

    @property
    def _cgroup(self) -> str:
        """The parent of the cgroups of all containers, which the directory tells also after a crash."""
        return "gix-cluster-" + hashlib.sha256(os.fsencode(self.directory)).hexdigest()[:12]

    def _remove_cgroups(self, below: str = "") -> None:
        # One hierarchy for each controller (cgroup v1), or one for all (v2).
        for hierarchy in (Path("/sys/fs/cgroup"), *Path("/sys/fs/cgroup").iterdir()):
            cgroup = hierarchy / self._cgroup / below
            if cgroup.is_dir():
                # The kernel empties a cgroup a moment after the end of its last process.
                _until(lambda cgroup=cgroup: _removed(cgroup), f"an empty {cgroup}")  # type: ignore[misc]


def _started(words: Sequence[str], log: Path, stdin: Path = Path(os.devnull)) -> "subprocess.Popen[bytes]":
    with stdin.open() as source, log.open("ab") as output:
        return subprocess.Popen(
            words,
            stdin=source,
            stdout=output,
            stderr=output,
            # A proxy of this machine is out of reach.
            env={"PATH": os.environ["PATH"]},
            # Ctrl-C in a terminal is for the test, which then removes the machines.
            start_new_session=True,
        )


def _switches(directory: Path) -> list[psutil.Process]:
    """The processes of a switch: `unshare` and its child. They are known by their words, also after a crash."""
    found = []
    for process in psutil.process_iter():
        with contextlib.suppress(psutil.NoSuchProcess):
            if process.cmdline()[-3:-1] == [str(SWITCH), str(directory)]:
                found.append(process)
    return found


def _kill_first(process: "subprocess.Popen[bytes]") -> None:
    """Kill process 1 of a PID namespace, and so all of it. `nsenter` has started `unshare`, and that process 1."""
    for unshare in psutil.Process(process.pid).children():
        for first in unshare.children():
            first.kill()
    process.wait()


def _removed(cgroup: Path) -> bool:
    try:
        for each in sorted((path for path in cgroup.rglob("*") if path.is_dir()), reverse=True):
            each.rmdir()
        cgroup.rmdir()
    except OSError:
        return not cgroup.exists()
    return True


def _until(condition: Callable[[], bool], what: str) -> None:
    deadline = time.monotonic() + _WITHIN_SECONDS
    while not condition():
        if time.monotonic() > deadline:
            raise TimeoutError(f"waited {_WITHIN_SECONDS:.0f} s for {what}")
        time.sleep(_POLL_SECONDS)
