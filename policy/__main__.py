"""The policy pack: refuses resources that the program must never declare. Use it with `--policy-pack policy`.

It reads only resources and does not import `gix_components`, so it also catches errors of `gix_components`.
"""

import re
from collections.abc import Callable, Iterator
from pathlib import PurePosixPath
from typing import Any

import pulumi
from pulumi_policy import (
    EnforcementLevel,
    PolicyPack,
    ReportViolation,
    ResourceValidationArgs,
    ResourceValidationPolicy,
)
from pulumi_policy.proxy import UnknownValueError

CONTAINER = "docker:index/container:Container"
REMOTE_IMAGE = "docker:index/remoteImage:RemoteImage"
VOLUME = "docker:index/volume:Volume"

EDGE_LABEL = "io.gix.edge"

PRODUCTION = bool(pulumi.Config("gix").get_bool("production"))

_ROOT = re.compile(r"(?:root|0+)?(?::.*)?")
_PINNED = re.compile(r"(?:.+@)?sha256:[0-9a-f]{64}")
_SOCKETS = tuple(
    PurePosixPath(directory, socket)
    for directory in ("/run", "/var/run")
    for socket in ("docker.sock", "containerd/containerd.sock", "podman/podman.sock")
)

Rule = Callable[[ResourceValidationArgs], Iterator[str]]


def no_root(container: ResourceValidationArgs) -> Iterator[str]:
    """The user is stated and is not root. The image's own user may change with the image."""
    user = str(container.props.get("user") or "")
    if _ROOT.fullmatch(user):
        yield f"runs as {user or 'the user of its image'}; set a user that is not root, e.g. 1000:1000"


def no_privileged(container: ResourceValidationArgs) -> Iterator[str]:
    """No container is privileged, since its root would be root on the host."""
    if container.props.get("privileged"):
        yield "is privileged; remove that, and add the capability that it needs"


def no_host_network(container: ResourceValidationArgs) -> Iterator[str]:
    """No container uses the host's network interfaces."""
    networks = [each["name"] for each in container.props.get("networksAdvanced") or ()]
    if "host" in (container.props.get("networkMode"), *networks):
        yield "uses the host's network; put it on its own network, and publish its ports"


def no_engine_socket(container: ResourceValidationArgs) -> Iterator[str]:
    """No container controls the engine, since that means root on the host."""
    paths = [each.get("hostPath") for each in container.props.get("volumes") or ()]
    paths += [each.get("source") for each in container.props.get("mounts") or () if each.get("type") == "bind"]
    for path in filter(None, paths):
        mounted = PurePosixPath(path)
        if any(mounted == socket or mounted in socket.parents for socket in _SOCKETS):
            yield f"mounts {path}, which gives it the engine's socket; mount only what it needs"


def health_check(container: ResourceValidationArgs) -> Iterator[str]:
    """Every container has a health check."""
    tests = list((container.props.get("healthcheck") or {}).get("tests") or ())
    if not tests or tests == ["NONE"]:
        yield "has no health check; add one, so that an update waits for it"


def limits(container: ResourceValidationArgs) -> Iterator[str]:
    """In production, no container can use all memory of the host."""
    if PRODUCTION and not container.props.get("memory"):
        yield "has no memory limit, which production requires; set gix:defaults.memory, or gix:edge.memory for the edge"


def pinned(resource: ResourceValidationArgs) -> Iterator[str]:
    """In production, images are named by digest."""
    name = str(resource.props.get("name" if resource.resource_type == REMOTE_IMAGE else "image"))
    if PRODUCTION and not _PINNED.fullmatch(name):
        yield f"uses the image {name}, which may change; name it by digest: ...@sha256:..."


def protected(volume: ResourceValidationArgs) -> Iterator[str]:
    """In production, no update removes the ledger from the stack. The volume of the edge has only its certificate."""
    labels = [each.get("label") for each in volume.props.get("labels") or ()]
    if PRODUCTION and not volume.opts.protect and EDGE_LABEL not in labels:
        yield "is not protected, which production requires; set gix:ledger.protect to true"


def policy(name: str, description: str, rule: Rule, *types: str) -> ResourceValidationPolicy:
    """A policy that refuses each resource of `types` for which `rule` reports a violation."""

    def validate(args: ResourceValidationArgs, report: ReportViolation) -> None:
        if args.resource_type not in types:
            return
        try:
            complaints = list(rule(args))
        except UnknownValueError:
            # The value is not known in a preview. The update checks it again.
            return
        for complaint in complaints:
            report(f"{_called(args)} {complaint}", None)

    return ResourceValidationPolicy(name=name, description=description, validate=validate)


def _called(args: ResourceValidationArgs) -> str:
    kind = args.resource_type.rpartition(":")[2].lower()
    name: Any = args.props.get("name") or args.name
    return f"{kind} {name}"


PolicyPack(
    "gix",
    [
        policy("no-root", "No container runs as root.", no_root, CONTAINER),
        policy("no-privileged", "No container is privileged.", no_privileged, CONTAINER),
        policy("no-host-network", "No container uses the host's network.", no_host_network, CONTAINER),
        policy("no-engine-socket", "No container has the engine's socket.", no_engine_socket, CONTAINER),
        policy("health-check", "Every container has a health check.", health_check, CONTAINER),
        policy("limits", "In production, every container has a memory limit.", limits, CONTAINER),
        policy("pinned-images", "In production, images are named by digest.", pinned, CONTAINER, REMOTE_IMAGE),
        policy("protected-ledger", "In production, the ledger's volume is protected.", protected, VOLUME),
    ],
    enforcement_level=EnforcementLevel.MANDATORY,
)
