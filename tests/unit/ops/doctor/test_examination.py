"""`gixctl doctor` with something missing: each check reports its finding, and the others still run."""

import json
import os
import socket
import stat
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from docker.errors import APIError

from gix_ops.doctor import engine_checks, examination, finding, locks, tool_checks
from gix_ops.doctor.facts import Facts
from gix_ops.doctor.finding import Finding, Level
from gix_ops.errors import StackError
from tests.unit.declared import PROGRAM

LOCK_WITHOUT_PROCESS = {
    "pid": 4_194_305,
    "username": "gix",
    "hostname": socket.gethostname(),
    "timestamp": "2026-01-02T03:04:05Z",
}
"""A lock of a process that cannot exist: its id is more than the largest of the kernel."""


def gixctl(directory: Path, *words: str, **variables: str) -> subprocess.CompletedProcess[str]:
    environment = os.environ | {"PYTHONPATH": str(PROGRAM), "DOCKER_HOST": f"unix://{directory}/absent.sock"}
    command = [sys.executable, "-m", "gix_ops.cli", *words]
    return subprocess.run(
        command, cwd=directory, env=environment | variables, capture_output=True, text=True, check=False
    )


def diagnosed(directory: Path, *words: str, **variables: str) -> dict[str, Any]:
    done = gixctl(directory, "doctor", "--json", *words, **variables)
    assert done.stderr == ""
    diagnosis: dict[str, Any] = json.loads(done.stdout)
    assert done.returncode == (1 if diagnosis["faults"] else 0)
    assert {each["check"] for each in diagnosis["findings"]} == {check for check, _ in examination._CHECKS}
    return diagnosis


def levels(diagnosis: dict[str, Any]) -> dict[str, str]:
    return {each["check"]: each["level"] for each in diagnosis["findings"]}


def faults(diagnosis: dict[str, Any]) -> dict[str, tuple[str, str]]:
    found = [each for each in diagnosis["findings"] if each["level"] == "fault"]
    assert all(each["fix"] for each in found)
    return {each["check"]: (each["text"], each["fix"]) for each in found}


def program(directory: Path) -> Path:
    (directory / "Pulumi.yaml").write_text("name: gix\nruntime: python\nbackend:\n  url: file://.\n")
    (directory / "requirements.txt").write_text("pulumi==3.250.0 \\\n    --hash=sha256:00\npulumi-docker==5.2.0\n")
    return directory


def installed(directory: Path, **versions: str) -> None:
    """Make a virtual environment with the metadata of these packages."""
    library = directory / ".venv/lib/python3.11/site-packages"
    for name, version in versions.items():
        about = library / f"{name}-{version}.dist-info"
        about.mkdir(parents=True)
        (about / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n")


def command(directory: Path, name: str, script: str) -> Path:
    file = directory / name
    file.write_text(f"#!/bin/sh\n{script}\n")
    file.chmod(file.stat().st_mode | stat.S_IXUSR)
    return file


def test_given_no_program_and_no_engine_both_are_faults_and_the_other_checks_are_skipped(tmp_path: Path) -> None:
    diagnosis = diagnosed(tmp_path)
    found = faults(diagnosis)
    assert "there is no Pulumi.yaml" in found["program"][0]
    assert "does not answer" in found["engine"][0]
    assert "make setup" in found["engine"][1]
    assert set(found) == {"program", "engine"}
    assert set(levels(diagnosis).values()) == {"fault", "skipped"}
    reasons = {each["text"] for each in diagnosis["findings"] if each["level"] == "skipped"}
    assert reasons == {"see the check: program", "see the check: engine"}


def test_given_no_pulumi_command_it_is_a_fault(tmp_path: Path) -> None:
    installed(program(tmp_path), pulumi="3.250.0", pulumi_docker="5.2.0")
    found = faults(diagnosed(tmp_path, PATH=str(tmp_path)))
    assert "there is no pulumi command" in found["pulumi"][0]
    assert set(found) == {"pulumi", "engine"}


def test_given_no_such_stack_the_fix_creates_it(tmp_path: Path) -> None:
    directory = program(tmp_path)
    installed(directory, pulumi="3.250.0", pulumi_docker="5.2.0")
    command(
        directory,
        "pulumi",
        'case $1 in version) echo v3.250.0;; *) echo "error: no stack named dev" >&2; exit 6;; esac',
    )
    found = faults(diagnosed(directory, "--stack", "dev", PATH=f"{directory}:/bin:/usr/bin"))
    assert found["stack"] == ("no stack named dev", "pulumi stack select --create dev")
    assert set(found) == {"stack", "engine"}


def test_given_a_wrong_passphrase_the_fix_names_the_variable(tmp_path: Path) -> None:
    directory = program(tmp_path)
    installed(directory, pulumi="3.250.0", pulumi_docker="5.2.0")
    script = """case $1 in
        version) echo v3.250.0 ;;
        stack) [ "$2" = --show-name ] && echo dev ;;
        whoami) echo '{"url": "file://."}' ;;
        *) echo "error: incorrect passphrase" >&2; exit 1 ;;
    esac"""
    command(directory, "pulumi", script)
    found = faults(diagnosed(directory, PATH=f"{directory}:/bin:/usr/bin"))
    assert "incorrect passphrase" in found["configuration"][0]
    assert "PULUMI_CONFIG_PASSPHRASE" in found["configuration"][1]
    assert set(found) == {"configuration", "engine"}


def test_given_no_engine_fix_changes_nothing_and_lists_what_it_left(tmp_path: Path) -> None:
    done = gixctl(program(tmp_path), "doctor", "--fix")
    assert done.returncode == 1
    assert "Traceback" not in done.stdout + done.stderr
    assert "did not release the locks" in done.stdout


@pytest.mark.parametrize(
    ("pulumi", "level", "text"),
    [
        ("3.250.7", Level.OK, "3.250.7"),
        ("3.249.0", Level.WARNING, "the same major and minor version"),
    ],
)
def test_the_pulumi_command_must_fit_the_library(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, pulumi: str, level: Level, text: str
) -> None:
    installed(program(tmp_path), pulumi="3.250.0", pulumi_docker="5.2.0")
    command(tmp_path, "pulumi", f"echo v{pulumi}")
    monkeypatch.setenv("PATH", str(tmp_path))
    [found] = tool_checks.pulumi(Facts(tmp_path, None))
    assert found.level is level
    assert text in found.text


def test_python_packages_that_differ_from_the_lock_are_named(tmp_path: Path) -> None:
    installed(program(tmp_path), pulumi="3.250.0", pulumi_docker="5.1.0")
    [found] = tool_checks.python(Facts(tmp_path, None))
    assert found.level is Level.WARNING
    assert "pulumi-docker 5.1.0 instead of 5.2.0" in found.text
    assert "pulumi 3" not in found.text


def test_given_no_virtual_environment_the_fix_is_make_setup(tmp_path: Path) -> None:
    [found] = tool_checks.python(Facts(program(tmp_path), None))
    assert (found.level, found.fix) == (Level.FAULT, "make setup")


@pytest.mark.parametrize(
    ("content", "automatic", "level", "text"),
    [
        ("#!/bin/sh\nexec python -m offline.docker_plugin", "true", Level.OK, "the offline plugin, 5.2.0"),
        ("\x7fELF", "true", Level.OK, "the official plugin, 5.2.0"),
        (None, "true", Level.FAULT, "does not exist"),
        (None, "false", Level.WARNING, "downloads it"),
    ],
)
def test_the_docker_plugin_is_named_with_its_kind_and_version(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, content: str | None, automatic: str, level: Level, text: str
) -> None:
    installed(program(tmp_path), pulumi="3.250.0", pulumi_docker="5.2.0")
    monkeypatch.setenv("PULUMI_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("PULUMI_DISABLE_AUTOMATIC_PLUGIN_ACQUISITION", "" if automatic == "false" else automatic)
    monkeypatch.setenv("PATH", str(tmp_path))
    if content is not None:
        file = tmp_path / "home/plugins/resource-docker-v5.2.0/pulumi-resource-docker"
        file.parent.mkdir(parents=True)
        file.write_text(content)
    [found] = tool_checks.plugin(Facts(tmp_path, None))
    assert found.level is level
    assert text in found.text


def test_a_plugin_on_path_is_a_warning(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    installed(program(tmp_path), pulumi="3.250.0", pulumi_docker="5.2.0")
    command(tmp_path, "pulumi-resource-docker", "exit 1")
    monkeypatch.setenv("PATH", str(tmp_path))
    found = list(tool_checks.plugin(Facts(tmp_path, None)))
    assert found[0].level is Level.WARNING
    assert str(tmp_path) in found[0].text


@pytest.mark.parametrize(
    ("version", "has_buildx", "speaks"),
    [("20.10.24", False, True), ("28.2.2", False, False), ("28.2.2", True, True)],
)
def test_a_docker_command_supports_buildkit_by_itself_or_with_buildx(
    tmp_path: Path,
    version: str,
    has_buildx: bool,  # noqa: FBT001 - a column of the table
    speaks: bool,  # noqa: FBT001 - a column of the table
) -> None:
    buildx = "echo github.com/docker/buildx" if has_buildx else "exit 1"
    docker = command(
        tmp_path, "docker", f"case $1 in --version) echo Docker version {version}, build 1;; *) {buildx};; esac"
    )
    assert tool_checks._buildkit_version(str(docker)) == (version if speaks else None)


def test_given_an_engine_that_is_measuring_its_disk_the_request_is_repeated(tmp_path: Path) -> None:
    answers: list[object] = [APIError("500", explanation="a disk usage operation is already running"), {"Images": []}]

    def df() -> object:
        answer = answers.pop(0)
        if isinstance(answer, Exception):
            raise answer
        return answer

    facts = Facts(tmp_path, "dev")
    facts.known[Facts.__dict__["client"]] = SimpleNamespace(df=df)
    assert engine_checks._disk_usage(facts) == {"Images": []}

    answers[:] = [APIError("500", explanation="no space left")]
    with pytest.raises(APIError):
        engine_checks._disk_usage(facts)


def test_given_a_check_that_raises_the_other_checks_still_run(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    def broken(_facts: Facts) -> Iterator[Finding]:
        yield finding.ok("so far")
        raise KeyError("surprise")

    def unknown(_facts: Facts) -> Iterator[Finding]:
        raise StackError("nobody knows")

    monkeypatch.setattr(
        examination, "_CHECKS", (("one", broken), ("two", unknown), ("three", lambda _: iter([finding.ok("x")])))
    )
    found = examination.examine(Facts(tmp_path, "dev"))
    assert [(each.check, each.level) for each in found.findings] == [
        ("one", Level.OK),
        ("one", Level.SKIPPED),
        ("two", Level.SKIPPED),
        ("three", Level.OK),
    ]
    assert "surprise" in found.findings[1].text
    assert (found.faults, found.stack) == (0, "dev")


def lock(directory: Path, **more: object) -> locks.Lock:
    (directory / "1.json").write_text(json.dumps(LOCK_WITHOUT_PROCESS | more))
    [found] = locks.found(directory)
    return found


def test_a_lock_is_stale_if_its_process_on_this_machine_has_ended(tmp_path: Path) -> None:
    assert lock(tmp_path).is_stale
    # Another program than pulumi has the process id now.
    assert lock(tmp_path, pid=os.getpid()).is_stale
    assert not lock(tmp_path, hostname="another.test").is_stale


def test_a_lock_of_a_running_pulumi_is_not_stale(tmp_path: Path) -> None:
    # The process of a script has its file's name. This one waits until its input ends.
    waiting = [command(tmp_path, "pulumi", "echo ready; read nothing")]
    with subprocess.Popen(waiting, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as running:
        assert running.stdout is not None
        assert running.stdout.readline() == "ready\n"
        held = lock(tmp_path, pid=running.pid)
        assert not held.is_stale
    assert held.is_stale


def test_files_that_are_no_complete_lock_are_ignored(tmp_path: Path) -> None:
    (tmp_path / "1.json").write_text("")
    (tmp_path / "2.json").write_text("[]")
    (tmp_path / "3.json.attrs").write_text("{}")
    assert locks.found(tmp_path) == []
    assert locks.found(tmp_path / "absent") == []


@pytest.mark.parametrize(
    ("back_end", "root"),
    [
        ("file:///state", "/state"),
        ("file://./state", "/program/state"),
        ("file:///state?no_tmp_dir=true", "/state"),
        ("file://~", str(Path.home())),
        ("s3://bucket", None),
    ],
)
def test_the_directory_of_locks_follows_from_the_back_end(back_end: str, root: str | None) -> None:
    found = locks.directory(back_end, "gix", "dev", Path("/program"))
    assert found == (Path(root) / ".pulumi/locks/organization/gix/dev" if root else None)
