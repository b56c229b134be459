"""Runs the `pulumi` command and gives back what it answers."""

import shutil
import subprocess
from pathlib import Path

from gix_ops.errors import StackError


def ask(
    directory: Path, *words: str, stack: str | None = None, stdin: str | None = None
) -> subprocess.CompletedProcess[str]:
    """Run `pulumi WORDS` in the program's `directory` for `stack`, or for the selected one, and wait for its end.

    `stdin` is what it reads, for what must not show among the words. Its exit code is the caller's to look at. Raises
    StackError where there is no such command.
    """
    command = [_pulumi(), *words, "--non-interactive", "--color", "never"]
    if stack is not None:
        command += ["--stack", stack]
    return subprocess.run(command, cwd=directory, input=stdin, capture_output=True, text=True, check=False)


def show(directory: Path, *words: str) -> None:
    """Run `pulumi WORDS` in the program's `directory`, its words going to the person.

    Raises StackError where there is no such command, or it fails.
    """
    if subprocess.run([_pulumi(), *words, "--non-interactive"], cwd=directory, check=False).returncode:
        raise StackError(f"pulumi {' '.join(words)} failed; its words are above")


def _pulumi() -> str:
    pulumi = shutil.which("pulumi")
    if pulumi is None:
        raise StackError("there is no pulumi command on PATH; make setup provides one, then: . .offline/env")
    return pulumi
