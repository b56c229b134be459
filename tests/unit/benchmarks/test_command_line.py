"""The command line of the benchmark where it cannot measure: a line for the user, and no traceback."""

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import docker
import pytest

from benchmarks import __main__ as command_line
from benchmarks import commands
from benchmarks.commands import BenchmarkError
from tests.unit.declared import PROGRAM


def test_given_no_engine_it_says_so_in_one_line(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "benchmarks", "--peer", "gix", "--case", "c"],
        cwd=PROGRAM,
        env=os.environ | {"DOCKER_HOST": f"unix://{tmp_path}/absent.sock"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 1
    [line] = done.stderr.splitlines()
    assert line.startswith("the Docker engine does not answer (")
    assert line.endswith("; to start it: make setup")


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_given_a_signal_it_cleans_up_and_says_so_also_in_a_background_job(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], number: signal.Signals
) -> None:
    cleaned: list[bool] = []

    def measure(*_arguments: Any, **_options: Any) -> Iterator[Any]:
        try:
            os.kill(os.getpid(), number)
            yield from ()
        finally:
            cleaned.append(True)

    before = {each: signal.getsignal(each) for each in (signal.SIGTERM, signal.SIGINT)}
    # As a shell does for a background job.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    monkeypatch.setattr(docker, "from_env", lambda: None)
    monkeypatch.setattr(command_line, "measure", measure)
    monkeypatch.setattr(sys, "argv", ["benchmarks"])
    try:
        assert command_line.main() == 130
    finally:
        for each, handler in before.items():
            signal.signal(each, handler)
    assert cleaned == [True]
    assert "interrupted" in capsys.readouterr().err


def test_actions_at_the_same_time_are_all_waited_for_and_the_first_error_is_raised() -> None:
    ended: list[str] = []

    def fail() -> None:
        raise BenchmarkError("no")

    with pytest.raises(BenchmarkError, match="no"):
        commands.at_the_same_time([fail, lambda: ended.append("other")])
    assert ended == ["other"]
