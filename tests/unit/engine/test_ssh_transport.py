"""How the `ssh` command of an engine at ssh:// is started and ended."""

import os
import signal
import subprocess
from pathlib import Path
from typing import Any

import pytest
from docker.transport import sshconn

from gix_engine import ssh_transport


@pytest.fixture
def words(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The file with the arguments of a stand-in for `ssh`, which echoes its input."""
    command = tmp_path / "ssh"
    command.write_text(f'#!/bin/sh\necho "$@" >{tmp_path}/words\nexec cat\n')
    command.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}{os.pathsep}{os.environ['PATH']}")
    return tmp_path / "words"


@pytest.fixture
def connection() -> sshconn.SSHSocket:
    ssh_transport.install()
    return sshconn.SSHSocket("me@there:2222")


def received(connection: sshconn.SSHSocket) -> bytes:
    """The next byte from the command."""
    assert connection.proc
    assert connection.proc.stdout
    return connection.proc.stdout.read(1)


def test_ssh_is_started_for_the_engine_and_survives_ctrl_c(words: Path, connection: sshconn.SSHSocket) -> None:
    connection.connect()
    connection.sendall(b"x")
    assert received(connection) == b"x"
    assert words.read_text() == "-l me -p 2222 -- there docker system dial-stdio\n"
    assert connection.proc
    connection.proc.send_signal(signal.SIGINT)
    connection.sendall(b"y")
    assert received(connection) == b"y"
    connection.close()
    connection.proc.wait()


def test_no_code_runs_in_a_forked_child(
    words: Path, connection: sshconn.SSHSocket, monkeypatch: pytest.MonkeyPatch
) -> None:
    started: list[dict[str, Any]] = []
    real = subprocess.Popen

    def record(*arguments: Any, **options: Any) -> "subprocess.Popen[bytes]":
        started.append(options)
        return real(*arguments, **options)

    monkeypatch.setattr(subprocess, "Popen", record)
    connection.connect()
    assert [options.get("preexec_fn") for options in started] == [None]
    connection.close()
    assert connection.proc
    connection.proc.wait()
    assert words.parent.exists()


def test_a_connection_whose_ssh_has_ended_is_closed_without_an_error(
    words: Path, connection: sshconn.SSHSocket
) -> None:
    connection.connect()
    assert connection.proc
    connection.proc.kill()
    connection.proc.wait()
    connection.close()
    assert words.parent.exists()
