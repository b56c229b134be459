from __future__ import annotations

import hashlib
import os
import shutil
from pathlib import Path

import pytest

from .machine import OFFLINE, Machine

PLUGIN = "plugins/resource-docker-v5.2.0/pulumi-resource-docker"
ARCHITECTURE = {"x86_64": "amd64", "aarch64": "arm64"}.get(os.uname().machine, os.uname().machine)
ARCHIVE = f"pulumi-resource-docker-v5.2.0-linux-{ARCHITECTURE}.tar.gz"


def release(folder: Path, *, spoiled: bool = False) -> None:
    """Lay out the vendor's release of the plugin in a folder, with checksums as the vendor publishes them."""
    archive = folder / ARCHIVE
    archive.write_bytes(b"\x1f\x8b the plugin")
    digest = hashlib.sha1(archive.read_bytes(), usedforsecurity=False).hexdigest()
    (folder / "pulumi-docker_5.2.0_checksums.txt").write_text(f"{'0' * 40}  ./other.tar.gz\n{digest}  ./{ARCHIVE}\n")
    if spoiled:
        archive.write_bytes(archive.read_bytes() + b"!")


@pytest.fixture
def pulumi_machine(machine: Machine) -> Machine:
    machine.pulumi()
    assert machine.run("pulumi.sh").returncode == 0
    return machine


def test_an_installed_official_plugin_is_used(pulumi_machine: Machine) -> None:
    official = pulumi_machine.home / ".pulumi" / PLUGIN
    official.parent.mkdir(parents=True)
    official.write_text("")
    official.chmod(0o755)

    done = pulumi_machine.run("plugin.sh")

    assert done.returncode == 0, done.stdout
    assert "official docker plugin" in done.stdout
    assert not (pulumi_machine.clone / ".offline/pulumi").exists()
    assert "GIX" not in pulumi_machine.published("plugin")


def test_a_pulumi_built_from_modules_gets_a_policy_pack_that_it_can_start(machine: Machine) -> None:
    official = machine.home / ".pulumi" / PLUGIN
    official.parent.mkdir(parents=True)
    official.write_text("")
    official.chmod(0o755)
    built = machine.cache / "pulumi-3.250.0-go-0123456789ab-x86_64"
    machine.publish("pulumi", f"GIX_TOOLS='{built}'\n")
    shutil.copytree(OFFLINE.parent / "policy", machine.clone / "policy")

    done = machine.run("plugin.sh")

    assert done.returncode == 0, done.stdout
    assert "official docker plugin" in done.stdout
    assert "GIX_PLUGIN_HOME" not in machine.published("plugin")
    for part in ("packages", "engine", "bases", "edge"):
        machine.publish(part, "")
    assert machine.run("env.sh").returncode == 0
    pack, analyzer = machine.shell(
        '. .offline/env; echo "$GIX_POLICY_PACK"; command -v pulumi-analyzer-policy-python-module'
    ).splitlines()
    assert "runtime: python-module" in (Path(pack) / "PulumiPolicy.yaml").read_text()
    assert (Path(pack) / "__main__.py").read_text() == (OFFLINE.parent / "policy/__main__.py").read_text()
    python = machine.clone / ".venv/bin/python"
    python.parent.mkdir(parents=True)
    python.write_text('#!/bin/sh\necho "$*"\n')
    python.chmod(0o755)
    assert machine.shell(f'"{analyzer}" 127.0.0.1:1 .') == "-u -m pulumi.policy 127.0.0.1:1 ."
    assert [path for path in (machine.home / ".pulumi").rglob("*") if path.is_file()] == [official]


def test_if_the_vendor_answers_pulumi_installs_the_verified_archive(
    pulumi_machine: Machine, vendor: tuple[str, Path]
) -> None:
    address, folder = vendor
    release(folder)
    pulumi_machine.command("pulumi", 'echo "$1 $2 $3 $4 $5 $6"; cmp "$7" "$RELEASED" >&2')

    done = pulumi_machine.run("plugin.sh", GIX_PULUMI_PLUGINS=address, RELEASED=str(folder / ARCHIVE))

    assert done.returncode == 0, done.stdout
    assert "plugin install resource docker 5.2.0 --file" in done.stdout
    assert "installed the official docker plugin" in done.stdout
    assert "GIX" not in pulumi_machine.published("plugin")


def test_a_plugin_with_a_wrong_checksum_is_refused(pulumi_machine: Machine, vendor: tuple[str, Path]) -> None:
    address, folder = vendor
    release(folder, spoiled=True)
    pulumi_machine.command("pulumi", 'echo "$*" >"$ENGINE/pulumi"')

    done = pulumi_machine.run("plugin.sh", GIX_PULUMI_PLUGINS=address, TMPDIR=str(pulumi_machine.run_dir))

    assert done.returncode == 1
    assert "does not have the checksum of the vendor's release" in done.stdout
    assert "plugin    to do " in done.stdout
    assert not (pulumi_machine.engine / "pulumi").exists()
    assert not list(pulumi_machine.run_dir.iterdir())
    assert not (pulumi_machine.home / ".pulumi").exists()


@pytest.mark.parametrize("vendor_has", ["nothing", "no checksums", "a page", "what does not install"])
def test_without_the_vendor_the_offline_plugin_is_used(
    pulumi_machine: Machine, vendor: tuple[str, Path], vendor_has: str
) -> None:
    address, folder = vendor
    pulumi_machine.command("pulumi", 'echo "$*" >"$ENGINE/pulumi"; exit 1')
    if vendor_has != "nothing":
        release(folder)
    if vendor_has == "no checksums":
        (folder / "pulumi-docker_5.2.0_checksums.txt").unlink()
    if vendor_has == "a page":
        (folder / ARCHIVE).write_text("<html>log in to this network</html>\n")

    done = pulumi_machine.run("plugin.sh", GIX_PULUMI_PLUGINS=address)

    assert done.returncode == 0, done.stdout
    assert (pulumi_machine.engine / "pulumi").exists() == (vendor_has == "what does not install")
    assert os.access(pulumi_machine.clone / ".offline/pulumi" / PLUGIN, os.X_OK)
    assert pulumi_machine.published("plugin").startswith("GIX_PLUGIN_HOME=")
    assert not (pulumi_machine.home / ".pulumi").exists()


def test_an_official_plugin_that_is_installed_later_is_used(pulumi_machine: Machine) -> None:
    pulumi_machine.run("plugin.sh")
    official = pulumi_machine.home / ".pulumi" / PLUGIN
    official.parent.mkdir(parents=True)
    official.write_text("")
    official.chmod(0o755)

    pulumi_machine.run("plugin.sh")

    assert "GIX" not in pulumi_machine.published("plugin")
