"""What the Makefile does with the options of make."""

import shutil
import subprocess
from pathlib import Path

import pytest

from tests.support.stack_under_test import PROGRAM


@pytest.mark.parametrize(("target", "command"), [("test", "pytest --numprocesses"), ("up", "pulumi up")])
def test_a_dry_run_prints_the_commands_and_runs_none(tmp_path: Path, target: str, command: str) -> None:
    shutil.copy(PROGRAM / "Makefile", tmp_path)
    for needed in ("requirements.txt", "pyproject.toml"):
        (tmp_path / needed).write_text("")
    setup = tmp_path / "offline/setup"
    setup.parent.mkdir()
    setup.write_text("#!/bin/sh\ntouch set-up\n")
    setup.chmod(0o755)
    before = sorted(tmp_path.rglob("*"))
    done = subprocess.run(["make", "--dry-run", target], cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert command in done.stdout
    assert sorted(tmp_path.rglob("*")) == before
