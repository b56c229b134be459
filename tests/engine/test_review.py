"""A review stack for a pull request: one command creates it, one removes it, and nothing is left."""

import os
import secrets
import subprocess
import sys
from pathlib import Path

import docker
import pytest

from gix_engine.observed_state import observe_images
from gix_ops.delivery import review
from tests.support.stack_under_test import SERVICES, is_free, program_copy


@pytest.fixture
def number() -> int:
    """A pull request number whose ports are free."""
    while True:
        number = 1_000_000 + secrets.randbelow(review.PLACES)
        services = review.settings(number)
        ports = [getattr(services, service).host_port for service in SERVICES]
        if all(is_free(port) for port in ports):
            return number


def test_a_review_stack_comes_up_beside_other_stacks_and_leaves_nothing(
    client: docker.DockerClient, tmp_path: Path, number: int
) -> None:
    program = program_copy(tmp_path / "gix")
    (program / "Pulumi.dev.yaml").write_text("config:\n  gix:defaults:\n    healthCheck: {interval: 500ms}\n")
    (tmp_path / "state").mkdir()
    environment = os.environ | {
        "PULUMI_BACKEND_URL": f"file://{tmp_path}/state",
        "PULUMI_CONFIG_PASSPHRASE": "test",
        "PYTHONPATH": str(Path(review.__file__).parents[1]),
    }

    def gixctl(*words: str) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-m", "gix_ops.cli", *words]
        return subprocess.run(command, cwd=program, env=environment, capture_output=True, text=True, check=False)

    def made() -> list[str]:
        names = [str(each.name) for each in client.containers.list(all=True, ignore_removed=True)]
        names += [str(each.name) for each in client.networks.list()]
        names += [each.name for each in client.volumes.list()]
        names += [tag for image in observe_images(client) for tag in image.tags]
        return [name for name in names if name.startswith(f"pr-{number}-")]

    try:
        up = gixctl("review", "up", str(number))
        assert up.returncode == 0, up.stdout + up.stderr
        assert len(made()) == 8
        assert gixctl("status", "--stack", f"pr-{number}").returncode == 0
        again = gixctl("review", "up", str(number))
        assert "unchanged" in again.stdout
    finally:
        down = gixctl("review", "down", str(number))
    assert down.returncode == 0, down.stdout + down.stderr
    assert made() == []
    assert not (program / f"Pulumi.pr-{number}.yaml").exists()
    assert gixctl("review", "down", str(number)).returncode == 1
