"""A stack from its first `pulumi up` to its `pulumi destroy`, with the real CLI and engine."""

import json
import secrets

import pytest

from tests.support.jobs import ledger, settle
from tests.support.stack_under_test import SERVICES, StackUnderTest


def test_up_starts_three_healthy_containers_with_the_expected_names_on_the_network(platform: StackUnderTest) -> None:
    network = f"{platform.prefix}-gix-network"
    for service in SERVICES:
        container = platform.container(service)
        assert container["State"]["Health"]["Status"] == "healthy"
        assert service in container["NetworkSettings"]["Networks"][network]["Aliases"]
    [pool] = platform.client.networks.get(network).attrs["IPAM"]["Config"]
    assert pool["Subnet"] == platform.config["gix:network"]["subnet"]


def test_containers_run_the_built_images_by_digest(platform: StackUnderTest) -> None:
    for service in SERVICES:
        assert platform.container(service)["Image"] == platform.outputs()["services"][service]["digest"]


def test_a_second_up_is_empty(platform: StackUnderTest) -> None:
    before = platform.ids()
    assert platform.preview().is_empty
    assert platform.up().is_empty
    assert platform.ids() == before


def test_a_refresh_finds_no_change_and_an_up_after_it_is_empty(platform: StackUnderTest) -> None:
    platform.pulumi.refresh()
    assert platform.up().is_empty


def test_a_job_passes_through_all_three_services_and_is_settled_in_the_ledger(platform: StackUnderTest) -> None:
    before = ledger(platform)
    receipts = settle(platform, jobs=3)
    assert len(receipts) == 3
    assert ledger(platform)[: len(before)] == before
    settled = [json.loads(line) for line in ledger(platform)[len(before) :]]
    assert [line | {"ok": True} for line in settled] == receipts


@pytest.mark.parametrize("service", SERVICES)
def test_given_one_services_settings_changed_only_it_is_recreated_and_the_ledger_kept(
    platform: StackUnderTest, service: str
) -> None:
    settle(platform, jobs=1)
    before, lines = platform.ids(), ledger(platform)

    value = f"v{secrets.token_hex(4)}"
    platform.change(**{service: {"environment": {"TRIAL": value}}})
    assert platform.preview().changes.get("replace") == 1
    platform.up()

    after = platform.ids()
    assert {each for each in SERVICES if after[each] != before[each]} == {service}
    assert f"TRIAL={value}" in platform.container(service)["Config"]["Env"]
    assert ledger(platform) == lines
    settle(platform, jobs=1)
    assert platform.up().is_empty


def test_given_the_source_of_one_service_changed_only_it_is_recreated(platform: StackUnderTest) -> None:
    before, image = platform.ids(), platform.container("router")["Image"]
    source = platform.directory / "sample/crates/ajr-router/src/main.rs"
    source.write_text(source.read_text().replace('"ready on port', f'"{secrets.token_hex(4)} ready on port'))
    platform.up()
    after = platform.ids()
    assert {each for each in SERVICES if after[each] != before[each]} == {"router"}
    assert platform.container("router")["Image"] != image


def test_given_a_change_of_files_that_are_not_source_nothing_is_rebuilt_or_recreated(platform: StackUnderTest) -> None:
    before = platform.ids()
    sample = platform.directory / "sample"
    (sample / "target/debug").mkdir(parents=True)
    (sample / "target/debug/ajr-router").write_text("not an image's business")
    (sample / "crates/ajr-router/src/main.rs~").write_text("an editor's backup")
    (sample / "crates/ajr-router/src/main.rs").touch()
    assert platform.up().is_empty
    assert platform.ids() == before


def test_given_a_destroyed_stack_only_the_ledger_is_left_and_the_next_up_uses_it(
    fresh: StackUnderTest,
) -> None:
    fresh.up()
    settle(fresh, jobs=4)
    lines = ledger(fresh)
    fresh.destroy()
    assert fresh.leavings() == {"containers": [], "networks": [], "volumes": [f"{fresh.prefix}-gcam-data"]}

    fresh.up()
    assert ledger(fresh) == lines
    settle(fresh, jobs=1)
    assert ledger(fresh)[: len(lines)] == lines


def test_given_a_protected_ledger_destroy_keeps_it_in_the_stack_and_up_uses_it_again(fresh: StackUnderTest) -> None:
    fresh.change(ledger={"protect": True})
    fresh.up()
    settle(fresh, jobs=2)
    lines = ledger(fresh)
    fresh.destroy()
    assert fresh.leavings()["volumes"] == [f"{fresh.prefix}-gcam-data"]
    fresh.up()
    assert ledger(fresh) == lines
