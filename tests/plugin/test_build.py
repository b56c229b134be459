"""Choosing the docker command, and the end of a failed build's output, without an engine."""

from collections.abc import Callable
from pathlib import Path

import pytest

from offline.docker_plugin.build import docker_command
from offline.docker_plugin.build_output import BuildTail
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


def test_an_old_command_has_buildkit_built_in(new_command: NewCommand) -> None:
    command = new_command("20.10.24", buildx=False)
    assert docker_command() == command


def test_a_new_command_needs_the_buildx_plugin(new_command: NewCommand) -> None:
    new_command("28.2.2", buildx=False)
    with pytest.raises(PluginError, match="GIX_DOCKER"):
        docker_command()


def test_a_new_command_with_the_plugin_is_taken(new_command: NewCommand) -> None:
    command = new_command("28.2.2", buildx=True)
    assert docker_command() == command


def test_the_named_command_is_the_only_one_looked_at(new_command: NewCommand, monkeypatch: pytest.MonkeyPatch) -> None:
    new_command("20.10.24", buildx=False)
    monkeypatch.setenv("GIX_DOCKER", "/nowhere/docker")
    with pytest.raises(PluginError, match="/nowhere/docker"):
        docker_command()


def tail(*lines: str) -> BuildTail:
    collected = BuildTail()
    for line in lines:
        collected.add(f"{line}\n")
    return collected


def test_the_tail_keeps_what_failed_and_drops_progress() -> None:
    output = tail(
        "#4 sha256:66794eb9",
        "#4 CACHED",
        "#2 transferring context: 1.98MB 0.1s done",
        *(f"#6 {number}.1 Compiling crate{number}" for number in range(100)),
        "#6 101.2 error[E0308]: mismatched types",
        f"#6 ERROR: executor failed running [{'x' * 1000}]",
        "------",
        " > [builder 4/4] RUN cargo build:",
        "------",
        "executor failed running [cargo build]: exit code: 101",
    ).text.splitlines()
    assert output[0] == "Compiling crate71"
    assert output[-2:] == [
        "error[E0308]: mismatched types",
        "executor failed running [cargo build]: exit code: 101",
    ]
    assert max(map(len, output)) < 170


def test_the_words_of_other_steps_are_left_out() -> None:
    output = tail("#5 0.1 installed", "#6 0.5 error: expected `;`", "#5 0.9 done", "#6 ERROR: exit code: 101", "failed")
    assert output.text == "error: expected `;`\nfailed"


def test_builds_that_fail_in_a_shared_step_say_the_same_words() -> None:
    first = tail("#6 0.5 error: expected `;`", "#6 ERROR: exit code: 101")
    assert first.words == tail("#9 12.5 error: expected `;`", "#9 ERROR: exit code: 101").words
    assert first.words != tail("#6 0.5 error: no such file", "#6 ERROR: exit code: 101").words


def test_a_build_that_was_not_told_of_the_step_says_how_it_ended() -> None:
    output = tail("#1 [internal] load build definition", "#1 DONE 0.1s", "executor failed running [cargo build]")
    assert (output.words, output.text) == ((), "executor failed running [cargo build]")


def test_the_first_generations_builder_has_no_steps_and_is_told_as_it_is() -> None:
    assert tail("Step 1/2 : FROM scratch", "failed").text == "Step 1/2 : FROM scratch\nfailed"


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
def test_an_image_name_is_taken_apart(name: str, registry: str, repository: str) -> None:
    assert registry_of(name) == registry
    assert repository_of(name) == repository
    assert (canonical_name_problem(name) is None) == bool(registry)
