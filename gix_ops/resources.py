"""The resources that a stack's state records, read by `pulumi stack export`."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from gix_model.catalog import CATALOG
from gix_model.environment import EDGE_LABEL, SERVICE_LABEL
from gix_model.provider_facts import CONTAINER, KINDS, SERVICE, VOLUME
from gix_ops import fields
from gix_ops.pulumi_command import ask
from gix_ops.stack import StackReference

Record = Mapping[str, Any]


@dataclass(frozen=True, kw_only=True)
class Resource:
    """A resource in the state. `errors` are those of its last creation or update."""

    urn: str
    type: str
    id: str
    inputs: Record
    outputs: Record
    errors: tuple[str, ...] = ()
    protected: bool = False

    @property
    def name(self) -> str:
        """Its name on the engine."""
        return str(self.inputs.get("name") or self.inputs.get("imageName") or self.id)

    @property
    def kind(self) -> str:
        """Its kind, a value of `KINDS`."""
        return KINDS[self.type]

    @property
    def service(self) -> str | None:
        """The service that it runs; None if it is not the container of a service, or its service in Swarm."""
        return service_of(self.inputs) if self.type in (CONTAINER, SERVICE) else None

    @property
    def keeps_ledger(self) -> bool:
        """Whether it is the volume of the ledger. The edge has a volume for its certificate."""
        return self.type == VOLUME and label_of(self.inputs, EDGE_LABEL) is None

    @property
    def subject(self) -> str:
        """How messages refer to it: a container by its service, others by kind and name."""
        return self.service or f"{self.kind} {self.name}"

    @property
    def replace_command(self) -> str:
        """The command that replaces it."""
        return f"pulumi up --replace '**::{self.urn.rpartition('::')[2]}'"


@dataclass(frozen=True, kw_only=True)
class State:
    """What `export` returns: the declared resources of `KINDS`, and the pending operations of an interrupted update.

    The resources have the order of `KINDS`, and those of services the catalog's order. The state has them in the order
    in which the update processed them, which varies.
    """

    resources: tuple[Resource, ...]
    pending: tuple[tuple[str, str], ...]
    """Name of the resource, and the operation: creating, updating, deleting."""
    superseded: frozenset[str] = frozenset()
    """Ids of what has a successor. The next update deletes it; until then, it may be what serves."""


def service_of(inputs: Record) -> str | None:
    """The service that a container with these inputs runs; None if it runs none."""
    return label_of(inputs, SERVICE_LABEL)


def label_of(inputs: Record, name: str) -> str | None:
    """The value of a label among these inputs; None if there is none."""
    labels = fields.opened(inputs.get("labels"))
    for each in labels if isinstance(labels, list) else []:
        if isinstance(each, Mapping) and each.get("label") == name:
            return str(each.get("value"))
    return None


def export(stack: StackReference) -> State:
    """Read the stack's state with secrets in plain text. Raises StackError if it cannot be read."""
    deployment = json.loads(ask(stack.directory, "stack", "export", "--show-secrets", stack=stack.name))["deployment"]
    found = [
        Resource(
            urn=each["urn"],
            type=each["type"],
            id=each.get("id") or "",
            inputs=each.get("inputs") or {},
            outputs=each.get("outputs") or {},
            errors=tuple(each.get("initErrors") or ()),
            protected=bool(each.get("protect")),
        )
        for each in deployment.get("resources") or []
        # A resource that waits for its deletion is no longer declared.
        if each["type"] in KINDS and not each.get("delete")
    ]
    return State(
        resources=tuple(sorted(found, key=_order)),
        pending=tuple(
            (each["resource"]["urn"].rpartition("::")[2], each["type"])
            for each in deployment.get("pending_operations") or []
        ),
        superseded=frozenset(
            each["id"] for each in deployment.get("resources") or [] if each.get("delete") and each.get("id")
        ),
    )


def _order(resource: Resource) -> tuple[int, int, str]:
    services = list[str](CATALOG)
    place = services.index(resource.service) if resource.service in services else len(services)
    return list(KINDS).index(resource.type), place, resource.name
