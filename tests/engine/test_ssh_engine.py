"""An engine at ssh://: the whole life of a stack, and the checks that the preflight leaves out."""

import json
import os
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.gixctl import gixctl
from tests.support.jobs import ledger, settle
from tests.support.ssh_server import SshServer, ssh_server
from tests.support.stack_under_test import StackUnderTest


@pytest.fixture
def server(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[SshServer]:
    """An SSH server for this machine's engine. The `ssh` on PATH knows it; the user's settings are not used."""
    with ssh_server(tmp_path / "ssh") as server:
        monkeypatch.setenv("PATH", f"{server.path}{os.pathsep}{os.environ['PATH']}")
        yield server


def test_given_an_engine_at_ssh_a_stack_runs_on_it(fresh: StackUnderTest, server: SshServer, tmp_path: Path) -> None:
    fresh.change(engine={"host": server.engine})
    assert "does not run on this machine" in fresh.up().output
    assert server.logins
    settle(fresh, jobs=2)
    assert fresh.up().is_empty

    verified = gixctl(fresh, "verify")
    assert verified.returncode == 0, verified.stdout + verified.stderr
    file = tmp_path / "ledger.tar.gz"
    saved = gixctl(fresh, "backup", str(file))
    assert saved.returncode == 0, saved.stdout + saved.stderr
    lines = ledger(fresh)
    settle(fresh, jobs=1)
    restored = gixctl(fresh, "restore", str(file), "--replace")
    assert restored.returncode == 0, restored.stdout + restored.stderr
    assert ledger(fresh) == lines

    fresh.destroy()
    assert fresh.leavings() == {"containers": [], "networks": [], "volumes": [f"{fresh.prefix}-gcam-data"]}


def test_given_an_engine_at_ssh_this_machine_s_ports_and_routes_are_not_checked(
    fresh: StackUnderTest, server: SshServer
) -> None:
    fresh.change(engine={"host": server.engine}, router={"bindAddress": "192.0.2.7"})
    with socket.create_server(("127.0.0.1", fresh.config["gix:auction"]["hostPort"])):
        output = fresh.preview().output
    assert "does not run on this machine: its processes, addresses, routes and free disk are not checked" in output


def test_given_an_unknown_host_key_the_engine_is_a_fault(
    fresh: StackUnderTest, server: SshServer, tmp_path: Path
) -> None:
    (tmp_path / "ssh/known_hosts").write_text("")
    fresh.change(engine={"host": server.engine})
    done = gixctl(fresh, "doctor", "--json")
    faults = [each for each in json.loads(done.stdout)["findings"] if each["level"] == "fault"]
    assert any(each["check"] == "engine" for each in faults), done.stdout
