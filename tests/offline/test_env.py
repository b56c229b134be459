from __future__ import annotations

import os
import shutil

import pytest

from .machine import Machine


@pytest.fixture
def offline_machine(machine: Machine) -> Machine:
    """A machine whose set-up took the offline way for the plugin and the base images."""
    machine.docker()
    machine.pulumi()
    machine.command("unshare", "exit 0")
    machine.command("tar", "exit 0")
    machine.command("debootstrap", "exit 0")
    machine.command("go", "exit 0")
    (machine.clone / "offline/bases/debian.sh").write_text("true\n")
    done = machine.run("setup")
    assert done.returncode == 0, done.stdout
    return machine


def test_plain_commands_find_the_clone_s_tools_first(offline_machine: Machine) -> None:
    path = offline_machine.shell('. .offline/env; echo "$PATH"').split(":")

    assert path[0] == f"{offline_machine.clone}/.venv/bin"
    assert path[1] == str(offline_machine.own_bin)


def test_sourcing_twice_changes_nothing_more(offline_machine: Machine) -> None:
    once = offline_machine.shell(". .offline/env; export -p")
    twice = offline_machine.shell(". .offline/env; . .offline/env; export -p")

    assert once == twice


def test_sourcing_another_clone_s_environment_replaces_this_one(offline_machine: Machine) -> None:
    first, second = offline_machine.clone, offline_machine.root / "second clone"
    shutil.copytree(first / "offline", second / "offline")
    assert offline_machine.run("setup", clone=second).returncode == 0

    show = 'echo "$PATH"; echo "$PULUMI_HOME"'
    there_and_back = offline_machine.shell(f". .offline/env; . '{second}/.offline/env'; . .offline/env; {show}")
    path, home = there_and_back.splitlines()

    assert path.split(":")[0] == f"{first}/.venv/bin"
    assert path.split(":").count(f"{first}/.venv/bin") == 1
    assert home == f"{first}/.offline/pulumi"


def test_the_offline_plugin_has_its_own_plugin_home(offline_machine: Machine) -> None:
    shown = offline_machine.shell('. .offline/env; echo "$PULUMI_HOME $PULUMI_DISABLE_AUTOMATIC_PLUGIN_ACQUISITION"')

    assert shown == f"{offline_machine.clone}/.offline/pulumi true"
    assert not (offline_machine.home / ".pulumi").exists()


def test_a_moved_clone_gets_its_new_paths(offline_machine: Machine) -> None:
    old = offline_machine.clone
    offline_machine.clone = old.rename(offline_machine.root / "moved it's here")

    done = offline_machine.run("setup")

    assert done.returncode == 0, done.stdout
    launcher = offline_machine.clone / ".offline/pulumi/plugins/resource-docker-v5.2.0/pulumi-resource-docker"
    python = offline_machine.clone / ".venv/bin/python"
    python.parent.mkdir(parents=True)
    python.write_text('#!/bin/sh\necho "$PYTHONPATH $*"\n')
    python.chmod(0o755)
    assert (
        offline_machine.shell(f'"{launcher}" 127.0.0.1:1')
        == f"{offline_machine.clone} -P -m offline.docker_plugin 127.0.0.1:1"
    )
    assert f"{old}/" not in (offline_machine.clone / ".offline/env").read_text()


@pytest.mark.parametrize(
    ("given", "shown"),
    [
        ({}, "<> <unset>"),
        ({"PULUMI_CONFIG_PASSPHRASE": "mine"}, "<mine> <unset>"),
        ({"PULUMI_CONFIG_PASSPHRASE_FILE": "/f"}, "<unset> </f>"),
    ],
)
def test_a_passphrase_is_set_only_if_there_is_none(offline_machine: Machine, given: dict[str, str], shown: str) -> None:
    told = offline_machine.shell(
        '. .offline/env; echo "<${PULUMI_CONFIG_PASSPHRASE-unset}> <${PULUMI_CONFIG_PASSPHRASE_FILE-unset}>"', **given
    )
    assert told == shown


def test_base_images_set_by_the_user_stay(offline_machine: Machine) -> None:
    show = '. .offline/env; echo "$GIX_RUNTIME_BASE $GIX_BUILDER_BASE $GIX_GRPC_PROBE_IMAGE $GIX_EDGE_IMAGE"'
    older_probe = "gix-offline/grpc-health-probe:v0-older"

    own = offline_machine.shell(show, GIX_RUNTIME_BASE="mine/slim:1", GIX_GRPC_PROBE_IMAGE="mine/probe:1").split()
    older = offline_machine.shell(
        show, GIX_RUNTIME_BASE="gix-offline/debian:bookworm-slim-older", GIX_GRPC_PROBE_IMAGE=older_probe
    ).split()

    assert (own[0], own[2]) == ("mine/slim:1", "mine/probe:1")
    assert own[1].startswith("gix-offline/rust:bookworm-")
    assert own[3].startswith("gix-offline/haproxy:bookworm-")
    assert older[0].startswith("gix-offline/debian:bookworm-slim-")
    assert older[2].startswith("gix-offline/grpc-health-probe:v")
    assert not any(each.endswith("older") for each in older)


def test_without_an_image_of_the_probe_no_variable_names_one(machine: Machine) -> None:
    machine.publish("bases", "GIX_RUNTIME_BASE=a GIX_BUILDER_BASE=b GIX_GRPC_PROBE_IMAGE=''\n")
    for part in ("packages", "engine", "pulumi", "plugin", "edge"):
        machine.publish(part, "GIX_TOOLS=/tools\n")
    assert machine.run("env.sh").returncode == 0

    assert machine.shell('. .offline/env; echo "${GIX_GRPC_PROBE_IMAGE-unset}"') == "unset"
    assert machine.shell('. .offline/env; echo "$GIX_GRPC_PROBE_IMAGE"', GIX_GRPC_PROBE_IMAGE="x:1") == "x:1"


def test_with_official_parts_no_variable_overrides_them(machine: Machine) -> None:
    machine.docker()
    machine.pulumi()
    machine.official_images()
    plugin = machine.home / ".pulumi/plugins/resource-docker-v5.2.0"
    plugin.mkdir(parents=True)
    machine.command("pulumi-resource-docker", "exit 0", folder=plugin)
    assert machine.run("setup").returncode == 0

    names = {line.split("=")[0] for line in machine.shell(". .offline/env; env").splitlines()}

    assert "GIX_DOCKER" in names
    assert not names & {
        "PULUMI_HOME",
        "PULUMI_DISABLE_AUTOMATIC_PLUGIN_ACQUISITION",
        "GIX_RUNTIME_BASE",
        "GIX_BUILDER_BASE",
        "GIX_EDGE_IMAGE",
        "GIX_GRPC_PROBE_IMAGE",
    }
    assert not (machine.clone / ".offline/pulumi").exists()


def test_official_parts_are_used_after_another_clone_s_environment(offline_machine: Machine) -> None:
    offline, official = offline_machine.clone, offline_machine.new_clone("official")
    offline_machine.official_images()
    plugin = offline_machine.home / ".pulumi/plugins/resource-docker-v5.2.0"
    plugin.mkdir(parents=True)
    offline_machine.command("pulumi-resource-docker", "exit 0", folder=plugin)
    assert offline_machine.run("setup", clone=official).returncode == 0

    names = offline_machine.shell(f". '{offline}/.offline/env'; . '{official}/.offline/env'; env | cut -d= -f1")

    assert not {"PULUMI_HOME", "PULUMI_DISABLE_AUTOMATIC_PLUGIN_ACQUISITION", "GIX_POLICY_PACK"} & set(names.split())


def test_the_environment_names_the_chosen_docker_command(offline_machine: Machine) -> None:
    assert offline_machine.shell('. .offline/env; echo "$GIX_DOCKER"') == os.fspath(offline_machine.own_bin / "docker")
