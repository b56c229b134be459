"""What tests on a real engine share: the engine, and a word on which docker plugin they ran with."""

import os
import signal
from pathlib import Path

import docker
import pytest
from docker.errors import DockerException

from offline.docker_plugin import NAME, VERSION

PLUGIN = Path("plugins", f"resource-{NAME}-v{VERSION}", f"pulumi-resource-{NAME}")
"""Where a Pulumi home has the docker plugin."""


def provided_home() -> Path | None:
    """The Pulumi home that has a docker plugin, if there is one."""
    home = Path(os.environ.get("PULUMI_HOME") or Path.home() / ".pulumi")
    return home if (home / PLUGIN).exists() else None


def pytest_configure() -> None:
    # A shell's background job ignores Ctrl-C and hands that on; what the tests start must not.
    signal.signal(signal.SIGINT, signal.default_int_handler)


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    home = provided_home()
    if home is not None:
        kind = "offline" if b"offline.docker_plugin" in (home / PLUGIN).read_bytes() else "official"
        terminalreporter.write_line(f"docker plugin: {kind}, {home / PLUGIN}")


@pytest.fixture(scope="session")
def client() -> docker.DockerClient:
    try:
        client = docker.from_env()
        client.ping()
    except DockerException as error:
        pytest.fail(f"these tests need a Docker engine ({error}); start it with: make setup")
    return client
