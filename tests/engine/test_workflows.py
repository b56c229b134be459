"""The workflows' steps, one after the other in a clean clone: release, staging, prod, drift, preview, review stack."""

import json
import secrets
from collections.abc import Iterator
from dataclasses import dataclass

import docker
import pytest

from gix_ops.delivery import review
from tests.engine.clone import Clone, new_clone
from tests.engine.stack_under_test import SERVICES, is_free
from tests.engine.test_registry import remove_pulled
from tests.plugin.registry import PASSWORD, USERNAME, Registry, running_registry


@dataclass
class Delivery:
    """A clone from which a release has gone to staging and to prod, by way of a registry that asks for a log-in."""

    clone: Clone
    registry: Registry
    released: dict[str, str]
    output: str

    def outputs(self, environment: str) -> dict[str, str]:
        """What each service of an environment runs, by its digest."""
        told = json.loads(self.clone.run("pulumi", "stack", "output", "--json", "--stack", environment))
        return {service: each["digest"].rpartition("@")[2] for service, each in told["services"].items()}


@pytest.fixture(scope="module")
def delivery(client: docker.DockerClient, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Delivery]:
    directory = tmp_path_factory.mktemp("workflows")
    with running_registry(tmp_path_factory.mktemp("registry")) as registry:
        clone = new_clone(client, directory / "gix")
        (directory / "state").mkdir()
        clone.variables |= {"PULUMI_BACKEND_URL": f"file://{directory}/state", "PULUMI_CONFIG_PASSPHRASE": "ci"}
        try:
            yield _delivered(clone, registry)
        finally:
            clone.remove()
            remove_pulled(client, registry)


def _delivered(clone: Clone, registry: Registry) -> Delivery:
    """Each step of the workflow `deploy`; it has the environments' files as somebody has set them up."""
    assert clone.make("setup").returncode == 0
    for environment in ("staging", "prod"):
        clone.change(environment, registry={"address": registry.address, "username": USERNAME})
        clone.run("pulumi", "stack", "init", environment)
        path = "gix:registry.password"
        clone.run("pulumi", "config", "set", "--secret", "--path", path, "--stack", environment, stdin=PASSWORD)
    clone.change("prod", defaults={"cpus": min(2, clone.client.info()["NCPU"])})
    clone.commit("log-in")

    log_in = {"GIX_REGISTRY_USERNAME": USERNAME, "GIX_REGISTRY_PASSWORD": PASSWORD}
    trial = f"TRIAL={clone.project}-trial"
    done = clone.make("release", "SBOM=sbom", "RELEASE=release.json", trial, TAG="v1", **log_in)
    assert done.returncode == 0, done.stdout
    output = done.stdout
    for environment in ("staging", "prod"):
        done = clone.make("deploy", f"STACK={environment}", "RELEASE=release.json")
        assert done.returncode == 0, done.stdout
        output += done.stdout
    released = json.loads((clone.directory / "release.json").read_text())["digests"]
    return Delivery(clone=clone, registry=registry, released=released, output=output)


def test_what_was_tried_and_pushed_is_what_staging_ran_and_what_prod_runs(delivery: Delivery) -> None:
    assert set(delivery.released) == set(SERVICES)
    assert delivery.outputs("staging") == delivery.outputs("prod") == delivery.released
    for environment in ("staging", "prod"):
        for service in SERVICES:
            container = delivery.clone.client.containers.get(f"{delivery.clone.project}-{environment}-gix-{service}")
            image = delivery.clone.client.images.get(container.attrs["Image"])
            assert any(name.endswith(delivery.released[service]) for name in image.attrs["RepoDigests"])


def test_the_trial_leaves_nothing_but_the_list_of_what_is_in_the_images(delivery: Delivery) -> None:
    assert not [name for name in delivery.clone.leavings() if "-trial-gix" in name or "-trial-gcam" in name]
    assert list((delivery.clone.directory / "sbom").iterdir())


def test_no_step_tells_a_password(delivery: Delivery) -> None:
    assert PASSWORD not in delivery.output
    assert PASSWORD not in (delivery.clone.directory / "release.json").read_text()


def test_after_a_deployment_there_is_no_drift_and_a_stopped_service_is_one(delivery: Delivery) -> None:
    done = delivery.clone.make("drift", "STACKS=staging prod")
    assert done.returncode == 0, done.stdout
    container = delivery.clone.client.containers.get(f"{delivery.clone.project}-staging-gix-enclave")
    container.stop()
    try:
        done = delivery.clone.make("drift", "STACKS=staging")
    finally:
        container.start()
    assert done.returncode == 2
    assert "<code>enclave</code>" in done.stdout
    assert "preview --refresh --expect-no-changes` says:" in done.stdout


def test_given_a_back_end_a_pull_request_is_held_against_what_is_deployed(delivery: Delivery) -> None:
    clone = delivery.clone
    clone.git("switch", "--quiet", "--create", "limits")
    # The steps before have written digests into the files, as they do on a runner and in no revision.
    clone.git("checkout", "--", ".")
    clone.change("prod", enclave={"memory": "1G", "memorySwap": "1G"})
    clone.commit("limits")
    try:
        done = clone.make("comment", "BASE=HEAD^1", "COMMENT=comment/comment.md")
    finally:
        clone.git("switch", "--quiet", "main")
    assert done.returncode == 0, done.stdout
    text = (clone.directory / "comment/comment.md").read_text()
    assert "Held against what is deployed" in text
    assert "**prod**: enclave updated live; 2 services untouched" in text
    assert "### staging" not in text
    assert "laceholder" not in text


def test_a_review_stack_comes_and_goes(client: docker.DockerClient, delivery: Delivery) -> None:
    number = _free_number()
    try:
        done = delivery.clone.make("review-up", NUMBER=str(number))
        assert done.returncode == 0, done.stdout
    finally:
        done = delivery.clone.make("review-down", NUMBER=str(number))
    assert done.returncode == 0, done.stdout
    assert not [each for each in client.containers.list(all=True) if str(each.name).startswith(f"pr-{number}-")]


def _free_number() -> int:
    """The number of a pull request whose ports are free."""
    while True:
        number = 1_000_000 + secrets.randbelow(review.PLACES)
        services = review.settings(number, {})
        if all(is_free(services[f"gix:{service}"]["hostPort"]) for service in SERVICES):
            return number
