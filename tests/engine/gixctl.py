"""The `gixctl` command, as a person runs it in a stack's directory."""

import os
import subprocess
import sys

from tests.engine.stack_under_test import PROGRAM, StackUnderTest


def gixctl(stack: StackUnderTest, *words: str) -> subprocess.CompletedProcess[str]:
    """Run `gixctl WORDS --stack STACK`, and wait for its end. Nothing that a person sees is a traceback."""
    stack.write()
    done = subprocess.run(
        [sys.executable, "-m", "gix_ops.cli", *words, "--stack", stack.name],
        cwd=stack.directory,
        env=os.environ | stack.variables | {"PYTHONPATH": str(PROGRAM), "COLUMNS": "200", "NO_COLOR": "1"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert "Traceback" not in done.stdout + done.stderr
    return done
