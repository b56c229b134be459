from __future__ import annotations

import pytest

from .machine import Machine

PYTHON = '[ -e "$ENGINE/python-works" ]'
APT = """
    echo "$*" >>"$ENGINE/apt"
    case $* in
        *python3-venv*) touch "$ENGINE/python-works" ;;
        "download docker-registry busybox-static debootstrap openssh-server libwrap0")
            touch docker-registry_2.8.2_all.deb
            ;;
    esac
"""
DPKG = """
    mkdir -p "$3/usr/bin" "$3/usr/share/debootstrap"
    touch "$3/usr/bin/docker-registry"
    chmod +x "$3/usr/bin/docker-registry"
"""


def test_python_without_venv_gets_it(machine: Machine) -> None:
    machine.command("python3", PYTHON)
    machine.command("apt-get", APT)

    done = machine.run("packages.sh")

    assert done.returncode == 0, done.stdout
    assert "python3-venv" in (machine.engine / "apt").read_text()


def test_a_python_that_is_too_old_is_reported(machine: Machine) -> None:
    machine.command("python3", "exit 1")
    machine.command("apt-get", APT)

    done = machine.run("packages.sh")

    assert done.returncode == 1
    assert "older than 3.11" in done.stdout
    assert "packages  to do " in done.stdout


@pytest.mark.parametrize(("arguments", "unpacked"), [((), False), (("--tests",), True)])
def test_the_tests_tools_are_unpacked_only_with_the_option(
    machine: Machine,
    arguments: tuple[str, ...],
    unpacked: bool,  # noqa: FBT001 - a column of the table
) -> None:
    machine.command("apt-get", APT)
    machine.command("ssh", "exit 1")
    machine.command("dpkg-deb", DPKG)

    done = machine.run("packages.sh", *arguments)

    assert done.returncode == 0, done.stdout
    assert ("GIX_TEST_TOOLS" in machine.published("packages")) == unpacked
    assert "install" not in ((machine.engine / "apt").read_text() if unpacked else "")


def test_the_tests_get_an_ssh_client_if_there_is_none(machine: Machine) -> None:
    machine.command("apt-get", APT)
    machine.command("dpkg-deb", DPKG)

    done = machine.run("packages.sh", "--tests")

    assert done.returncode == 0, done.stdout
    assert "openssh-client" in (machine.engine / "apt").read_text()


def test_unpacked_tools_are_not_downloaded_again(machine: Machine) -> None:
    machine.command("apt-get", APT)
    machine.command("ssh", "exit 1")
    machine.command("dpkg-deb", DPKG)
    machine.run("packages.sh", "--tests")
    asked = (machine.engine / "apt").read_text()

    for arguments in ((), ("--tests",)):
        assert machine.run("packages.sh", *arguments).returncode == 0
        assert "GIX_TEST_TOOLS" in machine.published("packages")

    assert (machine.engine / "apt").read_text() == asked
