"""`gixctl verify` on a real engine: it shows changes made by hand, and its fixes undo them."""

import json
import os
import subprocess
import time
from collections.abc import Iterator
from contextlib import suppress
from typing import Any

import docker
import pytest
from docker.errors import NotFound
from docker.types import IPAMConfig, IPAMPool

from tests.engine.change_matrix_trials import tried_keys
from tests.support import built_images
from tests.support.gixctl import gixctl
from tests.support.stack_under_test import SERVICES, StackUnderTest, free_ports, free_subnet, temporary_stack

SECRET = "hunter2-of-verify"  # noqa: S105 - what must show nowhere
WITHIN_SECONDS = 30


@pytest.fixture(scope="module")
def stack(client: docker.DockerClient, tmp_path_factory: pytest.TempPathFactory) -> Iterator[StackUnderTest]:
    """A stack that is up, with every kind of container setting."""
    with temporary_stack(client, tmp_path_factory.mktemp("verify") / "gix") as stack:
        stack.change(
            router={
                "memory": "256M",
                "restart": "on-failure:3",
                "environment": {"EMPTY": "", "SPACED": "a b"},
                "labels": {"team": "gix"},
                "ulimits": {"nofile": {"soft": 1024, "hard": 2048}},
                "extraHosts": {"ledger.test": "192.0.2.7"},
            },
            auction={"metricsPort": free_ports(1)[0], "logging": {"driver": "local", "options": {"max-size": "1m"}}},
            enclave=tried_keys()
            | {
                "publish": True,
                "cpus": 1,
                "readOnlyRoot": True,
                "tmpfs": {"/scratch": "rw,size=8m"},
                "dropCapabilities": ["ALL"],
                "noNewPrivileges": True,
                "init": False,
                "stopSignal": "SIGTERM",
            },
        )
        stack.secrets["gix:auction.secretEnvironment.TOKEN"] = SECRET
        stack.up()
        yield stack


def verified(stack: StackUnderTest) -> dict[str, Any]:
    done = gixctl(stack, "verify", "--json")
    assert SECRET not in done.stdout + done.stderr
    report: dict[str, Any] = json.loads(done.stdout)
    assert done.returncode == (1 if report["differences"] else 0)
    assert report["not_compared"] == []
    return report


def differences(report: dict[str, Any]) -> dict[tuple[str, str], tuple[str | None, str | None]]:
    return {(each["subject"], each["field"]): (each["declared"], each["found"]) for each in report["differences"]}


def apply_fixes(stack: StackUnderTest, report: dict[str, Any]) -> None:
    """Run the fixes of the report as they are shown. Options answer the questions of `pulumi up`."""
    for fix in dict.fromkeys(each["fix"] for each in report["differences"]):
        command = fix.replace("pulumi up", f"pulumi up --yes --skip-preview --non-interactive --stack {stack.name}")
        subprocess.run(
            ["sh", "-euc", command],
            cwd=stack.directory,
            env=os.environ | stack.variables,
            check=True,
            capture_output=True,
        )


def name(stack: StackUnderTest, base: str) -> str:
    return f"{stack.prefix}-{base}"


def health(stack: StackUnderTest, service: str, wanted: str) -> None:
    deadline = time.monotonic() + WITHIN_SECONDS
    while stack.container(service)["State"]["Health"]["Status"] != wanted:
        assert time.monotonic() < deadline, f"the {service} did not become {wanted}"
        time.sleep(0.1)


def test_given_nothing_changed_by_hand_there_is_no_difference(stack: StackUnderTest) -> None:
    report = verified(stack)
    assert report["differences"] == []
    assert report["compared"] > 80
    done = gixctl(stack, "verify")
    assert done.returncode == 0
    summary = f"gix/{stack.name}: as declared, {report['compared']} fields compared"
    assert done.stdout.strip() == summary
    both = gixctl(stack, "status", "--verify")
    assert (both.returncode, both.stdout.splitlines()[-1]) == (0, summary)
    assert all(service in both.stdout for service in SERVICES)


def test_given_containers_changed_by_hand_each_change_is_shown_and_its_fix_undoes_it(
    stack: StackUnderTest, image: str
) -> None:
    network = stack.client.networks.get(name(stack, "gix-network"))
    router = stack.client.containers.get(name(stack, "gix-router"))
    router.update(mem_limit="300m", memswap_limit="600m", restart_policy={"Name": "always"})
    stack.client.containers.get(name(stack, "gix-auction")).update(mem_limit="200m", memswap_limit="200m")
    network.disconnect(name(stack, "gix-enclave"))
    network.connect(name(stack, "gix-enclave"), aliases=["other"])
    built_images.remove_name(stack.client, f"{name(stack, 'gix-router')}:latest")
    stranger = stack.client.containers.run(
        image, ["sleep", "120"], detach=True, name=name(stack, "stranger"), network=network.name, init=True
    )
    try:
        report = verified(stack)
        both = gixctl(stack, "status", "--verify")
        assert (both.returncode, f"{len(report['differences'])} differences" in both.stdout) == (1, True)
        found = differences(report)
        # Some engines also list the host name as an alias.
        declared, aliases = found.pop(("enclave", f"network {network.name}"))
        assert declared == "known as enclave"
        assert "other" in str(aliases)
        assert found == {
            ("router", "memory"): ("256 MiB", "300 MiB"),
            ("router", "memory with swap"): ("512 MiB", "600 MiB"),
            ("router", "restart"): ("on-failure:3", "always"),
            ("auction", "memory"): (None, "200 MiB"),
            ("auction", "memory with swap"): (None, "200 MiB"),
            (f"image {name(stack, 'gix-router')}:latest", "tag"): (stack.container("router")["Image"], None),
            (f"network {network.name}", "endpoint"): (None, f"container {stranger.name}"),
        }
        apply_fixes(stack, report)
        assert verified(stack)["differences"] == []
    finally:
        stranger.remove(force=True)


def test_given_a_stopped_and_an_unhealthy_container_both_are_shown(stack: StackUnderTest) -> None:
    router = stack.client.containers.get(name(stack, "gix-router"))
    router.exec_run(["chmod", "0", "/usr/bin/timeout"], user="root")
    stack.client.containers.get(name(stack, "gix-enclave")).stop()
    health(stack, "router", "unhealthy")
    report = verified(stack)
    found = differences(report)
    assert found["router", "health"] == ("healthy", "unhealthy")
    declared, state = found["enclave", "state"]
    assert (declared, str(state).partition(",")[0]) == ("running", "exited")
    assert len(found) == 2
    [out] = [each["fix"] for each in report["differences"] if each["field"] == "health"]
    assert f"docker logs {router.name}" in out

    router.exec_run(["chmod", "755", "/usr/bin/timeout"], user="root")
    health(stack, "router", "healthy")
    stack.up("--refresh")
    assert verified(stack)["differences"] == []


def test_given_another_container_with_a_service_s_name_every_different_field_is_shown(
    stack: StackUnderTest, image: str
) -> None:
    mine = stack.container("auction")
    stack.client.containers.get(mine["Id"]).remove(force=True)
    other = stack.client.containers.run(
        image,
        ["sleep", "120"],
        detach=True,
        name=name(stack, "gix-auction"),
        environment={"TOKEN": "guessed", "RUST_LOG": "info"},
        labels={"io.gix.service": "auction"},
        ports={"50052/tcp": ("127.0.0.1", free_ports(1)[0])},
    )
    try:
        report = verified(stack)
        fields = {field for subject, field in differences(report) if subject == "auction"}
        assert fields >= {
            *("container id", "health", "image", "command", "user", "hostname", "init", "stop signal", "stop grace"),
            *("port 50052/tcp", "port 9002/tcp", "mount /data", "restart", "log driver", "log option max-size"),
            *("variable TOKEN", "variable GIX_DATA_DIR", "label io.gix.stack", "health check probe"),
            *("network bridge", f"network {name(stack, 'gix-network')}"),
        }
        assert differences(report)["auction", "variable TOKEN"] == ("(secret)", "another value")
        assert not fields & {"variable RUST_LOG", "label io.gix.service", "variable PATH"}

        [out] = {each["fix"] for each in report["differences"] if each["field"] == "container id"}
        assert out == f"docker rm -f {name(stack, 'gix-auction')}, then pulumi up --refresh"
    finally:
        other.remove(force=True)
    stack.up("--refresh")
    assert verified(stack)["differences"] == []


def test_given_network_volume_and_containers_removed_all_of_them_are_shown(stack: StackUnderTest) -> None:
    for service in ("auction", "router", "enclave"):
        stack.client.containers.get(name(stack, f"gix-{service}")).remove(force=True)
    stack.client.volumes.get(name(stack, "gcam-data")).remove()
    stack.client.networks.get(name(stack, "gix-network")).remove()
    subnet = free_subnet(stack.client)
    network = stack.client.networks.create(
        name(stack, "gix-network"), ipam=IPAMConfig(pool_configs=[IPAMPool(subnet=subnet)])
    )
    try:
        report = verified(stack)
        found = differences(report)
        for service in SERVICES:
            assert found[service, "container"] == (name(stack, f"gix-{service}"), None)
        assert found[f"volume {name(stack, 'gcam-data')}", "volume"] == (name(stack, "gcam-data"), None)
        assert found[f"network {network.name}", "subnet"] == (stack.config["gix:network"]["subnet"], subnet)
        assert {field for _, field in found} == {"container", "volume", "network id", "subnet", "label io.gix.stack"}
    finally:
        network.remove()
    stack.up("--refresh")
    assert verified(stack)["differences"] == []


def test_given_an_unknown_container_and_network_with_the_stack_s_label_both_are_shown(
    stack: StackUnderTest, image: str
) -> None:
    mine = {"io.gix.stack": f"gix/{stack.name}"}
    container = stack.client.containers.create(image, ["true"], name=name(stack, "left"), labels=mine)
    network = stack.client.networks.create(name(stack, "left-network"), labels=mine)
    try:
        report = verified(stack)
        assert differences(report) == {
            (f"container {container.name}", "container"): (None, "there"),
            (f"network {network.name}", "network"): (None, "there"),
        }
        apply_fixes(stack, report)
        assert verified(stack)["differences"] == []
    finally:
        with suppress(NotFound):
            container.remove()
        with suppress(NotFound):
            network.remove()


def test_given_a_stack_that_is_not_up_the_exit_code_is_1(fresh: StackUnderTest) -> None:
    done = gixctl(fresh, "verify")
    assert done.returncode == 1
    assert "is not up" in done.stderr
