"""`gixctl plan` compared with what the update then does, with the real CLI and engine."""

import json
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import docker
import pytest

from tests.support import built_images
from tests.support.gixctl import gixctl
from tests.support.stack_under_test import SERVICES, StackUnderTest, free_subnet, new_stack

SECRET = "hunter2-of-the-plan"  # noqa: S105 - what must show nowhere
MIB = 2**20
UNTOUCHED = dict.fromkeys(SERVICES, "untouched")


@pytest.fixture(scope="module")
def stack(client: docker.DockerClient, tmp_path_factory: pytest.TempPathFactory) -> Iterator[StackUnderTest]:
    """A stack that is up, whose auction has a secret and whose enclave has a limit."""
    stack = new_stack(client, tmp_path_factory.mktemp("plan") / "gix")
    stack.change(enclave={"memory": "256M"})
    stack.secrets["gix:auction.secretEnvironment.TOKEN"] = SECRET
    try:
        stack.up()
        yield stack
    finally:
        stack.remove()
        for service in SERVICES:
            repository = f"{stack.prefix}-gix-{service}"
            tags = [tag for image in client.images.list(repository) for tag in image.tags]
            for tag in (tag for tag in tags if tag.startswith(f"{repository}:")):
                built_images.remove_name(client, tag)


@contextmanager
def for_now(stack: StackUnderTest, **sections: Any) -> Iterator[None]:
    """Change the configuration for the time of the block."""
    before = stack.config
    stack.change(**sections)
    try:
        yield
    finally:
        stack.config = before
        stack.write()


def planned(stack: StackUnderTest) -> dict[str, Any]:
    done = gixctl(stack, "plan", "--json")
    assert done.returncode == 0, done.stdout + done.stderr
    assert SECRET not in done.stdout
    found: dict[str, Any] = json.loads(done.stdout)
    return found


def effects(plan: dict[str, Any]) -> dict[str, str]:
    return {each["service"]: each["effect"] for each in plan["services"]}


def causes(plan: dict[str, Any], service: str) -> list[str]:
    [found] = [each["causes"] for each in plan["services"] if each["service"] == service]
    return list(found)


def recreated(before: dict[str, str], stack: StackUnderTest) -> set[str]:
    after = stack.ids()
    return {service for service in SERVICES if after[service] != before[service]}


def test_given_nothing_changed_the_plan_says_so(stack: StackUnderTest) -> None:
    plan = planned(stack)
    assert plan["summary"] == "nothing changes"
    assert effects(plan) == UNTOUCHED
    assert plan["others"] == []


def test_given_the_router_s_rust_log_changed_only_the_router_is_restarted(stack: StackUnderTest) -> None:
    before, value = stack.ids(), f"router_{secrets.token_hex(4)}=debug"
    old = stack.config["gix:router"].get("rustLog", "info")
    stack.change(router={"rustLog": value})
    plan = planned(stack)
    assert effects(plan) == UNTOUCHED | {"router": "restarted"}
    assert causes(plan, "router") == [f"RUST_LOG {old} -> {value}"]
    assert plan["others"] == []
    stack.up()
    assert recreated(before, stack) == {"router"}


def test_given_the_enclave_s_memory_changed_it_is_updated_live(stack: StackUnderTest) -> None:
    before, size = stack.ids(), 300 + secrets.randbelow(100)
    old = stack.container("enclave")["HostConfig"]["Memory"] // MIB
    stack.change(enclave={"memory": f"{size}M"})
    plan = planned(stack)
    assert effects(plan) == UNTOUCHED | {"enclave": "updated live"}
    assert causes(plan, "enclave")[0] == f"memory {old} MiB -> {size} MiB"
    stack.up()
    assert recreated(before, stack) == set()
    assert stack.container("enclave")["HostConfig"]["Memory"] == size * MIB


def test_given_another_subnet_every_service_is_restarted(stack: StackUnderTest) -> None:
    before, old = stack.ids(), stack.config["gix:network"]["subnet"]
    new = free_subnet(stack.client)
    stack.change(network={"subnet": new})
    plan = planned(stack)
    assert effects(plan) == dict.fromkeys(SERVICES, "restarted")
    for service in SERVICES:
        assert causes(plan, service) == [f"network replaced: subnet {old} -> {new}"]
    [network] = plan["others"]
    assert (network["kind"], network["operation"]) == ("network", "replaced")
    stack.up()
    assert recreated(before, stack) == set(SERVICES)


def test_given_the_source_of_one_service_changed_the_plan_shows_what_is_known_before_the_build(
    stack: StackUnderTest,
) -> None:
    source = stack.directory / "sample/crates/ajr-router/src/main.rs"
    before = source.read_text()
    source.write_text(before + "\n// another comment\n")
    try:
        plan = planned(stack)
    finally:
        source.write_text(before)
    assert effects(plan) == dict.fromkeys(SERVICES, "restarted if its image changes")
    for service in SERVICES:
        assert causes(plan, service) == ["image rebuilt: source changed"]
    assert [(each["kind"], each["operation"]) for each in plan["others"]] == [("image", "rebuilt")] * len(SERVICES)


def test_given_rebuilt_images_with_the_same_content_nothing_is_restarted(stack: StackUnderTest) -> None:
    before, tag = stack.ids(), f"v{secrets.token_hex(4)}"
    stack.change(images={"tag": tag})
    plan = planned(stack)
    assert effects(plan) == dict.fromkeys(SERVICES, "restarted if its image changes")
    assert causes(plan, "router")[0].endswith(f"-> {stack.prefix}-gix-router:{tag}")
    stack.up()
    assert recreated(before, stack) == set()


def test_given_a_secret_changed_the_plan_names_it_and_does_not_show_it(stack: StackUnderTest) -> None:
    stack.secrets["gix:auction.secretEnvironment.TOKEN"] = f"another-{SECRET}"
    try:
        plan = planned(stack)
    finally:
        stack.secrets["gix:auction.secretEnvironment.TOKEN"] = SECRET
        stack.write()
    assert effects(plan) == UNTOUCHED | {"auction": "restarted"}
    assert causes(plan, "auction") == ["variables changed (secret)"]


def test_given_another_ledger_and_a_service_removed_data_is_at_risk_and_every_step_is_shown(
    stack: StackUnderTest,
) -> None:
    with for_now(stack, ledger={"volume": "other-data"}, services=[each for each in SERVICES if each != "enclave"]):
        shown = gixctl(stack, "plan", "--markdown")
        plan = planned(stack)
        steps = sum(count for kind, count in stack.preview().changes.items() if kind != "same")
    assert effects(plan) == UNTOUCHED | {"auction": "restarted", "enclave": "removed"}
    auction = plan["services"][1]
    assert any("no longer sees what it wrote" in risk for risk in auction["data_at_risk"])
    assert any("stays on the engine" in risk for risk in auction["data_at_risk"])
    acting = [each for each in plan["services"] if each["effect"] != "untouched"]
    assert len(acting) + len(plan["others"]) == steps

    assert shown.returncode == 0
    first, *rest = shown.stdout.splitlines()
    assert "DATA AT RISK; enclave removed; auction restarted" in first
    assert any(line.startswith("| volume ") for line in rest)


def test_given_a_wrong_configuration_the_plan_shows_the_reason_and_the_exit_code_is_1(stack: StackUnderTest) -> None:
    with for_now(stack, router={"hostPort": 70000}):
        done = gixctl(stack, "plan")
    assert done.returncode == 1
    assert "gix:router.hostPort = 70000" in done.stdout
    assert "nothing has been touched" in done.stdout


def test_given_a_stack_that_is_not_up_everything_is_created(fresh: StackUnderTest) -> None:
    plan = planned(fresh)
    assert effects(plan) == dict.fromkeys(SERVICES, "created")
    assert {"network", "volume", "image"} <= {each["kind"] for each in plan["others"]}


def test_given_no_such_stack_the_exit_code_is_1(fresh: StackUnderTest) -> None:
    # Reading `variables` creates the stack.
    assert fresh.variables
    fresh.name = f"no-{fresh.name}"
    done = gixctl(fresh, "plan")
    assert done.returncode == 1
    assert "no stack named" in done.stdout
