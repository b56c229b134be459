"""`gixctl` without an engine or program: failures take one line, and the shell completes words."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.unit.declared import PROGRAM

VERBS = {file.stem for file in (PROGRAM / "gix_ops/commands").glob("*.py") if "\nHEADING = " in file.read_text()}
"""The modules of all verbs."""


def gixctl(directory: Path, *words: str) -> subprocess.CompletedProcess[str]:
    environment = os.environ | {"PYTHONPATH": str(PROGRAM), "DOCKER_HOST": f"unix://{directory}/absent.sock"}
    command = [sys.executable, "-m", "gix_ops.cli", *words]
    return subprocess.run(command, cwd=directory, env=environment, capture_output=True, text=True, check=False)


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["delete-ledger", "gcam-data"], "there is no Pulumi.yaml"),
        (["status"], "there is no Pulumi.yaml"),
        (["verify"], "there is no Pulumi.yaml"),
        (["plan"], "there is no Pulumi.yaml"),
        (["address", "router"], "there is no Pulumi.yaml"),
        (["review", "up", "1"], "there is no Pulumi.yaml"),
    ],
    ids=lambda value: value[0] if isinstance(value, list) else "",
)
def test_a_failure_is_reported_in_one_line(tmp_path: Path, words: list[str], message: str) -> None:
    done = gixctl(tmp_path, *words)
    assert done.returncode == 1
    assert message in done.stderr
    assert "Traceback" not in done.stderr


def test_given_no_pulumi_command_the_message_says_how_to_get_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "Pulumi.yaml").write_text("name: gix\n")
    (tmp_path / "Pulumi.dev.yaml").write_text("config: {}\n")
    monkeypatch.setenv("PATH", str(tmp_path))
    for words in (["status"], ["review", "up", "1"]):
        done = gixctl(tmp_path, *words)
        assert done.returncode == 1
        assert "there is no pulumi command on PATH" in done.stderr
        assert "Traceback" not in done.stderr


@pytest.mark.parametrize(
    ("line", "offered"),
    [
        ("gixctl ba", {"backup", "backups"}),
        ("gixctl logs r", {"router"}),
        ("gixctl restore --re", {"--replace"}),
        ("gixctl review ", {"up", "down"}),
    ],
)
def test_the_shell_completes_verbs_services_and_options(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, line: str, offered: set[str]
) -> None:
    monkeypatch.setenv("_GIXCTL_COMPLETE", "complete_bash")
    monkeypatch.setenv("COMP_WORDS", line)
    monkeypatch.setenv("COMP_CWORD", str(line.count(" ")))
    assert set(gixctl(tmp_path).stdout.split()) == offered


def test_gixctl_runs_without_the_pulumi_sdk() -> None:
    script = """
import sys

class Absent:
    def find_spec(self, name, path=None, target=None):
        if name.split(".")[0] in {"pulumi", "pulumi_docker", "gix_components"}:
            raise ModuleNotFoundError(name)

sys.meta_path.insert(0, Absent())
from importlib import import_module
from pathlib import Path

for file in Path("gix_ops").rglob("*.py"):
    import_module(".".join(file.with_suffix("").parts).removesuffix(".__init__"))
"""
    done = subprocess.run((sys.executable, "-c", script), cwd=PROGRAM, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize(
    ("words", "loaded"),
    [
        (("status", "--help"), {"status"}),
        (("fix-permissions", "--help"), {"fix_permissions"}),
        (("--help",), VERBS),
        (("-C", ".", "status", "--help"), VERBS),
        (("options",), VERBS),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, tuple) else "",
)
def test_a_command_line_loads_only_the_verb_that_it_begins_with(words: tuple[str, ...], loaded: set[str]) -> None:
    program = f"""
import sys
from gix_ops import cli, commands
cli.application({words!r})
print(*(name for name in sys.modules if hasattr(sys.modules[name], "HEADING")))
"""
    done = subprocess.run([sys.executable, "-c", program], cwd=PROGRAM, capture_output=True, text=True, check=True)
    assert {name.rpartition(".")[2] for name in done.stdout.split()} == loaded
