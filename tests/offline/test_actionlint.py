from __future__ import annotations

import os

import pytest

from .machine import Machine


@pytest.fixture
def with_go(machine: Machine) -> Machine:
    """A machine whose go command makes an empty program of whatever it is to build, and notes that it did."""
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


def test_the_one_that_is_there_is_used(machine: Machine) -> None:
    machine.command("actionlint", "exit 0")

    done = machine.run("actionlint.sh")

    assert done.returncode == 0, done.stdout
    assert "did     nothing" in done.stdout
    assert "GIX" not in machine.published("actionlint")


def test_else_it_is_built_once_from_its_module_and_cached(with_go: Machine) -> None:
    for _ in range(2):
        done = with_go.run("actionlint.sh")
        assert done.returncode == 0, done.stdout

    assert "did     nothing" in done.stdout
    assert len((with_go.engine / "go").read_text().splitlines()) == 1
    [built] = with_go.cache.glob("actionlint-*/actionlint")
    assert os.access(built, os.X_OK)
    assert str(built.parent) in with_go.published("actionlint")


def test_without_go_the_fix_is_shown(machine: Machine) -> None:
    done = machine.run("actionlint.sh")

    assert done.returncode == 1
    assert "no go command to build actionlint" in done.stdout
    assert "to do" in done.stdout


def test_the_environment_has_it_on_path(with_go: Machine) -> None:
    with_go.docker()
    with_go.pulumi()
    with_go.official_images()
    with_go.command("apt-get", "exit 1")
    assert with_go.run("actionlint.sh").returncode == 0
    assert with_go.run("setup").returncode == 0

    [built] = with_go.cache.glob("actionlint-*/actionlint")
    assert with_go.shell(". .offline/env; command -v actionlint") == str(built)
