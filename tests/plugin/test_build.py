"""Choosing the docker command, and taking image names apart, without an engine."""

from collections.abc import Callable
from pathlib import Path

import pytest

from offline.docker_plugin.build import docker_command
from offline.docker_plugin.errors import PluginError
from offline.docker_plugin.registry import canonical_name_problem, registry_of, repository_of

NewCommand = Callable[..., str]


@pytest.fixture
def new_command(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> NewCommand:
    """Make a `docker` command of some version, first on PATH."""
    docker_command.cache_clear()
    monkeypatch.delenv("GIX_DOCKER", raising=False)
    monkeypatch.setattr("offline.docker_plugin.build._SYSTEM_COMMAND", str(tmp_path / "none"))

    def make(version: str, *, buildx: bool) -> str:
        directory = tmp_path / version
        directory.mkdir()
        command = directory / "docker"
        command.write_text(
            f'#!/bin/sh\n[ "$1" = --version ] && echo "Docker version {version}, build 0" && exit\n'
            f'[ "$1" = buildx ] && echo "buildx 1" && exit {0 if buildx else 1}\nexit 1\n'
        )
        command.chmod(0o755)
        monkeypatch.setenv("PATH", f"{directory}:/bin:/usr/bin")
        monkeypatch.setattr("os.get_exec_path", lambda: [str(directory)])
        return str(command)

    return make


def test_an_old_docker_command_has_buildkit_built_in(new_command: NewCommand) -> None:
    command = new_command("20.10.24", buildx=False)
    assert docker_command() == command


def test_a_new_docker_command_needs_the_buildx_plugin(new_command: NewCommand) -> None:
    new_command("28.2.2", buildx=False)
    with pytest.raises(PluginError, match="GIX_DOCKER"):
        docker_command()


def test_a_new_docker_command_with_the_plugin_is_used(new_command: NewCommand) -> None:
    command = new_command("28.2.2", buildx=True)
    assert docker_command() == command


def test_only_the_named_docker_command_is_tried(new_command: NewCommand, monkeypatch: pytest.MonkeyPatch) -> None:
    new_command("20.10.24", buildx=False)
    monkeypatch.setenv("GIX_DOCKER", "/nowhere/docker")
    with pytest.raises(PluginError, match="/nowhere/docker"):
        docker_command()


@pytest.mark.parametrize(
    ("name", "registry", "repository"),
    [
        ("gix-router:latest", "", "gix-router"),
        ("org/gix-router", "", "org/gix-router"),
        ("localhost/router:1", "localhost", "localhost/router"),
        ("127.0.0.1:5000/org/router:1", "127.0.0.1:5000", "127.0.0.1:5000/org/router"),
        ("ghcr.io/org/router@sha256:0", "ghcr.io", "ghcr.io/org/router"),
        ("ghcr.io/org/router:1@sha256:0", "ghcr.io", "ghcr.io/org/router"),
    ],
)
def test_an_image_name_is_split_into_its_parts(name: str, registry: str, repository: str) -> None:
    assert registry_of(name) == registry
    assert repository_of(name) == repository
    assert (canonical_name_problem(name) is None) == bool(registry)
