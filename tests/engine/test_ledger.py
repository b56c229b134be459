"""A stack's ledger when it is replaced by another volume or engine, left without an auction, or deleted."""

import contextlib
import json
import secrets
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import docker
import pytest

from gix_ledger import archive
from gix_model.environment import STACK_LABEL
from tests.support import jobs
from tests.support.engine_at_port import proxy
from tests.support.engine_of_its_own import engine_of_its_own
from tests.support.failures import failure
from tests.support.gixctl import command, gixctl
from tests.support.ledgers import ledger_in, until_in_order
from tests.support.pulumi_cli import PulumiError
from tests.support.stack_under_test import SERVICES, StackUnderTest, free_subnet, temporary_stack

LEDGER = "gix:docker:LedgerVolume"


@pytest.fixture(scope="module")
def stack(client: docker.DockerClient, tmp_path_factory: pytest.TempPathFactory) -> Iterator[StackUnderTest]:
    """A stack that is up. Each test continues with the volume of the test before."""
    with temporary_stack(client, tmp_path_factory.mktemp("ledger") / "gix") as stack:
        stack.take_own_source()
        stack.up()
        yield stack


@pytest.fixture(autouse=True)
def as_before(stack: StackUnderTest) -> Iterator[None]:
    """Restore the stack's configuration after a test, except for the ledger's volume."""
    before = stack.config
    yield
    now = stack.outputs().get("volume", f"{stack.prefix}-gcam-data").removeprefix(f"{stack.prefix}-")
    stack.config = before | {"gix:ledger": {"protect": False, "volume": now}}
    stack.write()


@pytest.fixture
def foreign(stack: StackUnderTest) -> Iterator[str]:
    """A volume that was not made by a stack."""
    volume = stack.client.volumes.create(f"{stack.prefix}-{another()}")
    try:
        yield volume.name
    finally:
        volume.remove(force=True)


def another() -> str:
    """An unused name for a volume."""
    return f"data-{secrets.token_hex(4)}"


def volume(stack: StackUnderTest) -> str:
    return str(stack.outputs()["volume"])


def archives(stack: StackUnderTest) -> set[Path]:
    return set((stack.directory / "backups").glob("*.tar.gz"))


def lines(stack: StackUnderTest) -> list[dict[str, Any]]:
    return [json.loads(line) for line in jobs.ledger(stack)]


@contextmanager
def saved(stack: StackUnderTest) -> Iterator[None]:
    """Check that the block backs up the whole ledger of the current volume and does not change that volume."""
    jobs.settle(stack, 2)
    name, settled, before = volume(stack), lines(stack), archives(stack)
    yield
    [path] = archives(stack) - before
    assert ledger_in(path) == settled
    manifest = archive.read_manifest(path)
    assert manifest is not None
    assert (manifest.stack, manifest.volume) == (f"gix/{stack.name}", name)
    assert manifest.image == stack.container("auction")["Image"]
    assert stack.client.volumes.get(name)


@contextmanager
def nothing_touched(stack: StackUnderTest) -> Iterator[None]:
    """Check that the block does not change containers, network, volume and backups."""
    network = f"{stack.prefix}-gix-network"

    def found() -> tuple[object, ...]:
        held = stack.container("auction")["Mounts"][0]["Name"]
        return stack.ids(), stack.client.networks.get(network).id, held, archives(stack)

    before = found()
    yield
    assert found() == before


def test_given_another_volume_for_the_ledger_the_old_one_is_backed_up_first(stack: StackUnderTest) -> None:
    old = volume(stack)
    stack.change(ledger={"volume": another()})
    assert f"the ledger on {old} is backed up in backups/ before anything is changed" in stack.preview().output
    with saved(stack):
        update = stack.up()
    assert f"the former ledger stays on the volume {old}; a backup of it is in" in update.output
    assert {old, volume(stack)} <= set(stack.leavings()["volumes"])
    assert old != volume(stack)
    until_in_order(stack)
    assert len(lines(stack)) == 1
    assert stack.up().is_empty


def test_given_a_backup_that_fails_the_update_stops_before_it_replaces_containers_or_network(
    stack: StackUnderTest, image: str
) -> None:
    in_the_way = stack.client.containers.create(image, name=f"{volume(stack)}-helper")
    try:
        stack.change(
            ledger={"volume": another()},
            network={"subnet": free_subnet(stack.client)},
            defaults={"environment": {"TRIAL": another()}},
        )
        with nothing_touched(stack):
            assert f"(container {in_the_way.name})" in failure(stack)
    finally:
        in_the_way.remove()

    before = stack.ids()
    with saved(stack):
        stack.up()
    assert not set(stack.ids().values()) & set(before.values())
    assert stack.up().is_empty


def test_given_a_build_that_fails_no_backup_is_taken_before_the_ledger_is_replaced(stack: StackUnderTest) -> None:
    stack.change(ledger={"volume": another()}, images={"runtimeBase": "127.0.0.1:1/absent:1"})
    with nothing_touched(stack), pytest.raises(PulumiError, match=r"127\.0\.0\.1:1/absent:1") as caught:
        stack.up()
    assert "Traceback" not in str(caught.value)
    del stack.config["gix:images"]["runtimeBase"]
    with saved(stack):
        stack.up()


def test_an_adopted_volume_is_backed_up_before_it_is_replaced(stack: StackUnderTest, foreign: str) -> None:
    stack.change(ledger={"volume": foreign.removeprefix(f"{stack.prefix}-"), "adopt": True})
    with saved(stack):
        stack.up()
    assert volume(stack) == foreign
    stack.change(ledger={"volume": another(), "adopt": False})
    with saved(stack):
        stack.up()
    assert volume(stack) != foreign


def test_a_protected_ledger_is_neither_replaced_nor_deleted(stack: StackUnderTest) -> None:
    stack.change(ledger={"protect": True})
    stack.up()
    old, given = volume(stack), another()
    stack.change(ledger={"volume": given})
    with nothing_touched(stack):
        with pytest.raises(PulumiError, match=r"gix:ledger\.protect = true"):
            stack.preview()
        assert f"gix:ledger.protect = true: the stack would no longer have its ledger on {old}" in failure(stack)
        refused = gixctl(stack, "delete-ledger", old, "--destroy")
        assert "gix:ledger.protect = true" in refused.stderr

    stack.change(ledger={"protect": False})
    with saved(stack):
        stack.up()
    assert volume(stack) == f"{stack.prefix}-{given}"


def test_given_several_containers_on_the_volume_the_auction_is_paused_and_the_others_are_named(
    stack: StackUnderTest, image: str
) -> None:
    other = stack.client.containers.run(
        image, ["sleep", "600"], name=f"{stack.prefix}-reader", volumes=[f"{volume(stack)}:/data"], detach=True
    )
    try:
        held = volume(stack)
        stack.change(ledger={"volume": another()})
        with saved(stack):
            update = stack.up()
    finally:
        other.remove(force=True)
    assert f"other containers mount the volume {held} too: {stack.prefix}-reader" in update.output


def forget_inputs(stack: StackUnderTest) -> None:
    """Give the stack the state of an earlier version, whose ledger component has no inputs."""
    state = json.loads(stack.pulumi.run("stack", "export"))
    [component] = [each for each in state["deployment"]["resources"] if each["type"] == LEDGER]
    component["inputs"] = {}
    stack.pulumi.run("stack", "import", stdin=json.dumps(state))


def test_given_a_state_of_an_earlier_version_its_ledger_is_backed_up_before_it_is_replaced(
    stack: StackUnderTest,
) -> None:
    forget_inputs(stack)
    with nothing_touched(stack):
        stack.up()
        assert stack.up().is_empty

    forget_inputs(stack)
    stack.change(ledger={"volume": another()})
    with saved(stack):
        stack.up()


def test_given_another_address_of_the_same_engine_the_ledger_is_not_replaced(
    stack: StackUnderTest, client: docker.DockerClient
) -> None:
    with nothing_touched(stack):
        with proxy(client) as port:
            stack.change(engine={"host": f"tcp://127.0.0.1:{port}"})
            stack.up()
        # Nothing answers at the proxy's address any more.
        stack.change(engine={"host": None})
        stack.up()
        assert stack.up().is_empty


def test_given_another_engine_the_ledger_is_backed_up_from_the_old_one_or_the_update_is_refused(
    stack: StackUnderTest, client: docker.DockerClient
) -> None:
    with engine_of_its_own() as other, proxy(other) as port:
        with proxy(client) as old:
            stack.change(engine={"host": f"tcp://127.0.0.1:{old}"})
            stack.up()
        stack.change(engine={"host": f"tcp://127.0.0.1:{port}"})
        with nothing_touched(stack):
            message = failure(stack)
        assert f"the ledger on {volume(stack)} is on the engine at tcp://127.0.0.1:{old}" in message
        assert "does not answer" in message
        assert f"pulumi stack rm {stack.name}" in message

        stack.change(engine={"host": None})
        stack.up()
        stack.change(engine={"host": f"tcp://127.0.0.1:{port}"})
        ids = stack.ids()
        with saved(stack):
            stack.up()
        assert stack.ids() == ids
        stack.change(engine={"host": None})
        assert "no longer exists on its engine" in stack.up().output
    until_in_order(stack)


def test_given_a_stack_without_its_auction_the_ledger_stays_and_is_used_again_later(stack: StackUnderTest) -> None:
    jobs.settle(stack, 1)
    settled, before, kept = lines(stack), archives(stack), volume(stack)
    stack.change(ledger={"protect": True})
    stack.up()
    stack.change(services=["router", "enclave"])
    with nothing_touched(stack):
        assert "leaves the auction out, whose ledger is protected" in failure(stack)

    stack.change(services=list(SERVICES), ledger={"protect": False})
    stack.up()
    stack.change(services=["router", "enclave"])
    message = stack.up().output
    assert kept in message.partition("ledgers that this configuration does not use stay on the engine: ")[2]
    assert "volume" not in stack.outputs()
    assert kept in stack.leavings()["volumes"]
    assert f"{stack.prefix}-gix-auction" not in stack.leavings()["containers"]
    assert archives(stack) == before

    stack.change(services=list(SERVICES))
    stack.up()
    assert lines(stack) == settled
    assert volume(stack) == kept


def test_only_the_stack_s_own_ledger_is_deleted_and_only_when_the_stack_does_not_use_it(
    stack: StackUnderTest, foreign: str
) -> None:
    client = stack.client
    theirs = client.volumes.create(f"{stack.prefix}-{another()}", labels={STACK_LABEL: "gix/other"})
    former = client.volumes.create(f"{stack.prefix}-{another()}", labels={STACK_LABEL: f"gix/{stack.name}"})
    try:
        with nothing_touched(stack):
            for name, message in (
                (volume(stack), f"the stack {stack.name} uses the volume {volume(stack)}"),
                (foreign, f"was not made by the stack {stack.name}"),
                (theirs.name, "is the ledger of the stack gix/other"),
                ("absent", "there is no volume absent on the engine at DOCKER_HOST or /var/run/docker.sock"),
            ):
                for words in ([], ["--destroy"]) if name != volume(stack) else ([],):
                    refused = gixctl(stack, "delete-ledger", name, *words)
                    assert refused.returncode == 1
                    assert message in refused.stderr
            assert gixctl(stack, "delete-ledger", former.name).returncode == 0
        assert former.name not in stack.leavings()["volumes"]
        assert client.volumes.get(theirs.name)
        assert client.volumes.get(foreign)
    finally:
        theirs.remove(force=True)


def deleted(stack: StackUnderTest, name: str, *words: str) -> subprocess.CompletedProcess[str]:
    """Delete a ledger with an unusable DOCKER_HOST, so that only the stack names the engine."""
    how = command(stack, "delete-ledger", name, *words)
    how["env"] |= {"DOCKER_HOST": "unix:///absent.sock"}
    return subprocess.run(**how, capture_output=True, text=True, check=False)


def test_given_two_engines_a_ledger_is_deleted_on_the_engine_of_its_stack(
    stack: StackUnderTest, fresh: StackUnderTest, client: docker.DockerClient
) -> None:
    with engine_of_its_own() as other, proxy(client) as port, proxy(other) as far:
        fresh.change(engine={"host": f"tcp://127.0.0.1:{port}"})
        fresh.up()
        mine, address = volume(fresh), f"tcp://127.0.0.1:{port}"
        # A volume with the same name on the other engine, which the verb must not delete.
        namesake = other.volumes.create(mine)
        refused = deleted(fresh, volume(stack), "--destroy")
        assert f"is the ledger of the stack gix/{stack.name}, not of gix/{fresh.name}" in refused.stderr
        assert fresh.ids()

        fresh.pulumi.destroy()
        fresh.change(engine={"host": f"tcp://127.0.0.1:{far}"})
        assert f"was not made by the stack {fresh.name}" in deleted(fresh, mine).stderr
        fresh.change(engine={"host": address})
        done = deleted(fresh, mine)
        assert done.stdout == f"deleted the volume {mine} on the engine at {address}\n", done.stderr
        assert fresh.leavings()["volumes"] == []
        assert other.volumes.get(namesake.name)
    assert stack.client.volumes.get(volume(stack))


def test_an_adopted_ledger_is_deleted_only_while_its_stack_is_up(
    fresh: StackUnderTest, client: docker.DockerClient
) -> None:
    fresh.take_own_source()
    adopted = client.volumes.create(f"{fresh.prefix}-gcam-data")
    try:
        fresh.change(ledger={"adopt": True})
        fresh.up()
        fresh.destroy()
        assert f"docker volume rm {adopted.name}" in gixctl(fresh, "delete-ledger", adopted.name).stderr
        fresh.up()
        done = gixctl(fresh, "delete-ledger", adopted.name, "--destroy")
        assert done.returncode == 0, done.stderr
        assert fresh.leavings() == {"containers": [], "networks": [], "volumes": []}
        assert adopted.name not in [each.name for each in client.volumes.list()]
    finally:
        with contextlib.suppress(docker.errors.NotFound):
            adopted.remove(force=True)


def test_the_ledger_of_another_stack_is_not_adopted(stack: StackUnderTest, fresh: StackUnderTest) -> None:
    theirs = stack.client.volumes.create(f"{fresh.prefix}-gcam-data", labels={STACK_LABEL: f"gix/{stack.name}"})
    try:
        fresh.take_own_source()
        fresh.change(ledger={"adopt": True})
        message = failure(fresh)
    finally:
        theirs.remove()
    assert f"the volume {theirs.name} is the ledger of the stack gix/{stack.name}" in message
    assert fresh.leavings()["containers"] == []


def test_a_volume_that_a_container_has_open_for_writing_is_not_adopted(fresh: StackUnderTest, image: str) -> None:
    adopted = fresh.client.volumes.create(f"{fresh.prefix}-gcam-data")
    writer = fresh.client.containers.run(
        image, ["sleep", "600"], name=f"{fresh.prefix}-writer", volumes=[f"{adopted.name}:/data"], detach=True
    )
    try:
        fresh.take_own_source()
        fresh.change(ledger={"adopt": True})
        message = failure(fresh)
    finally:
        writer.remove(force=True)
        adopted.remove()
    assert f"the container {writer.name} (running) mounts the volume {adopted.name} for writing" in message
    assert f"docker stop {writer.name}" in message
