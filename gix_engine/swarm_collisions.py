"""Finds what prevents a stack from being brought up in a Swarm: its nodes, names and ports that others have."""

from collections.abc import Iterator

from gix_engine import collisions, machine
from gix_engine.observed_state import ObservedState
from gix_engine.swarm_state import SwarmState
from gix_model.environment import Environment
from gix_model.problems import Problem


def find(environment: Environment, observed: SwarmState, *, local: bool) -> list[Problem]:
    """Everything that a manager knows and that prevents the stack. `local` says that it runs on this machine."""
    found = [*_nodes(environment, observed), *_edge(environment, observed), *_services(environment, observed)]
    if local and environment.settings.network.endpoint == "vip" and not machine.has_ipvs():
        found.append(
            Problem(
                subject="gix:network.endpoint = vip",
                limit="the kernel of this machine has no IPVS, so nothing would answer at the address of a service",
                fix="set it to dnsrr, or load the module ip_vs on each node",
            )
        )
    return found


def no_manager(environment: Environment) -> Problem:
    """The problem if the engine manages no Swarm."""
    return Problem(
        subject=f"gix:engine.host = {environment.settings.engine.host or '(not set)'}",
        limit="the engine is not a manager of a Swarm",
        fix="set it to the address of a manager, or begin a Swarm there: docker swarm init",
    )


def no_answer(environment: Environment, error: Exception) -> Problem:
    """The problem if the manager does not answer, for example because its Swarm has lost its quorum."""
    return Problem(
        subject=f"gix:engine.host = {environment.settings.engine.host or '(not set)'}",
        limit=f"the manager does not answer: {_one_line(error)}",
        fix="start the managers that are down: more than half of them must run; tasks that run go on meanwhile",
    )


def unreachable_node(environment: Environment, error: Exception) -> Problem:
    """The problem if the engine with the ledger does not answer."""
    node, host = environment.settings.ledger.node, environment.ledger_engine.host
    return Problem(
        subject=f"gix:engine.nodes.{node} = {host}",
        limit=f"no engine answers there: {_one_line(error)}",
        fix="start it, or correct the address",
    )


def ledger_problems(environment: Environment, observed: ObservedState) -> Iterator[Problem]:
    """What prevents the ledger. `observed` is the engine at the address of the ledger's node."""
    node, name = environment.settings.ledger.node, observed.info.name
    if name != node:
        yield Problem(
            subject=f"gix:engine.nodes.{node} = {environment.ledger_engine.host}",
            limit=f"is the engine of {name}, so the volume would be on another node than the auction",
            fix=f"write the address of the engine of {node}",
        )
        return
    yield from collisions.ledger_problems(environment, observed)
    # A container of the stack itself, from before it moved to Swarm, is deleted in the update.
    volume = environment.name(environment.settings.ledger.volume)
    for each in observed.containers:
        foreign = each.stack != environment.label and each.is_running and volume in each.written_volumes
        if foreign:
            yield Problem(
                subject=f"container {each.name}",
                limit=f"mounts the volume {volume} on {name} for writing",
                fix=f"stop it on {name} before the auction starts on the same ledger: docker stop {each.name}",
            )


def _nodes(environment: Environment, observed: SwarmState) -> Iterator[Problem]:
    by_name = {each.hostname: each for each in observed.nodes}
    known = ", ".join(sorted(by_name))
    settings = environment.settings
    for name in settings.engine.nodes:
        if name not in by_name:
            yield Problem(
                subject=f"gix:engine.nodes.{name}",
                limit=f"the Swarm has no node of this name; it has {known}",
                fix="write the host name that docker node ls shows, or let the node join",
            )
    if not any(spec.keeps_ledger for spec in environment.specs):
        return
    name = settings.ledger.node or ""
    node = by_name.get(name)
    if [each.hostname for each in observed.nodes].count(name) > 1:
        yield Problem(
            subject=f"gix:ledger.node = {name}",
            limit="several nodes have this name, so the auction could run without its ledger",
            fix="remove the ones that are down: docker node rm ID",
        )
    elif node is not None and not node.takes_tasks:
        state = "is down" if not node.is_ready else f"has the availability {node.availability}"
        yield Problem(
            subject=f"gix:ledger.node = {name}",
            limit=f"the node {state}, so the auction cannot be updated",
            fix=f"start it, or let it take tasks: docker node update --availability active {name}",
        )


def _edge(environment: Environment, observed: SwarmState) -> Iterator[Problem]:
    label = environment.settings.edge.node_label
    if label is None:
        return
    key, _, value = label.partition("=")
    if not any(each.labels.get(key) == value for each in observed.nodes if each.takes_tasks):
        yield Problem(
            subject=f"gix:edge.nodeLabel = {label}",
            limit="no node that takes tasks has this label, so nothing would publish the ports",
            fix=f"set it on a node: docker node update --label-add {label} NODE",
        )


def _services(environment: Environment, observed: SwarmState) -> Iterator[Problem]:
    for each in observed.services:
        if each.stack == environment.label:
            continue
        owner = f"the stack {each.stack}" if each.stack else "something else"
        if each.name in environment.service_names:
            yield Problem(
                subject=f"service {each.name}",
                limit=f"already exists, made by {owner}",
                fix=f"set gix:prefix to run beside it, or remove it: docker service rm {each.name}",
            )
        for port in environment.published:
            if port.external in each.ports:
                yield Problem(
                    subject=f"{port.key} = {port.external}",
                    limit=f"is used by the service {each.name}",
                    fix=f"set {port.key} to another port, or remove what uses it",
                )


def _one_line(error: Exception) -> str:
    return " ".join(str(error).split())[:200]
