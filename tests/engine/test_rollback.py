"""The history of a stack, and the way back to an earlier update."""

import json
import secrets
import subprocess
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import docker
import pytest
import yaml

from gix_model.catalog import CATALOG
from tests.support import built_images
from tests.support.failures import failure
from tests.support.gixctl import command, gixctl
from tests.support.registry import PASSWORD, USERNAME, Registry, digests, log_in, remove_pulled
from tests.support.stack_under_test import StackUnderTest, temporary_stack
from tests.support.workspaces import DOCKERFILE, build, serving_workspace

RELEASES = {
    # Since the third release, the ledger has a form that the others cannot read.
    "one": 'if std::path::Path::new("/data/third-form").exists() { std::process::exit(3) }',
    "two": 'if std::path::Path::new("/data/third-form").exists() { std::process::exit(3) } println!("two");',
    "three": 'let _ = std::fs::write("/data/third-form", "");',
}
"""Code at the start of the services, by tag of the release."""
RUN = ("router", "auction")
"""The services that the stacks run."""
AUTHOR = ("Ada", "ada@example.org")


Releases = Mapping[str, dict[str, str]]
"""The digests of the images in the registry, by tag and service."""


@pytest.fixture(scope="module")
def releases(
    client: docker.DockerClient, registry: Registry, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Releases]:
    found: dict[str, dict[str, str]] = {}
    login = {"username": USERNAME, "password": PASSWORD}
    # Another run on the engine has other images, so none of them removes an image that the other is about to tag.
    run = secrets.token_hex(8)
    try:
        for tag, starts in RELEASES.items():
            code = f'{starts} println!("{run}");'
            workspace = serving_workspace(client, tmp_path_factory.mktemp("workspace"), starts=code)
            found[tag] = {}
            for spec in CATALOG.values():
                repository = f"{registry.address}/gix-network/{spec.name}"
                image = build(workspace.directory, DOCKERFILE, spec.target)
                client.images.get(image).tag(repository, tag)
                client.images.push(repository, tag, auth_config=login)
                found[tag][spec.name] = client.images.get_registry_data(f"{repository}:{tag}", login).id
        remove_pulled(client, registry)
        yield found
    finally:
        remove_pulled(client, registry)


def prepare(stack: StackUnderTest, registry: Registry) -> StackUnderTest:
    """Put the stack in a clone with one commit. It has a secret, and runs no release yet."""
    log_in(stack, registry)
    stack.secrets["gix:auction.secretEnvironment.TOKEN"] = "of-today"
    stack.change(services=list(RUN), rollout={"trial": True})
    (stack.directory / ".gitignore").write_text("*\n!.gitignore\n")
    for words in (["init"], ["add", ".gitignore"], ["commit", "--message", "first commit"]):
        name, address = AUTHOR
        subprocess.run(
            ["git", "-c", f"user.name={name}", "-c", f"user.email={address}", *words],
            cwd=stack.directory,
            check=True,
            capture_output=True,
        )
    return stack


@pytest.fixture
def stack(fresh: StackUnderTest, registry: Registry) -> StackUnderTest:
    """A stack that runs no release yet."""
    return prepare(fresh, registry)


@pytest.fixture(scope="module")
def deployed(
    client: docker.DockerClient, registry: Registry, releases: Releases, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[StackUnderTest]:
    """A stack that has run the first release and runs the second. Tests leave it so."""
    with temporary_stack(client, tmp_path_factory.mktemp("deployed") / "gix") as stack:
        prepare(stack, registry)
        stack.change(rollout={"trial": False})
        deploy(stack, releases["one"], "one")
        deploy(stack, releases["two"], "two")
        yield stack


def choose(stack: StackUnderTest, digests: Mapping[str, str], tag: str) -> None:
    """Configure the stack to run a release. It has a variable with the name of the release, too."""
    images = {"way": "registry", "tag": tag, "digests": {service: digests[service] for service in RUN}}
    stack.change(images=images, router={"environment": {"RELEASE": tag}})


def deploy(stack: StackUnderTest, digests: Mapping[str, str], tag: str) -> None:
    choose(stack, digests, tag)
    stack.up("--message", f"release {tag}")


def history(stack: StackUnderTest, *options: str) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = json.loads(gixctl(stack, "history", "--json", *options).stdout)
    return found


def take_file(stack: StackUnderTest) -> None:
    """From now on, the stack has the configuration that its file has."""
    stack.config = yaml.safe_load((stack.directory / f"Pulumi.{stack.name}.yaml").read_text())["config"]


def running(stack: StackUnderTest) -> dict[str, str]:
    return {service: each.partition("@")[2] for service, each in digests(stack).items()}


def variables(stack: StackUnderTest, service: str) -> list[str]:
    found: list[str] = stack.container(service)["Config"]["Env"]
    return found


def ids(stack: StackUnderTest) -> dict[str, str]:
    return {service: stack.container(service)["Id"] for service in RUN}


def test_the_history_names_the_commit_the_images_and_the_message(deployed: StackUnderTest, releases: Releases) -> None:
    two, one = history(deployed)
    assert (one["version"], one["kind"], one["result"], one["tag"]) == (1, "update", "succeeded", "one")
    assert (one["author"], one["message"]) == (AUTHOR[0], "release one")
    assert (two["version"], two["tag"]) == (2, "two")
    assert [each["digests"] for each in (one, two)] == [
        {service: releases[tag][service] for service in RUN} for tag in ("one", "two")
    ]
    assert one["commit"] == two["commit"] != ""
    shown = gixctl(deployed, "history").stdout
    assert f"gix/{deployed.name}" in shown
    assert "    release two\n    commit " in shown
    assert "    images with the tag two, router sha256:" in shown
    assert [each["version"] for each in history(deployed, "--limit", "1")] == [2]


def test_given_two_releases_a_rollback_runs_the_first_one_again(stack: StackUnderTest, releases: Releases) -> None:
    deploy(stack, releases["one"], "one")
    deploy(stack, releases["two"], "two")
    stack.secrets["gix:auction.secretEnvironment.TOKEN"] = "of-tomorrow"
    stack.write()
    file = stack.directory / f"Pulumi.{stack.name}.yaml"
    file.write_text(f"# The first environment.\n{file.read_text()}")
    done = subprocess.run(**command(stack, "rollback", "--yes"), capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "tried, then restarted" in done.stdout
    assert running(stack) == {service: releases["one"][service] for service in RUN}
    assert "RELEASE=one" in variables(stack, "router")
    assert "TOKEN=of-tomorrow" in variables(stack, "auction")
    assert file.read_text().startswith("# The first environment.\n")
    take_file(stack)
    assert history(stack)[0]["message"] == "roll back to version 1"
    assert stack.up().is_empty


@pytest.mark.parametrize("answer", ["n\n", ""])
def test_without_a_yes_nothing_changes(deployed: StackUnderTest, answer: str) -> None:
    deployed.write()
    file = deployed.directory / f"Pulumi.{deployed.name}.yaml"
    before, text = ids(deployed), file.read_text()
    done = subprocess.run(
        **command(deployed, "rollback", "1"), input=answer, capture_output=True, text=True, check=False
    )
    assert done.returncode == 1
    assert "Go back to version 1 (release one)?" in done.stdout
    assert file.read_text() == text
    assert ids(deployed) == before
    assert len(history(deployed)) == len(("one", "two"))


def test_given_a_release_that_cannot_be_pulled_a_rollback_goes_to_the_one_that_serves(
    stack: StackUnderTest, releases: Releases
) -> None:
    deploy(stack, releases["one"], "one")
    before = ids(stack)
    choose(stack, dict.fromkeys(RUN, f"sha256:{'0' * 64}"), "absent")
    assert "not found" in failure(stack)
    assert [each["result"] for each in history(stack)] == ["failed", "succeeded"]

    done = gixctl(stack, "rollback", "--yes")
    assert done.returncode == 0, done.stdout + done.stderr
    assert ids(stack) == before
    take_file(stack)
    assert stack.up().is_empty


def test_given_an_image_that_is_gone_and_a_missing_secret_both_are_named_and_nothing_changes(
    deployed: StackUnderTest, registry: Registry, releases: Releases
) -> None:
    digest = releases["one"]["router"]
    router = f"{registry.address}/gix-network/router@{digest}"
    before = ids(deployed)
    built_images.remove_name(deployed.client, router)
    with without_revision(registry, "router", digest), without_secret(deployed, "gix:auction.secretEnvironment.TOKEN"):
        done = gixctl(deployed, "rollback")
    assert done.returncode == 1
    assert f"the image {router} is gone" in done.stderr
    assert "pulumi config set --secret --path gix:auction.secretEnvironment.TOKEN" in done.stderr
    assert ids(deployed) == before


def test_given_a_wrong_password_of_the_registry_the_rollback_is_refused(
    deployed: StackUnderTest, registry: Registry, releases: Releases
) -> None:
    router = f"{registry.address}/gix-network/router@{releases['one']['router']}"
    built_images.remove_name(deployed.client, router)
    deployed.secrets["gix:registry.password"] = "wrong-password"
    try:
        done = gixctl(deployed, "rollback")
    finally:
        deployed.secrets["gix:registry.password"] = PASSWORD
    assert done.returncode == 1
    assert f"the registry does not say whether it has the image {router}" in done.stderr
    assert "correct gix:registry" in done.stderr
    assert "wrong-password" not in done.stdout + done.stderr


@contextmanager
def without_revision(registry: Registry, service: str, digest: str) -> Iterator[None]:
    """A registry that has lost an image, for the time of the block."""
    manifests = registry.log.parent / f"data/docker/registry/v2/repositories/gix-network/{service}/_manifests"
    name = digest.partition(":")[2]
    (manifests / f"revisions/sha256/{name}").rename(manifests / name)
    try:
        yield
    finally:
        (manifests / name).rename(manifests / f"revisions/sha256/{name}")


@contextmanager
def without_secret(stack: StackUnderTest, key: str) -> Iterator[None]:
    """A stack file that does not have a secret, for the time of the block."""
    value = stack.secrets.pop(key)
    try:
        yield
    finally:
        stack.secrets[key] = value


def test_given_a_ledger_that_the_earlier_release_cannot_read_nothing_is_replaced(
    stack: StackUnderTest, releases: Releases
) -> None:
    deploy(stack, releases["one"], "one")
    deploy(stack, releases["three"], "three")
    before = ids(stack)
    done = gixctl(stack, "rollback", "--yes")
    assert done.returncode == 1
    assert "the trial of the new auction failed" in done.stdout + done.stderr
    assert "gixctl status shows what serves" in done.stderr
    assert ids(stack) == before


def test_given_images_that_were_built_here_the_rollback_names_the_commit(stack: StackUnderTest) -> None:
    serving_workspace(stack.client, stack.directory / "workspace")
    stack.change(source="workspace", services=["router"])
    stack.up()
    stack.change(router={"rustLog": "debug"})
    stack.up()
    done = gixctl(stack, "rollback")
    assert done.returncode == 1
    assert f"check out its commit ({history(stack)[0]['commit']})" in done.stderr
    assert gixctl(stack, "rollback", "7").stderr.strip().endswith("gixctl history lists the versions")
