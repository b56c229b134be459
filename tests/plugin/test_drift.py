"""What somebody did by hand: unseen until a refresh, then mended, or not."""

import pulumi_docker as docker
import pytest
from docker.errors import ImageNotFound

from tests.plugin.programs import container, image
from tests.plugin.sandbox import Sandbox, free_port
from tests.plugin.scenario import Scenario

_MEBIBYTE = 1024 * 1024


def test_a_refresh_finds_drift_and_the_next_update_corrects_it(scenario: Scenario, sandbox: Sandbox) -> None:
    published, another = free_port(), free_port()

    def program() -> None:
        app = sandbox.write_image(scenario.directory / "app")
        built = image("img", f"{sandbox.prefix}:one", build={"context": str(app)})
        network = docker.Network("net", name=sandbox.name("net"), ipam_configs=[{"subnet": subnet}])
        container(sandbox, "removed")
        container(
            sandbox,
            "stopped",
            networks_advanced=[{"name": network.name}],
            ports=[{"internal": 80, "external": published, "ip": "127.0.0.1"}],
        )
        container(
            sandbox,
            "disconnected",
            networks_advanced=[{"name": network.name}],
            ports=[{"internal": 80, "external": another, "ip": "127.0.0.1"}],
        )
        container(sandbox, "ended")
        container(sandbox, "unpublished", networks_advanced=[{"name": network.name}])
        container(sandbox, "memory", memory=64, memory_swap=64)
        container(sandbox, "untagged", image=built.repo_digest)
        container(sandbox, "untouched")

    subnet = sandbox.subnet()
    scenario.up(program)
    sandbox.container("removed").remove(force=True)
    ended = sandbox.container("ended")
    for part in ("stopped", "ended"):
        sandbox.container(part).stop(timeout=0)
    for part in ("disconnected", "unpublished"):
        sandbox.client.networks.get(sandbox.name("net")).disconnect(sandbox.name(part))
    sandbox.container("memory").update(mem_limit=96 * _MEBIBYTE, memswap_limit=96 * _MEBIBYTE)
    sandbox.client.api.remove_image(f"{sandbox.prefix}:one", force=True)

    assert scenario.preview().effects == {}
    scenario.refresh()
    update = scenario.up()
    assert not update.failed, update.messages
    assert update.effects == {
        "removed": "create",
        "stopped": "replace",
        # Without published ports, which a stopped container does not have, it is only started.
        "ended": "update",
        "disconnected": "replace",
        "memory": "update",
    }
    assert sandbox.container("removed").status == sandbox.container("stopped").status == "running"
    assert (sandbox.container("ended").id, sandbox.container("ended").status) == (ended.id, "running")
    assert sandbox.name("net") in sandbox.inspect("disconnected")["NetworkSettings"]["Networks"]
    assert sandbox.name("net") not in sandbox.inspect("unpublished")["NetworkSettings"]["Networks"]
    assert sandbox.inspect("memory")["HostConfig"]["Memory"] == 64 * _MEBIBYTE
    with pytest.raises(ImageNotFound):
        sandbox.client.images.get(f"{sandbox.prefix}:one")


def test_an_image_removed_by_hand_is_not_built_again(scenario: Scenario, sandbox: Sandbox) -> None:
    def program() -> None:
        app = sandbox.write_image(scenario.directory / "app")
        built = image("img", f"{sandbox.prefix}:one", build={"context": str(app)})
        container(sandbox, "ctr", image=built.repo_digest)

    scenario.up(program)
    image_id = sandbox.inspect("ctr")["Image"]
    sandbox.container("ctr").remove(force=True)
    sandbox.client.api.remove_image(image_id, force=True)
    scenario.refresh()

    update = scenario.up()
    assert update.failed
    assert f"Unable to create container with image {image_id}" in update.messages
    assert update.effects == {"ctr": "create"}
    assert "img" in scenario.state()
