"""Services, secrets, configurations and overlays of a Swarm, on an engine of their own that is its only node."""

import base64
import re
from collections.abc import Iterator
from functools import partial
from typing import Any

import pulumi_docker as docker
import pytest

from offline.docker_plugin.engine import Engine, connection
from offline.docker_plugin.log import EngineLog, Log
from offline.docker_plugin.resources.base import Context
from offline.docker_plugin.resources.network import Network
from tests.plugin.conftest import NewScenario
from tests.plugin.programs import HEALTHCHECK, Inputs
from tests.plugin.record import require_as_official
from tests.plugin.sandbox import Sandbox
from tests.plugin.scenario import Outcome, Scenario
from tests.support.cluster import Cluster, running_cluster

ENDS_AT_SIGTERM = ["sh", "-c", "trap 'exit 0' TERM; sleep 600 & wait"]
CANNOT_START = ["/nowhere"]
GRACE = "20s"
CONVERGES = {"delay": "1s", "timeout": "1m"}
NEVER_AGAIN = {"condition": "none", "delay": "0s", "window": "0s"}
CHANGE = {"parallelism": 1, "delay": "0s", "monitor": "1s", "max_failure_ratio": "0.0", "order": "stop-first"}
LABELS: list[Any] = [{"label": "off", "value": "1"}]
OTHER_LABELS: list[Any] = [{"label": "off", "value": "2"}]


@pytest.fixture(scope="module")
def cluster(base: str) -> Iterator[Cluster]:
    with running_cluster(workers=0) as cluster:
        cluster.load(base)
        yield cluster


@pytest.fixture
def sandbox(cluster: Cluster, base: str) -> Sandbox:
    """What is in it ends with the cluster."""
    return Sandbox(cluster.manager.client, base)


@pytest.fixture
def scenario(new_scenario: NewScenario, cluster: Cluster) -> Scenario:
    return new_scenario(environment={"DOCKER_HOST": cluster.manager.host})


def service(
    sandbox: Sandbox, part: str, *, container: Inputs | None = None, task: Inputs | None = None, **inputs: Any
) -> docker.Service:
    """A service of the sandbox that has no tasks, unless its inputs say otherwise."""
    spec = {"image": sandbox.base, "commands": ENDS_AT_SIGTERM, "stop_grace_period": GRACE, **(container or {})}
    task_spec = {"container_spec": spec, **(task or {})}
    stated: Inputs = {"name": sandbox.name(part), "mode": tasks(0), "task_spec": task_spec, **inputs}
    return docker.Service(part, docker.ServiceArgs(**stated))


def tasks(count: int) -> Inputs:
    return {"replicated": {"replicas": count}}


def text(content: str) -> str:
    return base64.b64encode(content.encode()).decode()


def published(port: int) -> Inputs:
    return {"ports": [{"target_port": 80, "published_port": port, "publish_mode": "host"}]}


def found(sandbox: Sandbox, part: str) -> dict[str, Any]:
    """What the engine says of a service."""
    api: Any = sandbox.client.api
    attributes: dict[str, Any] = api.inspect_service(sandbox.name(part))
    return attributes


def services(sandbox: Sandbox) -> set[str]:
    listed = sandbox.client.services.list(filters={"name": sandbox.prefix})
    return {each.name.removeprefix(f"{sandbox.prefix}-") for each in listed}


def test_the_state_equals_the_official_plugin_s_and_a_second_update_is_empty(
    scenario: Scenario, sandbox: Sandbox
) -> None:
    def program() -> None:
        overlay = docker.Network("overlay", name=sandbox.name("overlay"), driver="overlay", attachable=True)
        secret = docker.Secret("secret", name=sandbox.name("secret"), data=text("hunter2"), labels=LABELS)
        config = docker.ServiceConfig("config", name=sandbox.name("config"), data=text("a = 1"), labels=LABELS)
        raw = docker.ServiceConfig("raw", name=sandbox.name("raw"), data_raw="a = 1")
        service(
            sandbox,
            "service",
            mode=tasks(1),
            labels=LABELS,
            endpoint_spec={"mode": "dnsrr", **published(8080)},
            converge_config=CONVERGES,
            update_config={**CHANGE, "failure_action": "rollback"},
            rollback_config={**CHANGE, "failure_action": "pause"},
            task={
                "log_driver": {"name": "json-file", "options": {"max-size": "1m"}},
                "networks_advanceds": [{"id": overlay.id, "aliases": ["b", "a"]}],
                "placement": {"constraints": ["node.role==manager", "node.labels.a!=b"], "prefs": ["node.labels.rack"]},
                "resources": {"limits": {"memory_bytes": 64 * 2**20, "nano_cpus": 500000000}},
                "restart_policy": {"condition": "on-failure", "delay": "1s", "window": "0s", "max_attempts": 3},
            },
            container={
                "env": {"MODE": "a"},
                "healthcheck": {"tests": ["CMD", "true"], "interval": "1s", "timeout": "1m30s", "retries": 3},
                "hosts": [{"host": "elsewhere", "ip": "10.9.8.7"}],
                "labels": LABELS,
                "user": "1000:1000",
                "read_only": True,
                "cap_drops": ["ALL"],
                "mounts": [
                    {"target": "/data", "source": sandbox.name("data"), "type": "volume"},
                    {"target": "/tmp", "type": "tmpfs", "tmpfs_options": {"size_bytes": 2**20, "mode": 0o777}},
                ],
                "secrets": [{"secret_id": secret.id, "secret_name": secret.name, "file_name": "key"}],
                "configs": [
                    {"config_id": config.id, "config_name": config.name, "file_name": "/config"},
                    {"config_id": raw.id, "config_name": raw.name, "file_name": "/raw"},
                ],
            },
        )
        service(sandbox, "global", mode={"global": True})

    update = scenario.up(program)
    assert not update.failed, update.messages
    require_as_official(scenario.state())
    assert "hunter2" not in scenario.raw_state()
    assert text("hunter2") not in scenario.raw_state()
    assert scenario.preview().effects == {}
    scenario.refresh()
    assert scenario.preview().effects == {}


def test_each_input_of_a_service_is_replaced_updated_or_left_alone(scenario: Scenario, sandbox: Sandbox) -> None:
    replaced: dict[str, tuple[Inputs, Inputs]] = {
        "labels": ({"container": {"labels": LABELS}}, {"container": {"labels": OTHER_LABELS}}),
        "hosts": ({}, {"container": {"hosts": [{"host": "elsewhere", "ip": "10.9.8.7"}]}}),
        "sysctl": ({}, {"container": {"sysctl": {"net.ipv4.ip_forward": "1"}}}),
        "alias": ({"aliases": ["a"]}, {"aliases": ["b"]}),
        "name": ({}, {"name": sandbox.name("other")}),
    }
    limits, fewer = ({"limits": {"memory_bytes": size * 2**20}} for size in (64, 32))
    updated: dict[str, tuple[Inputs, Inputs]] = {
        "container": (
            {"container": {"env": {"MODE": "a"}, "healthcheck": HEALTHCHECK}},
            {
                "container": {
                    "cap_drops": ["ALL"],
                    "env": {"MODE": "b"},
                    "healthcheck": HEALTHCHECK | {"retries": 4},
                    "image": f"{sandbox.prefix}:other",
                    "mounts": [{"target": "/tmp", "type": "tmpfs"}],
                    "read_only": True,
                    "stop_grace_period": "30s",
                    "user": "1000",
                }
            },
        ),
        "task": (
            {"task": {"resources": limits, "log_driver": {"name": "json-file"}}},
            {
                "task": {
                    "force_update": 1,
                    "placement": {"constraints": ["node.role==manager"]},
                    "resources": fewer,
                    "restart_policy": NEVER_AGAIN,
                }
            },
        ),
        "service": (
            {
                "converge_config": CONVERGES,
                "endpoint_spec": published(8081),
                "labels": LABELS,
                "update_config": CHANGE,
            },
            {
                "endpoint_spec": published(8082),
                "labels": OTHER_LABELS,
                "mode": tasks(1),
                "update_config": CHANGE | {"order": "start-first"},
            },
        ),
    }
    always: Inputs = {
        "container": {"stop_grace_period": "60s"},
        "task": {"restart_policy": {"condition": "any"}},
        "update_config": CHANGE | {"max_failure_ratio": "0.25"},
    }
    alone: tuple[Inputs, Inputs] = (
        {
            "container": {"healthcheck": HEALTHCHECK, "env": {"A": "1", "B": "2"}},
            "endpoint_spec": published(8083),
            "labels": LABELS,
            "task": {"resources": limits, "restart_policy": NEVER_AGAIN},
        },
        {"container": {"stop_grace_period": None, "env": {"B": "2", "A": "1"}}, "mode": None},
    )
    rows = {**replaced, **updated, "always": (always, always), "alone": alone}

    def program(step: int) -> None:
        overlay = docker.Network("overlay", name=sandbox.name("overlay"), driver="overlay")
        for part, steps in rows.items():
            stated = dict(steps[step])
            if "aliases" in stated:
                stated["task"] = {"networks_advanceds": [{"id": overlay.id, "aliases": stated.pop("aliases")}]}
            service(sandbox, part, **stated)

    first = scenario.up(partial(program, 0))
    assert not first.failed, first.messages
    unchanged = scenario.preview()
    assert unchanged.effects == {"always": "update"}
    # In a form that the provider does not record, or left out beside what is stated.
    assert changed(unchanged, "always") == {
        "taskSpec.containerSpec.stopGracePeriod",
        "taskSpec.restartPolicy",
        "updateConfig",
    }
    before = {part: found(sandbox, part)["ID"] for part in rows}

    update = scenario.up(partial(program, 1))
    assert not update.failed, update.messages
    assert update.effects == {"always": "update"} | dict.fromkeys(replaced, "replace") | dict.fromkeys(
        updated, "update"
    )
    assert {update.order(part)[0] for part in replaced} == {"delete-replaced"}
    kept = {part for part in rows if part != "name" and found(sandbox, part)["ID"] == before[part]}
    assert kept == rows.keys() - replaced.keys()
    of_container = ("capDrops", "env", "healthcheck", "image", "mounts", "readOnly", "stopGracePeriod", "user")
    assert changed(update, "container") == {f"taskSpec.containerSpec.{name}" for name in of_container}
    of_task = ("forceUpdate", "logDriver", "placement", "resources", "restartPolicy")
    assert changed(update, "task") == {f"taskSpec.{name}" for name in of_task}
    assert changed(update, "service") == {"convergeConfig", "endpointSpec", "labels", "mode", "updateConfig"}
    assert scenario.preview().effects == {"always": "update"}
    assert found(sandbox, "alone")["Spec"]["Labels"] == {"off": "1"}


def changed(outcome: Outcome, part: str) -> set[str]:
    """The inputs of a service that changed. Beside them, the provider names maps that were never stated."""
    never_stated = {"taskSpec.containerSpec.sysctl"} | (
        {"taskSpec.containerSpec.env"} if part != "container" else set()
    )
    names = {re.sub(r"^((taskSpec\.(containerSpec\.)?)?\w+).*", r"\1", path) for path in outcome.changed[part]}
    assert never_stated <= names
    return names - never_stated


def test_an_update_that_swarm_gives_up_fails_and_after_a_refresh_a_paused_one_is_unseen(
    scenario: Scenario, sandbox: Sandbox
) -> None:
    def program(step: int) -> None:
        for part, action in (("paused", "pause"), ("rolled-back", "rollback"), ("continued", "continue")):
            service(
                sandbox,
                part,
                mode=tasks(1),
                converge_config=None if part == "continued" else CONVERGES,
                update_config={**CHANGE, "failure_action": action},
                container={"commands": (ENDS_AT_SIGTERM, CANNOT_START)[step]},
                task={"restart_policy": NEVER_AGAIN},
            )
        if step:
            service(
                sandbox,
                "never",
                mode=tasks(1),
                converge_config={"delay": "1s", "timeout": "2s"},
                task={"placement": {"constraints": ["node.role==nobody"]}},
            )

    first = scenario.up(partial(program, 0))
    assert not first.failed, first.messages
    update = scenario.up(partial(program, 1), continue_on_error=True)
    assert update.failed
    assert "service update paused: update paused due to failure or early termination of task" in update.errors
    assert "service rollback completed: " in update.errors
    assert "did not converge after 2s" in update.errors
    assert services(sandbox) == {"paused", "rolled-back", "continued"}
    assert set(scenario.state()) == services(sandbox)
    preview = scenario.preview()
    assert preview.effects == {"paused": "update", "rolled-back": "update", "never": "create"}
    assert preview.changed["paused"] == preview.changed["rolled-back"] == {}
    scenario.refresh()
    assert scenario.preview().effects == {"rolled-back": "update", "never": "create"}


def test_a_secret_in_use_is_replaced_only_under_another_name(scenario: Scenario, sandbox: Sandbox) -> None:
    def program(step: int, *, stated: bool) -> None:
        name = {part: sandbox.name(part) if stated else None for part in ("secret", "config")}
        secret = docker.Secret("secret", name=name["secret"], data=text(f"hunter{step}"))
        config = docker.ServiceConfig("config", name=name["config"], data=text(f"a = {step}"))
        service(
            sandbox,
            "service",
            container={
                "secrets": [{"secret_id": secret.id, "secret_name": secret.name, "file_name": "key"}],
                "configs": [{"config_id": config.id, "config_name": config.name, "file_name": "/config"}],
            },
        )

    first = scenario.up(partial(program, 1, stated=True))
    assert not first.failed, first.messages
    before = scenario.state()
    refused = scenario.up(partial(program, 2, stated=True))
    assert refused.failed
    in_use = f"is in use by the following service: {sandbox.name('service')}"
    assert in_use in refused.errors
    assert scenario.state() == before

    update = scenario.up(partial(program, 2, stated=False))
    assert not update.failed, update.messages
    assert update.effects == {"secret": "replace", "config": "replace", "service": "update"}
    assert update.order("secret") == ["create-replacement", "delete-replaced"]


def test_delete_waits_for_the_containers_and_leaves_named_volumes(scenario: Scenario, sandbox: Sandbox) -> None:
    def program() -> None:
        for part, grace in (("waits", GRACE), ("too-short", "1s")):
            mounts = [
                {"target": "/data", "source": sandbox.name(part), "type": "volume"},
                {"target": "/other", "type": "volume"},
            ]
            container = {"mounts": mounts, "stop_grace_period": grace}
            service(sandbox, part, mode=tasks(1), converge_config=CONVERGES, container=container)

    update = scenario.up(program)
    assert not update.failed, update.messages
    [container] = sandbox.client.containers.list(filters={"name": sandbox.name("waits")})
    volumes = {each["Name"] for each in container.attrs["Mounts"]}
    assert len(volumes) == 2
    destroyed = scenario.destroy(continue_on_error=True)
    assert destroyed.failed
    assert "error on wait for container with ID" in destroyed.errors
    assert "context deadline exceeded" in destroyed.errors
    assert services(sandbox) == set()
    assert set(scenario.state()) == {"too-short"}
    left = {each.name for each in sandbox.client.volumes.list()}
    assert left & volumes == {sandbox.name("waits")}
    assert sandbox.name("too-short") in left
    scenario.refresh()
    assert scenario.state() == {}


def test_a_refresh_finds_what_was_changed_by_hand_and_what_the_engine_adds_to_an_overlay(
    scenario: Scenario, sandbox: Sandbox
) -> None:
    def program() -> None:
        for part in ("scaled", "changed", "removed", "untouched"):
            service(sandbox, part, container={"env": {"MODE": "a"}}, update_config=CHANGE, rollback_config=CHANGE)
        overlays: dict[str, Inputs] = {
            "bare": {},
            "gateway": {"ipam_configs": [{"subnet": "10.212.1.0/24", "gateway": "10.212.1.1"}]},
            "no-gateway": {"ipam_configs": [{"subnet": "10.212.2.0/24"}]},
            "options": {"options": {"encrypted": ""}},
        }
        for part, stated in overlays.items():
            docker.Network(part, name=sandbox.name(part), driver="overlay", **stated)

    first = scenario.up(program)
    assert not first.failed, first.messages
    hand: Any = sandbox.client.services
    hand.get(sandbox.name("scaled")).scale(2)
    hand.get(sandbox.name("changed")).update(env=["MODE=b"])
    hand.get(sandbox.name("removed")).remove()
    assert scenario.preview().effects == {"options": "replace"}
    scenario.refresh()
    update = scenario.up()
    assert not update.failed, update.messages
    by_hand = {"scaled": "update", "changed": "update", "removed": "create"}
    assert update.effects == by_hand | {"options": "replace", "no-gateway": "replace"}
    assert found(sandbox, "scaled")["Spec"]["Mode"] == {"Replicated": {"Replicas": 0}}
    assert found(sandbox, "changed")["Spec"]["TaskTemplate"]["ContainerSpec"]["Env"] == ["MODE=a"]


def test_given_an_overlay_that_swarm_has_not_yet_allocated_the_offline_plugin_waits_for_it(
    cluster: Cluster, sandbox: Sandbox
) -> None:
    engine = Engine(connection({"host": cluster.manager.host}))
    context = Context(engine=engine, log=Log(EngineLog("nowhere"), "urn"))
    stated: Inputs = {"driver": "overlay", "ipamDriver": "default"}
    # Right after its creation, about one in five has no driver.
    for number in range(40):
        made = Network().create(context, stated | {"name": sandbox.name(f"allocated-{number}")})
        assert made.outputs["driver"] == "overlay"
        assert made.outputs["options"]
        Network().delete(context, made.resource_id, made.outputs)


def test_to_wait_for_a_global_service_is_refused_before_anything_changes(scenario: Scenario, sandbox: Sandbox) -> None:
    preview = scenario.preview(lambda: service(sandbox, "all", mode={"global": True}, converge_config=CONVERGES))
    assert preview.failed
    assert "mode.0.global" in preview.errors
