"""Builds what a preview only says that it will build, and tells the words with which a build fails."""

import os
import re
import subprocess
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from gix_model.provider_facts import IMAGE
from gix_ops.errors import StackError
from gix_ops.planning.preview import Step

LAST_LINES = 25

_TRIES = 3
_SILENT_LINES = 2


@dataclass(frozen=True, kw_only=True)
class FailedBuild:
    """An image that can't be built, and the last words of its build."""

    image: str
    words: str


def failures(directory: Path, steps: Iterable[Step]) -> tuple[FailedBuild, ...]:
    """Build every image that an update of these steps builds, keep none, and name those that fail.

    `directory` is the program's. What fails in one place for all of them is told once. Raises StackError where there
    is no docker command.
    """
    found: dict[str, FailedBuild] = {}
    for step in steps:
        if step.type == IMAGE and step.acts and step.new and not step.is_leftover:
            words = _build(directory, step.inputs["build"])
            if words:
                found.setdefault(words, FailedBuild(image=step.name, words=words))
    return tuple(found.values())


def _build(directory: Path, build: dict[str, Any]) -> str:
    command = [os.environ.get("GIX_DOCKER") or "docker", "build", "--progress=plain"]
    # An image that nobody keeps: the engine has its layers in the cache for the update, and nothing under a name.
    command += ["--output", "type=tar,dest=/dev/null", "--file", str(build["dockerfile"])]
    for option in ("target", "platform"):
        command += [f"--{option}", build[option]] if build.get(option) else []
    for name, value in (build.get("args") or {}).items():
        command += ["--build-arg", f"{name}={value}"]
    words = ""
    for _ in range(_TRIES):
        try:
            done = subprocess.run(
                [*command, str(build["context"])],
                cwd=directory,
                env=os.environ | {"DOCKER_BUILDKIT": "1"},
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                text=True,
                errors="replace",
                check=False,
            )
        except FileNotFoundError:
            raise StackError(f"there is no {command[0]} command to build with; make setup provides one") from None
        if not done.returncode:
            return ""
        words = _last_words(done.stdout)
        # Under load the output was seen without what the failed step printed: its name and its error alone were left.
        if len(words.splitlines()) > _SILENT_LINES:
            break
    return words


def _last_words(output: str) -> str:
    """What BuildKit shows of the step that failed, less numbers and times; else the output's end."""
    failed = re.findall(r"^#(\d+) ERROR: ", output, re.MULTILINE)
    if failed:
        lines = re.findall(rf"^#{failed[-1]} (?!sha256:)(?:\d+\.\d+ )?(.*)$", output, re.MULTILINE)
    else:
        lines = output.strip().splitlines()
    return "\n".join(lines[-LAST_LINES:])
