"""Commands that the set-up builds from Go modules for the tests: actionlint, and Pulumi's YAML host."""

from __future__ import annotations

import os

import pytest

from .machine import Machine

TOOLS = [("actionlint", "actionlint"), ("yaml_host", "pulumi-language-yaml")]
"""The part of the set-up, and the command that it provides."""


@pytest.fixture
def with_go(machine: Machine) -> Machine:
    """A machine with a go command that writes an empty program in place of each build, and counts the builds."""
    machine.command(
        "go",
        """
        echo "$*" >>"$ENGINE/go"
        while [ "$1" != -o ]; do shift; done
        printf '#!/bin/sh\\n' >"$2"
        chmod +x "$2"
        """,
    )
    return machine


@pytest.mark.parametrize(("part", "command"), TOOLS)
def test_an_installed_command_is_used(machine: Machine, part: str, command: str) -> None:
    machine.command(command, "exit 0")

    done = machine.run(f"{part}.sh")

    assert done.returncode == 0, done.stdout
    assert "did     nothing" in done.stdout
    assert "GIX" not in machine.published(part)


@pytest.mark.parametrize(("part", "command"), TOOLS)
def test_a_missing_command_is_built_once_from_its_module_and_cached(with_go: Machine, part: str, command: str) -> None:
    for _ in range(2):
        done = with_go.run(f"{part}.sh")
        assert done.returncode == 0, done.stdout

    assert "did     nothing" in done.stdout
    assert len((with_go.engine / "go").read_text().splitlines()) == 1
    [built] = with_go.cache.glob(f"*/{command}")
    assert os.access(built, os.X_OK)
    assert str(built.parent) in with_go.published(part)


@pytest.mark.parametrize(("part", "name"), [("actionlint", "actionlint"), ("yaml_host", "Pulumi's YAML host")])
def test_without_go_the_fix_is_shown(machine: Machine, part: str, name: str) -> None:
    done = machine.run(f"{part}.sh")

    assert done.returncode == 1
    assert f"no go command to build {name}" in done.stdout
    assert "to do" in done.stdout


@pytest.mark.parametrize(("part", "command"), TOOLS)
def test_a_built_command_is_on_the_path_of_the_environment(with_go: Machine, part: str, command: str) -> None:
    with_go.docker()
    with_go.pulumi()
    with_go.official_images()
    with_go.command("apt-get", "exit 1")
    assert with_go.run(f"{part}.sh").returncode == 0
    assert with_go.run("setup").returncode == 0

    [built] = with_go.cache.glob(f"*/{command}")
    assert with_go.shell(f". .offline/env; command -v {command}") == str(built)
