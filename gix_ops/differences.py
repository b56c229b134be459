"""What `gixctl verify` found: differences between objects on the engine and their declarations."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum

from gix_model import container_inputs, provider_facts
from gix_model.container_inputs import INPUTS
from gix_ops import fields
from gix_ops.fields import Value
from gix_ops.resources import Resource

_UNSTATED = {fields.words_for(row.name): Value(row.unstated) for row in INPUTS.values() if row.unstated}
_UNSTATED |= dict.fromkeys(("internal", "attachable", "ipv6"), Value("no"))
"""The values of options that are not declared."""
_SET_LIVE = frozenset(map(fields.words_for, container_inputs.LIVE))
"""Fields that the provider sets on a running container, but cannot remove from it."""
REFRESH = "pulumi up --refresh"
"""The command that gives an object its declared values again."""


class DifferenceType(StrEnum):
    """In what way the engine differs from the declared state."""

    MISSING = "missing"
    """A declared object is not on the engine."""
    UNDECLARED = "undeclared"
    """An object with the stack's label is not in the stack's state."""
    REPLACED = "replaced"
    """An object has the declared name and not the id in the state: something else made it."""
    STATE = "state"
    """A container does not run, too few tasks of a service run, or a node is not ready."""
    HEALTH = "health"
    """A container that runs is not healthy."""
    IMAGE = "image"
    """A container runs another image, or its image no longer exists."""
    VALUE = "value"
    """A field has another value."""
    FAILED_UPDATE = "failed update"
    """The last update of the resource failed."""
    UPDATE_STATE = "update state"
    """Swarm has paused the last update of a service, or rolled it back."""
    INTERRUPTED_UPDATE = "interrupted update"
    """The last update of the resource did not end."""


@dataclass(frozen=True, kw_only=True)
class Difference:
    """One difference between the engine and the declared state; see gix_ops.verify."""

    type: DifferenceType
    kind: str
    name: str
    id: str | None = None
    subject: str
    field: str
    declared: str | None
    found: str | None
    fix: str


@dataclass(kw_only=True)
class Report:
    """The result of a comparison."""

    stack: str
    compared: int = 0
    not_compared: list[str] = field(default_factory=list)
    differences: list[Difference] = field(default_factory=list)


@dataclass(frozen=True, kw_only=True)
class Object:
    """An object on the engine whose differences are added to a report; `id` is None if it is missing."""

    report: Report
    kind: str
    name: str
    id: str | None
    subject: str

    @classmethod
    def declared(cls, report: Report, resource: Resource, id_: str | None) -> "Object":
        """The object of a resource in the state."""
        return cls(report=report, kind=resource.kind, name=resource.name, id=id_, subject=resource.subject)

    def add(self, type_: DifferenceType, field_name: str, *, declared: str | None, found: str | None, fix: str) -> None:
        """Add a difference."""
        self.report.differences.append(
            Difference(
                type=type_,
                kind=self.kind,
                name=self.name,
                id=self.id,
                subject=self.subject,
                field=field_name,
                declared=declared,
                found=found,
                fix=fix,
            )
        )

    def compare(
        self, declared: Mapping[str, Value], found: Mapping[str, Value], *, replace: str, fix: str | None
    ) -> None:
        """Add every field in which both sides differ. Default for `fix`: a refresh, or `replace`, for each field."""
        for name in sorted({*declared, *found}):
            self.report.compared += 1
            wanted, seen = declared.get(name), found.get(name)
            if (wanted or _UNSTATED.get(name)) != (seen or _UNSTATED.get(name)):
                self.add(
                    DifferenceType.IMAGE if name == "image" else DifferenceType.VALUE,
                    name,
                    declared=None if wanted is None else str(wanted),
                    found=_shown(wanted, seen),
                    fix=fix or (REFRESH if wanted and name in _SET_LIVE else replace),
                )


def missing(report: Report, resource: Resource, fix: str = REFRESH) -> None:
    """Add that a declared object is missing."""
    here = Object.declared(report, resource, None)
    here.add(DifferenceType.MISSING, resource.kind, declared=resource.name, found=None, fix=fix)


def undeclared(report: Report, type_: str, name: str, id_: str, fix: str) -> None:
    """Add an object of the provider's `type_` that has the label of the stack and is not in its state."""
    kind = provider_facts.KINDS[type_]
    here = Object(report=report, kind=kind, name=name, id=id_, subject=f"{kind} {name}")
    here.add(DifferenceType.UNDECLARED, kind, declared=None, found="there", fix=fix)


def _shown(wanted: Value | None, seen: Value | None) -> str | None:
    if seen is None:
        return None
    if wanted is None:
        return "(not shown)" if seen.secret else seen.text
    return "another value" if wanted.secret else seen.text
