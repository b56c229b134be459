"""A set-up made with `docker run` and Compose is taken over without losing a line of its ledger."""

from collections.abc import Iterator

import pytest
from docker.types import IPAMConfig, IPAMPool

from gix_model.catalog import CATALOG
from tests.support.failures import failure
from tests.support.jobs import ledger, settle_at, until_it_settles
from tests.support.stack_under_test import SERVICES, StackUnderTest

COMPOSE = {"com.docker.compose.project": "old"}


@pytest.fixture
def old(platform: StackUnderTest, fresh: StackUnderTest) -> Iterator[StackUnderTest]:
    """A stack whose names are in use by other containers, a network and a volume with a ledger."""
    client, prefix = fresh.client, fresh.prefix
    pool = IPAMPool(subnet=fresh.config["gix:network"]["subnet"])
    fresh.take_own_source()
    network = client.networks.create(f"{prefix}-gix-network", ipam=IPAMConfig(pool_configs=[pool]), labels=COMPOSE)
    volume = client.volumes.create(f"{prefix}-gcam-data", labels=COMPOSE)
    names = [f"{prefix}-gix-{service}" for service in SERVICES]
    try:
        for (service, spec), name in zip(CATALOG.items(), names, strict=True):
            container = client.containers.create(
                platform.container(service)["Image"],
                name=name,
                labels=COMPOSE,
                init=True,
                ports={f"{spec.port}/tcp": ("127.0.0.1", fresh.config[f"gix:{service}"]["hostPort"])},
                volumes=[f"{volume.name}:/data"] if service == "auction" else [],
            )
            network.connect(container, aliases=[service])
            container.start()
        yield fresh
    finally:
        for container in client.containers.list(all=True, filters={"label": "com.docker.compose.project=old"}):
            if container.name in names:
                container.remove(force=True)
        fresh.remove()
        for left in client.networks.list(names=[f"{prefix}-gix-network"]):
            left.remove()
        volume.remove(force=True)


def test_given_the_keys_a_running_project_is_taken_over_with_every_line_and_refused_without_them(
    old: StackUnderTest,
) -> None:
    router = ("127.0.0.1", old.config["gix:router"]["hostPort"])
    until_it_settles(router)
    settle_at(router, jobs=4)
    lines = ledger(old)
    assert len(lines) == 5
    before = old.ids()

    message = failure(old)
    for thing in (*(f"container {old.prefix}-gix-{service}" for service in SERVICES), "network", "volume"):
        assert thing in message
    assert "made by the Compose project old" in message
    assert old.ids() == before

    old.change(takeOver=True, ledger={"adopt": True})
    assert f"container {old.prefix}-gix-auction is stopped and removed in this update" in old.preview().output
    assert old.ids() == before
    old.up()

    assert ledger(old) == lines
    assert not set(old.ids().values()) & set(before.values())
    settle_at(router, jobs=1)
    assert ledger(old)[:5] == lines

    old.change(takeOver=False)
    assert old.up().is_empty
    old.pulumi.refresh()
    assert old.up().is_empty


def test_given_takeover_without_adoption_of_the_volume_up_is_refused(old: StackUnderTest) -> None:
    old.change(takeOver=True)
    before = old.ids()
    message = failure(old)
    assert "gix:ledger.adopt" in message
    assert "1 problem" in message
    assert old.ids() == before
