"""Clients of an engine at ssh://, with a stand-in for the `ssh` command that answers like an engine."""

import os
import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import docker
import pytest
from docker.errors import DockerException

from gix_engine import connection, ssh_transport
from gix_model.settings import EngineSettings

ADDRESS = "ssh://me@there:2222"
ENGINE = """#!/usr/bin/env python3
import os, sys
with open(os.path.join(os.path.dirname(__file__), "started"), "a") as started:
    started.write(f"{os.getpid()} {' '.join(sys.argv[1:])}\\n")
body = b'{"ApiVersion": "1.41"}'
while line := sys.stdin.buffer.readline():
    if line.startswith(b"GET "):
        target = line.split()[1]
    if line == b"\\r\\n":
        if target == b"/v1.41/_ping":
            body = b"OK"
        head = f"HTTP/1.1 200 OK\\r\\nContent-Type: application/json\\r\\nContent-Length: {len(body)}\\r\\n\\r\\n"
        sys.stdout.buffer.write(head.encode() + body)
        sys.stdout.buffer.flush()
"""


@pytest.fixture
def started(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A file with the process id and the arguments of each `ssh` command that was started."""
    command = tmp_path / "ssh"
    command.write_text(ENGINE)
    command.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}{os.pathsep}{os.environ['PATH']}")
    return tmp_path / "started"


@pytest.fixture
def client(started: Path) -> Iterator[docker.APIClient]:
    assert not started.exists()
    client = ssh_transport.connect(docker.APIClient, ADDRESS)
    yield client
    client.close()


def process(started: Path) -> int:
    [line] = started.read_text().splitlines()
    return int(line.split()[0])


def test_all_requests_share_one_ssh_command_which_survives_ctrl_c(client: docker.APIClient, started: Path) -> None:
    assert client.api_version == "1.41"
    assert client.ping()
    os.kill(process(started), signal.SIGINT)
    assert client.ping()
    [line] = started.read_text().splitlines()
    assert line.partition(" ")[2] == "-l me -p 2222 -- there docker system dial-stdio"


def test_a_closed_client_has_ended_its_ssh_command(client: docker.APIClient, started: Path) -> None:
    number = process(started)
    client.close()
    with pytest.raises(ProcessLookupError):
        os.kill(number, 0)


def test_no_code_runs_in_a_forked_child(started: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    options_of: list[dict[str, Any]] = []
    real = subprocess.Popen

    def record(*arguments: Any, **options: Any) -> "subprocess.Popen[bytes]":
        options_of.append(options)
        return real(*arguments, **options)

    monkeypatch.setattr(subprocess, "Popen", record)
    ssh_transport.connect(docker.APIClient, ADDRESS).close()
    assert [options.get("preexec_fn") for options in options_of] == [None]
    assert started.exists()


def test_given_an_ssh_command_that_has_ended_the_next_request_starts_another(
    client: docker.APIClient, started: Path
) -> None:
    os.kill(process(started), signal.SIGKILL)
    os.waitid(os.P_PID, process(started), os.WEXITED | os.WNOWAIT)
    assert client.ping()
    assert len(started.read_text().splitlines()) == 2


def test_given_an_ssh_command_that_fails_the_engine_does_not_answer(started: Path) -> None:
    (started.parent / "ssh").write_text("#!/bin/sh\nexit 255\n")
    with pytest.raises(OSError, match="Connection aborted"):
        ssh_transport.connect(docker.APIClient, ADDRESS)


@pytest.mark.parametrize("proxy", ["HTTP_PROXY", "ALL_PROXY"])
def test_a_proxy_of_the_environment_is_not_used(started: Path, monkeypatch: pytest.MonkeyPatch, proxy: str) -> None:
    monkeypatch.setenv(proxy, "http://127.0.0.1:1")
    assert connection.connect(EngineSettings(host=ADDRESS), started.parent).ping()


def test_given_no_key_the_address_in_docker_host_is_used(started: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DOCKER_HOST", ADDRESS)
    assert connection.connect(EngineSettings(), started.parent).ping()


def test_given_an_address_without_a_valid_port_the_error_names_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DOCKER_HOST", "ssh://there:port")
    with pytest.raises(DockerException, match=r"ssh://there:port: .*write ssh://USER@HOST:PORT"):
        connection.connect(EngineSettings(), tmp_path)
