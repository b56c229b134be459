"""Fixtures of the tests on a real engine, and a line in the summary with the docker plugin in use."""

import os
import signal
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import docker
import pytest
from docker.errors import DockerException

from offline.docker_plugin import NAME, VERSION
from tests import reliability
from tests.support import built_images
from tests.support.registry import Registry, running_registry

PLUGIN = Path("plugins", f"resource-{NAME}-v{VERSION}", f"pulumi-resource-{NAME}")
"""The path of the docker plugin below a Pulumi home."""
IMAGES = "images"
"""The name under which workers report the images that they have built."""
TALLY = "hostile inputs"
"""The name of the pytest plugin that counts hostile inputs."""


def provided_home() -> Path | None:
    """The Pulumi home that has a docker plugin, if there is one."""
    home = Path(os.environ.get("PULUMI_HOME") or Path.home() / ".pulumi")
    return home if (home / PLUGIN).exists() else None


def is_official(home: Path) -> bool:
    """Whether the docker plugin of a Pulumi home is the official one, and not this project's."""
    return b"offline.docker_plugin" not in (home / PLUGIN).read_bytes()


def pytest_configure(config: pytest.Config) -> None:
    # A background job of a shell ignores Ctrl-C, and its children inherit that. Tests need Ctrl-C.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    # Without bytecode, Python would compile the program of a stack at each update.
    os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
    if not hasattr(config, "workerinput"):
        config.pluginmanager.register(reliability.Tally(), TALLY)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_call(item: pytest.Item) -> Iterator[None]:
    with reliability.counted(item):
        return (yield)


@pytest.hookimpl(optionalhook=True)
def pytest_testnodedown(node: Any) -> None:
    """Collect what a worker has built."""
    # A worker that was killed has no output.
    built_images.note(getattr(node, "workeroutput", {}).get(IMAGES, []))


def pytest_sessionfinish(session: pytest.Session) -> None:
    if hasattr(session.config, "workeroutput"):
        session.config.workeroutput[IMAGES] = built_images.noted()
    elif built_images.noted():
        built_images.remove(docker.from_env())
    tally = session.config.pluginmanager.get_plugin(TALLY)
    if tally is not None and tally.shortfall():
        session.exitstatus = pytest.ExitCode.TESTS_FAILED


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    tally = terminalreporter.config.pluginmanager.get_plugin(TALLY)
    if isinstance(tally, reliability.Tally):
        for kind, count in sorted(tally.inputs.items()):
            terminalreporter.write_line(f"hostile inputs tried: {count} {kind}")
        for line in tally.shortfall():
            terminalreporter.write_line(line)
    home = provided_home()
    if home is not None:
        kind = "official" if is_official(home) else "offline"
        terminalreporter.write_line(f"docker plugin: {kind}, {home / PLUGIN}")


@pytest.fixture(scope="session")
def client() -> docker.DockerClient:
    try:
        client = docker.from_env()
        client.ping()
    except DockerException as error:
        pytest.fail(f"these tests need a Docker engine ({error}); start it with: make setup")
    return client


@pytest.fixture(scope="module")
def registry(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Registry]:
    """A registry that requires a log-in."""
    with running_registry(tmp_path_factory.mktemp("registry")) as registry:
        yield registry
