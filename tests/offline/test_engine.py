from __future__ import annotations

from pathlib import Path

import pytest

from .machine import Machine

DOCKERD = """
    # Stands in for an engine that takes a moment until it answers.
    echo "$$" >"$ENGINE/pid"
    echo started >>"$ENGINE/starts"
    echo "engine log line"
    sleep 0.3
    touch "$ENGINE/up"
    exec sleep 60
"""


def starts(machine: Machine) -> int:
    log = machine.engine / "starts"
    return len(log.read_text().split()) if log.exists() else 0


def test_an_engine_that_answers_is_used(machine: Machine) -> None:
    machine.docker()
    machine.command("dockerd", DOCKERD)

    done = machine.run("engine.sh")

    assert done.returncode == 0, done.stdout
    assert "found   Docker Engine 20.10.24 at unix:///var/run/docker.sock" in done.stdout
    assert starts(machine) == 0


def test_an_installed_engine_is_started_and_outlives_the_setup(machine: Machine) -> None:
    machine.docker(up=False)
    machine.command("dockerd", DOCKERD)

    done = machine.run("engine.sh")

    assert done.returncode == 0, done.stdout
    assert "started Docker Engine 20.10.24" in done.stdout
    engine = int((machine.engine / "pid").read_text())
    session = int(Path(f"/proc/{engine}/stat").read_text().split()[5])
    assert session == engine, "it would die with the set-up's session"
    assert (machine.root / "dockerd.log").read_text() == "engine log line\n"
    assert machine.run("engine.sh").returncode == 0
    assert starts(machine) == 1


def test_an_engine_that_exits_at_once_is_reported_with_its_log(machine: Machine) -> None:
    machine.docker(up=False)
    machine.command("dockerd", "echo iptables not found; exit 1")

    done = machine.run("engine.sh")

    assert done.returncode == 1
    assert "iptables not found" in done.stdout
    assert "engine    to do   see" in done.stdout


def test_systemd_starts_the_engine_where_it_runs(machine: Machine) -> None:
    machine.docker(up=False)
    machine.command("dockerd", DOCKERD)
    (machine.run_dir / "systemd/system").mkdir(parents=True)
    machine.command("systemctl", 'echo "$*" >"$ENGINE/systemctl"; touch "$ENGINE/up"')

    done = machine.run("engine.sh")

    assert done.returncode == 0, done.stdout
    assert (machine.engine / "systemctl").read_text() == "start docker\n"
    assert starts(machine) == 0


def test_a_missing_engine_is_installed_and_started(machine: Machine) -> None:
    machine.docker(up=False)
    daemon = machine.command("dockerd", DOCKERD, folder=machine.root / "package")
    machine.command("apt-get", f'echo "$*" >>"$ENGINE/apt"; ln -sf {daemon} {machine.own_bin}/dockerd')

    done = machine.run("engine.sh")

    assert done.returncode == 0, done.stdout
    assert "installed and started" in done.stdout
    assert "docker.io iptables" in (machine.engine / "apt").read_text()


def test_outdated_package_lists_are_updated(machine: Machine) -> None:
    machine.docker(up=False)
    machine.command(
        "apt-get", 'case $1 in update) touch "$ENGINE/lists" ;; *) [ -e "$ENGINE/lists" ] && touch "$ENGINE/up" ;; esac'
    )

    assert machine.run("engine.sh").returncode == 0


@pytest.mark.parametrize(
    ("setting", "told"),
    [
        ({"FAKE_UID": "1000"}, "as root"),
        ({"DOCKER_HOST": "tcp://127.0.0.1:9"}, "no Docker engine answers at tcp://127.0.0.1:9"),
    ],
)
def test_an_engine_that_cannot_be_started_is_reported(machine: Machine, setting: dict[str, str], told: str) -> None:
    machine.docker(up=False)
    machine.command("dockerd", DOCKERD)

    machine.environment |= setting

    done = machine.run("engine.sh")

    assert done.returncode == 1
    assert told in done.stdout
    assert "engine    to do " in done.stdout
    assert starts(machine) == 0


def test_an_engine_that_refuses_this_user_is_reported_as_such(machine: Machine) -> None:
    machine.docker(up=False)
    machine.command("dockerd", DOCKERD)
    (machine.engine / "refusal").write_text("permission denied while trying to connect to the Docker daemon socket\n")

    done = machine.run("engine.sh")

    assert done.returncode == 1
    assert "adduser tester docker" in done.stdout
    assert starts(machine) == 0


def test_without_apt_the_missing_packages_are_named(machine: Machine) -> None:
    machine.docker(up=False)

    done = machine.run("engine.sh")

    assert done.returncode == 1
    assert "docker.io iptables" in done.stdout


def test_a_docker_command_that_supports_buildkit_is_chosen(machine: Machine) -> None:
    machine.docker(buildkit=False)
    second = machine.root / "second"
    machine.command("docker", (machine.own_bin / "docker").read_text(), folder=second)
    (machine.engine / "buildkit-second").touch()

    done = machine.run("engine.sh", PATH=f"{machine.environment['PATH']}:{second}")

    assert done.returncode == 0, done.stdout
    assert machine.published("engine") == f"GIX_DOCKER='{second}/docker'\n\n"


def test_the_docker_command_in_gix_docker_comes_first(machine: Machine) -> None:
    machine.docker()
    named = machine.command("docker", (machine.own_bin / "docker").read_text(), folder=machine.root / "named")
    (machine.engine / "buildkit-named").touch()

    machine.run("engine.sh", GIX_DOCKER=str(named))

    assert machine.published("engine") == f"GIX_DOCKER='{named}'\n\n"


def test_without_a_docker_command_that_supports_buildkit_the_fix_is_shown(machine: Machine) -> None:
    machine.docker(buildkit=False)

    done = machine.run("engine.sh")

    assert done.returncode == 1
    assert "no docker command supports BuildKit" in done.stdout
    assert "docker-buildx" in done.stdout
