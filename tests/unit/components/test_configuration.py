"""Settings from code: the same environment and the same problems as from a file."""

from collections.abc import Iterator, Mapping
from datetime import timedelta
from typing import Any

import pulumi
import pytest
from pydantic import SecretStr

from gix_components import (
    ConfigurationError,
    Environment,
    GixPlatform,
    HealthCheckArgs,
    ServiceArgs,
    StackArgs,
    configuration,
)
from gix_model import problems
from tests.unit.declared import PROGRAM, configured, declare, environment

DIGEST = "sha256:" + 64 * "0"
SECRET = "hunter2-of-package"  # noqa: S105 - what must show nowhere


@pytest.fixture(autouse=True)
def program(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Run the tests as the program of the stack gix/dev, without defaults of the machine."""
    monkeypatch.chdir(PROGRAM)
    for variable in ("GIX_BUILDER_BASE", "GIX_RUNTIME_BASE", "GIX_GRPC_PROBE_IMAGE", "GIX_EDGE_IMAGE"):
        monkeypatch.delenv(variable, raising=False)
    project, stack = pulumi.get_project(), pulumi.get_stack()
    pulumi.runtime.settings._set_project("gix")
    pulumi.runtime.settings._set_stack("dev")
    yield
    pulumi.runtime.settings._set_project(project)
    pulumi.runtime.settings._set_stack(stack)


def from_a_file(settings: Mapping[str, Any]) -> Environment:
    """The environment of a file with these settings."""
    return environment(**configured(settings))


def refused(settings: StackArgs) -> dict[str, tuple[str, str]]:
    """The problems of settings from code: limit and fix by subject."""
    with pytest.raises(ConfigurationError) as caught:
        configuration.from_code(**settings)
    return {problem.subject: (problem.limit, problem.fix) for problem in caught.value.problems}


def test_given_no_settings_in_code_they_equal_an_empty_file() -> None:
    assert configuration.from_code() == from_a_file({})


def test_code_and_a_file_with_the_same_settings_make_the_same_environment(own_source: str) -> None:
    code = configuration.from_code(
        source=own_source,
        prefix="shop",
        take_over=True,
        services=["router", "auction"],
        images={"runtime_base": "debian:12", "build_args": {"some_key": "1"}},
        registry={"address": "registry.test", "username": "me", "password": SecretStr(SECRET)},
        network={"subnet": "10.1.0.0/16", "labels": {"some_key": "1"}},
        ledger={"protect": False},
        defaults={
            "rust_log": "warn",
            "environment": {"SOME_KEY": "1"},
            "health_check": {"interval": "1s", "start_period": "2s"},
            "ulimits": {"nofile": {"soft": 1, "hard": 2}},
        },
        router=ServiceArgs(
            rust_log="debug",
            host_port=6001,
            health_check=HealthCheckArgs(start_period="3s"),
            secret_environment={"SOME_TOKEN": SecretStr(SECRET)},
        ),
    )
    file = {
        "source": own_source,
        "prefix": "shop",
        "takeOver": True,
        "services": ["router", "auction"],
        "images": {"runtimeBase": "debian:12", "buildArgs": {"some_key": "1"}},
        "registry": {"address": "registry.test", "username": "me", "password": SecretStr(SECRET)},
        "network": {"subnet": "10.1.0.0/16", "labels": {"some_key": "1"}},
        "ledger": {"protect": False},
        "defaults": {
            "rustLog": "warn",
            "environment": {"SOME_KEY": "1"},
            "healthCheck": {"interval": "1s", "startPeriod": "2s"},
            "ulimits": {"nofile": {"soft": 1, "hard": 2}},
        },
        "router": {
            "rustLog": "debug",
            "hostPort": 6001,
            "healthCheck": {"startPeriod": "3s"},
            "secretEnvironment": {"SOME_TOKEN": SecretStr(SECRET)},
        },
    }
    assert code == from_a_file(file)
    router, auction = code.services["router"], code.services["auction"]
    assert (router.rust_log, router.health_check.interval, router.health_check.start_period) == (
        "debug",
        timedelta(seconds=1),
        timedelta(seconds=3),
    )
    assert (auction.rust_log, auction.health_check.start_period, auction.environment) == (
        "warn",
        timedelta(seconds=2),
        {"SOME_KEY": "1"},
    )


def test_every_problem_of_code_is_reported_at_once_with_the_keys_of_a_file() -> None:
    settings = StackArgs(
        network={"subnet": "8.8.8.0/24"},
        router={"host_port": 70000, "memory": "2Q"},
        auction={"host_port": 50053},
        images={"digests": {"router": DIGEST}},
        registry={"password": SecretStr(SECRET)},
    )
    found = refused(settings)
    assert set(found) == {
        'gix:network.subnet = "8.8.8.0/24"',
        "gix:router.hostPort = 70000",
        'gix:router.memory = "2Q"',
        "gix:enclave.hostPort = 50053",
        "gix:images.digests",
        "gix:registry.password",
    }
    assert all(limit and fix for limit, fix in found.values())
    with pytest.raises(ConfigurationError, match="gix/dev: 6 problems; nothing has been touched") as caught:
        configuration.from_code(**settings)
    assert SECRET not in str(caught.value)


def test_an_unknown_key_is_reported_with_the_closest_key() -> None:
    unchecked: Any = {"router": {"hostprt": 1}}
    assert refused(unchecked) == {"gix:router.hostprt": ("is not a known key", "did you mean hostPort?")}


def test_an_output_is_refused_as_a_setting() -> None:
    later = pulumi.Output.from_input("debug")
    unchecked: Any = {"router": {"rust_log": later, "secret_environment": {"TOKEN": later}}}
    found = refused(unchecked)
    assert set(found) == {"gix:router.rustLog", "gix:router.secretEnvironment.TOKEN"}
    for limit, fix in found.values():
        assert limit == "is an Output, which has no value yet"
        assert "a secret as a SecretStr" in fix


def test_a_file_with_the_spelling_of_code_is_refused() -> None:
    with pytest.raises(problems.ConfigurationError) as caught:
        from_a_file({"take_over": True, "router": {"rust_log": "debug"}})
    found = {problem.subject: problem.fix for problem in caught.value.problems}
    assert found == {"gix:take_over": "did you mean takeOver?", "gix:router.rust_log": "did you mean rustLog?"}


def test_the_machine_s_base_images_are_defaults_for_code_too(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GIX_BUILDER_BASE", "rust:here")
    monkeypatch.setenv("GIX_RUNTIME_BASE", "debian:here")
    monkeypatch.setenv("GIX_GRPC_PROBE_IMAGE", "probe:here")
    images = configuration.from_code(images={"runtime_base": "debian:12"}).settings.images
    assert (images.builder_base, images.runtime_base, images.grpc_probe_image) == (
        "rust:here",
        "debian:12",
        "probe:here",
    )


def test_a_secret_from_code_is_a_secret_of_the_stack() -> None:
    read = configuration.from_code(router={"secret_environment": {"TOKEN": SecretStr(SECRET)}})
    declared = declare(lambda options: GixPlatform("gix", read, options))
    assert "envs" in declared.resources["gix-router-container"].secrets
    assert "envs" not in declared.resources["gix-auction-container"].secrets
