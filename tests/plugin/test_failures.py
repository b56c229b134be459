"""What fails, what is said of it, and what is left behind."""

import time
from datetime import datetime
from pathlib import Path

import pulumi_docker as docker

from tests.plugin.conftest import NewScenario
from tests.plugin.programs import HEALTHCHECK, container, image
from tests.plugin.sandbox import Sandbox, ipam, listening_port
from tests.plugin.scenario import Scenario

_SCREEN_LINES = 50


def test_a_port_in_use_leaves_a_container_that_each_retry_replaces(scenario: Scenario, sandbox: Sandbox) -> None:
    def program(external: int | None) -> None:
        container(sandbox, "ctr", ports=[{"internal": 80, "external": external, "ip": "127.0.0.1"}])

    scenario.up(lambda: program(None))
    old = sandbox.inspect("ctr")["Id"]
    with listening_port() as taken:
        for _ in range(2):
            update = scenario.up(lambda: program(taken))
            assert update.failed
            assert "address already in use" in update.messages
            assert update.effects == {"ctr": "replace"}
            assert sandbox.inspect("ctr")["Id"] != old
            assert sandbox.container("ctr").status == "created"
            assert "address already in use" in scenario.state()["ctr"]["initErrors"][0]
    update = scenario.up()
    assert not update.failed
    assert update.effects == {"ctr": "replace"}
    assert sandbox.container("ctr").status == "running"


def test_a_container_that_does_not_become_healthy_is_kept_and_replaced_next(
    scenario: Scenario, sandbox: Sandbox
) -> None:
    def program() -> None:
        sick = HEALTHCHECK | {"tests": ["CMD", "false"], "retries": 1}
        container(sandbox, "unhealthy", healthcheck=sick, wait=True, wait_timeout=3)
        container(sandbox, "exited", command=["false"], healthcheck=HEALTHCHECK, wait=True, wait_timeout=3)
        container(sandbox, "unchecked", wait=True, wait_timeout=3)
        container(sandbox, "unawaited", command=["false"])
        container(sandbox, "healthy", healthcheck=HEALTHCHECK, wait=True, wait_timeout=30)

    started = time.monotonic()
    update = scenario.up(program, continue_on_error=True)
    assert update.failed
    assert time.monotonic() - started > 2
    assert update.messages.count("container failed to be in healthy state") >= 2
    assert "you have supplied a 'wait' argument, but" in update.messages
    state = scenario.state()
    assert {part for part, resource in state.items() if resource.get("initErrors")} == {
        "unhealthy",
        "exited",
        "unchecked",
    }
    assert sandbox.container("unchecked").status == sandbox.container("unhealthy").status == "running"
    created = sorted(datetime.fromisoformat(sandbox.inspect(part)["Created"]) for part in ("unhealthy", "exited"))
    assert (created[1] - created[0]).total_seconds() < 3, "one waits for the other"
    assert set(state) == {"unhealthy", "exited", "unchecked", "unawaited", "healthy"}

    preview = scenario.preview()
    assert {part: preview.effect(part) for part in ("unhealthy", "exited")} == {
        "unhealthy": "replace",
        "exited": "replace",
    }
    assert preview.reasons["unhealthy"] == ["entrypoints", "networkDatas"]
    assert preview.effect("healthy") == "same"

    # Nobody waits for this one: whether it is seen to have ended at once is luck.
    sandbox.container("unawaited").wait()
    scenario.refresh()
    assert scenario.preview().effects == {"exited": "update", "unawaited": "update"}


def test_an_existing_object_is_a_conflict_but_a_volume_is_adopted(scenario: Scenario, sandbox: Sandbox) -> None:
    subnet = sandbox.subnet()
    api = sandbox.client.api
    sandbox.client.containers.create(sandbox.base, name=sandbox.name("ctr"))
    sandbox.client.networks.create(sandbox.name("net"))
    sandbox.client.networks.create(sandbox.name("taken"), ipam=ipam(subnet))
    sandbox.client.volumes.create(sandbox.name("vol"), labels={"by": "hand"})

    def program() -> None:
        docker.Volume("vol", name=sandbox.name("vol"))
        docker.Network("net", name=sandbox.name("net"))
        docker.Network("overlapping", name=sandbox.name("overlapping"), ipam_configs=[{"subnet": subnet}])
        container(sandbox, "ctr")

    update = scenario.up(program, continue_on_error=True)
    assert update.failed
    assert "Conflict. The container name" in update.messages
    assert f"network with name {sandbox.name('net')} already exists" in update.messages
    assert "Pool overlaps with other one" in update.messages
    assert set(scenario.state()) == {"vol"}
    assert api.inspect_volume(sandbox.name("vol"))["Labels"] == {"by": "hand"}

    assert not scenario.destroy().failed
    assert sandbox.client.volumes.list(filters={"name": sandbox.prefix}) == []
    assert sandbox.container_names() == {"ctr"}
    assert {network.name for network in sandbox.client.networks.list(names=[sandbox.prefix])} == {
        sandbox.name("net"),
        sandbox.name("taken"),
    }


def test_a_network_in_use_is_not_removed(scenario: Scenario, sandbox: Sandbox) -> None:
    subnet = sandbox.subnet()
    scenario.up(lambda: network(sandbox, subnet))
    sandbox.client.containers.run(sandbox.base, name=sandbox.name("foreign"), network=sandbox.name("net"), detach=True)
    destroyed = scenario.destroy()
    assert destroyed.failed
    assert "timeout while waiting for" in destroyed.messages
    assert set(scenario.state()) == {"net"}


def network(sandbox: Sandbox, subnet: str) -> None:
    docker.Network("net", name=sandbox.name("net"), ipam_configs=[{"subnet": subnet}])


def test_without_an_engine_a_preview_fails_too(new_scenario: NewScenario, sandbox: Sandbox, tmp_path: Path) -> None:
    nowhere = {"DOCKER_HOST": f"unix://{tmp_path}/no-engine.sock"}
    preview = new_scenario(environment=nowhere).preview(lambda: docker.Volume("vol", name=sandbox.name("vol")))
    assert preview.failed
    assert "failed to connect to any docker daemon" in preview.messages


def test_the_stack_chooses_the_engine(scenario: Scenario, sandbox: Sandbox, tmp_path: Path) -> None:
    scenario.configure("docker:host", f"unix://{tmp_path}/no-engine.sock")
    preview = scenario.preview(lambda: docker.Volume("vol", name=sandbox.name("vol")))
    assert preview.failed
    assert "failed to connect to any docker daemon" in preview.messages


def test_a_failed_build_names_its_command_and_shows_the_output_only_as_progress(
    scenario: Scenario, sandbox: Sandbox
) -> None:
    def program() -> None:
        app = sandbox.write_image(
            scenario.directory / "app", extra="RUN echo $((6 * 7)) mismatched types >&2; exit 101"
        )
        for part in ("router", "auction", "execution"):
            image(part, sandbox.name(part), build={"context": str(app)})

    update = scenario.up(program)
    assert update.failed
    assert "error reading build output: executor failed running [/bin/sh -c echo $((6 * 7))" in update.errors
    assert "exit code: 101" in update.errors
    assert "42 mismatched types" not in update.errors
    assert "42 mismatched types" in update.progress
    assert len(update.errors.splitlines()) < _SCREEN_LINES
    assert scenario.state() == {}


def test_a_missing_build_context_is_named(scenario: Scenario, sandbox: Sandbox) -> None:
    missing = str(scenario.directory / "missing")
    preview = scenario.preview(lambda: image("img", sandbox.name("img"), build={"context": missing}))
    assert preview.failed
    assert missing in preview.messages


def test_a_dockerfile_relative_to_its_context_gets_a_hint(scenario: Scenario, sandbox: Sandbox) -> None:
    def program() -> None:
        sandbox.write_image(scenario.directory / "app")
        build = {"context": "app", "dockerfile": "Dockerfile"}
        image("img", sandbox.name("img"), build=build)

    preview = scenario.preview(program)
    assert preview.failed
    assert 'could not open dockerfile at relative path "Dockerfile"' in preview.messages
    assert "app/Dockerfile" in preview.messages
