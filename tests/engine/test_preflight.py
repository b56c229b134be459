"""The preflight refuses an update that collides with existing objects, and names them and the key to change."""

import ipaddress
import secrets
import socket
import subprocess
from collections.abc import Iterator

import pytest
from docker.types import IPAMConfig, IPAMPool

from gix_model.environment import HELPER_LABEL, STACK_LABEL
from tests.support.failures import failure
from tests.support.jobs import file_in
from tests.support.stack_under_test import StackUnderTest


@pytest.fixture
def untouched(fresh: StackUnderTest) -> Iterator[StackUnderTest]:
    """A new stack. Its test must not create anything."""
    yield fresh
    assert fresh.leavings() == {"containers": [], "networks": [], "volumes": []}


def test_given_a_port_that_a_process_holds_up_is_refused(untouched: StackUnderTest) -> None:
    with socket.socket() as holder:
        holder.bind(("127.0.0.1", untouched.config["gix:router"]["hostPort"]))
        holder.listen()
        message = failure(untouched)
    port = untouched.config["gix:router"]["hostPort"]
    assert f"gix:router.hostPort = {port}: is used by a process on this machine" in message


def test_given_a_container_with_the_same_name_up_is_refused(untouched: StackUnderTest, image: str) -> None:
    name = f"{untouched.prefix}-gix-router"
    container = untouched.client.containers.create(image, ["true"], name=name)
    try:
        message = failure(untouched)
    finally:
        container.remove()
    assert f"container {name}" in message
    assert "gix:prefix" in message


def test_given_a_port_that_another_container_holds_up_is_refused(untouched: StackUnderTest, image: str) -> None:
    port = untouched.config["gix:auction"]["hostPort"]
    container = untouched.client.containers.run(
        image, ["sleep", "60"], detach=True, ports={"1/tcp": ("127.0.0.1", port)}, name=f"{untouched.prefix}-holder"
    )
    try:
        message = failure(untouched)
    finally:
        container.remove(force=True)
    assert f"gix:auction.hostPort = {port}: is used by the container {untouched.prefix}-holder" in message


def test_given_a_network_with_the_same_name_up_is_refused(untouched: StackUnderTest) -> None:
    network = untouched.client.networks.create(
        f"{untouched.prefix}-gix-network", labels={"com.docker.compose.project": "old"}
    )
    try:
        message = failure(untouched)
    finally:
        network.remove()
    assert "already exists, made by the Compose project old" in message


def test_given_a_network_that_overlaps_up_is_refused(untouched: StackUnderTest) -> None:
    subnet = untouched.config["gix:network"]["subnet"]
    network = untouched.client.networks.create(
        f"{untouched.prefix}-other", ipam=IPAMConfig(pool_configs=[IPAMPool(subnet=subnet)])
    )
    try:
        message = failure(untouched)
    finally:
        network.remove()
    assert f"gix:network.subnet = {subnet}: overlaps {subnet} of {untouched.prefix}-other" in message


def test_given_a_volume_that_the_stack_did_not_make_up_is_refused_unless_it_is_adopted(
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

        fresh.take_own_source()
        fresh.change(ledger={"adopt": True})
        fresh.up()
        assert fresh.up().is_empty
        assert file_in(fresh.client.containers.get(f"{fresh.prefix}-gix-auction"), "/data/old") == b"kept\n"
        fresh.destroy()
        assert fresh.client.volumes.get(name)
    finally:
        fresh.remove()
        volume.remove(force=True)


def test_given_a_missing_volume_to_adopt_up_is_refused(untouched: StackUnderTest) -> None:
    untouched.take_own_source()
    untouched.change(ledger={"adopt": True})
    assert "there is no volume" in failure(untouched)


@pytest.mark.parametrize("verb", ["backup", "restore"])
def test_given_a_backup_or_restore_at_work_up_is_refused(untouched: StackUnderTest, image: str, verb: str) -> None:
    name = f"{untouched.prefix}-gcam-data-helper"
    labels = {STACK_LABEL: f"gix/{untouched.name}", HELPER_LABEL: verb}
    container = untouched.client.containers.create(image, ["true"], name=name, labels=labels)
    try:
        message = failure(untouched)
    finally:
        container.remove()
    limit = f"belongs to a {verb} of the ledger that is running or was interrupted"
    assert f"container {name} (created): {limit}" in message
    assert "gixctl doctor --fix" in message


def test_given_a_read_of_the_ledger_or_another_stack_s_restore_up_is_not_refused(
    platform: StackUnderTest, image: str
) -> None:
    mine, others = f"gix/{platform.name}", f"gix/{platform.name}-other"
    labels = [{STACK_LABEL: mine, HELPER_LABEL: "look"}, {STACK_LABEL: others, HELPER_LABEL: "restore"}]
    helpers = [platform.client.containers.create(image, ["true"], labels=each) for each in labels]
    try:
        assert platform.up().is_empty
    finally:
        for helper in helpers:
            helper.remove()


def test_given_more_processors_than_the_engine_has_up_is_refused(untouched: StackUnderTest) -> None:
    untouched.change(router={"cpus": 4096})
    assert "gix:router.cpus = 4096: the engine has" in failure(untouched)


@pytest.fixture
def route(untouched: StackUnderTest) -> Iterator[str]:
    """A network device of this machine with a route to the stack's subnet."""
    device = f"gix{secrets.token_hex(4)}"
    subnet = ipaddress.ip_network(untouched.config["gix:network"]["subnet"])
    words = [
        f"link add {device} type bridge",
        f"address add {subnet[1]}/{subnet.prefixlen} dev {device}",
        f"link set {device} up",
    ]
    try:
        for each in words:
            subprocess.run(["ip", *each.split()], check=True)
        yield device
    finally:
        subprocess.run(["ip", "link", "del", device], check=False)


def test_given_a_route_of_this_machine_that_overlaps_up_is_refused(untouched: StackUnderTest, route: str) -> None:
    subnet = untouched.config["gix:network"]["subnet"]
    assert f"gix:network.subnet = {subnet}: overlaps this machine's route to {subnet} by {route}" in failure(untouched)


def test_given_an_engine_that_is_too_old_up_is_refused(untouched: StackUnderTest) -> None:
    preflight = untouched.directory / "gix_engine/collisions.py"
    preflight.write_text(preflight.read_text().replace("OLDEST_ENGINE = (20, 10)", "OLDEST_ENGINE = (999, 0)"))
    assert "is older than 999.0" in failure(untouched)


def test_given_a_disk_with_less_space_than_a_build_needs_up_is_refused(untouched: StackUnderTest) -> None:
    preflight = untouched.directory / "gix_engine/collisions.py"
    sound = preflight.read_text()
    preflight.write_text(sound.replace("LEAST_FREE_DISK_BYTES = 2 * 2**30", "LEAST_FREE_DISK_BYTES = 2**60"))
    assert preflight.read_text() != sound
    message = failure(untouched)
    assert "there is no space left on the engine's disk" in message
    assert "docker builder prune" in message


def test_given_a_stack_that_runs_already_up_is_not_refused(platform: StackUnderTest) -> None:
    assert platform.up().is_empty
