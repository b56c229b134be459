"""What a failed update says about a container."""

from types import SimpleNamespace
from typing import Any, cast

import pytest
from docker.models.containers import Container

from gix_components.container_failure import PROBE_WIDTH, describe_state

MISSING = 'OCI runtime exec failed: exec: "grpc-health-probe": executable file not found in $PATH'


def probe(exit_code: int, output: str) -> dict[str, Any]:
    return {"ExitCode": exit_code, "Output": output}


@pytest.mark.parametrize(
    ("state", "health", "wanted"),
    [
        ("running", None, "running, no health check"),
        ("running", [], "running, starting"),
        ("running", [probe(0, "status: SERVING")], "running, starting"),
        ("running", [probe(1, "")], "running, starting"),
        ("running", [probe(-1, f"{MISSING}\n")], f"running, starting; its last probe: {MISSING}"),
        (
            "running",
            [probe(1, "first"), probe(2, "bash:\n refused")],
            "running, starting; its last probe: bash: refused",
        ),
        ("running", [probe(1, "first"), probe(0, "")], "running, starting"),
        ("running", [probe(1, 1000 * "x")], f"running, starting; its last probe: {PROBE_WIDTH * 'x'}"),
        ("exited", [probe(1, "refused")], "exited, exit code 3, starting"),
    ],
)
def test_a_container_that_runs_is_described_with_its_failed_probe(
    state: str, health: list[dict[str, Any]] | None, wanted: str
) -> None:
    found: dict[str, Any] = {"Status": state, "ExitCode": 3}
    if health is not None:
        found["Health"] = {"Status": "starting", "Log": health}
    assert describe_state(cast("Container", SimpleNamespace(attrs={"State": found}))) == wanted
