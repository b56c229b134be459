"""What `pulumi preview --json` answers, as data: one step for each resource."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from gix_ops.resources import IMAGE, REMOTE_IMAGE, Record

LIVE = frozenset({"restart", "maxRetryCount", "cpuShares", "cpuSet", "memory", "memorySwap", "memoryReservation"})
"""Inputs of a container that the provider changes without a restart; other updates it records and never applies."""

_NO_EFFECT = ("same", "refresh")
_REPLACEMENTS = ("replace", "create-replacement", "delete-replaced")
_LIMITS = LIVE - {"restart", "maxRetryCount"}
_OPERATIONS = {
    "create": "created",
    "update": "updated",
    "delete": "removed",
    "import": "taken over",
    "same": "recorded",
}
_IMAGE_OPERATIONS = {"update": "built again", "delete": "given up (it stays on the engine)"}


@dataclass(frozen=True, kw_only=True)
class Step:
    """What an update does to one resource. `old` and `new` are its state before and after; a side may be empty."""

    op: str
    urn: str
    old: Record
    new: Record
    reasons: tuple[str, ...]
    """The inputs in which both sides differ."""
    paths: Mapping[str, str]
    """Where in them, and how: `envs[0]: update-replace`."""
    provider: str
    """The resource of the connection that it goes by; empty where there is none."""

    @classmethod
    def read(cls, record: Record) -> "Step":
        """Read a step as Pulumi writes it."""
        paths = record.get("detailedDiff") or {}
        # Of an image the provider gives the paths alone.
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
        """The resource's name on the engine, else in the program."""
        inputs = self.inputs
        return str(inputs.get("name") or inputs.get("imageName") or self.urn.rpartition("::")[2])

    @property
    def type(self) -> str:
        """The resource's type."""
        return str((self.new or self.old).get("type"))

    @property
    def is_custom(self) -> bool:
        """Whether a provider keeps it; else it is a record of Pulumi's alone."""
        return bool((self.new or self.old).get("custom"))

    @property
    def is_leftover(self) -> bool:
        """Whether an earlier update has replaced it already, and only its removal is due."""
        return self.op == "delete" and bool(self.old.get("delete"))

    @property
    def is_image(self) -> bool:
        """Whether the resource is an image, built or pulled."""
        return self.type in (IMAGE, REMOTE_IMAGE)

    @property
    def inputs(self) -> Record:
        """The resource's inputs as they will be, or as they were where it goes."""
        return (self.new or self.old).get("inputs") or {}

    @property
    def old_inputs(self) -> Record:
        """The resource's inputs as they were."""
        return self.old.get("inputs") or {}

    @property
    def acts(self) -> bool:
        """Whether anything is done to the resource itself."""
        return self.op not in _NO_EFFECT

    @property
    def replaces(self) -> bool:
        """Whether the resource is made anew."""
        return self.op in _REPLACEMENTS

    @property
    def operation(self) -> str:
        """What is done to it, for people."""
        if self.is_leftover:
            return "removed (left over from an earlier update)"
        if self.op == "create" and self.is_image:
            return "built" if self.type == IMAGE else "pulled"
        if self.op == "delete" and self.old.get("retainOnDelete"):
            return _IMAGE_OPERATIONS["delete"]
        if self.replaces:
            return "made again" if self.is_image else "replaced"
        return (_IMAGE_OPERATIONS if self.is_image else {}).get(self.op) or _OPERATIONS.get(self.op, self.op)

    @property
    def changed_guards(self) -> tuple[str, ...]:
        """What changes in how Pulumi guards the resource, though nothing in the resource itself may."""
        if not (self.old and self.new):
            return ()
        return tuple(
            f"{title} {'on' if self.new.get(option) else 'off'}"
            for option, title in (("protect", "protection"), ("retainOnDelete", "retention on delete"))
            if bool(self.old.get(option)) != bool(self.new.get(option))
        )

    @property
    def dependencies(self) -> tuple[str, ...]:
        """The resources that it depends on, by whatever input, its connection included."""
        found = [urn for state in (self.new, self.old) for urn in state.get("dependencies") or []]
        found += [urn for urns in self.by_input.values() for urn in urns]
        return tuple(dict.fromkeys([*found, self.provider]))

    @property
    def by_input(self) -> dict[str, tuple[str, ...]]:
        """The resources that it depends on, by its inputs."""
        found: dict[str, tuple[str, ...]] = {}
        for state in (self.new, self.old):
            for name, urns in (state.get("propertyDependencies") or {}).items():
                found[name] = (*found.get(name, ()), *(urns or ()))
        return found

    def is_live(self, reason: str) -> bool:
        """Whether a difference in the input `reason` is applied to a running container."""
        # The engine takes a limit of nothing for "leave it as it is".
        return reason in LIVE and not (reason in _LIMITS and not self.inputs.get(reason))


def steps(preview: Mapping[str, Any]) -> tuple[Step, ...]:
    """The steps that say what comes of each resource: those of a refresh, which go before them, do not."""
    every = [Step.read(record) for record in preview.get("steps") or []]
    return tuple(step for step in every if step.op != "refresh")
