"""Rules between keys for `gix:engine.mode`: what Swarm needs, what it cannot do, and what only Swarm can do."""

from collections.abc import Iterator
from datetime import timedelta
from typing import Any

from pydantic import BaseModel

from gix_model.environment import Environment
from gix_model.kernel import SWARM_TMPFS_FLAGS, tmpfs_size_bytes
from gix_model.problems import Problem
from gix_model.settings import ServiceSettings
from gix_model.units import format_duration

_ANYWHERE = "0.0.0.0"  # noqa: S104 - compared, not bound
_NO_INPUT = "the docker provider cannot set it for a service of Swarm"
_TMPFS_FIX = "write rw,noexec,nosuid,nodev, with size=64m if it has a limit"
_LEAST_STOP_GRACE = timedelta(seconds=10)
"""The provider waits as long for the tasks of a service that it deletes. Swarm needs up to seven seconds of it."""
_ONLY_IN_SWARM = {
    "engine": ("nodes",),
    "network": ("encrypted", "endpoint"),
    "ledger": ("node",),
    "edge": ("nodeLabel",),
}
_ONLY_IN_SWARM_OF_SERVICES = ("reservations", "placement")


def mode_problems(environment: Environment) -> Iterator[Problem]:
    """The problems of `environment` that come from its mode."""
    if environment.is_swarm:
        yield from _needed(environment)
        yield from _ledger(environment)
        yield from _without_meaning(environment)
        for name, service in environment.services.items():
            yield from _of_service(name, service)
    else:
        yield from _for_swarm_only(environment)


def _given(settings: BaseModel) -> dict[str, Any]:
    return settings.model_dump(by_alias=True, exclude_defaults=True)


def _for_swarm_only(environment: Environment) -> Iterator[Problem]:
    sections = {name: (getattr(environment.settings, name), keys) for name, keys in _ONLY_IN_SWARM.items()}
    sections |= {name: (service, _ONLY_IN_SWARM_OF_SERVICES) for name, service in environment.services.items()}
    for section, (settings, keys) in sections.items():
        for key in filter(keys.__contains__, _given(settings)):
            yield Problem(
                subject=f"gix:{section}.{key}",
                limit="has no effect, because gix:engine.mode is containers: only Swarm has it",
                fix="leave it out, or set gix:engine.mode to swarm",
            )


def _needed(environment: Environment) -> Iterator[Problem]:
    settings = environment.settings
    if not environment.has_edge:
        yield Problem(
            subject=f"gix:rollout.strategy = {settings.rollout.strategy}",
            limit="in Swarm, the edge publishes the ports",
            fix="set it to start-first",
        )
    if environment.builds and not settings.images.push:
        yield Problem(
            subject="gix:images.push = false",
            limit="the nodes of a Swarm pull the images, so a registry must have them",
            fix="set it to true with gix:registry.address, or gix:images.way to registry",
        )


def _ledger(environment: Environment) -> Iterator[Problem]:
    node, nodes = environment.settings.ledger.node, environment.settings.engine.nodes
    if not any(spec.keeps_ledger for spec in environment.specs):
        return
    if node is None:
        yield Problem(
            subject="gix:ledger.node",
            limit="is not set, and in Swarm the auction runs on the node that has its ledger",
            fix="set it to the host name of a node, as docker node ls shows it",
        )
    elif node not in nodes:
        yield Problem(
            subject=f"gix:ledger.node = {node}",
            limit="gix:engine.nodes has no address of its engine, on which the volume is created and backed up",
            fix=f"set gix:engine.nodes.{node} to its address, e.g. ssh://USER@{node}",
        )


def _without_meaning(environment: Environment) -> Iterator[Problem]:
    settings = environment.settings
    if settings.take_over:
        yield Problem(
            subject="gix:takeOver = true",
            limit="removes containers that have the names of the stack's, and Swarm makes the names of containers",
            fix="leave it out, and remove what holds a port or a name by hand",
        )
    if "driver" in settings.network.model_fields_set:
        yield Problem(
            subject=f"gix:network.driver = {settings.network.driver}",
            limit="reaches only one node; in Swarm, the network is an overlay",
            fix="leave it out",
        )


def _of_service(name: str, service: ServiceSettings) -> Iterator[Problem]:
    for rule in (_without_equivalent, _each_of_several, _reservations):
        for key, value, limit, fix in rule(service):
            yield Problem(subject=f"gix:{name}.{key} = {value}", limit=limit, fix=fix)


def _without_equivalent(service: ServiceSettings) -> Iterator[tuple[str, object, str, str]]:
    """Keys with one value, as key, value, limit and fix."""
    if service.bind_address != _ANYWHERE:
        limit = "Swarm publishes ports on all addresses of a node"
        fix = f"leave it out, or set it to {_ANYWHERE}, and close the port on other addresses with a firewall"
        yield "bindAddress", service.bind_address, limit, fix
    if service.memory_swap is not None:
        limit, fix = "Swarm has no limit of swap", "leave it out, and turn swap off on the nodes for no swap"
        yield "memorySwap", service.memory_swap, limit, fix
    if service.no_new_privileges:
        limit = "Swarm cannot set it for a service"
        fix = 'leave it out, and set "no-new-privileges": true in the daemon.json of each node'
        yield "noNewPrivileges", "true", limit, fix
    if service.stop_grace < _LEAST_STOP_GRACE:
        limit = "Swarm needs up to 7 s of it, after which the docker provider could not delete the service"
        yield "stopGrace", format_duration(service.stop_grace), limit, "write 10s or more"
    if service.health_check.start_interval is not None:
        limit, fix = _NO_INPUT, "leave it out, and set a short interval instead"
        yield "healthCheck.startInterval", format_duration(service.health_check.start_interval), limit, fix


def _each_of_several(service: ServiceSettings) -> Iterator[tuple[str, object, str, str]]:
    """Keys with several values, as key, value, limit and fix."""
    for name, limits in service.ulimits.items():
        fix = 'leave it out, and set "default-ulimits" in the daemon.json of each node'
        yield f"ulimits.{name}", limits.soft, _NO_INPUT, fix
    for host, address in service.extra_hosts.items():
        if address == "host-gateway":
            limit = "is another address on each node, and Swarm does not resolve it"
            yield f"extraHosts.{host}", address, limit, "write an IPv4 address"
    for path, options in service.tmpfs.items():
        given = set(filter(None, options.split(",")))
        without_size = {each for each in given if not tmpfs_size_bytes(each)}
        # A task's tmpfs has these flags in any case.
        if without_size not in (set(), SWARM_TMPFS_FLAGS, SWARM_TMPFS_FLAGS - {"rw"}):
            yield f"tmpfs.{path}", options, "Swarm mounts each tmpfs with these options", _TMPFS_FIX


def _reservations(service: ServiceSettings) -> Iterator[tuple[str, object, str, str]]:
    """Reservations over the limits, as key, value, limit and fix."""
    reserved = service.reservations
    if reserved.memory and service.memory and reserved.memory.bytes > service.memory.bytes:
        limit = f"is over the memory limit, {service.memory}"
        yield "reservations.memory", reserved.memory, limit, f"write {service.memory} or less"
    if reserved.cpus and service.cpus and reserved.cpus > service.cpus:
        limit = f"is over the limit of processors, {service.cpus:g}"
        yield "reservations.cpus", f"{reserved.cpus:g}", limit, f"write {service.cpus:g} or less"
