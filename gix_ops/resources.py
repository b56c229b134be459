"""The resources that a stack's state records, read by `pulumi stack export`."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from gix_model.catalog import CATALOG
from gix_model.environment import SERVICE_LABEL
from gix_ops import fields
from gix_ops.errors import StackError
from gix_ops.pulumi_command import ask
from gix_ops.stack import StackReference

CONTAINER = "docker:index/container:Container"
IMAGE = "docker:index/image:Image"
NETWORK = "docker:index/network:Network"
PROVIDER = "pulumi:providers:docker"
REMOTE_IMAGE = "docker:index/remoteImage:RemoteImage"
VOLUME = "docker:index/volume:Volume"

KINDS = {
    CONTAINER: "container",
    IMAGE: "image",
    NETWORK: "network",
    PROVIDER: "connection",
    REMOTE_IMAGE: "image",
    VOLUME: "volume",
}
"""What a person calls a resource of a type."""

TOLD_TO_PROVIDER = frozenset(
    {
        *("checkDuplicate", "containerReadRefreshTimeoutMilliseconds", "destroyGraceSeconds", "mustRun"),
        *("networkMode", "removeVolumes", "start", "wait", "waitTimeout"),
    }
)
"""Inputs that tell the provider what to do, and are nothing that a container or network has."""

Record = Mapping[str, Any]


@dataclass(frozen=True, kw_only=True)
class Resource:
    """A resource in the state. `errors` are those with which its last creation or update ended."""

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
    def subject(self) -> str:
        """What a person calls it: a container by its service."""
        return service_of(self.inputs) or f"{KINDS[self.type]} {self.name}"

    @property
    def anew(self) -> str:
        """The command that makes it anew."""
        return f"pulumi up --replace '**::{self.urn.rpartition('::')[2]}'"


@dataclass(frozen=True, kw_only=True)
class State:
    """What `export` found: the resources of `KINDS` that are in force, and what a cut-off update was at.

    The resources come in the order of `KINDS`, and the services' in the catalog's: the state has them in the order in
    which an update came to them, which is another each time.
    """

    resources: tuple[Resource, ...]
    pending: tuple[tuple[str, str], ...]
    """Resource name and what was done to it."""


def service_of(inputs: Record) -> str | None:
    """The service that a container of these inputs runs; None where they are no service's."""
    label = fields.flat(fields.read({"labels": inputs.get("labels") or []})).get(f"label {SERVICE_LABEL}")
    return None if label is None else label.text


def export(stack: StackReference) -> State:
    """Read the stack's state, secrets in the clear; raises StackError where it can't be read."""
    answer = ask(stack.directory, "stack", "export", "--show-secrets", stack=stack.name)
    if answer.returncode:
        raise StackError(f"the stack's state can't be read: {answer.stderr.strip()}")
    deployment = json.loads(answer.stdout)["deployment"]
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
        # What only waits to be deleted is no longer declared.
        if each["type"] in KINDS and not each.get("delete")
    ]
    return State(
        resources=tuple(sorted(found, key=_place)),
        pending=tuple(
            (each["resource"]["urn"].rpartition("::")[2], each["type"])
            for each in deployment.get("pending_operations") or []
        ),
    )


def _place(resource: Resource) -> tuple[int, int, str]:
    services = list(CATALOG)
    place = services.index(resource.subject) if resource.subject in CATALOG else len(services)
    return list(KINDS).index(resource.type), place, resource.name
