"""Objects that somebody else made, taken into a stack."""

from typing import Any

import pulumi
import pulumi_docker as docker

from tests.plugin.programs import container
from tests.plugin.sandbox import Sandbox, ipam
from tests.plugin.scenario import Scenario

_BY_COMPOSE = {"com.docker.compose.project": "gix"}


def test_a_volume_and_a_network_with_labels_are_adopted_only_if_labels_are_ignored(
    scenario: Scenario, sandbox: Sandbox
) -> None:
    subnet = sandbox.subnet()
    volume = sandbox.client.volumes.create(sandbox.name("vol"), labels=_BY_COMPOSE)
    network = sandbox.client.networks.create(
        sandbox.name("net"),
        labels=_BY_COMPOSE,
        ipam=ipam(subnet),
    )
    sandbox.client.containers.run(
        sandbox.base, ["touch", "/data/ledger"], volumes={volume.name: {"bind": "/data"}}, remove=True
    )

    def program(*, imported: bool, ignored: list[str]) -> None:
        def options(object_id: str) -> pulumi.ResourceOptions:
            stated: dict[str, Any] = {"ignore_changes": ignored, "retain_on_delete": True}
            return pulumi.ResourceOptions(**stated, import_=object_id if imported else None)

        docker.Volume("vol", name=volume.name, opts=options(volume.name))
        docker.Network("net", name=network.name, ipam_configs=[{"subnet": subnet}], opts=options(str(network.id)))

    refused = scenario.up(lambda: program(imported=True, ignored=[]))
    assert refused.failed
    assert "previously-imported resources" in refused.messages

    taken = scenario.up(lambda: program(imported=True, ignored=["labels"]))
    assert not taken.failed, taken.messages
    assert scenario.up(lambda: program(imported=False, ignored=["labels"])).effects == {}
    scenario.refresh()
    assert scenario.preview().effects == {}
    assert set(scenario.preview(lambda: program(imported=False, ignored=[])).effects.values()) == {"replace"}
    shown = sandbox.client.containers.run(
        sandbox.base, ["ls", "/data"], volumes={volume.name: {"bind": "/data"}}, remove=True
    )
    assert shown == b"ledger\n"


def test_a_container_is_imported_only_to_be_replaced(scenario: Scenario, sandbox: Sandbox) -> None:
    foreign = sandbox.client.containers.run(
        sandbox.base, ["sleep", "600"], name=sandbox.name("ctr"), environment=["A=1"], detach=True
    )

    def program(import_id: str | None) -> None:
        container(sandbox, "ctr", envs=["A=1"], opts=pulumi.ResourceOptions(import_=import_id))

    scenario.up(lambda: program(foreign.id))
    assert "ctr" in scenario.state()
    update = scenario.up(lambda: program(None))
    assert not update.failed, update.messages
    assert update.effects == {"ctr": "replace"}


def test_a_missing_object_cannot_be_imported(scenario: Scenario, sandbox: Sandbox) -> None:
    missing = pulumi.ResourceOptions(import_=sandbox.name("vol"))
    update = scenario.up(lambda: docker.Volume("vol", name=sandbox.name("vol"), opts=missing))
    assert update.failed
    assert "does not exist" in update.messages
