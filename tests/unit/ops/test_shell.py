"""The docker command of `gixctl shell`, which always uses the stack's engine."""

from pathlib import Path
from typing import Any

import pytest

from gix_engine.swarm_state import SwarmState
from gix_model.settings import EngineSettings
from gix_ops import shell, swarm
from gix_ops.errors import StackError
from tests.unit.engine.test_swarm import task
from tests.unit.ops.test_swarm import CLIENT, observed, stack


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """A PATH with a docker command and one of another name."""
    for name in ("docker", "docker-20"):
        (tmp_path / name).write_text("#!/bin/sh\n")
        (tmp_path / name).chmod(0o755)
    return tmp_path


def invocation(path: Path, *, engine: dict[str, Any] | None = None, **options: Any) -> shell.Invocation:
    environment = {"PATH": str(path)} | options.pop("environment", {})
    return shell.invocation(
        EngineSettings.model_validate(engine or {}),
        Path("/program"),
        "gix-router",
        options.pop("command", ()),
        environment=environment,
        **({"user": None, "terminal": False} | options),
    )


def test_given_no_command_shell_starts_a_shell_on_this_machine_s_engine(path: Path) -> None:
    words = invocation(path).words
    assert words[:5] == [f"{path}/docker", "--host", "unix:///var/run/docker.sock", "exec", "--interactive"]
    assert words[5:] == ["gix-router", *shell.DEFAULT_COMMAND]


def test_given_a_terminal_a_user_and_a_command_all_three_are_passed_on(path: Path) -> None:
    words = invocation(path, terminal=True, user="root", command=["ls", "-l", "--", "/data"]).words
    assert words[3:] == [
        *("exec", "--interactive", "--tty", "--user", "root", "gix-router"),
        *("ls", "-l", "--", "/data"),
    ]


def test_given_docker_host_its_engine_and_its_tls_settings_are_used(path: Path) -> None:
    variables = {"DOCKER_HOST": "tcp://192.0.2.1:2376", "DOCKER_TLS_VERIFY": "1", "DOCKER_CERT_PATH": "/certificates"}
    found = invocation(path, environment=variables)
    assert found.words[1:3] == ["--host", "tcp://192.0.2.1:2376"]
    assert found.environment == {"PATH": str(path)} | variables


def test_given_an_engine_in_the_stack_docker_host_and_its_tls_settings_are_ignored(path: Path) -> None:
    variables = {"DOCKER_HOST": "tcp://192.0.2.1:2376", "DOCKER_TLS_VERIFY": "1", "DOCKER_CERT_PATH": "/certificates"}
    found = invocation(path, engine={"host": "ssh://gix@host"}, environment=variables)
    assert found.words[1:4] == ["--host", "ssh://gix@host", "exec"]
    assert found.environment == {"PATH": str(path), "DOCKER_HOST": "tcp://192.0.2.1:2376"}


@pytest.mark.parametrize(
    ("given", "found"), [("certs", "/program/certs"), ("/etc/certs", "/etc/certs")], ids=["relative", "absolute"]
)
def test_given_certificates_they_are_used_and_verification_is_on(path: Path, given: str, found: str) -> None:
    words = invocation(path, engine={"host": "tcp://192.0.2.1:2376", "certPath": given}).words
    assert words[1:11] == [
        *("--host", "tcp://192.0.2.1:2376", "--tlsverify", "--tlscacert", f"{found}/ca.pem"),
        *("--tlscert", f"{found}/cert.pem", "--tlskey", f"{found}/key.pem", "exec"),
    ]


def test_the_command_that_gix_docker_names_is_used(path: Path) -> None:
    assert invocation(path, environment={"GIX_DOCKER": "docker-20"}).words[0] == f"{path}/docker-20"


@pytest.mark.parametrize("variables", [{}, {"GIX_DOCKER": "podman"}], ids=["docker", "GIX_DOCKER"])
def test_given_no_docker_command_the_fix_is_shown(tmp_path: Path, variables: dict[str, str]) -> None:
    wanted = variables.get("GIX_DOCKER", "docker")
    with pytest.raises(StackError, match=f"there is no command {wanted}; install Docker's command line"):
        invocation(tmp_path, environment=variables)


def target(monkeypatch: pytest.MonkeyPatch, found: SwarmState, *, records: dict[str, dict[str, Any]]) -> shell.Target:
    monkeypatch.setattr(swarm, "observe", lambda _: found)
    monkeypatch.setattr(swarm.NodeEngines, "container", lambda _, each: records.get(each.node, {}))
    return shell.target(stack(), CLIENT, "router")


def test_in_swarm_a_shell_opens_in_a_task_whose_node_has_an_engine(monkeypatch: pytest.MonkeyPatch) -> None:
    tasks = [task("running", node="id-one"), task("starting", slot=2, node="id-two")]
    records = {"two": {"Id": "c2", "State": {"Status": "running"}}}
    found = target(monkeypatch, observed(*tasks, replicas=2), records=records)
    assert (found.engine.host, found.engine.mode, found.container) == ("unix:///nowhere", "containers", "c2")


@pytest.mark.parametrize(
    ("tasks", "reason"),
    [
        ([task("running", node="id-one")], r"gix:engine\.nodes has no address of the engine of one.*pulumi up"),
        ([task("running", node="id-two")], r"on the node two, whose engine at unix:///nowhere does not answer"),
        ([task("pending", error="no suitable node")], "gix-router.1 is pending: no suitable node; gixctl nodes shows"),
        ([], "gix-router is missing"),
    ],
)
def test_in_swarm_a_shell_that_cannot_open_says_why(
    monkeypatch: pytest.MonkeyPatch, tasks: list[dict[str, Any]], reason: str
) -> None:
    with pytest.raises(StackError, match=reason):
        target(monkeypatch, observed(*tasks), records={})
