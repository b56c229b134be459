"""Finds what an engine already holds that a stack would collide with.

What carries the stack's own label is never in the way. A check that needs this machine (its processes, addresses,
routes, disk) is left out, and said to be, where the engine is another machine's.
"""

import ipaddress
from collections.abc import Callable, Iterator

import docker

from gix_engine import connection, machine
from gix_engine.holdings import HeldContainer, Holdings, Labels
from gix_model import units
from gix_model.catalog import CATALOG
from gix_model.environment import HELPER_LABEL, SERVICE_LABEL, STACK_LABEL, Environment
from gix_model.problems import Problem

OLDEST_ENGINE = (20, 10)
"""The oldest engine on which all of this has been seen to work."""
ENGINE_WITH_START_INTERVAL = (25, 0)
"""The first engine that knows a health check's start interval."""
ENGINE_WITH_NEW_CAPABILITIES = (23, 0)
"""The first engine that knows the capabilities of Linux 5.8 and 5.9."""
LEAST_FREE_DISK_BYTES = 2 * 2**30
"""Free space on the engine's disk, below which a build of the services' images is not begun."""

_NEW_CAPABILITIES = frozenset({"CAP_PERFMON", "CAP_BPF", "CAP_CHECKPOINT_RESTORE"})
_ANYWHERE = frozenset({"0.0.0.0", "::", ""})  # noqa: S104 - compared, not bound
_HOLDERS = frozenset({"backup", "restore"})
"""What a helper works for that keeps the auction from writing."""


def observe(client: docker.DockerClient, environment: Environment) -> Holdings:
    """What the engine of a stack holds; raises DockerException or OSError where it does not answer."""
    return Holdings.observe(
        client,
        local=connection.is_local(environment.settings.engine),
        volume=environment.name(environment.settings.ledger.volume),
        label=f"{STACK_LABEL}={environment.label}",
    )


def find(environment: Environment, holdings: Holdings) -> list[Problem]:
    """Everything on the engine that stands in the way of the stack.

    A backup or restore at work is not among it: it ends by itself.
    """
    return [problem for look in _CHECKS for problem in look(environment, holdings)]


def unreachable(environment: Environment, error: Exception) -> Problem:
    """The problem of an engine that does not answer."""
    host = connection.address(environment.settings.engine) or "/var/run/docker.sock"
    return Problem(
        subject=f"gix:engine.host = {environment.settings.engine.host or '(not set)'}",
        limit=f"no engine answers at {host}: {_one_line(error)}",
        fix="start it (systemctl start docker, or: make setup), or point gix:engine.host at one that runs",
    )


def _one_line(error: Exception) -> str:
    return " ".join(str(error).split())[:200]


def _is_ours(environment: Environment, labels: Labels) -> bool:
    return labels.get(STACK_LABEL) == environment.label


def _in_the_way(environment: Environment, labels: Labels) -> bool:
    """Whether a thing that bears one of the stack's names keeps the stack from having it."""
    return not (environment.settings.take_over or _is_ours(environment, labels))


def _held_by(labels: Labels) -> str:
    """Who made a thing, as far as its labels tell."""
    if STACK_LABEL in labels:
        return f"the stack {labels[STACK_LABEL]}"
    if "com.docker.compose.project" in labels:
        return f"the Compose project {labels['com.docker.compose.project']}"
    return "something else"


def _version(environment: Environment, holdings: Holdings) -> Iterator[Problem]:
    text, release = holdings.info.version, holdings.info.release
    if release is None:
        return
    if release < OLDEST_ENGINE:
        oldest = ".".join(map(str, OLDEST_ENGINE))
        yield Problem(subject=f"engine {text}", limit=f"is older than {oldest}", fix="bring it up to date")
    for name, service in environment.services.items():
        # An engine that ignores it shows none of it either, so that every refresh would find a difference.
        if service.health_check.start_interval is not None and release < ENGINE_WITH_START_INTERVAL:
            yield Problem(
                subject=f"gix:{name}.healthCheck.startInterval = {service.health_check.start_interval}",
                limit=f"the engine, {text}, is older than 25 and ignores it",
                fix="leave it out, and set a short interval instead",
            )
        new = _NEW_CAPABILITIES.intersection(service.drop_capabilities)
        if new and release < ENGINE_WITH_NEW_CAPABILITIES:
            yield Problem(
                subject=f"gix:{name}.dropCapabilities = {', '.join(sorted(new))}",
                limit=f"the engine, {text}, is older than 23 and refuses it",
                fix="leave it out: a container does not have it by default",
            )


def _disk(environment: Environment, holdings: Holdings) -> Iterator[Problem]:
    root = holdings.info.directory
    if not (environment.builds and holdings.local and root):
        return
    free = machine.free_bytes(root)
    if free is not None and free < LEAST_FREE_DISK_BYTES:
        yield Problem(
            subject=f"{root}: {free // 2**20} MiB free",
            limit=f"a build needs {LEAST_FREE_DISK_BYTES // 2**20} MiB: there is no space left on the engine's disk",
            fix="free some: docker system df shows what takes it, docker builder prune empties the build cache",
        )


def _limits(environment: Environment, holdings: Holdings) -> Iterator[Problem]:
    cpus, memory = holdings.info.cpus, holdings.info.memory
    for name, service in environment.services.items():
        if service.cpus is not None and cpus is not None and service.cpus > cpus:
            yield Problem(
                subject=f"gix:{name}.cpus = {service.cpus:g}",
                limit=f"the engine has {cpus}",
                fix=f"write {cpus} or less",
            )
        if service.memory is not None and memory is not None and units.mebibytes(service.memory) > memory // 2**20:
            yield Problem(
                subject=f"gix:{name}.memory = {service.memory}",
                limit=f"the engine's machine has {memory // 2**20}MiB, so that this limits nothing",
                fix=f"write {memory // 2**20}MiB or less, or leave it out for no limit",
            )


def _container_names(environment: Environment, holdings: Holdings) -> Iterator[Problem]:
    wanted = {environment.name(spec.container) for spec in environment.specs}
    for container in holdings.containers:
        for name in container.names:
            if name in wanted and _in_the_way(environment, container.labels):
                yield Problem(
                    subject=f"container {name} ({container.state or 'in an unknown state'})",
                    limit=f"is there already, made by {_held_by(container.labels)}",
                    fix="set gix:takeOver to true to remove it (volumes stay), or gix:prefix to run beside it",
                )


def _network(environment: Environment, holdings: Holdings) -> Iterator[Problem]:
    settings = environment.settings.network
    name, wanted = environment.name(settings.name), ipaddress.IPv4Network(settings.subnet)
    for network in holdings.networks:
        same_name = network.name == name
        # The stack's own of another name, or with another range, makes way.
        if _is_ours(environment, network.labels) or (same_name and environment.settings.take_over):
            continue
        if same_name:
            yield Problem(
                subject=f"network {name}",
                limit=f"is there already, made by {_held_by(network.labels)}",
                fix="set gix:takeOver to true to remove it, or gix:network.name or gix:prefix to run beside it",
            )
            continue
        for subnet in network.subnets:
            if wanted.overlaps(subnet):
                yield Problem(
                    subject=f"gix:network.subnet = {settings.subnet}",
                    limit=f"overlaps {subnet} of {network.name or 'a network'}, made by {_held_by(network.labels)}",
                    fix=_another_subnet(holdings),
                )


def _routes(environment: Environment, holdings: Holdings) -> Iterator[Problem]:
    if not holdings.local:
        return
    wanted = ipaddress.IPv4Network(environment.settings.network.subnet)
    # The engine's own networks are looked at by name.
    bridges = {network.device for network in holdings.networks}
    for route in machine.routes():
        if route.device not in bridges and route.collides(wanted):
            yield Problem(
                subject=f"gix:network.subnet = {wanted}",
                limit=f"overlaps this machine's route to {route.network} by {route.device}",
                fix=_another_subnet(holdings),
            )


def _another_subnet(holdings: Holdings) -> str:
    """The fix for a subnet in use. It names one that no network of the engine and no route of this machine uses."""
    used = [subnet for network in holdings.networks for subnet in network.subnets]
    routes = machine.routes() if holdings.local else []
    for subnet in ipaddress.IPv4Network("172.16.0.0/12").subnets(new_prefix=16):
        if not any(map(subnet.overlaps, used)) and not any(route.collides(subnet) for route in routes):
            return f"set it to a range that is free, e.g. {subnet}"
    return "set it to a range that is free"


def _volume(environment: Environment, holdings: Holdings) -> Iterator[Problem]:
    if not any(spec.keeps_ledger for spec in environment.specs):
        yield from _protected_without_auction(environment, holdings)
        return
    settings = environment.settings.ledger
    name = environment.name(settings.volume)
    if holdings.volume_labels is None:
        if settings.adopt:
            yield Problem(
                subject="gix:ledger.adopt = true",
                limit=f"there is no volume {name} to take over",
                fix="set gix:ledger.volume to the one that is meant, or leave adopt out to begin a new ledger",
            )
        return
    if _is_ours(environment, holdings.volume_labels):
        return
    if STACK_LABEL in (holdings.volume_labels):
        yield Problem(
            subject=f"gix:ledger.volume = {settings.volume}",
            limit=f"the volume {name} is the ledger of {_held_by(holdings.volume_labels)}, "
            "and two stacks must not share one",
            fix="set it to another name; gixctl backup and gixctl restore move the ledger, "
            "and pulumi stack rename gives a renamed stack its name back",
        )
    elif not settings.adopt:
        yield Problem(
            subject=f"volume {name}",
            limit=f"is there already, made by {_held_by(holdings.volume_labels)}",
            fix="set gix:ledger.adopt to true to take it over with its data, or gix:ledger.volume to another name",
        )
    else:
        yield from _other_writers(environment, holdings, name)


def _protected_without_auction(environment: Environment, holdings: Holdings) -> Iterator[Problem]:
    """Pulumi would remove the auction's container, and only then refuse to give the protected volume up."""
    keepers = [
        container
        for container in holdings.containers
        if _is_ours(environment, container.labels) and container.labels.get(SERVICE_LABEL) == "auction"
    ]
    if keepers and environment.settings.ledger.protect:
        yield Problem(
            subject=f"gix:services = {environment.settings.services}",
            limit="leaves the auction out, whose ledger is protected (gix:ledger.protect = true)",
            fix="add the auction, set gix:ledger.protect to false, run pulumi up, and then leave the auction out; "
            "the volume stays",
        )


def _other_writers(environment: Environment, holdings: Holdings, volume: str) -> Iterator[Problem]:
    """Containers that go on writing to an adopted volume beside the stack's own auction."""
    taken_over = {environment.name(spec.container) for spec in environment.specs if environment.settings.take_over}
    for container in holdings.containers:
        name = container.names[0] if container.names else container.id[:12]
        ended = container.state in ("exited", "created", "dead")
        writes = volume in container.written_volumes and not ended
        if writes and name not in taken_over and not _is_ours(environment, container.labels):
            yield Problem(
                subject=f"gix:ledger.volume = {environment.settings.ledger.volume}",
                limit=f"the container {name} ({container.state}) has the volume {volume} open for writing",
                fix=f"stop it before the auction starts on the same ledger: docker stop {name}",
            )


def unused_ledgers(environment: Environment, holdings: Holdings) -> list[str]:
    """Volumes of the stack that none of its services uses: of an earlier configuration, or without the auction."""
    found = set(holdings.own_volumes)
    name = environment.name(environment.settings.ledger.volume)
    if any(spec.keeps_ledger for spec in environment.specs):
        return sorted(found - {name})
    if environment.settings.ledger.adopt and holdings.volume_labels is not None:
        found.add(name)
    return sorted(found)


def _addresses(environment: Environment, holdings: Holdings) -> Iterator[Problem]:
    if not holdings.local:
        return
    published = {key.partition(".")[0]: address for key, address, _ in _published(environment)}
    for service, address in published.items():
        if not machine.has_address(address):
            yield Problem(
                subject=f"{service}.bindAddress = {address}",
                limit="this machine has no such address",
                fix="write 0.0.0.0 for all, 127.0.0.1 for this machine alone, or an address that `ip addr` shows",
            )


def helpers(environment: Environment, holdings: Holdings) -> Iterator[Problem]:
    """Backups and restores of the stack's ledger that are at work, or were cut off."""
    for container in holdings.containers:
        verb = container.labels.get(HELPER_LABEL)
        # An auction that an update starts would write to files that a restore is about to replace.
        if _is_ours(environment, container.labels) and verb in _HOLDERS:
            yield Problem(
                subject=f"container {container.names[0] if container.names else '(no name)'} ({container.state})",
                limit=f"is of a {verb} of the ledger that is at work, or was cut off",
                fix="wait for its end; if none is at work: gixctl doctor --fix",
            )


def _ports(environment: Environment, holdings: Holdings) -> Iterator[Problem]:
    wanted = {environment.name(spec.container) for spec in environment.specs}
    for key, address, port in _published(environment):
        subject = f"{key} = {port}"
        fix = f"stop the holder, or set {key} to another port"
        holder = _container_on(holdings, address, port)
        if holder is not None:
            # A holder that bears one of the stack's own names has been told of already, or is taken over.
            if not (wanted.intersection(holder.names) or _is_ours(environment, holder.labels)):
                name = next(iter(holder.names), "without a name")
                yield Problem(subject=subject, limit=f"is held by the container {name}", fix=fix)
        elif holdings.local and machine.is_taken(address, port):
            yield Problem(
                subject=subject, limit="is held by a process of this machine", fix=f"find it: ss -ltnp; {fix}"
            )


def _published(environment: Environment) -> Iterator[tuple[str, str, int]]:
    for name, service in environment.services.items():
        port = environment.host_port(CATALOG[name])
        if port is not None:
            yield f"gix:{name}.hostPort", service.bind_address, port
        if service.metrics_port is not None:
            yield f"gix:{name}.metricsPort", service.bind_address, service.metrics_port


def _container_on(holdings: Holdings, address: str, port: int) -> HeldContainer | None:
    for container in holdings.containers:
        for each in container.published:
            same_address = each.address == address or not _ANYWHERE.isdisjoint((each.address, address))
            if each.protocol == "tcp" and each.port == port and same_address:
                return container
    return None


_CHECKS: tuple[Callable[[Environment, Holdings], Iterator[Problem]], ...] = (
    _version,
    _disk,
    _limits,
    _container_names,
    _network,
    _routes,
    _volume,
    _addresses,
    _ports,
)
