"""The `gixctl` command, run in a stack's directory."""

import os
import subprocess
import sys
from typing import Any

from tests.support.stack_under_test import PROGRAM, StackUnderTest


def command(stack: StackUnderTest, *words: str, select: bool = True) -> dict[str, Any]:
    """Arguments for `subprocess` that run `gixctl WORDS --stack STACK` in the stack's directory."""
    return {
        "args": [sys.executable, "-P", "-m", "gix_ops.cli", *words, *(["--stack", stack.name] if select else [])],
        "cwd": stack.directory,
        "env": os.environ | stack.variables | {"PYTHONPATH": str(PROGRAM), "COLUMNS": "200", "NO_COLOR": "1"},
    }


def gixctl(stack: StackUnderTest, *words: str, select: bool = True) -> subprocess.CompletedProcess[str]:
    """Run `gixctl WORDS --stack STACK`. Its output must not contain a traceback.

    With `select=False`, --stack is left out, for verbs that do not take it.
    """
    stack.write()
    done = subprocess.run(**command(stack, *words, select=select), capture_output=True, text=True, check=False)
    assert "Traceback" not in done.stdout + done.stderr, done.stderr
    return done
