"""The history of a stack, and the way back to an earlier update."""

import json
import shutil
import subprocess
from collections.abc import Iterator, Mapping
from typing import Any

import docker
import pytest
import yaml

from tests.support import built_images
from tests.support.failures import failure
from tests.support.gixctl import command, gixctl
from tests.support.registry import Registry, digests, log_in, remove_pulled
from tests.support.stack_under_test import SERVICES, StackUnderTest, temporary_stack
from tests.support.workspaces import serving_workspace

RELEASES = {
    # Since the third release, the ledger has a form that the others cannot read.
    "one": 'if std::path::Path::new("/data/third-form").exists() { std::process::exit(3) }',
    "two": 'if std::path::Path::new("/data/third-form").exists() { std::process::exit(3) } println!("two");',
    "three": 'let _ = std::fs::write("/data/third-form", "");',
}
"""Code at the start of the services, by tag of the release."""
AUTHOR = ("Ada", "ada@example.org")


@pytest.fixture(scope="module")
def releases(
    client: docker.DockerClient, registry: Registry, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Mapping[str, dict[str, str]]]:
    """Releases in the registry: the digests of their images by tag and service."""
    found = {}
    with temporary_stack(client, tmp_path_factory.mktemp("releases") / "gix") as stack:
        log_in(stack, registry)
        for tag, starts in RELEASES.items():
            shutil.rmtree(stack.directory / "workspace", ignore_errors=True)
            serving_workspace(client, stack.directory / "workspace", starts=starts)
            stack.change(source="workspace", images={"push": True, "tag": tag})
            stack.up()
            found[tag] = {service: each.partition("@")[2] for service, each in digests(stack).items()}
    remove_pulled(client, registry)
    yield found
    remove_pulled(client, registry)


@pytest.fixture
def stack(fresh: StackUnderTest, registry: Registry) -> StackUnderTest:
    """A stack in a clone with one commit, that runs no release yet. It has a secret."""
    log_in(fresh, registry)
    fresh.secrets["gix:auction.secretEnvironment.TOKEN"] = "of-today"
    fresh.change(rollout={"trial": True})
    (fresh.directory / ".gitignore").write_text("*\n!.gitignore\n")
    for words in (["init"], ["add", ".gitignore"], ["commit", "--message", "first commit"]):
        name, address = AUTHOR
        subprocess.run(
            ["git", "-c", f"user.name={name}", "-c", f"user.email={address}", *words],
            cwd=fresh.directory,
            check=True,
            capture_output=True,
        )
    return fresh


def choose(stack: StackUnderTest, digests: Mapping[str, str], tag: str) -> None:
    """Configure the stack to run a release. It has a variable with the name of the release, too."""
    stack.change(
        images={"way": "registry", "tag": tag, "digests": dict(digests)}, router={"environment": {"RELEASE": tag}}
    )


def deploy(stack: StackUnderTest, digests: Mapping[str, str], tag: str) -> None:
    choose(stack, digests, tag)
    stack.up("--message", f"release {tag}")


def history(stack: StackUnderTest) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = json.loads(gixctl(stack, "history", "--json").stdout)
    return found


def take_file(stack: StackUnderTest) -> None:
    """From now on, the stack has the configuration that its file has."""
    stack.config = yaml.safe_load((stack.directory / f"Pulumi.{stack.name}.yaml").read_text())["config"]


def running(stack: StackUnderTest) -> dict[str, str]:
    return {service: each.partition("@")[2] for service, each in digests(stack).items()}


def variables(stack: StackUnderTest, service: str) -> list[str]:
    found: list[str] = stack.container(service)["Config"]["Env"]
    return found


def test_given_two_releases_a_rollback_runs_the_first_one_again(
    stack: StackUnderTest, releases: Mapping[str, dict[str, str]]
) -> None:
    deploy(stack, releases["one"], "one")
    deploy(stack, releases["two"], "two")
    two, one = history(stack)
    assert (one["version"], one["kind"], one["result"], one["tag"]) == (1, "update", "succeeded", "one")
    assert (one["author"], one["message"], one["digests"]) == (AUTHOR[0], "release one", releases["one"])
    assert (two["version"], two["tag"], two["digests"]) == (2, "two", releases["two"])
    assert one["commit"] == two["commit"] != ""
    shown = gixctl(stack, "history").stdout
    assert f"gix/{stack.name}" in shown
    assert "release two" in shown

    stack.secrets["gix:auction.secretEnvironment.TOKEN"] = "of-tomorrow"
    stack.write()
    file = stack.directory / f"Pulumi.{stack.name}.yaml"
    file.write_text(f"# The first environment.\n{file.read_text()}")
    done = subprocess.run(**command(stack, "rollback", "--yes"), capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "tried, then restarted" in done.stdout
    assert running(stack) == releases["one"]
    assert "RELEASE=one" in variables(stack, "router")
    assert "TOKEN=of-tomorrow" in variables(stack, "auction")
    assert file.read_text().startswith("# The first environment.\n")
    take_file(stack)
    assert history(stack)[0]["message"] == "roll back to version 1"
    assert stack.up().is_empty


@pytest.mark.parametrize("answer", ["n\n", ""])
def test_without_a_yes_nothing_changes(
    stack: StackUnderTest, releases: Mapping[str, dict[str, str]], answer: str
) -> None:
    deploy(stack, releases["one"], "one")
    deploy(stack, releases["two"], "two")
    before, text = stack.ids(), (stack.directory / f"Pulumi.{stack.name}.yaml").read_text()
    done = subprocess.run(**command(stack, "rollback", "1"), input=answer, capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert "Go back to version 1 (release one)?" in done.stdout
    assert (stack.directory / f"Pulumi.{stack.name}.yaml").read_text() == text
    assert stack.ids() == before
    assert len(history(stack)) == len(("one", "two"))


def test_given_a_release_that_cannot_be_pulled_a_rollback_goes_to_the_one_that_serves(
    stack: StackUnderTest, releases: Mapping[str, dict[str, str]]
) -> None:
    deploy(stack, releases["one"], "one")
    before = stack.ids()
    choose(stack, dict.fromkeys(SERVICES, f"sha256:{'0' * 64}"), "absent")
    assert "not found" in failure(stack)
    assert [each["result"] for each in history(stack)] == ["failed", "succeeded"]

    done = gixctl(stack, "rollback", "--yes")
    assert done.returncode == 0, done.stdout + done.stderr
    assert stack.ids() == before
    take_file(stack)
    assert stack.up().is_empty


def test_given_an_image_that_is_gone_or_a_missing_secret_the_rollback_is_refused(
    stack: StackUnderTest, registry: Registry, releases: Mapping[str, dict[str, str]]
) -> None:
    deploy(stack, releases["one"], "one")
    deploy(stack, releases["two"], "two")
    router = f"{registry.address}/gix-network/router@{releases['one']['router']}"
    hidden = registry.log.parent / "data/docker/registry/v2/repositories/gix-network/router/_manifests/revisions/sha256"
    built_images.remove_name(stack.client, router)
    revision = hidden / releases["one"]["router"].partition(":")[2]
    revision.rename(hidden.parent / revision.name)
    before = stack.ids()
    try:
        del stack.secrets["gix:auction.secretEnvironment.TOKEN"]
        stack.write()
        done = gixctl(stack, "rollback")
    finally:
        (hidden.parent / revision.name).rename(revision)
    assert done.returncode == 1
    assert f"the image {router} is gone" in done.stderr
    assert "pulumi config set --secret --path gix:auction.secretEnvironment.TOKEN" in done.stderr
    assert stack.ids() == before


def test_given_a_ledger_that_the_earlier_release_cannot_read_nothing_is_replaced(
    stack: StackUnderTest, releases: Mapping[str, dict[str, str]]
) -> None:
    deploy(stack, releases["one"], "one")
    deploy(stack, releases["three"], "three")
    before = stack.ids()
    done = gixctl(stack, "rollback", "--yes")
    assert done.returncode == 1
    assert "the trial of the new auction failed" in done.stdout + done.stderr
    assert "gixctl status shows what serves" in done.stderr
    assert stack.ids() == before


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
