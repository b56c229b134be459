"""Looks at the engine before anything is declared: what it already holds that the stack would collide with.

What carries the stack's own label is never in the way. A check that needs this machine (its processes, routes, disk) is
left out, and said to be, where the engine is another machine's.
"""

import errno
import ipaddress
import re
import shutil
import socket
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import docker
import pulumi
from docker.errors import DockerException, NotFound

from gix_components.takeover import Occupants
from gix_engine import connection
from gix_model.catalog import CATALOG
from gix_model.environment import STACK_LABEL, Environment
from gix_model.problems import PreflightError, Problem

OLDEST_ENGINE = (20, 10)
"""The oldest engine on which all of this has been seen to work."""
ENGINE_WITH_START_INTERVAL = (25, 0)
"""The first engine that knows a health check's start interval."""
LEAST_FREE_DISK_BYTES = 2 * 2**30
"""Free space on the engine's disk, below which a build of the services' images is not begun."""

_Record = dict[str, Any]


@dataclass(frozen=True, kw_only=True)
class Holdings:
    """What the engine holds, as its API lists it. `local` says that it is this machine's."""

    client: docker.DockerClient
    local: bool
    info: _Record
    containers: list[_Record]
    networks: list[_Record]

    @classmethod
    def of(cls, client: docker.DockerClient) -> "Holdings":
        """Ask the engine; raises docker.errors.DockerException where it does not answer."""
        return cls(
            client=client,
            local=client.api.base_url.startswith("http+docker://"),
            info=client.info(),
            containers=client.api.containers(all=True),
            networks=client.api.networks(),
        )


def check(environment: Environment) -> None:
    """Raise PreflightError with everything that stands in the way of the stack on its engine; touch nothing."""
    try:
        holdings = Holdings.of(connection.connect(environment.settings.engine, environment.directory))
    except (DockerException, OSError) as error:
        raise PreflightError("Docker engine", [_unreachable(environment, error)]) from None
    if not holdings.local:
        pulumi.log.info("the engine is not this machine's: its processes, routes and free disk are not checked")
    problems = collisions(environment, holdings)
    if not problems and environment.settings.take_over:
        for name in Occupants.of(holdings.client, environment).names:
            pulumi.log.warn(f"{name} is stopped and removed in this update: gix:takeOver is set")
    if problems:
        raise PreflightError(f"Docker engine {holdings.info['Name']}", problems)


def collisions(environment: Environment, holdings: Holdings) -> list[Problem]:
    """Everything on the engine that stands in the way of the stack; raises DockerException where it stops answering."""
    return [problem for look in _LOOKS for problem in look(environment, holdings)]


def _unreachable(environment: Environment, error: Exception) -> Problem:
    host = environment.settings.engine.host or "DOCKER_HOST or /var/run/docker.sock"
    return Problem(
        subject=f"gix:engine.host = {environment.settings.engine.host or '(not set)'}",
        limit=f"no engine answers at {host}: {_one_line(error)}",
        way_out="start it (systemctl start docker, or: make setup), or point gix:engine.host at one that runs",
    )


def _one_line(error: Exception) -> str:
    return " ".join(str(error).split())[:200]


def _is_ours(environment: Environment, labels: dict[str, str] | None) -> bool:
    return (labels or {}).get(STACK_LABEL) == environment.label


def _in_the_way(environment: Environment, labels: dict[str, str] | None) -> bool:
    """Whether a thing that bears one of the stack's names keeps the stack from having it."""
    return not (environment.settings.take_over or _is_ours(environment, labels))


def _held_by(labels: dict[str, str] | None) -> str:
    """Who made a thing, as far as its labels tell."""
    labels = labels or {}
    if STACK_LABEL in labels:
        return f"the stack {labels[STACK_LABEL]}"
    if "com.docker.compose.project" in labels:
        return f"the Compose project {labels['com.docker.compose.project']}"
    return "something else"


def _version(environment: Environment, holdings: Holdings) -> Iterator[Problem]:
    text = holdings.info["ServerVersion"]
    version = tuple(int(part) for part in re.findall(r"\d+", text)[:2])
    if version < OLDEST_ENGINE:
        oldest = ".".join(map(str, OLDEST_ENGINE))
        yield Problem(subject=f"engine {text}", limit=f"is older than {oldest}", way_out="bring it up to date")
    for name, service in environment.services.items():
        # An engine that ignores it shows none of it either, so that every refresh would find a difference.
        if service.health_check.start_interval is not None and version < ENGINE_WITH_START_INTERVAL:
            yield Problem(
                subject=f"gix:{name}.healthCheck.startInterval = {service.health_check.start_interval}",
                limit=f"the engine, {text}, is older than 25 and ignores it",
                way_out="leave it out, and set a short interval instead",
            )


def _disk(environment: Environment, holdings: Holdings) -> Iterator[Problem]:
    root = Path(holdings.info["DockerRootDir"])
    if not (environment.builds and holdings.local and root.exists()):
        return
    free = shutil.disk_usage(root).free
    if free < LEAST_FREE_DISK_BYTES:
        yield Problem(
            subject=f"{root}: {free // 2**20} MiB free",
            limit=f"a build needs {LEAST_FREE_DISK_BYTES // 2**20} MiB: there is no space left on the engine's disk",
            way_out="free some: docker system df shows what takes it, docker builder prune empties the build cache",
        )


def _cpus(environment: Environment, holdings: Holdings) -> Iterator[Problem]:
    for name, service in environment.services.items():
        if service.cpus is not None and service.cpus > holdings.info["NCPU"]:
            yield Problem(
                subject=f"gix:{name}.cpus = {service.cpus:g}",
                limit=f"the engine has {holdings.info['NCPU']}",
                way_out=f"write {holdings.info['NCPU']} or less",
            )


def _container_names(environment: Environment, holdings: Holdings) -> Iterator[Problem]:
    wanted = {environment.name(spec.container): spec for spec in environment.specs}
    for container in holdings.containers:
        for name in (name.removeprefix("/") for name in container["Names"] or []):
            if name in wanted and _in_the_way(environment, container["Labels"]):
                yield Problem(
                    subject=f"container {name} ({container['State']})",
                    limit=f"is there already, made by {_held_by(container['Labels'])}",
                    way_out="set gix:takeOver to true to remove it (volumes stay), or gix:prefix to run beside it",
                )


def _network(environment: Environment, holdings: Holdings) -> Iterator[Problem]:
    settings = environment.settings.network
    name, wanted = environment.name(settings.name), ipaddress.ip_network(settings.subnet)
    for network in holdings.networks:
        same_name = network["Name"] == name
        # The stack's own of another name, or with another range, makes way.
        if _is_ours(environment, network["Labels"]) or (same_name and environment.settings.take_over):
            continue
        if same_name:
            yield Problem(
                subject=f"network {name}",
                limit=f"is there already, made by {_held_by(network['Labels'])}",
                way_out="set gix:takeOver to true to remove it, or gix:network.name or gix:prefix to run beside it",
            )
            continue
        for pool in (network["IPAM"] or {}).get("Config") or []:
            if pool.get("Subnet") and wanted.overlaps(ipaddress.ip_network(pool["Subnet"])):
                yield Problem(
                    subject=f"gix:network.subnet = {settings.subnet}",
                    limit=f"overlaps {pool['Subnet']} of {network['Name']}, made by {_held_by(network['Labels'])}",
                    way_out="set it to a range that is free, e.g. 172.29.0.0/16",
                )


def _routes(environment: Environment, holdings: Holdings) -> Iterator[Problem]:
    wanted = ipaddress.IPv4Network(environment.settings.network.subnet)
    table = Path("/proc/net/route")
    if not (holdings.local and table.exists()):
        return
    bridges = {_bridge(network) for network in holdings.networks}
    for line in table.read_text().splitlines()[1:]:
        device, destination, _gateway, _flags, _refs, _use, _metric, mask, *_ = line.split()
        route = ipaddress.IPv4Network((_from_kernel(destination), str(_from_kernel(mask))))
        # A default route covers everything, and the engine's own networks have been looked at by name.
        if route.prefixlen and device not in bridges and wanted.overlaps(route):
            yield Problem(
                subject=f"gix:network.subnet = {wanted}",
                limit=f"overlaps this machine's route to {route} by {device}",
                way_out="set it to a range that is free, e.g. 172.29.0.0/16",
            )


def _bridge(network: _Record) -> str:
    named: str | None = (network["Options"] or {}).get("com.docker.network.bridge.name")
    return named or f"br-{network['Id'][:12]}"


def _from_kernel(word: str) -> ipaddress.IPv4Address:
    """An address as /proc/net/route has it: hexadecimal, in the machine's own order of bytes."""
    return ipaddress.IPv4Address(socket.ntohl(int(word, 16)))


def _volume(environment: Environment, holdings: Holdings) -> Iterator[Problem]:
    if not any(spec.keeps_ledger for spec in environment.specs):
        return
    settings = environment.settings.ledger
    name = environment.name(settings.volume)
    try:
        volume = holdings.client.api.inspect_volume(name)
    except NotFound:
        if settings.adopt:
            yield Problem(
                subject="gix:ledger.adopt = true",
                limit=f"there is no volume {name} to take over",
                way_out="set gix:ledger.volume to the one that is meant, or leave adopt out to begin a new ledger",
            )
        return
    if not settings.adopt and not _is_ours(environment, volume["Labels"]):
        yield Problem(
            subject=f"volume {name}",
            limit=f"is there already, made by {_held_by(volume['Labels'])}",
            way_out="set gix:ledger.adopt to true to take it over with its data, or gix:ledger.volume to another name",
        )


def _ports(environment: Environment, holdings: Holdings) -> Iterator[Problem]:
    wanted = {environment.name(spec.container) for spec in environment.specs}
    for key, address, port in _published(environment):
        subject = f"{key} = {port}"
        way_out = f"stop the holder, or set {key} to another port"
        holder = _container_on(holdings, address, port)
        if holder is not None:
            name = holder["Names"][0].removeprefix("/")
            # A holder that bears one of the stack's own names has been told of already, or is taken over.
            if name not in wanted and not _is_ours(environment, holder["Labels"]):
                yield Problem(subject=subject, limit=f"is held by the container {name}", way_out=way_out)
        elif holdings.local and _taken(address, port):
            yield Problem(
                subject=subject, limit="is held by a process of this machine", way_out=f"find it: ss -ltnp; {way_out}"
            )


def _published(environment: Environment) -> Iterator[tuple[str, str, int]]:
    for name, service in environment.services.items():
        port = environment.host_port(CATALOG[name])
        if port is not None:
            yield f"gix:{name}.hostPort", service.bind_address, port
        if service.metrics_port is not None:
            yield f"gix:{name}.metricsPort", service.bind_address, service.metrics_port


def _container_on(holdings: Holdings, address: str, port: int) -> _Record | None:
    anywhere = {"0.0.0.0", "::", ""}  # noqa: S104 - compared, not bound
    for container in holdings.containers:
        for binding in container["Ports"] or []:
            ip = binding.get("IP", "")
            if binding.get("PublicPort") == port and (ip == address or ip in anywhere or address in anywhere):
                return container
    return None


def _taken(address: str, port: int) -> bool:
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
        # As the engine's own proxy does: a connection that is still closing is nobody's hold.
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((address, port))
        except OSError as error:
            return error.errno == errno.EADDRINUSE
    return False


_LOOKS: tuple[Callable[[Environment, Holdings], Iterator[Problem]], ...] = (
    _version,
    _disk,
    _cpus,
    _container_names,
    _network,
    _routes,
    _volume,
    _ports,
)
