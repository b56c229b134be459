"""What is recorded of each resource is what the official plugin recorded of the same program."""

import json
from pathlib import Path
from typing import Any

import pulumi_docker as docker

from tests.plugin.programs import container, image
from tests.plugin.sandbox import Sandbox, free_port
from tests.plugin.scenario import Scenario

OFFICIAL = json.loads(Path(__file__).with_name("official_record.json").read_text())
"""The inputs after Check and the outputs, recorded after one `pulumi up` with the official plugin 5.2.0."""

OF_THIS_RUN = {
    "volume": {"id", "name", "mountpoint"},
    "image": {"imageName", "baseImageName", "repoDigest"},
    "network": {"id", "name"},
    "container": {"id", "name", "image", "command", "hostname"},
}
"""Properties whose values no two runs share."""

VARYING = {"subnet", "networkName", "volumeName", "contextDigest", "external", "tests"}
"""The same, inside a property: their values are left out, not their presence."""

ADDRESSES = {"gateway", "ipAddress", "macAddress"}


def comparable(value: Any) -> Any:
    if isinstance(value, list):
        return [comparable(item) for item in value]
    if not isinstance(value, dict):
        return value
    hidden = {
        key: "..."
        for key, item in value.items()
        if key in VARYING or (key in ADDRESSES and item) or (key == "name" and "aliases" in value)
    }
    return {key: hidden.get(key, comparable(item)) for key, item in value.items()}


def test_the_record_is_the_official_one(scenario: Scenario, sandbox: Sandbox) -> None:
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
    recorded = {resource["type"]: resource for resource in scenario.state().values()}
    for official in OFFICIAL:
        kind = official["type"].split("/")[-1].split(":")[0]
        for side in ("inputs", "outputs"):
            ours, theirs = recorded[official["type"]][side], official[side]
            assert sorted(ours) == sorted(theirs), f"{kind} {side}"
            for name in set(theirs) - OF_THIS_RUN[kind]:
                assert comparable(ours[name]) == comparable(theirs[name]), f"{kind} {side} {name}"
