"""`gixctl rollback`: runs the images and settings of an earlier update again.

What a stack is stays as it is now: its engine, its names, its ledger, its secrets, and whether successors are tried.
"""

import contextlib
import json
import shlex
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from docker.errors import APIError, DockerException, NotFound

from gix_engine import observed_state
from gix_model import parsing, secret_keys, stack_file
from gix_model.environment import Environment
from gix_model.raw_values import NAMESPACE
from gix_model.secret_keys import KeyPath
from gix_model.secret_values import is_encrypted
from gix_model.settings import ServiceSettings
from gix_model.stack_file import StackFile
from gix_ops import history, pulumi_command
from gix_ops.errors import StackError
from gix_ops.history import SUCCEEDED, Entry, PastUpdate
from gix_ops.planning import plan
from gix_ops.planning.plan import Plan
from gix_ops.stack import StackReference, configured, project_name

KEPT = ("engine", "prefix", "ledger", "rollout", "edge", "takeOver")
"""Sections that a rollback leaves as they are."""

_UPDATE = "update"


@dataclass(frozen=True, kw_only=True)
class Rollback:
    """The way back to `target`."""

    stack: StackReference
    target: PastUpdate
    settings: Mapping[str, Any]
    """Without secrets."""
    file: StackFile

    @contextlib.contextmanager
    def prepared(self) -> Iterator[Plan]:
        """Write the settings into the stack's file, and preview the update.

        If the block raises, the file gets its old text. Raises StackError if the preview fails, or shows that data is
        at risk.
        """
        before = self.file.path.read_text()
        self.file.replace(self.settings, keep=KEPT)
        with contextlib.ExitStack() as undo:
            undo.callback(self.file.path.write_text, before)
            self.file.write()
            found = plan.read(self.stack.directory, self.stack.name)
            if found.errors or found.puts_data_at_risk:
                risk = f"the plan puts data at risk ({found.summary}); change {self.file.path.name} by hand"
                raise _refused(self.stack, self.target, found.errors or [risk])
            yield found
            undo.pop_all()

    def run(self) -> None:
        """Update the stack. Raises StackError if the update fails; its output has been shown."""
        words = ("up", "--yes", "--skip-preview", "--message", f"roll back to version {self.target.version}")
        try:
            pulumi_command.show(self.stack.directory, *words, stack=self.stack.name)
        except StackError:
            raise StackError(
                f"the rollback failed; its output is above. {self.file.path.name} has the settings of version "
                f"{self.target.version}. gixctl status shows what serves; to try again: pulumi up"
            ) from None


def find(stack: StackReference, version: int | None) -> Rollback:
    """The way back to a version, or to the last successful update with other images or settings than the newest one.

    Raises StackError with all reasons if the stack cannot go back to it.
    """
    entries = history.read(stack, with_secrets=True)
    chosen = _chosen(stack, entries, version)
    target = chosen.update
    settings, secrets = secret_keys.split(chosen.settings)
    file = StackFile.read(stack.directory, stack.name)
    problems = [*_not_deployed(target), *_hidden(chosen), *_without_secret(file, secrets)]
    if not chosen.hidden:
        problems += _without_image(stack, target, settings)
    if problems:
        raise _refused(stack, target, problems)
    return Rollback(stack=stack, target=target, settings=settings, file=file)


def _refused(stack: StackReference, target: PastUpdate, reasons: Sequence[str]) -> StackError:
    return StackError(f"the stack {stack.name} cannot go back to version {target.version}: {'; '.join(reasons)}")


def _chosen(stack: StackReference, entries: Sequence[Entry], version: int | None) -> Entry:
    if version is not None:
        for entry in entries:
            if entry.update.version == version:
                return entry
        raise StackError(f"the stack {stack.name} has no version {version}; gixctl history lists the versions")
    updates = [entry for entry in entries if entry.update.kind == _UPDATE]
    for entry in updates[1:]:
        if entry.update.result == SUCCEEDED and _comparable(entry) != _comparable(updates[0]):
            return entry
    raise StackError(
        f"no earlier update of the stack {stack.name} succeeded with other images or settings; gixctl history lists "
        "the updates"
    )


def _comparable(entry: Entry) -> dict[str, Any]:
    return {key: value for key, value in secret_keys.split(entry.settings)[0].items() if key not in KEPT}


def _not_deployed(target: PastUpdate) -> Iterator[str]:
    if target.kind != _UPDATE:
        yield f"it is no update, but a {target.kind}; choose another version in gixctl history"
    elif target.result != SUCCEEDED:
        yield f"its result is {target.result}; choose another version in gixctl history"


def _hidden(entry: Entry) -> Iterator[str]:
    for key in entry.hidden:
        yield (
            f"{key} had a secret that cannot be decrypted, because the secrets of the stack have another key now; set "
            "the images by hand: gixctl history --json has their digests"
        )


def _without_image(stack: StackReference, target: PastUpdate, settings: Mapping[str, Any]) -> Iterator[str]:
    """The images that it ran and that are neither on the engine nor in the registry."""
    stated = parsing.stated_settings({f"{NAMESPACE}:{key}": value for key, value in settings.items()})
    if stated.images.are_built:
        yield (
            "its images were built from source, and the history does not name them; to run them again, check out its "
            f"commit ({target.commit or 'not recorded'}), then: pulumi up"
        )
        return
    environment = Environment(
        project=project_name(stack.directory),
        stack=stack.name,
        directory=stack.directory,
        settings=stated,
        services={service: ServiceSettings() for service in stated.services},
    )
    registry = json.loads(configured(stack.name, stack.directory, "registry"))
    login = {key: registry[key] for key in ("username", "password") if key in registry}
    client = stack.connect()
    for spec in environment.specs:
        image = environment.image_name(spec)
        try:
            if observed_state.inspect_image(client, image) is None:
                client.images.get_registry_data(image, auth_config=login)
        except NotFound:
            yield (
                f"the image {image} is gone: neither the engine nor the registry has it; push it again, or choose "
                "another version in gixctl history"
            )
        except (DockerException, OSError) as error:
            reason = error.explanation if isinstance(error, APIError) else error
            yield f"the registry does not say whether it has the image {image} ({reason}); correct {NAMESPACE}:registry"


def _without_secret(file: StackFile, secrets: Sequence[KeyPath]) -> Iterator[str]:
    """The secrets that it had, and that the stack's file does not have any more."""
    for section, *below in secrets:
        value: Any = file.config.get(f"{NAMESPACE}:{section}")
        for key in below:
            value = value.get(key) if isinstance(value, Mapping) else None
        if section not in KEPT and not is_encrypted(value):
            path = stack_file.key_path([f"{NAMESPACE}:{section}", *below])
            yield (
                f"it had the secret {path}, and {file.path.name} does not have it; set it: "
                f"pulumi config set --secret --path {shlex.quote(path)}"
            )
