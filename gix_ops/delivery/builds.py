"""Builds the images that an update would build, and reports the builds that fail."""

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


@dataclass(frozen=True, kw_only=True)
class FailedBuild:
    """An image that cannot be built, and the end of the build's output."""

    image: str
    output: str


def failures(directory: Path, steps: Iterable[Step]) -> tuple[FailedBuild, ...]:
    """Build each image that an update with these steps builds, keep none, and return those that fail.

    `directory` is the program's. Images that fail with the same output are reported once. Raises StackError if there
    is no docker command.
    """
    found: dict[str, FailedBuild] = {}
    for step in steps:
        if step.type == IMAGE and step.acts and step.new and not step.is_leftover:
            output = _build(directory, step.inputs["build"])
            if output:
                found.setdefault(output, FailedBuild(image=step.name, output=output))
    return tuple(found.values())


def _build(directory: Path, build: dict[str, Any]) -> str:
    command = [os.environ.get("GIX_DOCKER") or "docker", "build", "--progress=plain"]
    # The layers stay in the build cache for the update; the image itself is not kept.
    command += ["--output", "type=tar,dest=/dev/null", "--file", str(build["dockerfile"])]
    for option in ("target", "platform"):
        command += [f"--{option}", build[option]] if build.get(option) else []
    for name, value in (build.get("args") or {}).items():
        command += ["--build-arg", f"{name}={value}"]
    for image in (build.get("cacheFrom") or {}).get("images", []):
        command += ["--cache-from", image]
    output = ""
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
        output = failed_step(done.stdout)
        # Under load BuildKit sometimes prints only the name and the error of the failed step, without its output.
        if _has_words(done.stdout):
            break
    return output


def failed_step(output: str) -> str:
    """The output of the step that failed, without numbers and times, or the end of the output if there is no step."""
    number = _failed(output)
    lines = output.strip().splitlines()
    if number is not None:
        lines = re.findall(rf"^#{number} (?!sha256:|\.\.\.$)(?:\d+\.\d+ )?(.*)$", output, re.MULTILINE)
        # BuildKit repeats the name of a step when it returns to it from the output of another step.
        lines = [line for place, line in enumerate(lines) if place == 0 or line != lines[0]]
    return "\n".join(lines[-LAST_LINES:])


def _has_words(output: str) -> bool:
    """Whether the step that failed has printed something, or no step failed."""
    number = _failed(output)
    return number is None or re.search(rf"^#{number} \d+\.\d+ ", output, re.MULTILINE) is not None


def _failed(output: str) -> str | None:
    """BuildKit's number of the step that failed; None if no step failed."""
    failed = re.findall(r"^#(\d+) ERROR: ", output, re.MULTILINE)
    return str(failed[-1]) if failed else None
