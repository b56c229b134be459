"""A real engine, a real CLI, and whichever docker plugin there is."""

import os
import shlex
import shutil
import sys
import uuid
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

import docker
import pytest

from tests.plugin.record import WRITE
from tests.plugin.sandbox import Sandbox, make_base
from tests.plugin.scenario import Scenario
from tests.support.pulumi_home import PLUGIN, is_official, provided_home

_CLONE = Path(__file__).parents[2]

NewScenario = Callable[..., Scenario]


@pytest.fixture(scope="session")
def base(client: docker.DockerClient) -> Iterator[str]:
    """An image with BusyBox alone, made without any registry."""
    busybox = shutil.which("busybox")
    if busybox is None:
        pytest.fail("these tests need a static busybox: offline/setup --tests provides it, or Debian's busybox-static")
    name = f"gixt-{uuid.uuid4().hex[:8]}:base"
    make_base(client, name, busybox)
    yield name
    client.api.remove_image(name, force=True)


@pytest.fixture(scope="session")
def plugin_home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The plugin home that the environment provides, or else one with this clone's plugin."""
    if shutil.which("pulumi") is None:
        pytest.fail("these tests need the Pulumi CLI on PATH: run `make setup`, then `. .offline/env`")
    provided = provided_home()
    if os.environ.get(WRITE) and not (provided and is_official(provided)):
        pytest.fail(f"{WRITE} writes what the official docker plugin records; install that plugin in ~/.pulumi")
    if provided:
        return provided
    home = tmp_path_factory.mktemp("pulumi-home")
    launcher = home / PLUGIN
    launcher.parent.mkdir(parents=True)
    python = shlex.quote(sys.executable)
    launcher.write_text(
        f'#!/bin/sh\nPYTHONPATH={shlex.quote(str(_CLONE))} exec {python} -P -m offline.docker_plugin "$@"\n'
    )
    launcher.chmod(0o755)
    return home


@pytest.fixture
def sandbox(client: docker.DockerClient, base: str) -> Iterator[Sandbox]:
    sandbox = Sandbox(client, base)
    try:
        yield sandbox
    finally:
        sandbox.remove()


@pytest.fixture
def new_scenario(tmp_path: Path, plugin_home: Path) -> NewScenario:
    def make(name: str = "program", environment: Mapping[str, str] | None = None) -> Scenario:
        directory = tmp_path / name
        directory.mkdir()
        return Scenario(directory, plugin_home=plugin_home, environment=environment)

    return make


@pytest.fixture
def scenario(new_scenario: NewScenario, sandbox: Sandbox) -> Scenario:
    """A stack of its own; what it makes goes with the sandbox."""
    del sandbox
    return new_scenario()
