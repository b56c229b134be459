"""A temporary stack whose program changes from step to step, and the effect of each step on every resource."""

import asyncio
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import cache
from pathlib import Path
from typing import Any, Final

from pulumi import automation
from pulumi.automation._stack import StackInitMode
from pulumi.automation.events import EngineEvent

from tests.support import key_service

PROJECT: Final = "scenario"

_EFFECTS: Final = (
    ("replace", {"replace", "create-replacement", "delete-replaced"}),
    ("create", {"create"}),
    ("update", {"update"}),
    ("delete", {"delete"}),
    ("import", {"import"}),
)

Program = Callable[[], object]


@dataclass
class Outcome:
    """The result of one command. Resources have the names that the program gives them.

    Attributes:
        steps: all steps in order, as (resource, operation).
        changed: by resource, the property paths that changed, each with the kind of change.
        reasons: by resource, the properties that the plugin names as the reason.
        messages: all messages that are shown.
        errors: the messages that are errors.
        progress: the messages that the next one replaces.
        failed: whether the command failed.

    """

    steps: list[tuple[str, str]] = field(default_factory=list)
    changed: dict[str, dict[str, str]] = field(default_factory=dict)
    reasons: dict[str, list[str]] = field(default_factory=dict)
    messages: str = ""
    errors: str = ""
    progress: str = ""
    failed: bool = False

    def effect(self, resource: str) -> str:
        """replace, create, update, delete, import, or same."""
        operations = {operation for name, operation in self.steps if name == resource}
        return next((effect for effect, of_it in _EFFECTS if operations & of_it), "same")

    @property
    def effects(self) -> dict[str, str]:
        """The resources that change, each with its effect."""
        found = {name: self.effect(name) for name, _ in self.steps}
        return {name: effect for name, effect in found.items() if effect != "same"}

    def order(self, resource: str) -> list[str]:
        """The order in which the old resource is deleted and the new one created."""
        kept = ("delete-replaced", "create-replacement")
        return [operation for name, operation in self.steps if name == resource and operation in kept]

    def note(self, event: EngineEvent) -> None:
        started = event.resource_pre_event
        if started:
            metadata = started.metadata
            name = metadata.urn.rsplit("::", 1)[-1]
            if metadata.type.startswith("docker:"):
                self.steps.append((name, metadata.op.value))
                diff = {path: change.diff_kind.value for path, change in (metadata.detailed_diff or {}).items()}
                self.changed.setdefault(name, {}).update(diff)
                self.reasons[name] = list(metadata.diffs or [])
        if event.diagnostic_event and event.diagnostic_event.severity != "debug":
            self.messages += event.diagnostic_event.message
            if event.diagnostic_event.severity == "error":
                self.errors += event.diagnostic_event.message
            if event.diagnostic_event.ephemeral:
                self.progress += event.diagnostic_event.message


@cache
def _cli() -> automation.PulumiCommand:
    """The CLI on PATH. Its version is queried only once."""
    return automation.PulumiCommand()


class _QuickStack(automation.Stack):
    """A stack whose commands do not ask the CLI for outputs and history afterwards: that is half of their time."""

    def outputs(self) -> automation.OutputMap:
        return {}

    def info(self, show_secrets: bool | None = None) -> automation.UpdateSummary:  # noqa: ARG002, FBT001 - an override
        now = datetime.now(UTC)
        return automation.UpdateSummary("update", now, "", {}, {}, "unknown")


class Scenario:
    """One stack on the file back end. Its commands do not ask and do not raise: the outcome has the failure."""

    def __init__(self, directory: Path, *, plugin_home: Path, environment: Mapping[str, str] | None = None) -> None:
        self.directory = directory
        self.program: Program = lambda: None
        state = directory / ".state"
        state.mkdir(parents=True)
        workspace = automation.LocalWorkspace(
            work_dir=str(directory),
            program=self._run_program,
            pulumi_command=_cli(),
            secrets_provider=key_service.secrets_provider(),
            project_settings=automation.ProjectSettings(
                name=PROJECT,
                runtime="python",
                main=str(directory),
                backend=automation.ProjectBackend(url=state.as_uri()),
            ),
            env_vars={
                "PULUMI_HOME": str(plugin_home),
                **key_service.VARIABLES,
                "PULUMI_DISABLE_AUTOMATIC_PLUGIN_ACQUISITION": "true",
                "PULUMI_SKIP_UPDATE_CHECK": "true",
                **(environment or {}),
            },
        )
        self._stack = _QuickStack("test", workspace, StackInitMode.CREATE)

    def configure(self, key: str, value: str, *, secret: bool = False) -> None:
        self._stack.set_config(key, automation.ConfigValue(value, secret=secret))

    def preview(self, program: Program | None = None, **options: Any) -> Outcome:
        return self._outcome(self._stack.preview, program, **options)

    def up(self, program: Program | None = None, **options: Any) -> Outcome:
        return self._outcome(self._stack.up, program, **options)

    def refresh(self, **options: Any) -> Outcome:
        return self._outcome(self._stack.refresh, None, **options)

    def destroy(self, **options: Any) -> Outcome:
        return self._outcome(self._stack.destroy, None, **options)

    def cancel(self) -> None:
        self._stack.cancel()

    def state(self) -> dict[str, dict[str, Any]]:
        """The recorded resources by name."""
        deployment: Mapping[str, Any] = self._stack.export_stack().deployment or {}
        return {
            resource["urn"].rsplit("::", 1)[-1]: resource
            for resource in deployment.get("resources", [])
            if resource["type"].startswith("docker:")
        }

    def raw_state(self) -> str:
        """The content of the back end's files."""
        return "".join(file.read_text() for file in self.directory.glob(".state/.pulumi/stacks/**/*.json"))

    def _run_program(self) -> None:
        self.program()

    def _outcome(self, command: Callable[..., Any], program: Program | None, **options: Any) -> Outcome:
        if program:
            self.program = program
        outcome = Outcome()
        asyncio.set_event_loop(_event_loop())
        try:
            command(on_event=outcome.note, **options)
        except automation.CommandError as error:
            outcome.failed = True
            outcome.messages += str(error)
        return outcome


@cache
def _event_loop() -> asyncio.AbstractEventLoop:
    """The event loop of inline programs. It is never closed, because later tests find it as that of their thread."""
    return asyncio.new_event_loop()
