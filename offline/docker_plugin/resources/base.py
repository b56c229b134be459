"""What every resource type does, and what most of them do alike."""

import json
import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field
from typing import ClassVar, Final

from offline.docker_plugin.diff import Changes, changes, replaced_properties, same
from offline.docker_plugin.engine import Engine
from offline.docker_plugin.errors import PluginError
from offline.docker_plugin.log import Log
from offline.docker_plugin.schema import Kind, Problem, Prop, ResourceSchema, problems, with_defaults
from offline.docker_plugin.values import DEFAULTS, UNKNOWN, Props, Value, is_zero

_REMOVAL_TIMEOUT_SECONDS: Final = 30.0
_REMOVAL_POLL_SECONDS: Final = 0.5


@dataclass(frozen=True)
class Context:
    """What an operation works with.

    Attributes:
        engine: the Docker Engine.
        log: the resource's own log.
        secrets: the strings that must not be shown or handed to another process in the open.

    """

    engine: Engine
    log: Log
    secrets: frozenset[str] = field(default=frozenset(), repr=False)


@dataclass(frozen=True)
class Check:
    """What the program asks for.

    Attributes:
        stated: the inputs as the program states them.
        before: the inputs of the update before; empty for a new resource.
        name: the resource's name in the program.
        random_seed: makes a made-up name differ from others.

    """

    stated: Props
    before: Props
    name: str
    random_seed: bytes


@dataclass(frozen=True)
class State:
    """What is known of an object of the engine."""

    resource_id: str
    outputs: Props
    inputs: Props = field(default_factory=dict)


class Resource(ABC):
    """One resource type. Every method may block: each runs in a thread of its own."""

    schema: ClassVar[ResourceSchema]

    records_id: ClassVar = True
    """Whether the id is among the recorded outputs too."""

    names_changes: ClassVar = True
    """Whether a Diff names the inputs that changed beside their paths."""

    def check(self, context: Context, request: Check) -> tuple[Props, list[Problem]]:
        """Fill in defaults and find what cannot be taken; the engine is not asked."""
        del context
        inputs = with_defaults(
            self.schema,
            request.stated,
            before=request.before,
            resource_name=request.name,
            random_seed=request.random_seed,
        )
        return inputs, problems(self.schema, request.stated)

    def diff(self, *, old_outputs: Props, inputs: Props, ignored: Collection[str]) -> Changes:
        """Find what an update would change."""
        return changes(self.schema, old_outputs, inputs, ignored=ignored)

    def deletes_first(self, found: Changes, *, inputs: Props) -> bool:
        """Tell whether a replacement deletes the old object before it makes the new one.

        Two objects cannot have one name, so a name that the program states asks for it, even where it changes.
        """
        name_is_stated = self.schema.named and "name" not in inputs.get(DEFAULTS, [])
        return bool(replaced_properties(found)) and (self.schema.delete_first or name_is_stated)

    def planned(self, inputs: Props, old_outputs: Props | None) -> Props:
        """Give the outputs that a preview shows, and that an update records."""
        outputs: Props = {}
        outputs.update(dict.fromkeys(self.schema.outputs, UNKNOWN) if old_outputs is None else old_outputs)
        for name, prop in self.schema.inputs.items():
            if name in inputs:
                outputs[name] = _in_order(prop, without_defaults(inputs[name]))
            elif not prop.computed and prop.supported:
                outputs[name] = None
            elif old_outputs is None:
                outputs[name] = UNKNOWN
        return outputs

    def previewed(self, context: Context, inputs: Props, old_outputs: Props | None) -> Props:
        """Give the outputs that a preview shows, without touching the engine."""
        del context
        return self.planned(inputs, old_outputs)

    @abstractmethod
    def create(self, context: Context, inputs: Props) -> State:
        """Make the object.

        Raises:
            CreatedButFailedError: the engine holds it, but it did not come up.

        """

    @abstractmethod
    def read(self, context: Context, resource_id: str, *, inputs: Props, outputs: Props) -> State | None:
        """Look at the object; None if there is none. Without `outputs` this is an import."""

    @abstractmethod
    def update(self, context: Context, resource_id: str, *, inputs: Props, outputs: Props) -> Props:
        """Change the object in place and give its outputs."""

    @abstractmethod
    def delete(self, context: Context, resource_id: str, outputs: Props) -> None:
        """Remove the object; that it is gone already is no error."""

    def read_inputs(self, inputs: Props, outputs: Props) -> Props:
        """Give the inputs that would make what was read: those stated before, or on import all that say something."""
        if not inputs:
            found = {name: outputs.get(name) for name in self.schema.inputs}
            return {name: value for name, value in found.items() if not is_zero(value)} | {DEFAULTS: []}
        fields = self.schema.inputs
        return {
            name: value if name not in fields or same(fields[name], outputs.get(name), value) else outputs.get(name)
            for name, value in inputs.items()
        }


def without_defaults(value: Value) -> Value:
    """Drop the lists of defaults that Check left inside a value."""
    if isinstance(value, dict):
        return {key: without_defaults(item) for key, item in value.items() if key != DEFAULTS}
    if isinstance(value, list):
        return [without_defaults(item) for item in value]
    return value


def labels_from(found: Mapping[str, str] | None) -> list[Props]:
    """Give the engine's labels in the form of the inputs."""
    return [{"label": label, "value": value} for label, value in sorted((found or {}).items())]


def labels_to(stated: Value) -> dict[str, str]:
    """Give stated labels in the form of the engine."""
    return {str(item["label"]): str(item.get("value", "")) for item in stated or []}


def remove_when_free(what: str, remove: Callable[[], None], *, busy: str) -> None:
    """Remove an object, waiting half a minute for its last user to let go of it.

    Args:
        what: the object, for the error.
        remove: does it; raises the SDK's errors.
        busy: what the engine's refusal says while somebody uses the object.

    Raises:
        PluginError: it is still in use.

    """
    from docker.errors import APIError, NotFound

    deadline = time.monotonic() + _REMOVAL_TIMEOUT_SECONDS
    while True:
        try:
            remove()
        except NotFound:
            return
        except APIError as error:
            if busy not in str(error.explanation):
                raise
            if time.monotonic() >= deadline:
                waited = f"timeout while waiting for {what} to be removed ({_REMOVAL_TIMEOUT_SECONDS:.0f} s)"
                raise PluginError(f"{waited}: {error.explanation}") from error
            time.sleep(_REMOVAL_POLL_SECONDS)
        else:
            return


def _in_order(prop: Prop, value: Value) -> Value:
    """Sort a set of texts, or of objects of texts, as the official plugin records it; the program's order is lost."""
    if prop.kind is Kind.SET and isinstance(value, list) and all(map(_is_of_texts, value)):
        return sorted(value, key=lambda item: json.dumps(item, sort_keys=True))
    return value


def _is_of_texts(item: Value) -> bool:
    return all(isinstance(each, str) for each in (item.values() if isinstance(item, dict) else [item]))
