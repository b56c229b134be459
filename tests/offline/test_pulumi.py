from __future__ import annotations

import hashlib
import os
import re
import stat
import tarfile
from pathlib import Path

import pytest

from .machine import Machine

PLATFORM = {"x86_64": "linux-x64", "aarch64": "linux-arm64"}.get(os.uname().machine, f"linux-{os.uname().machine}")
GO = """
    # Stands in for Go: "builds" what -o names, and knows one module's folder.
    echo "$*" >>"$ENGINE/go"
    while [ -e "$ENGINE/go-waits" ]; do sleep 0.05; done
    [ ! -e "$ENGINE/go-breaks" ] || { echo "no such module" >&2; exit 1; }
    case $1 in
        list) echo "$ENGINE/sdk" ;;
        build) while [ "$1" != -o ]; do shift; done; printf '#!/bin/sh\\necho v3.250.0\\n' >"$2"; chmod +x "$2" ;;
    esac
"""


@pytest.fixture
def go_machine(machine: Machine) -> Machine:
    machine.command("go", GO)
    machine.command("pulumi-language-python-exec", "exit 0", folder=_folder(machine.engine / "sdk/python/cmd"))
    machine.command("pulumi-resource-pulumi-python", "exit 0", folder=_folder(machine.engine / "sdk/python/dist"))
    return machine


def _folder(path: Path) -> Path:
    path.mkdir(parents=True)
    return path


def release(machine: Machine, folder: Path, *, spoiled: bool = False) -> None:
    """Lay out the vendor's release in a folder, and have the clone expect its checksum.

    Its files belong to somebody else, who lets everybody write to them and run them as their owner.
    """
    home = folder / "v3.250.0"
    home.mkdir(parents=True)
    tool = folder / "pulumi"
    tool.write_text("#!/bin/sh\necho v3.250.0\n")
    archive = home / f"pulumi-v3.250.0-{PLATFORM}.tar.gz"
    with tarfile.open(archive, "w:gz") as tar:
        for name in ("pulumi", "pulumi-language-python"):
            member = tar.gettarinfo(tool, f"pulumi/{name}")
            member.uid, member.gid, member.uname, member.gname, member.mode = 1234, 1234, "", "", 0o6777
            with tool.open("rb") as content:
                tar.addfile(member, content)
    digest = hashlib.sha256(archive.read_bytes()).hexdigest()
    (machine.clone / "offline/pulumi.sha256").write_text(f"{digest}  {archive.name}\n")
    if spoiled:
        archive.write_bytes(archive.read_bytes() + b"!")


def tools(machine: Machine) -> str:
    return machine.published("pulumi").strip().removeprefix("GIX_TOOLS='").removesuffix("'")


@pytest.mark.parametrize("version", ["v3.250.0", "v3.251.3"])
def test_an_installed_pulumi_is_used(machine: Machine, version: str) -> None:
    machine.pulumi(version)

    assert machine.run("pulumi.sh").returncode == 0
    assert tools(machine) == str(machine.own_bin)
    assert not machine.cache.exists()


@pytest.mark.parametrize("version", ["v3.249.9", "v4.0.0", "v2.250.0", "nonsense"])
def test_an_installed_pulumi_that_is_too_old_is_not_used(go_machine: Machine, version: str) -> None:
    go_machine.pulumi(version)

    assert go_machine.run("pulumi.sh").returncode == 0
    assert tools(go_machine).startswith(str(go_machine.cache))


def test_an_installed_pulumi_without_its_language_host_is_not_used(go_machine: Machine) -> None:
    go_machine.pulumi()
    (go_machine.own_bin / "pulumi-language-python").unlink()

    assert go_machine.run("pulumi.sh").returncode == 0
    assert tools(go_machine).startswith(str(go_machine.cache))


def test_if_the_vendor_answers_the_official_release_is_used(machine: Machine, vendor: tuple[str, Path]) -> None:
    address, folder = vendor
    release(machine, folder)

    done = machine.run("pulumi.sh", GIX_PULUMI_RELEASES=address)

    assert done.returncode == 0, done.stdout
    assert "official v3.250.0" in done.stdout
    assert machine.shell(f"{tools(machine)}/pulumi version") == "v3.250.0"
    again = machine.run("pulumi.sh")
    assert again.returncode == 0
    assert "nothing" in again.stdout


def test_an_archive_with_a_wrong_checksum_is_refused(go_machine: Machine, vendor: tuple[str, Path]) -> None:
    address, folder = vendor
    release(go_machine, folder, spoiled=True)

    done = go_machine.run("pulumi.sh", GIX_PULUMI_RELEASES=address)

    assert done.returncode == 1
    assert "does not have the checksum of the vendor's release" in done.stdout
    assert "pulumi    to do " in done.stdout
    assert not [entry for entry in go_machine.cache.iterdir() if entry.suffix != ".lock"]
    assert not (go_machine.engine / "go").exists()


def test_unpacked_files_belong_to_the_user(machine: Machine, vendor: tuple[str, Path]) -> None:
    address, folder = vendor
    release(machine, folder)

    assert machine.run("pulumi.sh", GIX_PULUMI_RELEASES=address).returncode == 0

    unpacked = [path.stat() for path in Path(tools(machine)).iterdir()]
    assert len(unpacked) == 2
    assert {(status.st_uid, status.st_gid) for status in unpacked} == {(os.getuid(), os.getgid())}
    assert {stat.S_IMODE(status.st_mode) for status in unpacked} == {0o777 & ~umask()}


def umask() -> int:
    mask = os.umask(0o022)
    os.umask(mask)
    return mask


def test_the_clone_has_a_checksum_for_every_platform(machine: Machine) -> None:
    listed = (machine.clone / "offline/pulumi.sha256").read_text().splitlines()

    assert all(re.fullmatch(r"[0-9a-f]{64}  pulumi-v3\.250\.0-linux-(x64|arm64)\.tar\.gz", line) for line in listed)
    assert len(listed) == 2


def test_a_page_that_is_no_archive_counts_as_no_answer(go_machine: Machine, vendor: tuple[str, Path]) -> None:
    address, folder = vendor
    (folder / "v3.250.0").mkdir()
    (folder / f"v3.250.0/pulumi-v3.250.0-{PLATFORM}.tar.gz").write_text("<html>log in to this network</html>\n")

    done = go_machine.run("pulumi.sh", GIX_PULUMI_RELEASES=address)

    assert done.returncode == 0, done.stdout
    assert "built v3.250.0" in done.stdout


def test_without_the_vendor_pulumi_is_built_once_from_modules(go_machine: Machine) -> None:
    first = go_machine.run("pulumi.sh")
    built = (go_machine.engine / "go").read_text()
    second = go_machine.run("pulumi.sh", clone=go_machine.new_clone("second"))

    assert (first.returncode, second.returncode) == (0, 0), first.stdout + second.stdout
    assert sorted(path.name for path in Path(tools(go_machine)).iterdir()) == [
        "pulumi",
        "pulumi-language-python",
        "pulumi-language-python-exec",
        "pulumi-resource-pulumi-python",
    ]
    assert "version.Version=v3.250.0" in built
    assert (go_machine.engine / "go").read_text() == built


def test_other_modules_make_another_build(go_machine: Machine) -> None:
    go_machine.run("pulumi.sh")
    before = tools(go_machine)
    with (go_machine.clone / "offline/go/pulumi/go.sum").open("a") as sums:
        sums.write("\n")

    go_machine.run("pulumi.sh")

    assert tools(go_machine) != before


def test_a_failed_build_leaves_nothing_in_the_cache(go_machine: Machine) -> None:
    (go_machine.engine / "go-breaks").touch()

    failed = go_machine.run("pulumi.sh")

    assert failed.returncode == 1
    assert "no such module" in failed.stdout
    assert "pulumi    to do " in failed.stdout
    (go_machine.engine / "go-breaks").unlink()
    assert "built v3.250.0" in go_machine.run("pulumi.sh").stdout


def test_an_incomplete_build_is_not_used(go_machine: Machine) -> None:
    assert go_machine.run("pulumi.sh").returncode == 0
    whole = Path(tools(go_machine))
    cut_off = whole.rename(f"{whole}.part")
    (cut_off / "pulumi-language-python").unlink()

    done = go_machine.run("pulumi.sh")

    assert "built v3.250.0" in done.stdout
    assert (whole / "pulumi-language-python").exists()
    assert not cut_off.exists()


def test_a_build_that_was_killed_is_repeated(go_machine: Machine) -> None:
    (go_machine.engine / "go-waits").touch()
    go_machine.shell(
        """
        setsid offline/pulumi.sh & killed=$!
        until [ -s "$ENGINE/go" ]; do sleep 0.05; done
        kill -KILL -$killed
        """
    )
    (go_machine.engine / "go-waits").unlink()

    done = go_machine.run("pulumi.sh")

    assert "built v3.250.0" in done.stdout
    assert (Path(tools(go_machine)) / "pulumi").exists()


def test_two_setups_at_the_same_time_build_once(go_machine: Machine) -> None:
    second = go_machine.new_clone("second")
    (go_machine.engine / "go-waits").touch()

    both = go_machine.shell(
        f"""
        offline/pulumi.sh >one & one=$!
        '{second}/offline/pulumi.sh' >two & two=$!
        until [ -s "$ENGINE/go" ] && grep -q builds one && grep -q builds two; do sleep 0.05; done
        rm "$ENGINE/go-waits"
        wait $one; wait $two
        grep -c 'cmd/pulumi$' "$ENGINE/go"
        """
    )

    assert both == "1"


def test_without_go_the_error_names_what_to_install(machine: Machine) -> None:
    done = machine.run("pulumi.sh")

    assert done.returncode == 1
    assert "install Go 1.21 or later, or Pulumi" in done.stdout
