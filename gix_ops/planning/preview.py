"""The output of `pulumi preview --json` as data: one step for each resource."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from gix_model import container_inputs
from gix_model.provider_facts import IMAGE, REMOTE_IMAGE
from gix_ops.resources import Record

_NO_EFFECT = ("same", "refresh")
_REPLACEMENTS = ("replace", "create-replacement", "delete-replaced")
_OPERATIONS = {
    "create": "created",
    "update": "updated",
    "delete": "removed",
    "import": "imported",
    "same": "recorded",
}


@dataclass(frozen=True, kw_only=True)
class Step:
    """What an update does to one resource. `old` and `new` are its state before and after; one of them may be empty."""

    op: str
    urn: str
    old: Record
    new: Record
    reasons: tuple[str, ...]
    """The inputs that differ."""
    paths: Mapping[str, str]
    """The paths that differ, and how: `envs[0]: update-replace`."""
    provider: str
    """URN of its provider, the connection to the engine; empty if it has none."""

    @classmethod
    def read(cls, record: Record) -> "Step":
        """Read one step of the JSON."""
        paths = record.get("detailedDiff") or {}
        # For an image, the provider reports only the paths.
        reasons = [*(record.get("diffReasons") or ()), *(record.get("replaceReasons") or ()), *paths]
        return cls(
            op=record["op"],
            urn=record["urn"],
            old=record.get("oldState") or {},
            new=record.get("newState") or {},
            reasons=tuple(dict.fromkeys(re.split(r"[.\[]", reason)[0] for reason in reasons)),
            paths={path: each["kind"] for path, each in paths.items()},
            provider=(record.get("provider") or "").rpartition("::")[0],
        )

    @property
    def name(self) -> str:
        """The name on the engine, or in the program if it has none there."""
        inputs = self.inputs
        return str(inputs.get("name") or inputs.get("imageName") or self.urn.rpartition("::")[2])

    @property
    def parent(self) -> str:
        """URN of the component that it belongs to; empty if it has none."""
        return str((self.new or self.old).get("parent") or "")

    @property
    def has_hooks(self) -> bool:
        """Whether the program runs code of its own when the update changes the resource."""
        return bool(self.new.get("resourceHooks"))

    @property
    def type(self) -> str:
        """The type token."""
        return str((self.new or self.old).get("type"))

    @property
    def is_custom(self) -> bool:
        """Whether a provider manages it. Otherwise only Pulumi's state has it, as for a component."""
        return bool((self.new or self.old).get("custom"))

    @property
    def is_leftover(self) -> bool:
        """Whether an earlier update has replaced it, and this one only removes what is left."""
        return self.op == "delete" and bool(self.old.get("delete"))

    @property
    def starts_first(self) -> bool:
        """Whether a replacement is created before the old one is deleted: if the provider made both names."""
        return all("name" in (inputs.get("__defaults") or ()) for inputs in (self.inputs, self.old_inputs))

    @property
    def is_image(self) -> bool:
        """Whether the resource is an image, built or pulled."""
        return self.type in (IMAGE, REMOTE_IMAGE)

    @property
    def inputs(self) -> Record:
        """The inputs after the update, or those before it if the resource is deleted."""
        return (self.new or self.old).get("inputs") or {}

    @property
    def old_inputs(self) -> Record:
        """The inputs before the update."""
        return self.old.get("inputs") or {}

    @property
    def acts(self) -> bool:
        """Whether the update changes the resource."""
        return self.op not in _NO_EFFECT

    @property
    def replaces(self) -> bool:
        """Whether the update replaces the resource."""
        return self.op in _REPLACEMENTS

    @property
    def operation(self) -> str:
        """What the update does to it, as a word for the plan."""
        if self.is_leftover:
            return "removed (left over from an earlier update)"
        if self.op == "create" and self.is_image:
            return "built" if self.type == IMAGE else "pulled"
        if self.op == "update" and self.is_image:
            return "rebuilt"
        if self.op == "delete" and (self.is_image or self.old.get("retainOnDelete")):
            return "removed from the stack (it stays on the engine)"
        return "replaced" if self.replaces else _OPERATIONS.get(self.op, self.op)

    @property
    def changed_guards(self) -> tuple[str, ...]:
        """Changes of the options `protect` and `retainOnDelete`."""
        if not (self.old and self.new):
            return ()
        return tuple(
            f"{title} {'on' if self.new.get(option) else 'off'}"
            for option, title in (("protect", "protection"), ("retainOnDelete", "retention on delete"))
            if bool(self.old.get(option)) != bool(self.new.get(option))
        )

    @property
    def dependencies(self) -> tuple[str, ...]:
        """URNs of the resources that it depends on, its provider included."""
        found = [urn for state in (self.new, self.old) for urn in state.get("dependencies") or []]
        found += [urn for urns in self.by_input.values() for urn in urns]
        return tuple(dict.fromkeys([*found, self.provider]))

    @property
    def by_input(self) -> dict[str, tuple[str, ...]]:
        """URNs of the resources that it depends on, by the input that refers to them."""
        found: dict[str, tuple[str, ...]] = {}
        for state in (self.new, self.old):
            for name, urns in (state.get("propertyDependencies") or {}).items():
                found[name] = (*found.get(name, ()), *(urns or ()))
        return found

    @property
    def starts(self) -> bool:
        """Whether a refresh found the container stopped: the provider then starts it."""
        return "mustRun" in self.reasons and (self.old.get("outputs") or {}).get("mustRun") is False

    def is_live(self, reason: str) -> bool:
        """Whether the provider applies a change of the input `reason` to the running container."""
        return container_inputs.is_applied_live(reason, self.inputs)


def steps(preview: Mapping[str, Any]) -> tuple[Step, ...]:
    """The steps of the update, without those of a refresh before it."""
    every = [Step.read(record) for record in preview.get("steps") or []]
    return tuple(step for step in every if step.op != "refresh")
