"""`gixctl nodes` and `gixctl drain`: the nodes of a stack's Swarm, and which of them take tasks.

`gixctl nodes --json` prints a list of:

    {"node": "n1", "role": "manager", "state": "ready", "availability": "active", "reachability": "reachable",
     "is_leader": true, "address": "10.0.0.1", "engine": "20.10.24", "engine_named": true, "has_ledger": false,
     "tasks": ["gix-router.1", "gix-edge.n1"]}

`role` is manager or worker, `state` is ready, down, disconnected or unknown, `availability` is active, pause or drain.
`reachability` is empty for a worker. `engine_named` says whether `gix:engine.nodes` has the node's address. `tasks` are
those of the stack that should run on it.
"""

from dataclasses import dataclass
from typing import Any

import docker
from docker.errors import APIError, DockerException
from rich.table import Table

from gix_engine.swarm_state import SwarmNode, SwarmState
from gix_ops import swarm
from gix_ops.errors import StackError
from gix_ops.stack import Stack


@dataclass(frozen=True, kw_only=True)
class NodeStatus:
    """One node; see the docstring of this module."""

    node: str
    role: str
    state: str
    availability: str
    reachability: str
    is_leader: bool
    address: str
    engine: str
    engine_named: bool
    has_ledger: bool
    tasks: list[str]


def read(stack: Stack, client: docker.DockerClient) -> list[NodeStatus]:
    """The nodes, managers first. Raises StackError if the stack is not in Swarm, or its manager does not answer."""
    refuse_containers(stack, "nodes")
    observed = swarm.observe(client)
    ledger = swarm.ledger_node(stack, observed)
    return [_status(stack, observed, node, ledger) for node in observed.nodes]


def refuse_containers(stack: Stack, verb: str) -> None:
    """Raise StackError if the stack's services are not those of a Swarm, so that the verb has nothing to do."""
    if not swarm.is_swarm(stack):
        raise StackError(
            f"gix:engine.mode is containers, so there are no nodes: gixctl {verb} needs Swarm; gixctl status shows the "
            "containers"
        )


def find(stack: Stack, observed: SwarmState, name: str, *, including_ledger: bool = False) -> SwarmNode:
    """The node to drain. Raises StackError if there is none, or it has the ledger and that is not asked for."""
    node = observed.node(name)
    if node is None:
        known = ", ".join(each.hostname for each in observed.nodes)
        raise StackError(f"the Swarm has no node {name}; it has {known}")
    if node.hostname == swarm.ledger_node(stack, observed) and not including_ledger:
        raise StackError(
            f"the node {node.hostname} has the ledger, and the auction runs nowhere else: it would stop until the node "
            "takes tasks again; to drain it all the same: --including-ledger"
        )
    return node


def set_availability(client: docker.DockerClient, node: SwarmNode, availability: str) -> None:
    """Let a node take tasks (active), or move its tasks away (drain). Raises StackError if the manager refuses."""
    # The SDK's types lack what it has for Swarm.
    api: Any = client.api
    try:
        record = api.inspect_node(node.id)
        api.update_node(node.id, record["Version"]["Index"], {**record["Spec"], "Availability": availability})
    except APIError as error:
        raise StackError(f"the node {node.hostname} stays as it is: {error.explanation}; try again") from error
    except (DockerException, OSError) as error:
        raise StackError(f"the Docker engine no longer answers: {error}") from error


def tasks_on(stack: Stack, observed: SwarmState, node: str) -> list[str]:
    """The tasks of the stack that should run on a node."""
    return [
        service.task_name(task)
        for service in observed.created_by(stack.label)
        for task in service.current
        if task.node == node
    ]


def table(stack: Stack, found: list[NodeStatus]) -> Table:
    """The nodes for a terminal."""
    shown = Table(title=f"nodes of {stack.label}", title_justify="left")
    for heading in ("node", "role", "state", "availability", "address", "engine", "tasks of the stack"):
        shown.add_column(heading, overflow="fold")
    for each in found:
        leads = " (leader)" if each.is_leader else " (unreachable)" if each.reachability == "unreachable" else ""
        colour = "green" if each.state == "ready" else "red"
        tasks = ", ".join(each.tasks) or "-"
        shown.add_row(
            f"{each.node} (ledger)" if each.has_ledger else each.node,
            f"{each.role}{leads}",
            f"[{colour}]{each.state}[/{colour}]",
            each.availability,
            each.address,
            each.engine if each.engine_named else f"{each.engine} (not in gix:engine.nodes)",
            tasks,
        )
    return shown


def _status(stack: Stack, observed: SwarmState, node: SwarmNode, ledger: str | None) -> NodeStatus:
    return NodeStatus(
        node=node.hostname,
        role=node.role,
        state=node.state,
        availability=node.availability,
        reachability=node.reachability,
        is_leader=node.is_leader,
        address=node.address,
        engine=node.engine,
        engine_named=node.hostname in stack.engine.nodes,
        has_ledger=node.hostname == ledger,
        tasks=tasks_on(stack, observed, node.hostname),
    )
