"""Images that go to a registry and come from it."""

from functools import partial
from pathlib import Path

import pulumi
import pulumi_docker as docker
import pytest

from tests.plugin.conftest import NewScenario
from tests.plugin.programs import container, image
from tests.plugin.sandbox import Sandbox
from tests.plugin.scenario import Outcome, Scenario
from tests.support import built_images
from tests.support.build_cache import forget
from tests.support.registry import PASSWORD, USERNAME, Registry


@pytest.fixture
def no_login(tmp_path: Path) -> dict[str, str]:
    """An environment where nobody has ever logged in."""
    directory = tmp_path / "nobody"
    directory.mkdir()
    return {"DOCKER_CONFIG": str(directory)}


def pushed(scenario: Scenario, sandbox: Sandbox, registry: Registry, password: pulumi.Input[str]) -> docker.Image:
    name = f"{registry.address}/org/{sandbox.prefix}:one"
    log_in = {"server": registry.address, "username": USERNAME, "password": password}
    build = {"context": str(scenario.directory / "app"), "platform": "linux/amd64"}
    return image("img", name, build=build, registry=log_in, skip_push=False)


def test_new_content_is_pushed_and_its_digest_reaches_the_container(
    new_scenario: NewScenario, sandbox: Sandbox, registry: Registry, no_login: dict[str, str]
) -> None:
    scenario = new_scenario(environment=no_login)

    def program(password: str = PASSWORD) -> None:
        built = pushed(scenario, sandbox, registry, pulumi.Output.secret(password))
        container(sandbox, "ctr", image=built.repo_digest)

    app = sandbox.write_image(scenario.directory / "app", content="one")
    update = scenario.up(program)
    assert not update.failed, update.messages
    first = scenario.state()["img"]["outputs"]["repoDigest"]
    assert first.startswith(f"{registry.address}/org/{sandbox.prefix}@sha256:")
    assert PASSWORD not in scenario.raw_state()

    before = registry.requests()
    assert before > 0
    assert scenario.up().effects == {}
    assert registry.requests() == before

    (app / "content").write_text("two")
    assert scenario.up().effects == {"img": "update", "ctr": "replace"}
    second = scenario.state()["img"]["outputs"]["repoDigest"]
    assert second != first
    assert sandbox.shown("ctr", "cat", "/content") == b"two"

    assert scenario.preview(lambda: program("wrong")).effects == {}
    (app / "content").write_text("three")
    refused = scenario.up(lambda: program("wrong"))
    assert refused.failed
    assert "unauthorized: authentication required" in refused.messages
    assert scenario.state()["img"]["outputs"]["repoDigest"] == second


def test_the_user_s_own_login_is_enough_to_push_but_not_to_pull(
    new_scenario: NewScenario, sandbox: Sandbox, registry: Registry, tmp_path: Path
) -> None:
    config = registry.login(tmp_path / "login")
    environment = {"DOCKER_CONFIG": str(config.parent)}
    name = f"{registry.address}/org/{sandbox.prefix}:one"
    app = sandbox.write_image(tmp_path / "app")
    push = new_scenario("push", environment).up(
        lambda: image("img", name, build={"context": str(app)}, skip_push=False)
    )
    assert not push.failed, push.messages

    def pull(case: str, *auth: docker.ProviderRegistryAuthArgs) -> tuple[Scenario, Outcome]:
        def program() -> None:
            provider = docker.Provider("provider", registry_auth=list(auth) if auth else None)
            docker.RemoteImage("remote", name=name, opts=pulumi.ResourceOptions(provider=provider))

        built_images.remove_name(sandbox.client, name)
        scenario = new_scenario(case, environment)
        return scenario, scenario.up(program)

    auth = partial(docker.ProviderRegistryAuthArgs, address=registry.address)
    for case, stated in (
        ("address", auth()),
        ("file", auth(config_file=str(config))),
        ("password", auth(username=USERNAME, password=PASSWORD)),
    ):
        scenario, pulled = pull(case, stated)
        assert not pulled.failed, pulled.messages
        remote = scenario.state()["remote"]
        assert remote["outputs"]["imageId"].startswith("sha256:")
        assert remote["id"] == remote["outputs"]["imageId"] + name
        assert PASSWORD not in scenario.raw_state()
    _, refused = pull("nobody")
    assert refused.failed
    assert "unable to pull image" in refused.messages


def test_a_remote_image_on_the_engine_is_used_and_kept_only_if_asked(
    new_scenario: NewScenario, sandbox: Sandbox, registry: Registry, no_login: dict[str, str]
) -> None:
    scenario = new_scenario(environment=no_login)
    sandbox.write_image(scenario.directory / "app")
    name = f"{registry.address}/org/{sandbox.prefix}:one"
    assert not scenario.up(lambda: _push_one(scenario, sandbox, registry)).failed

    def program(trigger: str = "1", *, keep: bool = True, used: bool = True) -> None:
        remote = docker.RemoteImage("remote", name=name, keep_locally=keep, pull_triggers=[trigger])
        if used:
            container(sandbox, "ctr", image=remote.image_id)

    scenario.up(program)
    before = registry.requests()
    update = scenario.up(lambda: program("2"))
    assert update.effects["remote"] == "replace"
    assert update.order("remote") == ["create-replacement", "delete-replaced"]
    assert registry.requests() == before

    in_use = scenario.up(lambda: program("3", keep=False))
    assert not in_use.failed
    refused = scenario.up(lambda: program("4", keep=False))
    assert refused.failed
    assert "Unable to remove Docker image" in refused.messages


def test_of_two_repositories_on_one_host_the_first_digest_is_stated(
    new_scenario: NewScenario, sandbox: Sandbox, registry: Registry, tmp_path: Path
) -> None:
    scenario = new_scenario(environment={"DOCKER_CONFIG": str(registry.login(tmp_path / "login").parent)})
    app = sandbox.write_image(tmp_path / "app")
    names = [f"{registry.address}/{organization}/{sandbox.prefix}:one" for organization in ("first", "second")]

    def program() -> None:
        for name in names:
            image(name.split("/")[1], name, build={"context": str(app)}, skip_push=False)

    assert not scenario.up(program).failed
    other = new_scenario("pull")
    assert not other.up(lambda: docker.RemoteImage("remote", name=names[1], keep_locally=True) and None).failed
    digests = sandbox.client.images.get(names[1]).attrs["RepoDigests"]
    assert other.state()["remote"]["outputs"]["repoDigest"] == digests[0]
    assert digests[0].startswith(f"{registry.address}/first/")


def test_layers_are_taken_from_an_image_in_the_registry_instead_of_being_built(
    new_scenario: NewScenario, sandbox: Sandbox, registry: Registry, no_login: dict[str, str]
) -> None:
    scenario = new_scenario(environment=no_login)
    sandbox.write_image(
        scenario.directory / "app", extra=f"RUN cat /proc/sys/kernel/random/uuid >/made # {sandbox.prefix}"
    )
    repository = f"{registry.address}/org/{sandbox.prefix}"

    def layers(tag: str, *caches: str) -> list[str]:
        build = {
            "context": str(scenario.directory / "app"),
            "platform": "linux/amd64",
            "args": {"BUILDKIT_INLINE_CACHE": "1"},
            **({"cache_from": {"images": list(caches)}} if caches else {}),
        }
        log_in = {"server": registry.address, "username": USERNAME, "password": PASSWORD}
        name = f"{repository}:{tag}"
        update = scenario.up(lambda: image("img", name, build=build, registry=log_in, skip_push=False))
        assert not update.failed, update.messages
        found: list[str] = sandbox.client.images.get(name).attrs["RootFS"]["Layers"]
        built_images.remove_name(sandbox.client, name)
        forget(sandbox.client, sandbox.prefix)
        return found

    first = layers("one")
    assert layers("two", f"{repository}:absent", f"{repository}:one") == first
    assert layers("three") != first


def _push_one(scenario: Scenario, sandbox: Sandbox, registry: Registry) -> None:
    pushed(scenario, sandbox, registry, pulumi.Output.secret(PASSWORD))


def test_a_digest_that_the_registry_does_not_have_is_refused(
    new_scenario: NewScenario, sandbox: Sandbox, registry: Registry, no_login: dict[str, str]
) -> None:
    scenario = new_scenario(environment=no_login)
    sandbox.write_image(scenario.directory / "app")
    assert not scenario.up(lambda: _push_one(scenario, sandbox, registry)).failed
    missing = f"{registry.address}/org/{sandbox.prefix}@sha256:{'0' * 64}"
    auth = docker.ProviderRegistryAuthArgs(address=registry.address, username=USERNAME, password=PASSWORD)

    def program() -> None:
        provider = docker.Provider("provider", registry_auth=[auth])
        docker.RemoteImage("remote", name=missing, opts=pulumi.ResourceOptions(provider=provider))

    update = scenario.up(program)
    assert update.failed
    assert f"manifest for {missing} not found" in update.messages


def test_a_name_without_a_registry_cannot_be_pushed(scenario: Scenario, sandbox: Sandbox) -> None:
    sandbox.write_image(scenario.directory / "app")
    preview = scenario.preview(lambda: image("img", sandbox.name("img"), build={"context": "app"}, skip_push=False))
    assert preview.failed
    assert "repository name must be canonical" in preview.messages
