"""The steps of the workflows in a clean clone, in order: release, staging, prod, drift, plan, review stack.

Staging has an engine behind TLS, prod one at ssh://. Both are this machine's engine.
"""

import json
import os
import secrets
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import docker
import pytest

from gix_ops.delivery import review
from tests.support.clone import Clone, new_clone
from tests.support.engine_at_port import certificates, proxy, server_context
from tests.support.registry import PASSWORD, USERNAME, Registry, remove_pulled, running_registry
from tests.support.stack_under_test import SERVICES, is_free


@dataclass
class Delivery:
    """A clone whose release was deployed to staging and to prod through a registry that requires a log-in.

    `opens` has the variables with the credentials of each environment's engine, and `release` the text of the release.
    """

    clone: Clone
    opens: dict[str, dict[str, str]]
    registry: Registry
    release: str
    output: str

    @property
    def released(self) -> dict[str, str]:
        """The digest of each service's image in the release."""
        digests: dict[str, str] = json.loads(self.release)["digests"]
        return digests

    def make(self, environment: str, *words: str, **variables: str) -> subprocess.CompletedProcess[str]:
        """Run `make WORDS` with the credentials of an environment's engine, as a workflow's step does."""
        return make(self.clone, self.opens, environment, *words, **variables)

    def outputs(self, environment: str) -> dict[str, str]:
        """The digest of the image that each service of an environment runs."""
        outputs = json.loads(self.clone.run("pulumi", "stack", "output", "--json", "--stack", environment))
        return {service: each["digest"].rpartition("@")[2] for service, each in outputs["services"].items()}


@pytest.fixture(scope="module")
def delivery(client: docker.DockerClient, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Delivery]:
    directory = tmp_path_factory.mktemp("workflows")
    with (
        running_registry(tmp_path_factory.mktemp("registry")) as registry,
        tls_engine(client, directory) as (host, tls),
    ):
        clone = new_clone(client, directory / "gix")
        # A home directory without certificates. The set-up still finds its cache.
        home = {"HOME": str(directory), "PULUMI_HOME": os.environ.get("PULUMI_HOME") or str(Path.home() / ".pulumi")}
        cache = os.environ.get("XDG_CACHE_HOME") or str(Path.home() / ".cache")
        opens = {"staging": tls | home | {"XDG_CACHE_HOME": cache}, "prod": {}}
        clone.change("staging", engine={"host": host, "certPath": "~/.docker"})
        clone.change("prod", engine={"host": "ssh://deploy@prod.example.org"})
        (directory / "state").mkdir()
        clone.variables |= {"PULUMI_BACKEND_URL": f"file://{directory}/state", "PULUMI_CONFIG_PASSPHRASE": "ci"}
        try:
            yield _delivered(clone, registry, opens)
        finally:
            clone.remove()
            remove_pulled(client, registry)


@contextmanager
def tls_engine(client: docker.DockerClient, directory: Path) -> Iterator[tuple[str, dict[str, str]]]:
    """This machine's engine behind TLS: its address and its credentials."""
    files = certificates(directory / "certificates")
    with proxy(client, server_context(files)) as port:
        opens = {f"ENGINE_{name.upper()}": (files / f"{name}.pem").read_text() for name in ("ca", "cert", "key")}
        yield f"tcp://127.0.0.1:{port}", opens


def make(
    clone: Clone, opens: dict[str, dict[str, str]], environment: str, *words: str, **variables: str
) -> subprocess.CompletedProcess[str]:
    # No machine exists at the ssh:// address; this machine's engine stands in for it.
    stand_in = ("--stand-in",) if environment == "prod" else ()
    make = ("make", "--no-print-directory", *words)
    return clone.step(".github/engine.sh", *stand_in, environment, *make, **opens[environment], **variables)


def _delivered(clone: Clone, registry: Registry, opens: dict[str, dict[str, str]]) -> Delivery:
    """Run each step of the workflow `deploy` with environments that are set up."""
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
        done = make(clone, opens, environment, "deploy", f"STACK={environment}", "RELEASE=release.json")
        assert done.returncode == 0, done.stdout
        output += done.stdout
    release = (clone.directory / "release.json").read_text()
    return Delivery(clone=clone, opens=opens, registry=registry, release=release, output=output)


def test_staging_and_prod_run_the_images_that_were_tested_and_pushed(delivery: Delivery) -> None:
    assert set(delivery.released) == set(SERVICES)
    assert delivery.outputs("staging") == delivery.outputs("prod") == delivery.released
    for environment in ("staging", "prod"):
        for service in SERVICES:
            container = delivery.clone.client.containers.get(f"{delivery.clone.project}-{environment}-gix-{service}")
            image = delivery.clone.client.images.get(container.attrs["Image"])
            assert any(name.endswith(delivery.released[service]) for name in image.attrs["RepoDigests"])


def test_the_trial_stack_leaves_nothing_but_the_sboms(delivery: Delivery) -> None:
    assert not [name for name in delivery.clone.leavings() if "-trial-gix" in name or "-trial-gcam" in name]
    assert list((delivery.clone.directory / "sbom").iterdir())


def test_no_step_shows_a_password_or_a_key(delivery: Delivery) -> None:
    assert PASSWORD not in delivery.output
    assert "PRIVATE KEY" not in delivery.output
    assert PASSWORD not in delivery.release


def test_after_a_deployment_there_is_no_drift_and_a_stopped_service_is_drift(delivery: Delivery) -> None:
    for environment in ("staging", "prod"):
        done = delivery.make(environment, "drift", f"STACKS={environment}")
        assert done.returncode == 0, done.stdout
    container = delivery.clone.client.containers.get(f"{delivery.clone.project}-staging-gix-enclave")
    container.stop()
    try:
        done = delivery.make("staging", "drift", "STACKS=staging")
    finally:
        container.start()
    assert done.returncode == 2
    assert "<code>enclave</code>" in done.stdout
    assert "preview --refresh --expect-no-changes` says:" in done.stdout


def test_given_a_deployment_that_fails_what_serves_is_shown_and_a_rollback_restores_it(delivery: Delivery) -> None:
    release = json.loads(delivery.release)
    release["digests"] = dict.fromkeys(SERVICES, f"sha256:{'0' * 64}")
    (delivery.clone.directory / "absent.json").write_text(json.dumps(release))
    words = ("deploy", "STACK=staging", "RELEASE=absent.json", 'MESSAGE=the "second" release')
    done = delivery.make("staging", *words)
    assert done.returncode != 0
    assert "the deployment failed; the table shows what serves. To go back: make rollback STACK=staging" in done.stdout
    assert done.stdout.count("healthy") >= len(SERVICES)

    # As in a job of its own: no commit has the digests of a release.
    delivery.clone.git("checkout", "--", ".")
    done = delivery.make("staging", "rollback", "STACK=staging", "YES=true", VERSION="1; touch injected")
    assert done.returncode != 0
    assert "Invalid value for 'version'" in done.stdout
    assert not (delivery.clone.directory / "injected").exists()

    done = delivery.make("staging", "rollback", "STACK=staging", "YES=true", VERSION="")
    assert done.returncode == 0, done.stdout
    assert delivery.outputs("staging") == delivery.released
    updates = json.loads(delivery.clone.run("gixctl", "history", "--stack", "staging", "--json"))
    assert [(each["message"], each["result"]) for each in updates[:2]] == [
        ("roll back to version 1", "succeeded"),
        ('the "second" release', "failed"),
    ]


def test_a_plan_compares_a_pull_request_with_the_deployment(delivery: Delivery) -> None:
    clone = delivery.clone
    clone.git("switch", "--quiet", "--create", "limits")
    # Earlier steps have written digests into the files, which no commit contains.
    clone.git("checkout", "--", ".")
    clone.change("prod", enclave={"memory": "1G", "memorySwap": "1G"})
    clone.commit("limits")
    try:
        done = delivery.make("prod", "comment", "ENVIRONMENT=prod", "BASE=HEAD^1", "COMMENT=plan.md")
    finally:
        clone.git("switch", "--quiet", "main")
    assert done.returncode == 0, done.stdout
    text = (clone.directory / "plan.md").read_text()
    assert "Compared with what is deployed" in text
    assert "**prod**: enclave updated live; 2 services untouched" in text
    assert "### staging" not in text
    assert "laceholder" not in text


def test_a_review_stack_is_created_and_removed(client: docker.DockerClient, delivery: Delivery) -> None:
    number = _free_number()
    try:
        done = delivery.clone.make("review-up", NUMBER=str(number))
        assert done.returncode == 0, done.stdout
    finally:
        done = delivery.clone.make("review-down", NUMBER=str(number))
    assert done.returncode == 0, done.stdout
    assert not [
        each
        for each in client.containers.list(all=True, ignore_removed=True)
        if str(each.name).startswith(f"pr-{number}-")
    ]


def _free_number() -> int:
    """A pull request number whose ports are free."""
    while True:
        number = 1_000_000 + secrets.randbelow(review.PLACES)
        services = review.settings(number)
        if all(is_free(getattr(services, service).host_port) for service in SERVICES):
            return number
