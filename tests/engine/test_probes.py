"""What a health check asks a service: the port, the health service of gRPC, or a command."""

import json
from collections.abc import Iterator

import docker
import pytest

from tests.support.gixctl import gixctl
from tests.support.stack_under_test import StackUnderTest, temporary_stack
from tests.support.trials import broken, nothing_is_left, refused, tried

ACCEPTS_CONNECTIONS_ONLY = (
    'for each in std::net::TcpListener::bind("0.0.0.0:50051").unwrap().incoming() { std::mem::forget(each); }'
)
"""Code at the start of the router's `main`. The probe of the port succeeds with it."""
PROGRAM_OF_THE_PROBE = "/usr/local/bin/grpc-health-probe"


@pytest.fixture(scope="module")
def stack(client: docker.DockerClient, tmp_path_factory: pytest.TempPathFactory) -> Iterator[StackUnderTest]:
    """A stack that is up and tries successors. The enclave alone has the probe of the port."""
    with temporary_stack(client, tmp_path_factory.mktemp("probes") / "gix") as stack:
        stack.change(
            rollout={"trial": True},
            # Also on a busy machine, a probe ends by itself before the engine ends it.
            defaults={"healthCheck": {"probe": "grpc", "interval": "1s", "timeout": "6s"}},
            enclave={"healthCheck": {"probe": "tcp"}},
        )
        stack.up()
        yield stack


def is_in_order(stack: StackUnderTest) -> bool:
    """Whether the engine has what is declared, nothing is left of a trial, and another update changes nothing."""
    verified = gixctl(stack, "verify", "--json")
    return json.loads(verified.stdout)["differences"] == [] and nothing_is_left(stack) and stack.up().is_empty


def probe(stack: StackUnderTest, service: str) -> list[str]:
    """The command of a probe, as the engine has it."""
    test: list[str] = stack.container(service)["Config"]["Healthcheck"]["Test"]
    return test


def has_program(stack: StackUnderTest, service: str) -> bool:
    """Whether the container of a service has the program of the gRPC probe."""
    container = stack.client.containers.get(stack.container(service)["Id"])
    return container.exec_run(["test", "-e", PROGRAM_OF_THE_PROBE]).exit_code == 0


def changed(stack: StackUnderTest, before: dict[str, str]) -> set[str]:
    """The services whose containers are others than `before`."""
    return {service for service, each in stack.ids().items() if each != before[service]}


def test_given_the_grpc_probe_the_services_are_healthy_and_nothing_differs(stack: StackUnderTest) -> None:
    health = {each["service"]: each for each in json.loads(gixctl(stack, "health", "--json").stdout)}
    for service, port in (("router", 50051), ("auction", 50052)):
        assert probe(stack, service)[:3] == ["CMD", "grpc-health-probe", f"-addr=localhost:{port}"]
        assert health[service]["health"] == "healthy"
        assert any("SERVING" in each["output"] for each in health[service]["probes"])
    assert probe(stack, "enclave")[0] == "CMD-SHELL"
    assert is_in_order(stack)


def test_given_a_successor_that_accepts_connections_and_speaks_no_grpc_the_old_container_serves(
    stack: StackUnderTest,
) -> None:
    mend = broken(stack, "router", ACCEPTS_CONNECTIONS_ONLY)
    try:
        message = " ".join(refused(stack, "router").split())
    finally:
        mend()
    assert 'its last probe: timeout: failed to connect service "localhost:50051"' in message
    stack.up()


def test_given_the_grpc_probe_for_one_more_service_it_alone_is_tried_and_recreated(stack: StackUnderTest) -> None:
    before = stack.ids()
    assert not has_program(stack, "enclave")
    stack.change(enclave={"healthCheck": {"probe": "grpc"}})
    assert tried(stack.up().output) == {"enclave"}
    assert changed(stack, before) == {"enclave"}
    assert has_program(stack, "enclave")


def test_given_a_command_it_is_the_probe_of_that_service_alone(stack: StackUnderTest) -> None:
    before = stack.ids()
    command = ["test", "-e", "/usr/local/bin/gsee-runtime"]
    stack.change(enclave={"healthCheck": {"probe": "command", "command": command}})
    assert tried(stack.up().output) == {"enclave"}
    assert changed(stack, before) == {"enclave"}
    assert probe(stack, "enclave") == ["CMD", *command]
    assert not has_program(stack, "enclave")
    assert is_in_order(stack)
