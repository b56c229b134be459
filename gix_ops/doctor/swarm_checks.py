"""The doctor's checks of a Swarm: its managers, its nodes, and the engines of nodes that the stack names.

Swarm keeps its own state with a majority of its managers, its quorum. Without it, what runs goes on, and nothing can be
changed: a task that ends is not started again. Certificates between nodes are Swarm's own, and it renews them.
"""

from collections.abc import Iterator

from gix_engine import observed_state
from gix_engine.swarm_state import SwarmNode
from gix_ops.doctor.facts import Facts
from gix_ops.doctor.finding import Finding, fault, ok, one_line, warning
from gix_ops.errors import StackError
from gix_ops.stack import connect
from gix_ops.swarm import QUORUM_FIX

_FEWEST_FOR_QUORUM = 3
"""The fewest managers of which one may be lost."""


def swarm(facts: Facts) -> Iterator[Finding]:
    """Whether a manager answers, and how many more managers may be lost."""
    _ = facts.client
    try:
        managers = [each for each in facts.swarm.nodes if each.is_manager]
    except StackError as error:
        text, _, fix = str(error).partition("; ")
        yield fault(text, fix or "start the manager, or set gix:engine.host to another one")
        return
    reachable = [each for each in managers if each.reachability == "reachable"]
    lost = [each.hostname for each in managers if each not in reachable]
    quorum = len(managers) // 2 + 1
    spare = len(reachable) - quorum
    text = f"{len(reachable)} of {len(managers)} managers reachable, {quorum} needed"
    consequence = "if one of these is lost, what runs goes on, but nothing can be changed"
    if spare < 0:
        yield fault(f"{text}: too few of its managers are reachable, so nothing can be changed", QUORUM_FIX)
    elif spare > 0:
        yield ok(text)
    elif lost:
        yield warning(
            f"{text}; {consequence}",
            f"start {', '.join(lost)}; one that is lost for good: docker node demote NODE, docker node rm NODE, then "
            "docker node promote for another node",
        )
    elif len(facts.swarm.nodes) >= _FEWEST_FOR_QUORUM:
        yield warning(
            f"{text}; {consequence}", f"docker node promote NODE, until there are {_FEWEST_FOR_QUORUM} managers"
        )
    else:
        yield ok(f"{text}; with fewer than {_FEWEST_FOR_QUORUM} nodes, none may be lost")


def nodes(facts: Facts) -> Iterator[Finding]:
    """Whether the nodes are ready, and whether the engines that the stack names are those of its nodes."""
    ledger = facts.ledger_node
    ready = [each for each in facts.swarm.nodes if each.takes_tasks]
    for each in facts.swarm.nodes:
        if not each.takes_tasks:
            yield _idle(each, has_ledger=each.hostname == ledger)
    yield ok(f"ready: {', '.join(each.hostname for each in ready) or 'none'}")
    for name in facts.engine_settings.nodes:
        # `preflight` reports the name of a node that does not exist.
        if facts.swarm.node(name) is not None:
            yield from _engine(facts, name, has_ledger=name == ledger)
    if ledger is not None and ledger not in facts.engine_settings.nodes:
        yield fault(
            f"gix:engine.nodes has no address of {ledger}, the node of the ledger",
            f"pulumi config set --path gix:engine.nodes.{ledger} ADDRESS",
        )


def _idle(node: SwarmNode, *, has_ledger: bool) -> Finding:
    name = node.hostname
    if not node.is_ready:
        text = f"the node {name} is {node.state}"
        if has_ledger:
            return fault(
                f"{text}; it has the ledger, so the auction does not run",
                "start it; if it is lost: set gix:ledger.node to another node, pulumi up, then restore a backup there",
            )
        return warning(
            f"{text}; other nodes run its tasks",
            f"start it; if it is lost: docker node rm --force {node.id}",
        )
    is_drained = node.availability == "drain"
    text = f"the node {name} is {'drained' if is_drained else 'paused'}"
    if has_ledger:
        consequence = "runs nowhere" if is_drained else "is not started again if it ends"
        return fault(f"{text}; it has the ledger, so the auction {consequence}", f"gixctl drain {name} --undo")
    return ok(f"{text}; to let it take tasks: gixctl drain {name} --undo")


def _engine(facts: Facts, name: str, *, has_ledger: bool) -> Iterator[Finding]:
    settings = facts.engine_settings.node(name)
    if settings is None:
        return
    found = fault if has_ledger else warning
    key = f"gix:engine.nodes.{name}"
    try:
        there = observed_state.name(connect(settings, facts.directory))
    except StackError as error:
        yield found(f"{key} = {settings.host}: {one_line(error)}", "start the engine there, or correct the address")
        return
    if there == name:
        yield ok(f"the engine of {name} answers at {settings.host}")
    else:
        yield found(f"{key} = {settings.host} is the engine of {there}", f"set it to the address of {name}")
