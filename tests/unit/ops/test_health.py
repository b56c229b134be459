"""What an inspection says of a service's health."""

from datetime import UTC, datetime
from typing import Any

import pytest
from rich.console import Console
from typer.testing import CliRunner

from gix_model.catalog import ServiceName
from gix_ops import cli, health
from gix_ops.services import ServiceContainer
from gix_ops.stack import Stack
from tests.unit.declared import PROGRAM
from tests.unit.outputs import service_outputs, stack_outputs

NOW = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
DIGEST = "sha256:" + "ab12" * 16
STARTED = "2026-01-02T03:03:04.500000001Z"
HEALTHY: dict[str, Any] = {
    "Status": "running",
    "Running": True,
    "ExitCode": 0,
    "StartedAt": STARTED,
    "Health": {
        "Status": "healthy",
        "FailingStreak": 0,
        "Log": [
            {
                "Start": "2026-01-02T03:04:03.25Z",
                "End": "2026-01-02T03:04:03.5Z",
                "ExitCode": 0,
                "Output": "",
            }
        ],
    },
}
PORTS = {
    "9002/tcp": [{"HostIp": "", "HostPort": "19002"}, {"HostIp": "::", "HostPort": "19002"}],
    "50052/tcp": [{"HostIp": "127.0.0.1", "HostPort": "15052"}],
    "80/udp": None,
}


def container(
    state: dict[str, Any] | None = None,
    *,
    service: ServiceName = "auction",
    digest: str = DIGEST,
    restarts: int = 0,
) -> ServiceContainer:
    """A container in `state`. Without a state it is missing."""
    found = state and {
        "State": state,
        "Image": "sha256:here",
        "RestartCount": restarts,
        "NetworkSettings": {"Ports": PORTS},
    }
    return ServiceContainer(
        service=service, name=f"gix-{service}", outputs=service_outputs(service, digest=digest), found=found or {}
    )


def test_a_running_container_has_all_its_facts() -> None:
    found = health.health_of(container(HEALTHY, restarts=2), NOW)
    assert found.is_healthy
    assert (found.state, found.health, found.fix) == ("running", "healthy", None)
    assert (found.restarts, found.started, found.exit_code) == (2, STARTED, None)
    assert found.uptime_seconds == pytest.approx(60.5)
    assert found.ports == ["127.0.0.1:15052->50052/tcp", "0.0.0.0:19002->9002/tcp", "[::]:19002->9002/tcp"]
    assert found.probes == [health.Probe(started="2026-01-02T03:04:03.25Z", seconds=0.25, exit_code=0, output="")]


@pytest.mark.parametrize(
    ("state", "word", "fix"),
    [
        (HEALTHY | {"Health": {"Status": "unhealthy"}}, "unhealthy", "gixctl logs auction shows why"),
        (HEALTHY | {"Health": {"Status": "starting"}}, "starting", "gixctl logs auction shows why"),
        (HEALTHY | {"Status": "paused"}, "paused", "docker unpause gix-auction"),
        (HEALTHY | {"Status": "restarting"}, "restarting", "gixctl logs auction shows why"),
        (HEALTHY | {"Status": "exited", "Running": False}, "exited", "pulumi up --refresh starts it again"),
        ({key: HEALTHY[key] for key in HEALTHY if key != "Health"}, "running", "gixctl logs auction shows why"),
        (None, "missing", "pulumi up --refresh creates it again"),
    ],
    ids=lambda value: "" if isinstance(value, dict) else str(value),
)
def test_a_container_that_is_not_healthy_has_a_fix(state: dict[str, Any] | None, word: str, fix: str) -> None:
    found = health.health_of(container(state), NOW)
    assert not found.is_healthy
    assert found.health == word
    assert fix in str(found.fix)
    assert health.unhealthy([found]) == f"auction is not healthy ({word}): {found.fix}"


def test_a_container_that_does_not_run_has_an_exit_code_and_no_uptime() -> None:
    stopped = health.health_of(container(HEALTHY | {"Status": "exited", "Running": False, "ExitCode": 137}), NOW)
    assert (stopped.exit_code, stopped.started, stopped.uptime_seconds) == (137, None, None)
    missing = health.health_of(container(), NOW)
    assert (missing.exit_code, missing.started, missing.uptime_seconds, missing.ports) == (None, None, None, [])


def test_a_built_image_is_shown_by_the_running_digest_and_a_pulled_one_by_its_registry_digest() -> None:
    pulled = f"registry.test/gix/auction@{DIGEST}"
    assert health.health_of(container(HEALTHY), NOW).digest == "sha256:here"
    assert health.health_of(container(), NOW).digest == DIGEST
    assert health.health_of(container(HEALTHY, digest=pulled), NOW).digest == pulled


@pytest.mark.parametrize(
    ("seconds", "shown"),
    [(0.4, "0s"), (59.9, "59s"), (60, "1m"), (61, "1m 1s"), (3_661, "1h 1m"), (90_061, "1d 1h"), (86_460, "1d 1m")],
)
def test_a_time_is_shown_in_its_two_largest_units(seconds: float, shown: str) -> None:
    assert health.duration(seconds) == shown


def test_the_table_shows_the_output_of_a_probe_unchanged() -> None:
    failed = HEALTHY["Health"]["Log"][0] | {"ExitCode": 1, "Output": "[bold]refused[/bold]\n"}
    sick = HEALTHY | {"Health": {"Status": "unhealthy", "FailingStreak": 3, "Log": [failed]}}
    console = Console(width=120)
    with console.capture() as capture:
        shown = health.health_of(container(sick, restarts=4), NOW)
        console.print(health.table(Stack.from_outputs(stack_outputs(), PROGRAM), [shown]))
    for words in ("gix/dev on gix-network 172.28.0.0/16", "unhealthy", "(4 restarts)", "[bold]refused[/bold]"):
        assert words in capture.get()
    assert "3 failed in a row" in capture.get()


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--wait", "soon"], "soon is not a time such as 10s"),
        (["--wait", "60"], "60 is not a time such as 10s"),
        (["--wait", "60s", "--watch"], "--wait and --watch exclude each other"),
    ],
    ids=["no time", "no unit", "both"],
)
def test_an_invalid_wait_is_refused(words: list[str], message: str) -> None:
    done = CliRunner().invoke(cli.application(), ["health", *words], env={"COLUMNS": "200"})
    assert done.exit_code == 2
    assert message in done.output
