from __future__ import annotations

import re
import shutil
from pathlib import Path

import pytest

from .machine import OFFLINE, Machine


@pytest.fixture
def base_machine(machine: Machine) -> Machine:
    """A machine with an engine and no image registry, on which making a Debian takes no time."""
    machine.docker()
    machine.command("debootstrap", "exit 0")
    (machine.clone / "offline/bases/debian.sh").write_text('mkdir "$1"; echo "made $1" >>"$ENGINE/made"\n')
    assert machine.run("engine.sh").returncode == 0
    return machine


def names(machine: Machine) -> dict[str, str]:
    pairs = (line.split("=") for line in machine.published("bases").split())
    return {name: value.strip("'") for name, value in pairs}


def images(machine: Machine) -> list[str]:
    return (machine.engine / "images").read_text().split()


def test_with_the_official_images_on_the_engine_nothing_is_made(base_machine: Machine) -> None:
    base_machine.official_images()

    assert base_machine.run("bases.sh").returncode == 0
    assert names(base_machine) == {}
    assert not (base_machine.engine / "made").exists()


@pytest.mark.parametrize("answer", ["Pulling fs layer", "Digest: sha256:0123"])
def test_with_a_registry_that_answers_the_official_images_are_used(base_machine: Machine, answer: str) -> None:
    (base_machine.engine / "registry").write_text(f"bookworm-slim: Pulling from library/debian\n0123: {answer}\n")

    assert base_machine.run("bases.sh").returncode == 0
    assert names(base_machine) == {}
    assert not (base_machine.engine / "made").exists()


def test_without_a_registry_both_images_are_made_under_their_own_names(base_machine: Machine) -> None:
    done = base_machine.run("bases.sh")

    assert done.returncode == 0, done.stdout
    made = names(base_machine)
    assert made["GIX_RUNTIME_BASE"].startswith("gix-offline/debian:bookworm-slim-")
    assert made["GIX_BUILDER_BASE"].startswith("gix-offline/rust:bookworm-")
    assert sorted(images(base_machine)) == sorted(filter(None, made.values()))
    assert not made["GIX_GRPC_PROBE_IMAGE"], "the machine has no Go"


@pytest.fixture
def with_go(base_machine: Machine) -> Machine:
    """The same machine with a go command that writes an empty program in place of each build."""
    base_machine.command(
        "go",
        """
        echo "$*" >>"$ENGINE/go"
        while [ "$1" != -o ]; do shift; done
        printf '#!/bin/sh\\n' >"$2"
        """,
    )
    return base_machine


def test_with_go_the_image_of_the_probe_is_made_once_from_its_module(with_go: Machine) -> None:
    done = [with_go.run("bases.sh") for _ in range(2)]

    assert [each.returncode for each in done] == [0, 0], done
    version = re.findall(r"grpc-health-probe (v[\d.]+)", (OFFLINE / "bases/go.mod").read_text())[0]
    assert names(with_go)["GIX_GRPC_PROBE_IMAGE"].startswith(f"gix-offline/grpc-health-probe:{version}-")
    assert sorted(images(with_go)) == sorted(names(with_go).values())
    assert len((with_go.engine / "go").read_text().splitlines()) == 1
    assert re.findall(r"did +nothing", done[1].stdout)
    assert not list(with_go.cache.glob("*.root"))


def test_a_machine_with_base_images_gets_the_image_of_the_probe_alone(with_go: Machine) -> None:
    go = (with_go.own_bin / "go").rename(with_go.root / "go")
    without = with_go.run("bases.sh")
    assert without.returncode == 0
    assert "no go command" in without.stdout
    assert not names(with_go)["GIX_GRPC_PROBE_IMAGE"]
    go.rename(with_go.own_bin / "go")

    done = with_go.run("bases.sh")

    assert done.returncode == 0, done.stdout
    assert len((with_go.engine / "made").read_text().splitlines()) == 1
    assert names(with_go)["GIX_GRPC_PROBE_IMAGE"] in images(with_go)


def test_a_probe_that_cannot_be_built_is_reported_and_tried_again(with_go: Machine) -> None:
    go = (with_go.own_bin / "go").rename(with_go.root / "go")
    with_go.command("go", "echo no proxy; exit 1")

    failed = with_go.run("bases.sh")

    assert failed.returncode == 0, failed.stdout
    assert "grpc-health-probe could not be built" in failed.stdout
    assert not names(with_go)["GIX_GRPC_PROBE_IMAGE"]
    assert len(images(with_go)) == 2
    go.rename(with_go.own_bin / "go")
    with_go.run("bases.sh")
    assert names(with_go)["GIX_GRPC_PROBE_IMAGE"] in images(with_go)


def test_an_emptied_engine_gets_all_three_images_from_the_cache(with_go: Machine) -> None:
    with_go.run("bases.sh")
    before = images(with_go)
    (with_go.engine / "images").write_text("")

    done = with_go.run("bases.sh")

    assert done.returncode == 0, done.stdout
    assert sorted(images(with_go)) == sorted(before)
    assert len((with_go.engine / "go").read_text().splitlines()) == 1


def test_an_emptied_engine_gets_the_images_from_the_cache(base_machine: Machine) -> None:
    base_machine.run("bases.sh")
    before = images(base_machine)
    (base_machine.engine / "images").write_text("")

    done = base_machine.run("bases.sh")

    assert done.returncode == 0, done.stdout
    assert sorted(images(base_machine)) == sorted(before)
    assert len((base_machine.engine / "made").read_text().splitlines()) == 1


def test_a_changed_recipe_makes_another_image(base_machine: Machine) -> None:
    base_machine.run("bases.sh")
    before = names(base_machine)
    with (base_machine.clone / "offline/bases/rust.Dockerfile").open("a") as recipe:
        recipe.write("RUN true\n")

    base_machine.run("bases.sh")

    assert not set(filter(None, before.values())) & set(names(base_machine).values())


def test_an_incomplete_save_is_not_used(base_machine: Machine) -> None:
    base_machine.run("bases.sh")
    (saved,) = base_machine.cache.glob("bases-*.tar")
    saved.rename(f"{saved}.part").write_text("half")
    (base_machine.engine / "images").write_text("")

    done = base_machine.run("bases.sh")

    assert done.returncode == 0, done.stdout
    assert "half" not in saved.read_text()
    assert sorted(images(base_machine)) == sorted(filter(None, names(base_machine).values()))


def test_a_base_that_cannot_be_made_is_reported_and_tried_again(base_machine: Machine) -> None:
    recipe = base_machine.clone / "offline/bases/debian.sh"
    whole = recipe.read_text()
    recipe.write_text("echo no mirror; exit 1\n")

    failed = base_machine.run("bases.sh")

    assert failed.returncode == 1
    assert "bases     to do " in failed.stdout
    assert not list(base_machine.cache.glob("bases-*.tar"))
    recipe.write_text(whole)
    assert base_machine.run("bases.sh").returncode == 0


def test_only_root_can_make_the_base_images(base_machine: Machine) -> None:
    done = base_machine.run("bases.sh", FAKE_UID="1000")

    assert done.returncode == 1
    assert "bases     to do " in done.stdout


@pytest.mark.parametrize("mirror", ["signed by somebody else", "not signed", "not to be checked"])
def test_a_mirror_without_debian_s_signature_is_refused(
    base_machine: Machine, vendor: tuple[str, Path], mirror: str
) -> None:
    address, folder = vendor
    suite = folder / "dists/bookworm"
    suite.mkdir(parents=True)
    signed = (Path(__file__).parent / "mirror/InRelease").read_text()
    if mirror == "not signed":
        (suite / "Release").write_text(signed.partition("\n\n")[2].partition("-----BEGIN")[0])
    else:
        (suite / "InRelease").write_text(signed)
    use_real_debootstrap(base_machine, address, keyring=mirror != "not to be checked")

    done = base_machine.run("bases.sh")

    assert done.returncode == 1
    assert "the base images could not be made" in done.stdout
    assert re.search("E: (Release signed by unknown|Failed getting release signature|.*keyring)", done.stdout)
    assert "Retrieving Packages" not in done.stdout
    assert not images(base_machine)
    assert not [entry for entry in base_machine.cache.iterdir() if entry.suffix != ".lock"]


def use_real_debootstrap(machine: Machine, mirror: str, *, keyring: bool) -> None:
    """Have the real recipe make a Debian from a mirror, up to where that takes the rights of root."""
    command = shutil.which("debootstrap")
    assert command, "this test needs debootstrap: make setup SETUP=--tests"
    unpacked, installed = Path(command).parent / "debootstrap.d", Path("/usr/share/debootstrap")
    scripts = shutil.copytree(unpacked if unpacked.is_dir() else installed, machine.root / "scripts", symlinks=True)
    shutil.copy(OFFLINE / "bases/debian.sh", machine.clone / "offline/bases/debian.sh")
    if not keyring:
        for file in (scripts / "scripts/bookworm", machine.clone / "offline/bases/debian.sh"):
            file.write_text(file.read_text().replace("/usr/share/keyrings/", "/nowhere/"))
    (machine.own_bin / "debootstrap").unlink()
    machine.command("debootstrap", f'DEBOOTSTRAP_DIR={scripts} exec {command} "$@"')
    machine.command("apt-get", f"echo Debian {mirror}")
    machine.command("unshare", 'shift; exec "$@"')
    machine.command("mknod", 'touch "$1"')
    machine.command("wget", 'for url; do :; done; while [ "$1" != -O ]; do shift; done; exec curl -fsS -o "$2" "$url"')
