"""What the engine holds already: each thing in the way is told with its holder and the key to change."""

import socket
from collections.abc import Iterator

import pytest
from docker.types import IPAMConfig, IPAMPool

from tests.engine.stack_under_test import StackUnderTest
from tests.engine.test_failures import failure


@pytest.fixture
def untouched(fresh: StackUnderTest) -> Iterator[StackUnderTest]:
    """A stack of which nothing may have been made when its test ends."""
    yield fresh
    assert fresh.leavings() == {"containers": [], "networks": [], "volumes": []}


def test_a_port_that_a_process_holds(untouched: StackUnderTest) -> None:
    with socket.socket() as holder:
        holder.bind(("127.0.0.1", untouched.config["gix:router"]["hostPort"]))
        holder.listen()
        told = failure(untouched)
    assert f"gix:router.hostPort = {holder}" not in told
    assert "is held by a process of this machine" in told


def test_a_container_of_the_same_name(untouched: StackUnderTest, image: str) -> None:
    name = f"{untouched.prefix}-gix-router"
    container = untouched.client.containers.create(image, ["true"], name=name)
    try:
        told = failure(untouched)
    finally:
        container.remove()
    assert f"container {name}" in told
    assert "gix:prefix" in told


def test_a_port_that_another_container_holds(untouched: StackUnderTest, image: str) -> None:
    port = untouched.config["gix:auction"]["hostPort"]
    container = untouched.client.containers.run(
        image, ["sleep", "60"], detach=True, ports={"1/tcp": ("127.0.0.1", port)}, name=f"{untouched.prefix}-holder"
    )
    try:
        told = failure(untouched)
    finally:
        container.remove(force=True)
    assert f"gix:auction.hostPort = {port}: is held by the container {untouched.prefix}-holder" in told


def test_a_network_of_the_same_name(untouched: StackUnderTest) -> None:
    network = untouched.client.networks.create(
        f"{untouched.prefix}-gix-network", labels={"com.docker.compose.project": "old"}
    )
    try:
        told = failure(untouched)
    finally:
        network.remove()
    assert "is there already, made by the Compose project old" in told


def test_a_network_that_overlaps(untouched: StackUnderTest) -> None:
    subnet = untouched.config["gix:network"]["subnet"]
    network = untouched.client.networks.create(
        f"{untouched.prefix}-other", ipam=IPAMConfig(pool_configs=[IPAMPool(subnet=subnet)])
    )
    try:
        told = failure(untouched)
    finally:
        network.remove()
    assert f"gix:network.subnet = {subnet}: overlaps {subnet} of {untouched.prefix}-other" in told


def test_a_volume_that_something_else_made_is_refused_and_taken_over_when_told_to(
    fresh: StackUnderTest, image: str
) -> None:
    name = f"{fresh.prefix}-gcam-data"
    volume = fresh.client.volumes.create(name)
    try:
        assert "gix:ledger.adopt" in failure(fresh)
        fresh.client.containers.run(
            image,
            ["sh", "-c", "echo kept > /data/old && chown -R 1000:1000 /data"],
            volumes=[f"{name}:/data"],
            remove=True,
        )

        fresh.change(ledger={"adopt": True})
        fresh.up()
        assert fresh.up().is_empty
        assert fresh.client.containers.get(f"{fresh.prefix}-gix-auction").exec_run("cat /data/old").output == b"kept\n"
        fresh.destroy()
        assert fresh.client.volumes.get(name)
    finally:
        fresh.remove()
        volume.remove(force=True)


def test_a_volume_to_take_over_that_is_not_there(untouched: StackUnderTest) -> None:
    untouched.change(ledger={"adopt": True})
    assert "there is no volume" in failure(untouched)


def test_more_processors_than_the_engine_has(untouched: StackUnderTest) -> None:
    untouched.change(router={"cpus": 4096})
    assert "gix:router.cpus = 4096: the engine has" in failure(untouched)


def test_a_disk_with_less_room_than_a_build_needs(untouched: StackUnderTest) -> None:
    preflight = untouched.directory / "gix_components/preflight.py"
    sound = preflight.read_text()
    preflight.write_text(sound.replace("LEAST_FREE_DISK_BYTES = 2 * 2**30", "LEAST_FREE_DISK_BYTES = 2**60"))
    assert preflight.read_text() != sound
    told = failure(untouched)
    assert "there is no space left on the engine's disk" in told
    assert "docker builder prune" in told


def test_a_normal_up_of_a_stack_that_runs_already_is_in_nobodys_way(platform: StackUnderTest) -> None:
    assert platform.up().is_empty
