"""A change in the program, what the preview says of it, and what it does to the engine."""

import time
from functools import partial
from pathlib import Path
from typing import Any

import pulumi
import pulumi_docker as docker

from tests.plugin.programs import HEALTHCHECK, Inputs, container, image
from tests.plugin.sandbox import Sandbox, free_port
from tests.plugin.scenario import Scenario


def port(**stated: Any) -> Inputs:
    return {"internal": 80, "ip": "127.0.0.1", **stated}


def test_each_input_is_replaced_updated_recorded_or_left_alone(scenario: Scenario, sandbox: Sandbox) -> None:
    network, other = sandbox.name("net"), f"{sandbox.prefix}:other"
    first, second, third = free_port(), free_port(), free_port()
    app = sandbox.write_image(scenario.directory / "app")
    sandbox.client.images.build(path=str(app), tag=other)
    replaced: dict[str, tuple[Inputs, Inputs]] = {
        "envs": ({"envs": ["A=1", "B=1"]}, {"envs": ["A=2", "B=1"]}),
        "labels": ({"labels": [{"label": "a", "value": "1"}]}, {"labels": [{"label": "a", "value": "2"}]}),
        "ports": ({"ports": [port(external=first)]}, {"ports": [port(external=second)]}),
        "aliases": (
            {"networks_advanced": [{"name": network, "aliases": ["a"]}]},
            {"networks_advanced": [{"name": network, "aliases": ["b"]}]},
        ),
        "user": ({"user": "1000"}, {"user": "1001"}),
        "cpus": ({"cpus": "0.5"}, {"cpus": "0.6"}),
        "logs": ({"log_opts": {"max-size": "1m"}}, {"log_opts": {"max-size": "2m"}}),
        "image": ({}, {"image": other}),
        "volume": (
            {"volumes": [{"volume_name": sandbox.name("v"), "container_path": "/data"}]},
            {"volumes": [{"volume_name": sandbox.name("v"), "container_path": "/other"}]},
        ),
        "root": ({}, {"read_only": True}),
    }
    updated: dict[str, tuple[Inputs, Inputs]] = {
        "restart": ({}, {"restart": "unless-stopped"}),
        "memory": ({"memory": 64, "memory_swap": 64}, {"memory": 96, "memory_swap": 96}),
    }
    recorded: dict[str, tuple[Inputs, Inputs]] = {
        "healthcheck": ({"healthcheck": HEALTHCHECK}, {"healthcheck": HEALTHCHECK | {"retries": 4}}),
        "tmpfs": ({"tmpfs": {"/tmp": "size=1m"}}, {"tmpfs": {"/tmp": "size=2m"}}),
        "init": ({}, {"init": True}),
        "period": ({"cpu_period": 100000}, {"cpu_period": 90000}),
        "quota": ({"cpu_quota": 50000}, {"cpu_quota": 60000}),
        "wait": ({"healthcheck": HEALTHCHECK}, {"healthcheck": HEALTHCHECK, "wait": True}),
    }
    alone: dict[str, tuple[Inputs, Inputs]] = {
        "no-healthcheck": ({"healthcheck": HEALTHCHECK}, {}),
        "no-command": ({}, {"command": None}),
        "twice": (
            {"envs": ["A=1", "A=1"], "capabilities": {"drops": ["CAP_CHOWN"]}},
            {"envs": ["A=1"], "capabilities": {"drops": ["CAP_CHOWN", "CAP_CHOWN"]}},
        ),
        "order": (
            {"envs": ["A=1", "B=1"], "ports": [port(external=third), port(external=third, protocol="udp")]},
            {"envs": ["B=1", "A=1"], "ports": [port(external=third, protocol="udp"), port(external=third)]},
        ),
    }
    rows = {**replaced, **updated, **recorded, **alone}

    def program(step: int) -> None:
        made = docker.Network("net", name=network, ipam_configs=[{"subnet": subnet}])
        for part, row in rows.items():
            container(sandbox, part, **row[step], opts=pulumi.ResourceOptions(depends_on=[made]))

    subnet = sandbox.subnet()
    expected = dict.fromkeys(replaced, "replace") | dict.fromkeys({**updated, **recorded}, "update")

    assert not scenario.up(lambda: program(0)).failed
    before = {part: sandbox.inspect(part)["Id"] for part in rows}

    preview = scenario.preview(lambda: program(1))
    assert preview.effects == expected
    assert preview.changed["envs"] == {"envs[0]": "update-replace"}
    assert preview.changed["cpus"] == {"cpus": "update-replace"}
    assert preview.changed["restart"] == {"restart": "update"}

    update = scenario.up()
    assert not update.failed, update.messages
    assert update.effects == expected
    assert {tuple(update.order(part)) for part in replaced} == {("delete-replaced", "create-replacement")}
    now = {part: sandbox.inspect(part) for part in rows}
    assert {part for part in rows if now[part]["Id"] != before[part]} == set(replaced)
    assert now["restart"]["HostConfig"]["RestartPolicy"]["Name"] == "unless-stopped"
    assert now["memory"]["HostConfig"]["Memory"] == 96 * 1024 * 1024
    assert now["healthcheck"]["Config"]["Healthcheck"]["Retries"] == 3
    assert now["tmpfs"]["HostConfig"]["Tmpfs"] == {"/tmp": "size=1m"}
    assert now["init"]["HostConfig"]["Init"] is False
    assert now["no-healthcheck"]["Config"]["Healthcheck"]["Retries"] == 3

    assert scenario.preview().effects == {}
    scenario.refresh()
    refreshed = {"healthcheck": "update", "tmpfs": "update", "init": "update"}
    assert refreshed.items() <= scenario.up().effects.items()
    assert sandbox.inspect("healthcheck")["Config"]["Healthcheck"]["Retries"] == 3


def test_replacing_a_network_or_volume_replaces_its_containers(scenario: Scenario, sandbox: Sandbox) -> None:
    def program(label: str, subnet: str) -> None:
        labels = [docker.VolumeLabelArgs(label="a", value=label)]
        volume = docker.Volume("vol", name=sandbox.name("vol"), labels=labels)
        docker.Volume(sandbox.name("auto"), labels=labels)
        network = docker.Network("net", name=sandbox.name("net"), ipam_configs=[{"subnet": subnet}])
        container(
            sandbox,
            "ctr",
            volumes=[{"volume_name": volume.name, "container_path": "/data"}],
            networks_advanced=[{"name": network.name}],
        )

    subnet, other = sandbox.subnet(), sandbox.subnet()
    scenario.up(lambda: program("1", subnet))
    sandbox.container("ctr").exec_run(["touch", "/data/ledger"])

    update = scenario.up(lambda: program("2", subnet))
    assert update.effects == {"vol": "replace", "ctr": "replace", sandbox.name("auto"): "replace"}
    assert update.order("vol") == ["delete-replaced", "create-replacement"]
    assert update.order(sandbox.name("auto")) == ["create-replacement", "delete-replaced"]
    assert sandbox.shown("ctr", "ls", "/data") == b""

    sandbox.container("ctr").exec_run(["touch", "/data/ledger"])
    update = scenario.up(lambda: program("2", other))
    assert update.effects == {"net": "replace", "ctr": "replace"}
    assert update.order("net") == ["delete-replaced", "create-replacement"]
    assert sandbox.shown("ctr", "ls", "/data") == b"ledger\n"


def test_an_object_with_a_stated_name_is_deleted_before_its_replacement_is_made(
    scenario: Scenario, sandbox: Sandbox
) -> None:
    def program(name: str) -> None:
        docker.Volume("vol", name=sandbox.name(name))
        docker.Network("net", name=sandbox.name(name), ipam_configs=[{"subnet": subnets[name]}])

    subnets = {name: sandbox.subnet() for name in ("one", "two")}
    scenario.up(lambda: program("one"))
    update = scenario.up(lambda: program("two"))
    assert not update.failed, update.messages
    assert update.effects == {"vol": "replace", "net": "replace"}
    assert update.order("vol") == update.order("net") == ["delete-replaced", "create-replacement"]


def test_new_content_reaches_only_a_container_that_refers_to_the_digest(scenario: Scenario, sandbox: Sandbox) -> None:
    tag = {"image": f"{sandbox.prefix}:one"}

    def program() -> None:
        build = {"context": "app", "dockerfile": "app/Dockerfile", "platform": "linux/amd64"}
        built = image("img", tag["image"], build=build)
        container(sandbox, "by-digest", image=built.repo_digest)
        container(sandbox, "by-name", image=built.image_name)

    def content(part: str) -> bytes:
        return sandbox.shown(part, "cat", "/content")

    app = sandbox.write_image(scenario.directory / "app", content="one")
    (app / ".dockerignore").write_text("ignored\n")
    scenario.up(program)
    assert content("by-digest") == content("by-name") == b"one"
    assert scenario.state()["img"]["outputs"]["repoDigest"] == sandbox.inspect("by-digest")["Image"]

    (app / "content").touch()
    (app / "ignored").write_text("ignored")
    assert scenario.preview().effects == {}
    (app / "content").chmod(0o600)
    preview = scenario.preview()
    assert preview.effects["img"] == "update"
    assert preview.changed["img"] == {"build": "update"}
    assert (preview.reasons["img"], preview.reasons["by-digest"]) == ([], ["image"])
    (app / "content").chmod(0o644)

    (app / "content").write_text("two")
    expected = {"img": "update", "by-digest": "replace"}
    assert scenario.preview().effects == expected
    update = scenario.up()
    assert update.effects == expected
    assert update.changed["img"] == {"build": "update"}
    scenario.refresh()
    scenario.up()
    assert (content("by-digest"), content("by-name")) == (b"two", b"one")

    tag["image"] = f"{sandbox.prefix}:two"
    assert scenario.preview().effects["by-digest"] == "replace"
    assert scenario.up().effects.get("by-digest", "same") == "same"
    assert set(sandbox.client.images.get(tag["image"]).tags) == {f"{sandbox.prefix}:{name}" for name in ("one", "two")}


def test_replace_on_changes_of_a_recorded_input_needs_delete_before_replace(
    scenario: Scenario, sandbox: Sandbox
) -> None:
    def program(retries: int, **options: Any) -> None:
        healthcheck = HEALTHCHECK | {"retries": retries}
        container(sandbox, "ctr", healthcheck=healthcheck, opts=pulumi.ResourceOptions(**options))

    scenario.up(lambda: program(3))
    failed = scenario.up(lambda: program(4, replace_on_changes=["healthcheck"]))
    assert failed.failed
    assert "is already in use" in failed.messages

    update = scenario.up(lambda: program(4, replace_on_changes=["healthcheck"], delete_before_replace=True))
    assert not update.failed
    assert update.effects == {"ctr": "replace"}
    assert sandbox.inspect("ctr")["Config"]["Healthcheck"]["Retries"] == 4


def test_a_value_that_the_engine_writes_differently_shows_a_change_after_a_refresh(
    scenario: Scenario, sandbox: Sandbox
) -> None:
    def program(memory: int) -> None:
        container(sandbox, "memory", memory=memory)
        container(sandbox, "short", capabilities={"adds": ["NET_BIND_SERVICE"]})
        container(sandbox, "long", capabilities={"adds": ["CAP_NET_BIND_SERVICE"], "drops": ["ALL"]})

    scenario.up(lambda: program(64))
    scenario.refresh()
    assert scenario.preview().effects == {"memory": "update", "short": "replace"}

    raised = scenario.up(lambda: program(256))
    assert raised.failed
    assert "Memory limit should be smaller than already set memoryswap limit" in raised.messages


def test_a_container_gets_time_to_stop_only_if_the_program_states_it(scenario: Scenario, sandbox: Sandbox) -> None:
    def program() -> None:
        command = ["sh", "-c", "trap 'exit 0' TERM; while true; do sleep 0.1; done"]
        container(sandbox, "given", command=command, destroy_grace_seconds=10)
        container(sandbox, "none")

    scenario.up(program)
    ids = {sandbox.inspect(part)["Id"]: part for part in ("given", "none")}
    since = int(time.time()) - 1
    assert not scenario.destroy().failed
    events = sandbox.client.events(
        since=since, until=int(time.time()) + 1, filters={"container": list(ids), "event": "kill"}, decode=True
    )
    signals: dict[str, list[str]] = {"given": [], "none": []}
    for event in events:
        signals[ids[event["id"]]].append(event["Actor"]["Attributes"]["signal"])
    assert signals == {"given": ["15"], "none": ["15", "9"]}
    assert sandbox.container_names() == set()


def test_a_preview_changes_nothing_and_shows_the_known_outputs(
    scenario: Scenario, sandbox: Sandbox, tmp_path: Path
) -> None:
    known: dict[str, str] = {}

    def program() -> None:
        app = sandbox.write_image(tmp_path / "app")
        built = image("img", sandbox.name("img"), build={"context": str(app)})
        volume = docker.Volume("vol", name=sandbox.name("vol"))
        network = docker.Network("net", name=sandbox.name("net"))
        made = container(
            sandbox,
            "ctr",
            image=built.repo_digest,
            networks_advanced=[{"name": network.id}],
            volumes=[{"volume_name": volume.name, "container_path": "/data"}],
        )
        outputs = {"digest": built.repo_digest, "network": network.id, "name": made.name, "volume": volume.name}
        for name, output in outputs.items():
            output.apply(partial(known.__setitem__, name))

    preview = scenario.preview(program)
    assert preview.effects == dict.fromkeys(("img", "vol", "net", "ctr"), "create")
    assert known == {"name": sandbox.name("ctr"), "volume": sandbox.name("vol")}
    assert sandbox.container_names() == set()
    assert sandbox.client.networks.list(names=[sandbox.prefix]) == []
    assert sandbox.client.volumes.list(filters={"name": sandbox.prefix}) == []
    assert sandbox.client.images.list(filters={"label": sandbox.prefix}) == []


def test_a_secret_stays_a_secret(scenario: Scenario, sandbox: Sandbox) -> None:
    def program() -> None:
        container(sandbox, "ctr", envs=["PLAIN=1", pulumi.Output.secret("KEY=hunter2")])

    update = scenario.up(program)
    assert "KEY=hunter2" in sandbox.inspect("ctr")["Config"]["Env"]
    assert "hunter2" not in update.messages
    assert "hunter2" not in scenario.raw_state()
