"""The `pulumi` command, run in a program's directory."""

import json
import os
import subprocess
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path


class PulumiError(Exception):
    """A pulumi command that failed. The text is its whole output."""


@dataclass(frozen=True, kw_only=True)
class Update:
    """The result of an update: the number of resources by operation, and its output."""

    changes: Mapping[str, int]
    output: str

    @property
    def is_empty(self) -> bool:
        return not {kind for kind, count in self.changes.items() if count and kind != "same"}


@dataclass(frozen=True, kw_only=True)
class PulumiCli:
    """The commands of one stack. `variables` are environment variables in addition to those of this process.

    The automation API also reads outputs and history after each update. This takes as long as the update itself.
    """

    directory: Path
    stack: str
    variables: dict[str, str]

    def run(self, *words: str, stdin: str | None = None) -> str:
        """Run `pulumi WORDS --stack STACK` and return its standard output. Raises PulumiError if it fails."""
        return self._run(*words, "--stack", self.stack, stdin=stdin).stdout

    def shown(self, *words: str) -> str:
        """Everything that `pulumi WORDS --stack STACK` shows. Raises PulumiError if it fails."""
        done = self._run(*words, "--stack", self.stack)
        return done.stdout + done.stderr

    def initialize(self, secrets_provider: str) -> None:
        """Create the stack and select it."""
        self._run("stack", "init", self.stack, "--secrets-provider", secrets_provider)

    def up(self, *options: str) -> Update:
        return self._update("up", "--yes", "--skip-preview", *options)

    def preview(self, *options: str) -> Update:
        return self._update("preview", *options)

    def refresh(self) -> None:
        self.run("refresh", "--yes", "--skip-preview")

    def destroy(self, *options: str) -> None:
        self.run("destroy", "--yes", "--skip-preview", *options)

    def set_secrets(self, values: Mapping[str, str]) -> None:
        """Encrypt `values` and put them into the stack's file, by their paths."""
        words = [word for path, value in values.items() for word in ("--secret", f"{path}={value}")]
        self.run("config", "set-all", "--path", *words)

    def _update(self, *words: str) -> Update:
        with tempfile.TemporaryDirectory() as directory:
            log = Path(directory, "events")
            output = self.run(*words, "--color", "never", "--event-log", str(log))
            events = map(json.loads, log.read_text().splitlines())
            [summary] = [event["summaryEvent"] for event in events if "summaryEvent" in event]
        return Update(changes=summary["resourceChanges"], output=output)

    def _run(self, *words: str, stdin: str | None = None) -> subprocess.CompletedProcess[str]:
        done = subprocess.run(
            ["pulumi", *words, "--non-interactive"],
            cwd=self.directory,
            # --event-log is one of the CLI's debugging commands.
            env=os.environ | {"PULUMI_DEBUG_COMMANDS": "true"} | self.variables,
            input=stdin,
            capture_output=True,
            text=True,
            check=False,
        )
        if done.returncode:
            raise PulumiError(done.stdout + done.stderr)
        return done
