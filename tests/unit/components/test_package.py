"""The provider with which programs in other languages declare the platform."""

import asyncio
import json
import subprocess
import sys
from collections.abc import Coroutine, Iterator
from typing import Any, TypeVar

import grpc  # type: ignore[import-untyped]  # it ships no types
import pulumi
import pytest
from pulumi.errors import InputPropertiesError
from pulumi.provider.experimental import provider
from pulumi.provider.experimental.property_value import PropertyValue
from pulumi.runtime import rpc
from pulumi.runtime.proto import provider_pb2, provider_pb2_grpc
from pydantic import SecretStr

from gix_components import configuration, package
from gix_model import __version__
from tests.unit.declared import PROGRAM

T = TypeVar("T")
SECRET = "hunter2-of-provider"  # noqa: S105 - what must show nowhere


@pytest.fixture(autouse=True)
def stack(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """The provider works for the stack shop/dev."""
    monkeypatch.chdir(PROGRAM)
    project, name = pulumi.get_project(), pulumi.get_stack()
    pulumi.runtime.settings._set_project("shop")
    pulumi.runtime.settings._set_stack("dev")
    yield
    pulumi.runtime.settings._set_project(project)
    pulumi.runtime.settings._set_stack(name)


def argument(value: Any, *, secret: bool = False) -> PropertyValue:
    """An argument as Pulumi sends it."""
    if isinstance(value, dict):
        return PropertyValue({key: argument(each) for key, each in value.items()}, secret)
    if isinstance(value, list):
        return PropertyValue([argument(each) for each in value], secret)
    return value if isinstance(value, PropertyValue) else PropertyValue(value, secret)


def request(name: str = "gix", **arguments: Any) -> provider.ConstructRequest:
    inputs = {key: argument(value) for key, value in arguments.items()}
    return provider.ConstructRequest(package.PLATFORM, name, inputs, pulumi.ResourceOptions())


def run(work: Coroutine[Any, Any, T]) -> T:
    """Run to the end. `asyncio.run` would leave the thread without an event loop, which later tests need."""
    loop = asyncio.new_event_loop()
    try:
        return loop.run_until_complete(work)
    finally:
        loop.close()


def problems(**arguments: Any) -> str:
    """What the provider says about arguments that it refuses."""
    with pytest.raises(InputPropertiesError) as caught:
        run(package.PlatformProvider().construct(request(**arguments)))
    return caught.value.message


def test_arguments_are_the_values_of_a_stack_file() -> None:
    router = {"hostPort": 6001.0, "cpus": 1.5, "publish": True, "dropCapabilities": ["ALL"], "metricsPort": None}
    assert package.plain("router", argument(router)) == {
        "hostPort": 6001,
        "cpus": 1.5,
        "publish": True,
        "dropCapabilities": ["ALL"],
        "metricsPort": None,
    }


@pytest.mark.parametrize(
    "sealed",
    [
        argument({"TOKEN": argument(SECRET, secret=True)}),
        argument({"TOKEN": SECRET}, secret=True),
    ],
    ids=["the value", "all values"],
)
def test_a_secret_is_kept_secret(sealed: PropertyValue) -> None:
    plain = package.plain("router", argument({"secretEnvironment": sealed}))
    assert plain == {"secretEnvironment": {"TOKEN": SecretStr(SECRET)}}


def test_a_secret_may_be_unknown_in_a_preview() -> None:
    unknown = argument(rpc.UNKNOWN, secret=True)
    arguments = {
        "registry": package.plain("registry", argument({"username": "ci", "password": unknown})),
        "router": package.plain("router", argument({"secretEnvironment": {"TOKEN": unknown}})),
    }
    environment = configuration.from_package(arguments, unresolved=package.Unknown)
    assert list(environment.services["router"].secret_environment) == ["TOKEN"]


def test_any_other_unknown_value_is_refused() -> None:
    message = problems(
        network={"subnet": rpc.UNKNOWN}, router={"rustLog": argument(rpc.UNKNOWN, secret=True)}, auction=rpc.UNKNOWN
    )
    assert "shop/dev: 3 problems; nothing has been touched" in message
    assert "gix:network.subnet: is an Output, which has no value yet" in message
    assert "gix:router.rustLog: is an Output" in message
    assert "gix:auction: is an Output" in message
    assert "known before anything runs" in message


def test_all_problems_are_reported_at_once_and_no_secret_is_shown() -> None:
    message = problems(
        prefx="a",
        router={"hostPort": 70_000.0, "rustLog": argument(SECRET, secret=True), "secretEnvironment": {"A": SECRET}},
    )
    assert "shop/dev: 4 problems" in message
    assert "gix:prefx: is not a known key" in message
    assert "did you mean prefix?" in message
    assert "gix:router.hostPort = 70000" in message
    assert "gix:router.rustLog: is a secret, but this key takes no secrets" in message
    assert "gix:router.secretEnvironment.A: is in plain text" in message
    assert SECRET not in message


def test_a_second_platform_is_refused() -> None:
    served = package.PlatformProvider()
    with pytest.raises(InputPropertiesError, match="not a known key"):
        run(served.construct(request("gix", unknown="x")))
    with pytest.raises(InputPropertiesError, match="this stack already has a platform, gix; use one stack for each"):
        run(served.construct(request("second")))


def test_pulumi_sends_no_outputs_that_the_sdk_can_not_read() -> None:
    configured = run(package.PlatformProvider().configure(provider.ConfigureRequest({}, {}, True, True)))
    assert configured.accept_secrets
    assert not configured.accept_outputs


def test_outputs_are_sent_as_they_are_known() -> None:
    async def sent() -> PropertyValue:
        return await package.known(
            {
                "name": pulumi.Output.from_input("gix"),
                "containers": [pulumi.Output.from_input("one"), pulumi.Output.from_input("two")],
                "endpoint": None,
                "token": pulumi.Output.secret(SECRET),
            }
        )

    assert run(sent()) == PropertyValue(
        {
            "name": PropertyValue("gix"),
            "containers": PropertyValue([PropertyValue("one"), PropertyValue("two")]),
            "token": PropertyValue(SECRET, is_secret=True),
        }
    )


def test_the_process_that_pulumi_starts_serves_the_schema() -> None:
    words = (sys.executable, "-c", "from gix_components.package import serve; serve()", "127.0.0.1:1")
    with subprocess.Popen(words, cwd=PROGRAM, stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None
            with grpc.insecure_channel(f"127.0.0.1:{int(process.stdout.readline())}") as channel:
                served = provider_pb2_grpc.ResourceProviderStub(channel)
                schema = served.GetSchema(provider_pb2.GetSchemaRequest(version=0)).schema
        finally:
            process.terminate()
    assert (json.loads(schema)["name"], json.loads(schema)["version"]) == ("gix", __version__)
