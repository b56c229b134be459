"""The three environments with their own files, but other names, ports and subnet: a second up is empty."""

from collections.abc import Iterator

import docker
import pytest
import yaml

from gix_model.merging import merged
from tests.support.jobs import settle
from tests.support.registry import Registry, digests, log_in, remove_pulled
from tests.support.stack_under_test import PROGRAM, SERVICES, StackUnderTest, temporary_stack


def like(stack: StackUnderTest, environment: str) -> StackUnderTest:
    """Give `stack` the configuration of an environment. It keeps its own names, ports and subnet."""
    own = {key: value for key, value in stack.config.items() if key not in {"gix:defaults", "gix:ledger"}}
    file = yaml.safe_load((PROGRAM / f"Pulumi.{environment}.yaml").read_text())
    stack.config = merged(file["config"], own)
    return stack


def clean(stack: StackUnderTest) -> bool:
    """Whether a second up, and one after a refresh, change nothing."""
    if not stack.up().is_empty:
        return False
    stack.pulumi.refresh()
    return stack.up().is_empty


@pytest.fixture(scope="module")
def staging(
    client: docker.DockerClient, registry: Registry, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[StackUnderTest]:
    """Staging, which builds and pushes the images that production runs."""
    try:
        with temporary_stack(client, tmp_path_factory.mktemp("staging") / "gix") as stack:
            like(stack, "staging")
            log_in(stack, registry)
            stack.change(images={"push": True, "tag": "v1"})
            stack.up()
            yield stack
    finally:
        remove_pulled(client, registry)


def test_dev_comes_up_and_a_second_up_is_empty(fresh: StackUnderTest) -> None:
    like(fresh, "dev").up()
    settle(fresh, jobs=1)
    assert clean(fresh)


def test_staging_comes_up_with_the_default_health_check_and_a_second_up_is_empty(staging: StackUnderTest) -> None:
    settle(staging, jobs=1)
    assert staging.container("router")["Config"]["Healthcheck"]["Interval"] == 10 * 10**9
    assert clean(staging)


def test_prod_runs_hardened_what_staging_pushed_and_a_second_up_is_empty(
    staging: StackUnderTest, fresh: StackUnderTest, registry: Registry
) -> None:
    like(fresh, "prod")
    assert fresh.config["gix:production"] is True
    log_in(fresh, registry)
    fresh.change(images={"digests": {service: each.partition("@")[2] for service, each in digests(staging).items()}})
    # Some machines have fewer than the two processors that the file states.
    fresh.change(defaults={"cpus": min(2, fresh.client.info()["NCPU"])})
    fresh.up()

    assert digests(fresh) == digests(staging)
    for service in SERVICES:
        host = fresh.container(service)["HostConfig"]
        assert (host["ReadonlyRootfs"], host["CapDrop"], host["Memory"]) == (True, ["ALL"], 2 * 2**30)
        assert bool(host["PortBindings"]) == (service == "router")
    settle(fresh, jobs=1)
    assert clean(fresh)
