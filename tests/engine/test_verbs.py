"""Every verb of gixctl: with a second stack on the engine, and without something that it needs."""

import io
import json
import sys
import tarfile
from collections.abc import Callable, Iterator
from contextlib import redirect_stderr, redirect_stdout
from dataclasses import dataclass
from pathlib import Path

import docker
import pytest
import typer

from gix_ops import cli
from tests.support.gixctl import gixctl
from tests.support.stack_under_test import StackUnderTest, temporary_stack

VERBS: dict[str, list[str]] = {
    "status": [],
    "health": [],
    "logs": ["--tail", "1"],
    "shell": ["auction", "--", "true"],
    "graph": [],
    "address": ["auction"],
    "plan": [],
    "history": [],
    "verify": [],
    "doctor": ["--json"],
    "audit": [],
    "scan": ["--sbom", "SBOM"],
    "backup": ["ARCHIVE"],
    "restore": ["SAVED", "--replace"],
    "fix-permissions": [],
}
"""The arguments of each verb. Names in capitals stand for a test's files."""
TRIED_ELSEWHERE = {"delete-ledger", "drain", "nodes", "rollback"}
"""Tested in test_ledger.py, since it needs a stack that is down, in test_rollback.py, and in test_swarm.py."""
NOT_ABOUT_A_STACK = {"backups", "drift", "review", "pull-request", "release"}
WORKS_WITHOUT_AN_ENGINE = {"address", "history"}
WORKS_WITHOUT_A_CONTAINER = {"address", "backup", "history", "restore", "scan"}


@dataclass(frozen=True, kw_only=True)
class Said:
    code: int
    out: str
    err: str


Run = Callable[..., Said]


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Run:
    """Run a verb in this process, which saves its start-up time."""

    def run(stack: StackUnderTest, verb: str, *, name: str | None = None, **variables: str) -> Said:
        files = {"ARCHIVE": tmp_path / f"{stack.name}.tar.gz", "SAVED": saved(tmp_path), "SBOM": tmp_path / "sbom"}
        words = [str(files.get(word, word)) for word in VERBS[verb]]
        selected = ["--stack", name or stack.name]
        at = words.index("--") if "--" in words else len(words)
        if variables == {} and verb == "shell" and name is None:
            # `shell` replaces its process by the docker command.
            done = gixctl(stack, *["shell", "--stack", stack.name, *words], select=False)
            return Said(code=done.returncode, out=done.stdout, err=done.stderr)
        with monkeypatch.context() as patch:
            patch.chdir(stack.directory)
            for variable, value in (stack.variables | {"COLUMNS": "200", "NO_COLOR": "1"} | variables).items():
                patch.setenv(variable, value)
            patch.setattr(sys, "argv", ["gixctl", verb, *words[:at], *selected, *words[at:]])
            out, err = io.StringIO(), io.StringIO()
            with redirect_stdout(out), redirect_stderr(err), pytest.raises(SystemExit) as ended:
                cli.main()
        return Said(code=int(ended.value.code or 0), out=out.getvalue(), err=err.getvalue())

    return run


def saved(directory: Path) -> Path:
    """A valid archive."""
    path = directory / "saved.tar.gz"
    if not path.exists():
        with tarfile.open(path, "w:gz") as tar:
            entry = tarfile.TarInfo("./ledger.jsonl")
            entry.uid = entry.gid = 1000
            tar.addfile(entry)
    return path


@pytest.fixture(scope="module")
def beside(client: docker.DockerClient, tmp_path_factory: pytest.TempPathFactory) -> Iterator[StackUnderTest]:
    """A second stack on the same engine."""
    with temporary_stack(client, tmp_path_factory.mktemp("beside") / "gix") as stack:
        stack.up()
        yield stack


def test_every_verb_is_tested_here_or_elsewhere() -> None:
    command = typer.main.get_command(cli.application())
    verbs = set(getattr(command, "commands", {}))
    assert verbs == {*VERBS, *TRIED_ELSEWHERE, *NOT_ABOUT_A_STACK}


@pytest.mark.parametrize("verb", VERBS)
def test_given_two_stacks_each_verb_acts_on_the_selected_one(
    platform: StackUnderTest, beside: StackUnderTest, run: Run, verb: str
) -> None:
    ids = {each.name: each.ids() for each in (platform, beside)}
    for stack, other in ((platform, beside), (beside, platform)):
        said = run(stack, verb)
        # These stacks are not hardened, so that the audit fails.
        assert said.code == (1 if verb == "audit" else 0), said
        assert other.name not in said.out
        if verb not in {"logs", "shell"}:
            assert stack.name in said.out or str(stack.endpoint("auction")[1]) in said.out or "1000:1000" in said.out
    assert {each.name: each.ids() for each in (platform, beside)} == ids


@pytest.mark.parametrize("verb", VERBS)
def test_given_no_engine_each_verb_fails_with_one_line(platform: StackUnderTest, run: Run, verb: str) -> None:
    said = run(platform, verb, DOCKER_HOST="unix:///absent.sock")
    if verb in WORKS_WITHOUT_AN_ENGINE:
        assert said.code == 0, said
        return
    assert said.code == 1, said
    if verb == "doctor":
        faults = {each["check"]: each for each in json.loads(said.out)["findings"] if each["level"] == "fault"}
        assert "make setup" in faults["engine"]["fix"]
    else:
        output = said.out + said.err
        assert "ngine" in output
        assert "Traceback" not in output
        assert len(said.err.splitlines()) <= 3


@pytest.mark.parametrize("verb", VERBS)
def test_given_no_such_stack_each_verb_fails_with_one_line(platform: StackUnderTest, run: Run, verb: str) -> None:
    said = run(platform, verb, name="absent")
    assert said.code == 1, said
    assert "absent" in said.out + said.err
    assert "Traceback" not in said.out + said.err
    assert len(said.err.splitlines()) <= 3


@pytest.mark.parametrize("verb", [verb for verb in VERBS if verb != "plan"])
def test_given_a_missing_auction_each_verb_reports_it_or_does_without_it(
    without_auction: StackUnderTest, run: Run, verb: str
) -> None:
    said = run(without_auction, verb)
    assert "Traceback" not in said.out + said.err
    if verb in WORKS_WITHOUT_A_CONTAINER:
        assert said.code == 0, said
    else:
        assert said.code == 1, said
        assert "auction" in said.out + said.err


@pytest.fixture(scope="module")
def without_auction(client: docker.DockerClient, tmp_path_factory: pytest.TempPathFactory) -> Iterator[StackUnderTest]:
    """A stack whose auction container was removed by hand."""
    with temporary_stack(client, tmp_path_factory.mktemp("without") / "gix") as stack:
        stack.up()
        client.containers.get(str(stack.container("auction")["Id"])).remove(force=True)
        yield stack
