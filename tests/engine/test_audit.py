"""`gixctl audit` on a real engine: a hardened stack, a stack with the defaults, and a container made by hand."""

import json
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import docker
import pytest
import yaml

from tests.support.gixctl import gixctl
from tests.support.stack_under_test import PROGRAM, SERVICES, StackUnderTest, temporary_stack

PRODUCTION = yaml.safe_load((PROGRAM / "Pulumi.prod.yaml").read_text())["config"]


@pytest.fixture(scope="module")
def hardened(client: docker.DockerClient, tmp_path_factory: pytest.TempPathFactory) -> Iterator[StackUnderTest]:
    """A stack that is up with the container settings of Pulumi.prod.yaml. Only its router listens beyond loopback."""
    with temporary_stack(client, tmp_path_factory.mktemp("hardened") / "gix") as stack:
        stack.change(
            **{key.removeprefix("gix:"): PRODUCTION[key] for key in ("gix:defaults", "gix:router", "gix:ledger")}
        )
        stack.change(router={"bindAddress": "0.0.0.0"}, ledger={"protect": False})
        stack.up()
        yield stack


def audited(stack: StackUnderTest, *words: str) -> tuple[int, dict[str, Any]]:
    done = gixctl(stack, "audit", "--json", *words)
    card: dict[str, Any] = json.loads(done.stdout)
    return done.returncode, card


def subjects(card: dict[str, Any], result: str) -> dict[str, set[str]]:
    """The subjects with `result`, by item of the benchmark."""
    found: dict[str, set[str]] = {}
    for each in card["results"]:
        if each["result"] == result:
            found.setdefault(each["item"], set()).add(each["subject"])
    return found


def test_given_production_settings_nothing_fails_and_given_the_defaults_each_failure_names_its_key(
    hardened: StackUnderTest, platform: StackUnderTest
) -> None:
    with ThreadPoolExecutor() as both:
        (code, card), (described_code, described) = both.map(audited, (hardened, platform))
    assert subjects(card, "fail") == {}
    assert (code, card["score"], card["stack"]) == (0, 100, f"gix/{hardened.name}")
    assert subjects(card, "waived") == {"5.14": {"router"}, "5.15": set(SERVICES), "5.29": set(SERVICES)}
    assert card["passed"] > 80

    assert described_code == 1
    assert described["stack"] == f"gix/{platform.name}"
    assert subjects(described, "fail") == {item: set(SERVICES) for item in ("5.4", "5.11", "5.12", "5.13", "5.26")}
    fixes = {each["fix"] for each in described["results"] if each["result"] == "fail"}
    assert {"gix:enclave.memory: e.g. 512MiB", "gix:router.readOnlyRoot: true"} <= fixes
    assert 0 < described["score"] < 100
    assert audited(platform, "--minimum", str(described["score"]))[0] == 0


def test_given_a_container_made_by_hand_with_the_stack_s_label_it_is_audited_and_fails(
    hardened: StackUnderTest, image: str
) -> None:
    stranger = hardened.client.containers.create(
        image,
        ["sleep", "60"],
        name=f"{hardened.prefix}-by-hand",
        labels={"io.gix.stack": f"gix/{hardened.name}", "io.gix.service": "router"},
        privileged=True,
        pid_mode="host",
        network_mode="host",
        volumes={"/var/run/docker.sock": {"bind": "/var/run/docker.sock", "mode": "rw"}},
    )
    try:
        code, card = audited(hardened)
    finally:
        stranger.remove(force=True)
    assert code == 1
    failed = subjects(card, "fail")
    assert set(failed) >= {"4.1", "5.4", "5.5", "5.10", "5.11", "5.12", "5.13", "5.16", "5.26", "5.27", "5.29", "5.32"}
    assert {subject for subjects in failed.values() for subject in subjects} == {stranger.name}
    assert {each["fix"] for each in card["results"] if each["subject"] == stranger.name and each["fix"]} == {
        f"the stack does not declare it: docker rm -f {stranger.name}"
    }


def test_given_a_missing_container_it_is_named_and_the_others_are_audited(
    hardened: StackUnderTest,
) -> None:
    name = f"{hardened.prefix}-gix-enclave"
    container = hardened.client.containers.get(name)
    container.rename(f"{hardened.prefix}-elsewhere")
    try:
        code, card = audited(hardened, "--minimum", "0")
    finally:
        container.rename(name)
    assert (code, card["missing"]) == (1, [name])
    assert subjects(card, "pass")["5.11"] == {*SERVICES, f"{hardened.prefix}-elsewhere"} - {"enclave"}


def test_given_a_stack_that_is_not_up_the_exit_code_is_1(fresh: StackUnderTest) -> None:
    done = gixctl(fresh, "audit")
    assert done.returncode == 1
    assert "is not up" in done.stderr
