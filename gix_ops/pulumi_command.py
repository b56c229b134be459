"""Runs the `pulumi` command."""

import os
import shutil
import subprocess
from collections.abc import Mapping
from pathlib import Path

from gix_ops.errors import StackError

Variables = Mapping[str, str]
"""Environment variables of the command, beside those of this process."""

_LONGEST_ERROR = 500
"""Characters of Pulumi's output that an error quotes."""


def ask(
    directory: Path, *words: str, stack: str | None = None, stdin: str | None = None, variables: Variables | None = None
) -> str:
    """Run `pulumi WORDS` as `answer` does, and return its standard output.

    Raises StackError with Pulumi's own message if it fails, or if there is no such command.
    """
    done = answer(directory, *words, stack=stack, stdin=stdin, variables=variables)
    if done.returncode:
        message = " ".join((done.stderr.strip() or done.stdout).split())[-_LONGEST_ERROR:].removeprefix("error: ")
        raise StackError(message or f"pulumi {' '.join(words[:2])} failed with exit code {done.returncode}")
    return done.stdout


def answer(
    directory: Path, *words: str, stack: str | None = None, stdin: str | None = None, variables: Variables | None = None
) -> subprocess.CompletedProcess[str]:
    """Run `pulumi WORDS` in the program's directory, and return its exit code and output, whatever they are.

    `stack` is the stack to use; None means the selected one. `stdin` is what the command reads, for example a secret,
    which must not be one of its words. Raises StackError if there is no such command.
    """
    return subprocess.run(
        _command(*words, "--color", "never", stack=stack),
        cwd=directory,
        env=os.environ | (variables or {}),
        input=stdin,
        capture_output=True,
        text=True,
        check=False,
    )


def show(directory: Path, *words: str, stack: str | None = None, variables: Variables | None = None) -> None:
    """Run `pulumi WORDS` in the program's directory, and let it write to the terminal.

    Raises StackError if it fails, or if there is no such command.
    """
    command = _command(*words, stack=stack)
    if subprocess.run(command, cwd=directory, env=os.environ | (variables or {}), check=False).returncode:
        raise StackError(f"pulumi {' '.join(words)} failed; its output is above")


def _command(*words: str, stack: str | None) -> list[str]:
    pulumi = shutil.which("pulumi")
    if pulumi is None:
        raise StackError("there is no pulumi command on PATH; make setup provides one, then: . .offline/env")
    return [pulumi, *words, "--non-interactive", *([] if stack is None else ["--stack", stack])]
