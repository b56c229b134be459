"""The doctor's checks of the tools: program, pulumi command, docker plugin, Python packages, BuildKit."""

import os
import re
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

from gix_ops.doctor.facts import Facts
from gix_ops.doctor.finding import Finding, fault, ok, skipped, warning
from gix_ops.errors import StackError

_PROBE_TIMEOUT_SECONDS = 20
_BUILDKIT_NEEDS_BUILDX_FROM = 23
_SHOWN_PACKAGES = 5
_SETUP = "make setup, then: . .offline/env"


def program(facts: Facts) -> Iterator[Finding]:
    """Whether the directory belongs to a Pulumi program."""
    try:
        yield ok(str(facts.directory))
    except StackError as error:
        yield fault(str(error), "cd into the clone, or: gixctl --cwd CLONE doctor")


def pulumi(facts: Facts) -> Iterator[Finding]:
    """Whether there is a pulumi command of the Python library's version."""
    try:
        command = facts.pulumi
    except StackError as error:
        yield fault(str(error), _SETUP)
        return
    library = facts.packages.get("pulumi", "")
    if _minor(command) != _minor(library):
        yield warning(
            f"the command is {command}, the Python library {library or 'missing'}: both must have the same major and "
            "minor version",
            f"install the command of version {library}, or: {_SETUP}",
        )
    else:
        yield ok(f"{command}, and the Python library {library}")


def _minor(version: str) -> list[str]:
    return version.split(".")[:2]


def _plugin_file(facts: Facts) -> Path:
    """Where Pulumi looks for the docker plugin of the version that the program uses."""
    home = Path(os.environ.get("PULUMI_HOME") or Path.home() / ".pulumi")
    version = facts.packages.get("pulumi-docker", "")
    return home / "plugins" / f"resource-docker-v{version}" / "pulumi-resource-docker"


def _is_offline(file: Path) -> bool:
    """Whether it is the offline plugin, which is a script. The official one is a program of many megabytes."""
    with file.open("rb") as content:
        return b"offline.docker_plugin" in content.read(4096)


def plugin(facts: Facts) -> Iterator[Finding]:
    """Whether Pulumi has its docker plugin, and which one."""
    file = _plugin_file(facts)
    if ambient := shutil.which("pulumi-resource-docker"):
        yield warning(
            f"Pulumi uses {ambient} from PATH instead of its own plugins, whatever its version", "remove it from PATH"
        )
    if file.exists():
        kind = "offline" if _is_offline(file) else "official"
        yield ok(f"the {kind} plugin, {file.parent.name.rpartition('-v')[2]}, in {file.parent}")
        return
    install = f"pulumi plugin install resource docker {facts.packages.get('pulumi-docker', '')}"
    if os.environ.get("PULUMI_DISABLE_AUTOMATIC_PLUGIN_ACQUISITION", "").lower() in ("1", "true"):
        yield fault(f"{file} does not exist", f"{_SETUP}; or: {install}")
    else:
        yield warning(f"{file} does not exist: Pulumi downloads it at the next update", install)


def python(facts: Facts) -> Iterator[Finding]:
    """Whether the Python packages have the versions in requirements.txt."""
    directory = facts.directory
    try:
        have = facts.packages
    except StackError as error:
        yield fault(str(error), "make setup")
        return
    file = directory / "requirements.txt"
    wanted = dict(re.findall(r"^([A-Za-z0-9._-]+)(?:\[[^]]*\])?==([^\s;\\]+)", file.read_text(), re.MULTILINE))
    wrong = [
        f"{name} {have.get(name, 'missing')} instead of {version}"
        for name, version in wanted.items()
        if have.get(name) != version
    ]
    if wrong:
        more = f", and {len(wrong) - _SHOWN_PACKAGES} more" if len(wrong) > _SHOWN_PACKAGES else ""
        yield warning(
            f"not the versions in requirements.txt: {', '.join(wrong[:_SHOWN_PACKAGES])}{more}",
            ".venv/bin/pip install --require-hashes -r requirements.txt",
        )
    else:
        yield ok(f"all {len(wanted)} have the versions in requirements.txt")


def buildkit(facts: Facts) -> Iterator[Finding]:
    """Whether images can be built: which docker command supports BuildKit."""
    if not facts.environment.builds:
        yield skipped("the stack's images are pulled, not built")
        return
    file = _plugin_file(facts)
    if file.exists() and not _is_offline(file):
        yield ok("it is part of the official docker plugin")
        return
    named = os.environ.get("GIX_DOCKER")
    candidates = [named] if named else _on_path("docker")
    for candidate in candidates:
        if version := _buildkit_version(candidate):
            yield ok(f"{candidate}, {version}")
            return
    yield fault(
        f"no docker command supports it; checked: {', '.join(candidates) or 'none found'}",
        "install Docker's docker-buildx-plugin, or Debian's docker.io, or set a command: GIX_DOCKER=/usr/bin/docker",
    )


def _on_path(command: str) -> list[str]:
    found = [shutil.which(command, path=directory) for directory in ("/usr/bin", *os.get_exec_path())]
    return list(dict.fromkeys(each for each in found if each))


def _buildkit_version(command: str) -> str | None:
    """The version of a docker command that supports BuildKit: built in up to version 22, then by the buildx plugin."""
    version = re.search(r"(\d+)\.[\w.]+", _output(command, "--version"))
    if version is None:
        return None
    supported = int(version[1]) < _BUILDKIT_NEEDS_BUILDX_FROM or _output(command, "buildx", "version")
    return version[0] if supported else None


def _output(*command: str) -> str:
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=_PROBE_TIMEOUT_SECONDS, check=True)
    except (OSError, subprocess.SubprocessError):
        return ""
    return done.stdout
