"""A Swarm cluster on this machine: what tests of Swarm, and `make cluster`, stand on."""

import os
import socket
import subprocess
import sys
import tempfile
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import docker
import psutil
import pytest
from docker.errors import APIError
from docker.models.containers import Container
from docker.types import EndpointSpec, ServiceMode

from tests.support.cluster import SWITCH_ADDRESS, Cluster, Node, running_cluster
from tests.support.cluster.calls import calls_inside
from tests.support.cluster.machines import SWITCH, Machines
from tests.support.registry import PASSWORD, USERNAME
from tests.support.stack_under_test import PROGRAM
from tests.support.waiting import until

PORT = 8000
SERVER = (
    "$s = IO::Socket::INET->new(LocalPort => 8000, Listen => 9, ReuseAddr => 1) or die;"
    "while ($c = $s->accept) { print $c $ENV{NODE}; close $c }"
)
"""Answers every connection with the name of its node. Perl is in the base image."""


@pytest.fixture(scope="module")
def cluster(image: str) -> Iterator[Cluster]:
    with running_cluster(login=True) as cluster:
        cluster.load(image)
        yield cluster


@pytest.fixture(scope="module")
def pushed(cluster: Cluster, image: str) -> str:
    """The image in the cluster's registry, by digest."""
    return cluster.push(image, "base")


def service(cluster: Cluster, image: str, name: str, **how: Any) -> Any:
    """A service whose tasks answer with the name of their node. Any: the stubs lack services."""
    client: Any = cluster.manager.client
    # The log-in goes with the service to the nodes, which pull the image.
    client.login(USERNAME, PASSWORD, registry=cluster.registry.address)
    return client.services.create(
        image,
        command=["perl", "-MIO::Socket::INET", "-e", SERVER],
        env=["NODE={{.Node.Hostname}}"],
        name=name,
        stop_grace_period=0,
        **how,
    )


def running_on(cluster: Cluster, service: Any) -> list[str]:
    """The nodes that run the tasks of a service, as the manager knows."""
    names = {node.id: node.attrs["Description"]["Hostname"] for node in cluster.manager.client.nodes.list()}
    tasks = service.tasks(filters={"desired-state": "running"})
    return sorted(names[task["NodeID"]] for task in tasks if task["Status"]["State"] == "running")


def container(node: Node, service: Any) -> Container:
    [found] = node.client.containers.list(filters={"label": f"com.docker.swarm.service.name={service.name}"})
    return found


def output(container: Container, *words: str) -> str:
    """The standard output of a command in a container."""
    shown = container.exec_run(list(words), stderr=False).output
    assert isinstance(shown, bytes)
    return shown.decode()


def answer(container: Container, host: str) -> str:
    """What the server at an address answers a container."""
    return output(container, "timeout", "2", "bash", "-c", f"cat < /dev/tcp/{host}/{PORT}")


def published(address: tuple[str, int]) -> str:
    """What the server at an address answers this process."""
    with socket.create_connection(address, timeout=5) as connection:
        return connection.makefile().read()


def processes(cluster: Cluster, name: str) -> list[psutil.Process]:
    """The processes of a node, of the switch or of the registry that are in its namespaces."""
    return psutil.Process(cluster._running[name].pid).children(recursive=True)


def namespaces_of(processes: Iterable[psutil.Process]) -> set[str]:
    """The namespaces of processes that are not those of this one: `net:[4026531840]`."""
    return {each for process in processes for each in _namespaces(process.pid)} - set(_namespaces(os.getpid()))


def _namespaces(process: int | str) -> list[str]:
    try:
        return [str(link.readlink()) for link in Path(f"/proc/{process}/ns").iterdir()]
    except OSError:
        # It has ended, or this user may not see it.
        return []


def mounts_of(process: int | str) -> str:
    """What a process has mounted. Nothing if it has ended."""
    try:
        return Path(f"/proc/{process}/mountinfo").read_text()
    except OSError:
        return ""


def holders(namespaces: set[str]) -> set[psutil.Process]:
    """The processes that are in one of the namespaces, or have it mounted.

    The kernel gives the number of a namespace that has gone to a new one, of a container of another test for example.
    So those who held it before are what a test compares with.
    """
    found = set()
    for process in psutil.process_iter():
        mounted = {line.split()[3] for line in mounts_of(process.pid).splitlines()}
        if namespaces & (mounted | set(_namespaces(process.pid))):
            found.add(process)
    return found


def mentions(directory: Path) -> list[str]:
    """The words of processes, the mounts and the sockets that name the directory of a cluster."""
    texts = [" ".join(words) for each in psutil.process_iter(["cmdline"]) if (words := each.info["cmdline"])]
    mine = " ".join(psutil.Process().cmdline())
    texts += [*Path("/proc/self/mountinfo").read_text().splitlines(), *Path("/proc/net/unix").read_text().splitlines()]
    return [text for text in texts if str(directory) in text and text != mine]


def cgroups(directory: Path, below: str = "") -> list[Path]:
    """The cgroups of the containers of a cluster."""
    name = Machines(directory, ())._cgroup
    return [path for path in Path("/sys/fs/cgroup").glob(f"**/{name}/{below}") if path.is_dir()]


def network_of_this_machine() -> tuple[set[str], str]:
    """The names of its network interfaces, and its routes and rules of the packet filter."""
    words = (["ip", "route", "show", "table", "all"], ["iptables-save"])
    texts = [subprocess.run(each, check=True, capture_output=True, text=True).stdout for each in words]
    return {name for _, name in socket.if_nameindex()}, "\n".join(texts)


def test_three_nodes_are_ready_and_have_names_addresses_and_ids_of_their_own(cluster: Cluster) -> None:
    assert cluster.states() == {"manager1": "ready", "worker1": "ready", "worker2": "ready"}
    infos = [node.client.info() for node in cluster.nodes]
    assert [info["Name"] for info in infos] == [node.name for node in cluster.nodes]
    assert [info["Swarm"]["NodeAddr"] for info in infos] == [node.ip for node in cluster.nodes]
    assert len({info["ID"] for info in infos} | {docker.from_env().info()["ID"]}) == 4


def test_tasks_on_two_nodes_speak_over_an_overlay_network_and_pull_their_image_from_the_registry(
    cluster: Cluster, pushed: str
) -> None:
    network = cluster.manager.client.networks.create("between", driver="overlay")
    mode, endpoint = ServiceMode("global"), EndpointSpec(mode="dnsrr")
    tasks = service(cluster, pushed, "speakers", networks=["between"], mode=mode, endpoint_spec=endpoint)
    try:
        until(lambda: running_on(cluster, tasks) == ["manager1", "worker1", "worker2"], tasks.tasks)
        containers = {node.name: container(node, tasks) for node in cluster.nodes}
        addresses = {
            name: each.attrs["NetworkSettings"]["Networks"]["between"]["IPAddress"] for name, each in containers.items()
        }
        for here, there in (("worker1", "worker2"), ("worker2", "worker1"), ("worker1", "manager1")):
            until(lambda here=here, there=there: answer(containers[here], addresses[there]) == there)  # type: ignore[misc]
        names = output(containers["worker1"], "getent", "ahostsv4", "tasks.speakers")
        assert all(address in names for address in addresses.values())
        for worker in cluster.workers:
            assert pushed in [digest for each in worker.client.images.list() for digest in each.attrs["RepoDigests"]]
    finally:
        tasks.remove()
        until(lambda: not any(node.client.containers.list() for node in cluster.nodes))
        network.remove()


def test_a_port_that_a_node_publishes_is_reached_from_within_the_network_of_the_cluster(
    cluster: Cluster, pushed: str
) -> None:
    ports: Any = {PORT: (PORT, "tcp", "host")}
    endpoint = EndpointSpec(mode="dnsrr", ports=ports)
    tasks = service(cluster, pushed, "published", mode=ServiceMode("global"), endpoint_spec=endpoint)
    try:
        until(lambda: len(running_on(cluster, tasks)) == 3, tasks.tasks)
        with calls_inside(cluster) as calls:
            for node in cluster.nodes:
                assert calls.submit(published, (node.ip, PORT)).result() == node.name
    finally:
        tasks.remove()


@pytest.fixture
def single(cluster: Cluster, pushed: str) -> Iterator[Any]:
    """A service with one task, which runs on a worker."""
    tasks = service(cluster, pushed, "single", constraints=["node.role == worker"])
    until(lambda: len(running_on(cluster, tasks)) == 1, tasks.tasks)
    yield tasks
    tasks.remove()
    until(lambda: not any(node.client.containers.list() for node in cluster.nodes))


def test_given_a_node_that_loses_power_its_task_runs_elsewhere_and_it_is_ready_when_it_returns(
    cluster: Cluster, single: Any
) -> None:
    [name] = running_on(cluster, single)
    [other] = [worker.name for worker in cluster.workers if worker.name != name]
    namespaces = namespaces_of(processes(cluster, name)) - namespaces_of(processes(cluster, "switch"))
    before = holders(namespaces)
    assert before
    assert cgroups(cluster.directory, name)
    cluster.kill(cluster.node(name))
    assert holders(namespaces) & before == set()
    assert cgroups(cluster.directory, name) == []
    until(lambda: cluster.states()[name] == "down", cluster.states)
    until(lambda: running_on(cluster, single) == [other], single.tasks)

    cluster.restart(cluster.node(name))
    cluster.wait_until_ready()
    assert cluster.node(name).client.containers.list() == []


def test_given_a_node_without_network_its_task_runs_twice_until_the_network_is_back(
    cluster: Cluster, single: Any
) -> None:
    [name] = running_on(cluster, single)
    node = cluster.node(name)
    [other] = [worker.name for worker in cluster.workers if worker.name != name]
    cluster.partition(node)
    until(lambda: cluster.states()[name] == "down", cluster.states)
    until(lambda: running_on(cluster, single) == [other], single.tasks)
    assert len(node.client.containers.list()) == 1

    cluster.heal(node)
    cluster.wait_until_ready()
    until(lambda: node.client.containers.list() == [])
    assert running_on(cluster, single) == [other]


def test_given_three_managers_two_of_them_go_on_without_the_third(image: str) -> None:
    with running_cluster(managers=3, workers=0) as cluster:
        first, second, third = cluster.managers
        cluster.kill(first)

        def led() -> bool:
            try:
                return bool(cluster.states(second))
            except APIError:
                # Without a leader.
                return False

        until(led)
        services: Any = second.client.services
        services.create(image, command=["sleep", "1000"], name="later", mode=ServiceMode("replicated", 0))
        assert [each.name for each in third.client.services.list()] == ["later"]


def test_a_cluster_leaves_nothing_and_touches_nothing_else(client: docker.DockerClient, image: str) -> None:
    other = client.containers.run(image, ["sleep", "1000"], detach=True, init=True)
    try:
        other.reload()
        with running_cluster(workers=1) as cluster:
            cluster.load(image)
            cluster.manager.client.networks.create("net", driver="overlay", attachable=True)
            for network in ("net", "bridge"):
                cluster.manager.client.containers.run(image, ["sleep", "1000"], detach=True, network=network)
            everything = [each for name in cluster._running for each in processes(cluster, name)]
            for process in everything:
                mounts = mounts_of(process.pid)
                assert Path(other.attrs["NetworkSettings"]["SandboxKey"]).name not in mounts
                assert other.attrs["GraphDriver"]["Data"]["MergedDir"] not in mounts
            links, rules = network_of_this_machine()
            assert not links & {"switch", *(node.name for node in cluster.nodes)}
            assert SWITCH_ADDRESS.rpartition(".")[0] not in rules

            directory, namespaces = cluster.directory, namespaces_of(everything)
            before = holders(namespaces)
            assert before
            assert cgroups(directory)
        assert holders(namespaces) & before == set()
        assert mentions(directory) == []
        assert cgroups(directory) == []
        assert not directory.exists()
        found = client.containers.get(str(other.id)).attrs
        assert found["State"] == other.attrs["State"]
        assert found["NetworkSettings"] == other.attrs["NetworkSettings"]
    finally:
        other.remove(force=True)


BUSY = """
mount -t tmpfs tmpfs "$1"
mkdir "$1/lower" "$1/upper" "$1/work" "$1/merged"
mount -t overlay -o "lowerdir=$1/lower,upperdir=$1/upper,workdir=$1/work" overlay "$1/merged"
mkdir "$1/merged/below"
mount -t tmpfs tmpfs "$1/merged/below"
exec unshare --net --mount --pid --fork --kill-child --mount-proc sh "$2" "$1" 198.18.0.1/24
"""
"""Starts the switch where something is mounted in a container's file system, as the engine does during a build."""


def test_given_a_container_s_file_system_with_a_mount_in_it_the_switch_keeps_no_copy_and_starts(
    tmp_path: Path,
) -> None:
    words = ["unshare", "--mount", "sh", "-euc", BUSY, "sh", str(tmp_path), str(SWITCH)]
    # Not its errors: umount also reports mounts that the engine has removed meanwhile.
    with subprocess.Popen(words, stdout=subprocess.PIPE, text=True) as started:
        assert started.stdout
        try:
            assert started.stdout.readline() == "ready\n"
            [switch] = psutil.Process(started.pid).children()
            mounts = mounts_of(switch.pid)
            assert str(tmp_path / "data") in mounts
            assert str(tmp_path / "merged") not in mounts
        finally:
            started.kill()


def test_given_a_test_that_is_killed_its_cluster_ends() -> None:
    program = (
        "from tests.support.cluster import running_cluster\n"
        "with running_cluster(workers=0) as cluster:\n"
        "    print(cluster.directory, flush=True)\n"
        "    input()\n"
    )
    words = [sys.executable, "-c", program]
    with subprocess.Popen(words, cwd=PROGRAM, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as test:
        assert test.stdout
        directory = Path(test.stdout.readline().strip())
        assert mentions(directory)
        test.kill()
    until(lambda: mentions(directory) == [], lambda: mentions(directory))
    Cluster.planned(directory).remove()
    assert cgroups(directory) == []
    assert not directory.exists()


def command(directory: Path, *words: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "tests.support.cluster", *words, "--directory", str(directory)],
        cwd=PROGRAM,
        capture_output=True,
        text=True,
        check=False,
    )


def test_a_person_starts_a_cluster_looks_at_it_and_removes_it_also_after_a_crash() -> None:
    with tempfile.TemporaryDirectory(prefix="gix") as parent:
        directory = Path(parent, "cluster")
        try:
            shown = command(directory, "up", "--workers", "1")
            assert shown.returncode == 0, shown.stderr
            assert f"worker1   ready  198.18.0.12  DOCKER_HOST=unix://{directory}/worker1.sock\n" in shown.stdout
            assert command(directory, "up").stdout == command(directory, "status").stdout == shown.stdout

            engines = [
                each
                for each in psutil.process_iter(["cmdline"])
                if f"unix://{directory}/manager1.sock" in (each.info["cmdline"] or [])
            ]
            for engine in engines:
                engine.kill()
            assert engines
            until(lambda: command(directory, "status").returncode == 1)
        finally:
            removed = [command(directory, "down") for _ in range(2)]
        assert [(each.returncode, each.stdout, each.stderr) for each in removed] == [(0, "", "")] * 2
        assert mentions(directory) == []
        assert not directory.exists()
        assert "nothing runs in" in command(directory, "status").stderr
