"""Images in a registry that requires a log-in: one stack builds and pushes them, another runs them by digest."""

import secrets
from collections.abc import Iterator
from typing import Any

import docker
import pytest

from tests.engine.changes import recorded
from tests.support.build_cache import forget
from tests.support.failures import failure
from tests.support.jobs import file_in, settle
from tests.support.registry import PASSWORD, Registry, digests, log_in, remove_pulled
from tests.support.stack_under_test import SERVICES, StackUnderTest, temporary_stack
from tests.support.workspaces import serving_workspace


@pytest.fixture(scope="module")
def release(
    client: docker.DockerClient, registry: Registry, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[StackUnderTest]:
    """A stack that builds and pushes its images, and runs them."""
    try:
        with temporary_stack(client, tmp_path_factory.mktemp("release") / "gix") as stack:
            log_in(stack, registry)
            stack.change(images={"push": True, "tag": "v1"})
            stack.up()
            yield stack
    finally:
        remove_pulled(client, registry)


PRODUCTION: dict[str, Any] = {
    "production": True,
    "ledger": {"protect": True},
    "defaults": {
        "publish": False,
        "readOnlyRoot": True,
        "dropCapabilities": ["ALL"],
        "noNewPrivileges": True,
        "cpus": 1,
        "memory": "256M",
        "memorySwap": "256M",
    },
    "router": {"publish": True},
}


def test_pushed_images_are_named_by_their_digest_in_the_registry(release: StackUnderTest, registry: Registry) -> None:
    for service, digest in digests(release).items():
        assert digest.startswith(f"{registry.address}/gix-network/{service}@sha256:")
    settle(release, jobs=1)


def test_a_second_up_sends_no_request_to_the_registry(release: StackUnderTest, registry: Registry) -> None:
    before = registry.requests()
    assert release.up().is_empty
    assert registry.requests() == before


def test_given_digests_a_production_stack_runs_them_without_building(
    release: StackUnderTest, fresh: StackUnderTest, registry: Registry
) -> None:
    log_in(fresh, registry)
    pushed = digests(release)
    fresh.change(
        images={
            "way": "registry",
            "digests": {service: digest.partition("@")[2] for service, digest in pushed.items()},
        },
        **PRODUCTION,
    )
    fresh.change(source="absent: nothing is built")
    fresh.up()

    assert digests(fresh) == pushed
    ports = {service: bool(fresh.container(service)["HostConfig"]["PortBindings"]) for service in SERVICES}
    assert ports == dict.fromkeys(SERVICES, False) | {"router": True}
    settle(fresh, jobs=2)
    assert fresh.up().is_empty
    fresh.pulumi.refresh()
    assert fresh.up().is_empty
    fresh.destroy()
    assert fresh.leavings()["volumes"] == [f"{fresh.prefix}-gcam-data"]


def test_the_registry_password_is_nowhere_in_plain_text(release: StackUnderTest) -> None:
    message = release.up().output + release.pulumi.run("stack", "output", "--json", "--show-secrets")
    for text in (message, release.recorded()):
        assert PASSWORD not in text
    assert "secure:" in (release.directory / f"Pulumi.{release.name}.yaml").read_text()


def test_given_a_wrong_password_the_push_fails_with_the_reason(fresh: StackUnderTest, registry: Registry) -> None:
    log_in(fresh, registry, "wrong-password")
    fresh.change(images={"push": True, "tag": "v1"})
    message = failure(fresh)
    assert "unauthorized" in message
    assert "wrong-password" not in message
    assert fresh.leavings()["containers"] == []


def test_given_a_digest_that_the_registry_does_not_have_the_pull_fails_and_names_it(
    fresh: StackUnderTest, registry: Registry
) -> None:
    log_in(fresh, registry)
    digest = "sha256:" + "0" * 64
    fresh.change(services=["router"], images={"way": "registry", "digests": {"router": digest}})
    message = failure(fresh)
    assert digest in message
    assert "not found" in message


@pytest.fixture
def mark(fresh: StackUnderTest, registry: Registry) -> Iterator[str]:
    """A mark in the first layer of the stack's builder, so that no other build shares its layers.

    The router's image has a random text that each compilation of the dependencies makes anew.
    """
    mark = secrets.token_hex(8)
    dockerfile = fresh.directory / "infra/docker/Dockerfile.rust-builder"
    text = dockerfile.read_text()
    for before, after in (
        ("FROM ${BUILDER_BASE} AS toolchain\n", f"FROM ${{BUILDER_BASE}} AS toolchain\nRUN : {mark}\n"),
        ("RUN xargs cargo chef cook", "RUN cat /proc/sys/kernel/random/uuid >/compiled && xargs cargo chef cook"),
        ("FROM runtime AS router\n", "FROM runtime AS router\nCOPY --from=dependencies /compiled /compiled\n"),
    ):
        assert text.count(before) == 1
        text = text.replace(before, after)
    dockerfile.write_text(text)
    yield mark
    fresh.remove()
    remove_pulled(fresh.client, registry)
    forget(fresh.client, mark)


def test_an_engine_without_the_layers_takes_the_compiled_dependencies_from_the_registry(
    fresh: StackUnderTest, registry: Registry, mark: str
) -> None:
    def dependencies() -> tuple[str, bytes]:
        image = recorded(fresh)["gix-images-rust-builder-image"]["outputs"]["imageName"]
        router = fresh.client.containers.get(fresh.container("router")["Id"])
        return image, file_in(router, "/compiled")

    workspace = serving_workspace(fresh.client, fresh.directory / "workspace")
    common = workspace.directory / "crates/common/Cargo.toml"
    common.write_text(f'{common.read_text()}itoa = "1"\n')
    log_in(fresh, registry)
    fresh.change(source="workspace", services=["router"], images={"push": True, "pushBuilder": True, "tag": "v1"})
    fresh.up()
    assert fresh.up().is_empty
    before = dependencies()

    fresh.destroy()
    remove_pulled(fresh.client, registry)
    forget(fresh.client, mark)

    manifest = workspace.directory / "crates/ajr-router/Cargo.toml"
    manifest.write_text(manifest.read_text().replace('version = "0.1.0"', 'version = "0.2.0"'))
    edited = workspace.directory / "crates/ajr-router/src/main.rs"
    edited.write_text(f"{edited.read_text()}// {secrets.token_hex(8)}\n")
    fresh.change(images={"tag": "v2"})
    fresh.up()

    assert dependencies() == before
