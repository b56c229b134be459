"""Finds what prevents a stack from being brought up on an engine: conflicts with the engine's observed state.

What carries the stack's own label is never a conflict. The checks of this machine (its processes, addresses, routes
and disk) run only if the engine runs on it.
"""

import ipaddress
from collections.abc import Callable, Iterator

from gix_engine import connection, machine
from gix_engine.observed_state import (
    ObservedContainer,
    ObservedNetwork,
    ObservedState,
    ObservedVolume,
)
from gix_model.environment import Environment
from gix_model.problems import Problem
from gix_model.units import format_duration

OLDEST_ENGINE = (20, 10)
"""The oldest engine that the tests have run on."""
ENGINE_WITH_START_INTERVAL = (25, 0)
"""The first engine that supports a health check's start interval."""
ENGINE_WITH_NEW_CAPABILITIES = (23, 0)
"""The first engine that supports the capabilities of Linux 5.8 and 5.9."""
LEAST_FREE_DISK_BYTES = 2 * 2**30
"""Free space on the engine's disk that a build of the services' images needs."""

_NEW_CAPABILITIES = frozenset({"CAP_PERFMON", "CAP_BPF", "CAP_CHECKPOINT_RESTORE"})
_EXCLUSIVE_HELPERS = frozenset({"backup", "restore"})
"""Helpers during which the auction must not write."""

_Observed = ObservedContainer | ObservedNetwork | ObservedVolume


def find(environment: Environment, observed: ObservedState) -> list[Problem]:
    """Everything that prevents the stack from being brought up.

    A running backup or restore is not included, because it ends by itself; see `helpers`. In Swarm, `observed` is the
    manager's engine. `ledger_problems` and gix_engine.swarm_collisions have the rest.
    """
    checks = _CHECKS_OF_A_MANAGER if environment.is_swarm else _CHECKS
    return [problem for check in checks for problem in check(environment, observed)]


def ledger_problems(environment: Environment, observed: ObservedState) -> list[Problem]:
    """What prevents the stack from using its ledger's volume on an engine of which it uses nothing else."""
    return list(_volume(environment, observed))


def unreachable(environment: Environment, error: Exception) -> Problem:
    """The problem if the engine does not answer."""
    host = connection.address(environment.settings.engine) or "/var/run/docker.sock"
    return Problem(
        subject=f"gix:engine.host = {environment.settings.engine.host or '(not set)'}",
        limit=f"no engine answers at {host}: {_one_line(error)}",
        fix="start it (systemctl start docker, or: make setup), or set gix:engine.host to an engine that runs",
    )


def _one_line(error: Exception) -> str:
    return " ".join(str(error).split())[:200]


def _is_own(environment: Environment, observed: _Observed) -> bool:
    return observed.stack == environment.label


def _conflicts(environment: Environment, observed: _Observed) -> bool:
    """Whether an object with one of the stack's names prevents the stack from using the name."""
    return not (environment.settings.take_over or _is_own(environment, observed))


def _creator(observed: _Observed) -> str:
    """Who made an object, according to its labels."""
    if observed.stack is not None:
        return f"the stack {observed.stack}"
    if "com.docker.compose.project" in observed.labels:
        return f"the Compose project {observed.labels['com.docker.compose.project']}"
    return "something else"


def _version(environment: Environment, observed: ObservedState) -> Iterator[Problem]:
    text, release = observed.info.version, observed.info.release
    if release is None:
        return
    if release < OLDEST_ENGINE:
        oldest = ".".join(map(str, OLDEST_ENGINE))
        yield Problem(subject=f"engine {text}", limit=f"is older than {oldest}", fix="upgrade it")
    for name, service in environment.services.items():
        # An engine that ignores it does not show it either, so every refresh would find a difference.
        start_interval = service.health_check.start_interval
        if start_interval is not None and release < ENGINE_WITH_START_INTERVAL:
            yield Problem(
                subject=f"gix:{name}.healthCheck.startInterval = {format_duration(start_interval)}",
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


def _disk(environment: Environment, observed: ObservedState) -> Iterator[Problem]:
    root = observed.info.directory
    if not (environment.builds and observed.local and root):
        return
    free = machine.free_bytes(root)
    if free is not None and free < LEAST_FREE_DISK_BYTES:
        yield Problem(
            subject=f"{root}: {free // 2**20} MiB free",
            limit=f"a build needs {LEAST_FREE_DISK_BYTES // 2**20} MiB: there is no space left on the engine's disk",
            fix="free some space: docker system df shows what uses it, docker builder prune empties the build cache",
        )


def _limits(environment: Environment, observed: ObservedState) -> Iterator[Problem]:
    cpus, memory = observed.info.cpus, observed.info.memory
    for name, service in environment.services.items():
        if service.cpus is not None and cpus is not None and service.cpus > cpus:
            yield Problem(
                subject=f"gix:{name}.cpus = {service.cpus:g}",
                limit=f"the engine has {cpus}",
                fix=f"set it to {cpus} or less",
            )
        if service.memory is not None and memory is not None and service.memory.mebibytes > memory // 2**20:
            yield Problem(
                subject=f"gix:{name}.memory = {service.memory}",
                limit=f"the engine's machine has {memory // 2**20}MiB, so this limits nothing",
                fix=f"set it to {memory // 2**20}MiB or less, or leave it out for no limit",
            )


def _container_names(environment: Environment, observed: ObservedState) -> Iterator[Problem]:
    wanted = environment.container_names
    for container in observed.containers:
        for name in container.names:
            if name in wanted and _conflicts(environment, container):
                yield Problem(
                    subject=f"container {name} ({container.state or 'in an unknown state'})",
                    limit=f"already exists, made by {_creator(container)}",
                    fix="set gix:takeOver to true to remove it (volumes stay), or gix:prefix to run beside it",
                )


def _network(environment: Environment, observed: ObservedState) -> Iterator[Problem]:
    settings = environment.settings.network
    name, wanted = environment.name(settings.name), ipaddress.IPv4Network(settings.subnet)
    for network in observed.networks:
        same_name = network.name == name
        # The stack's own network is replaced if its name or range changes.
        if _is_own(environment, network) or (same_name and environment.settings.take_over):
            continue
        if same_name:
            yield Problem(
                subject=f"network {name}",
                limit=f"already exists, made by {_creator(network)}",
                fix="set gix:takeOver to true to remove it, or gix:network.name or gix:prefix to run beside it",
            )
            continue
        for subnet in network.subnets:
            if wanted.overlaps(subnet):
                yield Problem(
                    subject=f"gix:network.subnet = {settings.subnet}",
                    limit=f"overlaps {subnet} of {network.name or 'a network'}, made by {_creator(network)}",
                    fix=_another_subnet(observed),
                )


def _routes(environment: Environment, observed: ObservedState) -> Iterator[Problem]:
    if not observed.local:
        return
    wanted = ipaddress.IPv4Network(environment.settings.network.subnet)
    # `_network` checks the engine's own networks.
    bridges = {network.device for network in observed.networks}
    for route in machine.routes():
        if route.device not in bridges and route.collides(wanted):
            yield Problem(
                subject=f"gix:network.subnet = {wanted}",
                limit=f"overlaps this machine's route to {route.network} by {route.device}",
                fix=_another_subnet(observed),
            )


def _another_subnet(observed: ObservedState) -> str:
    """The fix for a subnet in use. It names one that no network of the engine and no route of this machine uses."""
    used = [subnet for network in observed.networks for subnet in network.subnets]
    routes = machine.routes() if observed.local else []
    for subnet in ipaddress.IPv4Network("172.16.0.0/12").subnets(new_prefix=16):
        if not any(map(subnet.overlaps, used)) and not any(route.collides(subnet) for route in routes):
            return f"set it to a free range, for example {subnet}"
    return "set it to a free range"


def _volume(environment: Environment, observed: ObservedState) -> Iterator[Problem]:
    if not any(spec.keeps_ledger for spec in environment.specs):
        yield from _protected_without_auction(environment, observed)
        return
    settings = environment.settings.ledger
    name = environment.name(settings.volume)
    volume = observed.volume(name)
    if volume is None:
        if settings.adopt:
            yield Problem(
                subject="gix:ledger.adopt = true",
                limit=f"there is no volume {name} to adopt",
                fix="set gix:ledger.volume to an existing volume, or leave adopt out to begin a new ledger",
            )
        return
    if _is_own(environment, volume):
        return
    if volume.stack is not None:
        yield Problem(
            subject=f"gix:ledger.volume = {settings.volume}",
            limit=f"the volume {name} is the ledger of {_creator(volume)}, and two stacks must not share one",
            fix="set it to another name; gixctl backup and gixctl restore move the ledger, "
            "and pulumi stack rename gives a renamed stack its name back",
        )
    elif not settings.adopt:
        yield Problem(
            subject=f"volume {name}",
            limit=f"already exists, made by {_creator(volume)}",
            fix="set gix:ledger.adopt to true to adopt it with its data, or gix:ledger.volume to another name",
        )
    else:
        yield from _other_writers(environment, observed, name)


def _edge_volume(environment: Environment, observed: ObservedState) -> Iterator[Problem]:
    volume = observed.volume(environment.edge_volume)
    if environment.has_tls and volume is not None and not _is_own(environment, volume):
        yield Problem(
            subject=f"volume {volume.name}",
            limit=f"already exists, made by {_creator(volume)}, and gets the certificate of the edge",
            fix=f"set gix:prefix to run beside it, or remove it: docker volume rm {volume.name}",
        )


def _protected_without_auction(environment: Environment, observed: ObservedState) -> Iterator[Problem]:
    """Pulumi would remove the auction's container, and only then refuse to delete the protected volume."""
    own = observed.created_by(environment.label)
    if any(each.service == "auction" for each in own.containers) and environment.settings.ledger.protect:
        yield Problem(
            subject=f"gix:services = {environment.settings.services}",
            limit="leaves the auction out, whose ledger is protected (gix:ledger.protect = true)",
            fix="add the auction, set gix:ledger.protect to false, run pulumi up, and then leave the auction out; "
            "the volume stays",
        )


def _other_writers(environment: Environment, observed: ObservedState, volume: str) -> Iterator[Problem]:
    """Containers that would write to an adopted volume beside the stack's own auction."""
    taken_over = environment.container_names if environment.settings.take_over else frozenset()
    for container in observed.containers:
        ended = container.state in ("exited", "created", "dead")
        writes = volume in container.written_volumes and not ended
        if writes and container.name not in taken_over and not _is_own(environment, container):
            yield Problem(
                subject=f"gix:ledger.volume = {environment.settings.ledger.volume}",
                limit=f"the container {container.name} ({container.state}) mounts the volume {volume} for writing",
                fix=f"stop it before the auction starts on the same ledger: docker stop {container.name}",
            )


def unused_ledgers(environment: Environment, observed: ObservedState) -> list[str]:
    """The stack's volumes that no service uses: from an earlier configuration, or because the auction is left out."""
    found = {each.name for each in observed.created_by(environment.label).volumes if each.keeps_ledger}
    name = environment.name(environment.settings.ledger.volume)
    if any(spec.keeps_ledger for spec in environment.specs):
        return sorted(found - {name})
    if environment.settings.ledger.adopt and observed.volume(name) is not None:
        found.add(name)
    return sorted(found)


def _addresses(environment: Environment, observed: ObservedState) -> Iterator[Problem]:
    if not observed.local:
        return
    published = {port.key.partition(".")[0]: port.address for port in environment.published}
    for service, address in published.items():
        if not machine.has_address(address):
            section = "gix:defaults" if service == "gix:edge" else service
            yield Problem(
                subject=f"{section}.bindAddress = {address}",
                limit="this machine has no such address",
                fix="set it to 0.0.0.0 (all), 127.0.0.1 (this machine only), or an address that `ip addr` shows",
            )


def helpers(environment: Environment, observed: ObservedState) -> Iterator[Problem]:
    """Backups and restores of the stack's ledger that are running or were interrupted."""
    for container in observed.created_by(environment.label).containers:
        # The update would start an auction that writes to files which a restore is about to replace.
        if container.helper in _EXCLUSIVE_HELPERS:
            yield Problem(
                subject=f"container {container.name} ({container.state})",
                limit=f"belongs to a {container.helper} of the ledger that is running or was interrupted",
                fix="wait until it ends; if it was interrupted: gixctl doctor --fix",
            )


def _ports(environment: Environment, observed: ObservedState) -> Iterator[Problem]:
    wanted = environment.container_names
    # The engine lists no ports of a container that restarts again and again, and binds them each time.
    own = observed.created_by(environment.label).containers
    may_be_own = any(each.state == "restarting" for each in own)
    for port in environment.published:
        subject = f"{port.key} = {port.external}"
        fix = f"stop what uses it, or set {port.key} to another port"
        holder = _container_on(observed, port.address, port.external)
        if holder is not None:
            # `_container_names` reports a container with one of the stack's names, or it is taken over.
            if not (wanted.intersection(holder.names) or _is_own(environment, holder)):
                yield Problem(subject=subject, limit=f"is used by the container {holder.name}", fix=fix)
        elif observed.local and not may_be_own and machine.is_taken(port.address, port.external):
            yield Problem(
                subject=subject, limit="is used by a process on this machine", fix=f"find it: ss -ltnp; {fix}"
            )


def _container_on(observed: ObservedState, address: str, port: int) -> ObservedContainer | None:
    for container in observed.containers:
        if any(each.collides(address, port) for each in container.published):
            return container
    return None


_CHECKS: tuple[Callable[[Environment, ObservedState], Iterator[Problem]], ...] = (
    _version,
    _disk,
    _limits,
    _container_names,
    _network,
    _routes,
    _volume,
    _edge_volume,
    _addresses,
    _ports,
)

_CHECKS_OF_A_MANAGER = (_version, _disk, _network, _routes)
