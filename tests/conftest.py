"""Fixtures of the tests on a real engine, and a line in the summary with the docker plugin in use."""

import contextlib
import os
import signal
from collections.abc import Iterator
from typing import Any

import docker
import pytest
from docker.errors import DockerException

from tests import reliability
from tests.support import built_images, pulumi_home
from tests.support.registry import Registry, running_registry

IMAGES = "images"
"""The name under which workers report the images that they have built."""
TALLY = "hostile inputs"
"""The name of the pytest plugin that counts hostile inputs."""


def pytest_configure(config: pytest.Config) -> None:
    # A background job of a shell ignores Ctrl-C, and its children inherit that. Tests need Ctrl-C.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    # Without bytecode, Python would compile the program of a stack at each update.
    os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
    if not hasattr(config, "workerinput"):
        config.pluginmanager.register(reliability.Tally(), TALLY)
        # Workers inherit the environment.
        home = contextlib.ExitStack()
        home.enter_context(pulumi_home.own_home())
        config.add_cleanup(home.close)


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
    home = pulumi_home.provided_home()
    if home is not None:
        kind = "official" if pulumi_home.is_official(home) else "offline"
        terminalreporter.write_line(f"docker plugin: {kind}, {(home / pulumi_home.PLUGIN).resolve()}")


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
