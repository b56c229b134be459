"""The base class of the resource types, and what they share."""

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
    """The context of an operation.

    Attributes:
        engine: the Docker Engine.
        log: the resource's own log.
        secrets: strings that must not be shown or appear in the arguments of another process.

    """

    engine: Engine
    log: Log
    secrets: frozenset[str] = field(default=frozenset(), repr=False)


@dataclass(frozen=True)
class Check:
    """The inputs of a Check.

    Attributes:
        stated: the inputs as the program states them.
        before: the inputs of the previous update. Empty for a new resource.
        name: the resource's name in the program.
        random_seed: makes a generated name unique.

    """

    stated: Props
    before: Props
    name: str
    random_seed: bytes


@dataclass(frozen=True)
class State:
    """An object of the engine, as Pulumi records it."""

    resource_id: str
    outputs: Props
    inputs: Props = field(default_factory=dict)


class Resource(ABC):
    """A resource type. Every method may block, so each call runs in its own thread."""

    schema: ClassVar[ResourceSchema]

    records_id: ClassVar = True
    """Whether the recorded outputs contain the id."""

    names_changes: ClassVar = True
    """Whether a Diff names the changed inputs in addition to their paths."""

    def check(self, context: Context, request: Check) -> tuple[Props, list[Problem]]:
        """Fill in defaults and find invalid inputs, without the engine."""
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
        """Return what an update would change."""
        return changes(self.schema, old_outputs, inputs, ignored=ignored)

    def deletes_first(self, found: Changes, *, inputs: Props) -> bool:
        """Return whether a replacement deletes the old object before it creates the new one.

        Two objects cannot have the same name, so it does if the program states the name, even if the name changes.
        """
        name_is_stated = self.schema.named and "name" not in inputs.get(DEFAULTS, [])
        return bool(replaced_properties(found)) and (self.schema.delete_first or name_is_stated)

    def planned(self, inputs: Props, old_outputs: Props | None) -> Props:
        """Return the outputs that a preview shows and an update records."""
        outputs: Props = {}
        outputs.update(dict.fromkeys(self.schema.outputs, UNKNOWN) if old_outputs is None else old_outputs)
        for name, prop in self.schema.inputs.items():
            if name in inputs:
                outputs[name] = in_order(prop, without_defaults(inputs[name]))
            elif not prop.computed and prop.supported:
                outputs[name] = None
            elif old_outputs is None:
                outputs[name] = UNKNOWN
        return outputs

    def previewed(self, context: Context, inputs: Props, old_outputs: Props | None) -> Props:
        """Return the outputs that a preview shows, without changing the engine."""
        del context
        return self.planned(inputs, old_outputs)

    @abstractmethod
    def create(self, context: Context, inputs: Props) -> State:
        """Create the object.

        Raises:
            PartialFailureError: the engine has it, but it did not start.

        """

    @abstractmethod
    def read(self, context: Context, resource_id: str, *, inputs: Props, outputs: Props) -> State | None:
        """Read the object. None if it does not exist. Without `outputs` this is an import."""

    @abstractmethod
    def update(self, context: Context, resource_id: str, *, inputs: Props, outputs: Props) -> Props:
        """Change the object in place and return its outputs."""

    @abstractmethod
    def delete(self, context: Context, resource_id: str, outputs: Props) -> None:
        """Remove the object. Succeeds if it does not exist."""

    def read_inputs(self, inputs: Props, outputs: Props) -> Props:
        """Return the inputs that would create the read object: the stated ones, or on import all that are not empty."""
        if not inputs:
            found = {name: outputs.get(name) for name in self.schema.inputs}
            return {name: value for name, value in found.items() if not is_zero(value)} | {DEFAULTS: []}
        return _read_inputs(self.schema.inputs, inputs, outputs)


def without_defaults(value: Value) -> Value:
    """Remove the lists of defaults that Check added inside a value."""
    if isinstance(value, dict):
        return {key: without_defaults(item) for key, item in value.items() if key != DEFAULTS}
    if isinstance(value, list):
        return [without_defaults(item) for item in value]
    return value


def labels_from(found: Mapping[str, str] | None) -> list[Props]:
    """Convert the engine's labels to inputs."""
    return [{"label": label, "value": value} for label, value in sorted((found or {}).items())]


def labels_to(stated: Value) -> dict[str, str]:
    """Convert stated labels to the engine's form."""
    return {str(item["label"]): str(item.get("value", "")) for item in stated or []}


def remove_when_free(what: str, remove: Callable[[], None], *, busy: str) -> None:
    """Remove an object. While it is in use, try again for 30 seconds.

    Args:
        what: the object, for the error.
        remove: removes it, or raises an error of the SDK.
        busy: text of the engine's error while the object is in use.

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


def in_order(prop: Prop, value: Value) -> Value:
    """Sort a set of texts, or of objects of texts, as the official plugin does. The program's order is lost."""
    if prop.kind is Kind.SET and isinstance(value, list) and all(map(_is_of_texts, value)):
        return sorted(value, key=lambda item: json.dumps(item, sort_keys=True))
    return value


def _read_inputs(fields: Mapping[str, Prop], stated: Props, found: Props) -> Props:
    return {
        name: value if name not in fields else _read_input(fields[name], value, found.get(name))
        for name, value in stated.items()
    }


def _read_input(prop: Prop, stated: Value, found: Value) -> Value:
    if same(prop, found, stated):
        return stated
    if prop.fields and isinstance(stated, dict) and isinstance(found, dict):
        return _read_inputs(prop.fields, stated, found)
    return found


def _is_of_texts(item: Value) -> bool:
    return all(isinstance(each, str) for each in (item.values() if isinstance(item, dict) else [item]))
