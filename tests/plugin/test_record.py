"""What is recorded of each resource is what the official plugin recorded of the same program."""

import pulumi
import pulumi_docker as docker

from tests.plugin.programs import HEALTHCHECK, container, image
from tests.plugin.record import require_as_official
from tests.plugin.sandbox import Sandbox, free_port
from tests.plugin.scenario import Scenario

SIGNATURE = "4dabf18193072939515e22adb298388d"
"""The key by which Pulumi marks a secret."""


def test_the_state_equals_the_official_plugin_s(scenario: Scenario, sandbox: Sandbox) -> None:
    def program() -> None:
        volume = docker.Volume("vol", name=sandbox.name("vol"), labels=[docker.VolumeLabelArgs(label="off", value="1")])
        build = {"context": "app", "dockerfile": "app/Dockerfile", "platform": "linux/amd64"}
        built = image("img", f"{sandbox.prefix}:v1", build=build)
        subnets = [docker.NetworkIpamConfigArgs(subnet=sandbox.subnet())]
        network = docker.Network("net", name=sandbox.name("net"), driver="bridge", ipam_configs=subnets)
        container(
            sandbox,
            "ctr",
            image=built.repo_digest,
            command=None,
            cpus="0.5",
            envs=["MODE=a"],
            healthcheck={
                "interval": "2s",
                "retries": 3,
                "start_period": "1s",
                "timeout": "2s",
                "tests": ["CMD", "true"],
            },
            labels=[{"label": "off.role", "value": "app"}],
            log_driver="json-file",
            log_opts={"max-file": "2", "max-size": "1m"},
            memory=128,
            networks_advanced=[{"name": network.name, "aliases": ["app"]}],
            ports=[{"internal": 8080, "external": free_port(), "ip": "127.0.0.1"}],
            read_only=True,
            restart="unless-stopped",
            tmpfs={"/tmp": "rw,size=16m"},
            user="1000:1000",
            volumes=[{"volume_name": volume.name, "container_path": "/data"}],
            wait=True,
            wait_timeout=30,
        )

    sandbox.write_image(scenario.directory / "app")
    update = scenario.up(program)
    assert not update.failed, update.messages
    require_as_official(scenario.state())


def test_values_are_recorded_in_the_form_in_which_the_official_plugin_reads_them_back(
    scenario: Scenario, sandbox: Sandbox
) -> None:
    def program() -> None:
        container(sandbox, "whole", cpus="1")
        container(sandbox, "trailing", cpus="0.50")
        container(sandbox, "same", cpus="0.75", hosts=[{"host": "a", "ip": "10.9.8.7"}])
        container(sandbox, "another", cpus="0.05")
        container(sandbox, "address", hosts=[{"host": "a", "ip": "::1"}])
        container(sandbox, "duration", healthcheck=HEALTHCHECK | {"interval": "90s"})
        ports = [{"internal": internal, "external": external[internal], "ip": "127.0.0.1"} for internal in (8080, 80)]
        container(sandbox, "ports", ports=ports)
        container(sandbox, "logs", log_driver="json-file")
        container(sandbox, "order", envs=["B=1", "A=2"])

    external = {8080: free_port(), 80: free_port()}
    update = scenario.up(program)
    assert not update.failed, update.messages
    outputs = {part: resource["outputs"] for part, resource in scenario.state().items()}
    cpus = {part: outputs[part]["cpus"] for part in ("whole", "trailing", "same", "another")}
    assert cpus == {"whole": "1.0", "trailing": "0.5", "same": "0.75", "another": "0.1"}
    assert outputs["address"]["hosts"] == [{"host": "a", "ip": "::1"}]
    assert outputs["duration"]["healthcheck"]["interval"] == "1m30s"
    assert [port["internal"] for port in outputs["ports"]["ports"]] == [80, 8080]
    assert outputs["order"]["envs"] == ["A=2", "B=1"]
    assert (outputs["logs"]["logOpts"], outputs["logs"]["wait"]) == (None, False)

    differing = {"whole": "replace", "trailing": "replace", "another": "replace", "duration": "update"}
    assert scenario.preview().effects == differing
    scenario.refresh()
    assert scenario.state()["address"]["outputs"]["hosts"] == [{"host": "a", "ip": ""}]
    assert scenario.preview().effects == differing | {"address": "replace"}


def test_a_list_with_a_secret_in_it_is_recorded_as_a_secret(scenario: Scenario, sandbox: Sandbox) -> None:
    def program() -> None:
        envs = ["PLAIN=1", pulumi.Output.secret("KEY=hunter2")]
        container(sandbox, "list", envs=envs)
        container(sandbox, "map", log_opts={"max-size": "1m", "tag": pulumi.Output.secret("hunter2")})
        build = {"context": str(scenario.directory / "app"), "args": {"KEY": pulumi.Output.secret("hunter2")}}
        image("img", f"{sandbox.prefix}:v1", build=build)

    sandbox.write_image(scenario.directory / "app")
    update = scenario.up(program)
    assert not update.failed, update.messages
    state = scenario.state()
    for side in ("inputs", "outputs"):
        assert SIGNATURE in state["list"][side]["envs"]
        assert SIGNATURE in state["map"][side]["logOpts"]["tag"]
        assert state["map"][side]["logOpts"]["max-size"] == "1m"
    assert SIGNATURE in state["img"]["inputs"]["build"]["args"]["KEY"]
    assert SIGNATURE in state["img"]["outputs"]["__inputs"]
    assert scenario.preview().effects == {}
    scenario.refresh()
    assert scenario.preview().effects == {}
