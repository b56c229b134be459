"""A stack in Swarm as the verbs use it: its observed services and nodes, and the engines of nodes that it names.

A manager's engine knows the services and tasks. Only the engine of the node that runs a task knows its container; a
verb that needs it uses the address in `gix:engine.nodes`.
"""

import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final

import docker
from docker.errors import APIError, DockerException

from gix_engine import observed_state, swarm_state
from gix_engine.swarm_state import UPDATING, NoManagerError, SwarmService, SwarmState, Task
from gix_model.settings import EngineSettings
from gix_ops import stack as stacks
from gix_ops.errors import StackError
from gix_ops.stack import Stack, StackReference

QUORUM_FIX: Final = (
    "what runs goes on; start the managers that are down; if they are lost, on a manager that is left: docker swarm "
    "init --force-new-cluster, then restart its engine, docker node rm --force for each lost one, and docker node "
    "promote for new ones"
)
"""What to do if too few managers are left."""
SETTLED_WITHIN_SECONDS: Final = 30.0
"""How long `gixctl verify` waits for an update of Swarm. One that takes longer is reported."""
_POLL_SECONDS: Final = 0.5


def is_swarm(stack: StackReference) -> bool:
    """Whether the stack's services are those of a Swarm."""
    return stack.engine.mode == "swarm"


def observe(client: docker.DockerClient) -> SwarmState:
    """What the manager's Swarm has. Raises StackError with what to do if the manager does not answer."""
    try:
        return swarm_state.observe(client)
    except NoManagerError as error:
        raise _no_manager(str(error)) from error
    except APIError as error:
        raise StackError(f"the manager does not answer: {error.explanation}") from error
    except (DockerException, OSError) as error:
        raise StackError(f"the Docker engine no longer answers: {error}") from error


def observe_settled(client: docker.DockerClient, stack: str) -> SwarmState:
    """What the manager's Swarm has when no update of the stack's services is at work, or after SETTLED_WITHIN_SECONDS.

    A `pulumi up` that undoes a change by hand may end before Swarm has updated the service. Raises StackError as
    `observe` does.
    """
    deadline = time.monotonic() + SETTLED_WITHIN_SECONDS
    while True:
        found = observe(client)
        at_work = any(each.update in UPDATING for each in found.created_by(stack))
        if not at_work or time.monotonic() > deadline:
            return found
        time.sleep(_POLL_SECONDS)


def _no_manager(reason: str) -> StackError:
    """The error for an engine that does not answer for its Swarm, with the engine's reason."""
    if "leader" in reason or "quorum" in reason:
        return StackError(f"the Swarm has no leader: too few of its managers are reachable ({reason}); {QUORUM_FIX}")
    return StackError(
        f"the engine manages no Swarm ({reason}); set gix:engine.host to a manager, as docker node ls shows them"
    )


@dataclass(kw_only=True)
class NodeEngines:
    """Clients of the engines of nodes, each made once. An engine that does not answer is left out from then on."""

    stack: StackReference
    _clients: dict[str, docker.DockerClient | None] = field(default_factory=dict)

    def client(self, node: str) -> docker.DockerClient | None:
        """A client of a node's engine; None if the stack does not name it, or it does not answer."""
        if node not in self._clients:
            engine = self.stack.engine.node(node)
            try:
                self._clients[node] = None if engine is None else stacks.connect(engine, self.stack.directory)
            except StackError:
                self._clients[node] = None
        return self._clients[node]

    def container(self, task: Task) -> Mapping[str, Any]:
        """The record of a task's container, from its node's engine; empty if that cannot be read."""
        client = self.client(task.node) if task.container else None
        if client is None:
            return {}
        try:
            return observed_state.inspect_container(client, task.container) or {}
        except (DockerException, OSError):
            self._clients[task.node] = None
            return {}


def service_name(stack: Stack, service: str) -> str | None:
    """The name in Swarm of a service of the stack, or of its edge."""
    if service == "edge":
        return stack.outputs.edge
    found = {str(name): each.swarm_service for name, each in stack.outputs.services.items()}
    return found[service]


def ledger_node(stack: StackReference, observed: SwarmState) -> str | None:
    """The host name of the node that has the ledger, to which the auction is tied; None if it is not known."""
    auctions = (each for each in observed.created_by(stack.label) if each.service == "auction")
    return next((node for each in auctions if (node := _tied_to(each))), None)


def node_engine(engine: EngineSettings, node: str) -> EngineSettings:
    """The engine of a node. Raises StackError with the fix if `gix:engine.nodes` has no address of it."""
    found = engine.node(node)
    if found is None:
        raise StackError(
            f"gix:engine.nodes has no address of the engine of {node}; add it: pulumi config set --path "
            f"gix:engine.nodes.{node} ADDRESS, then: pulumi up"
        )
    return found


def connect_to_node(stack: StackReference, node: str) -> docker.DockerClient:
    """A client of the engine of a node. Raises StackError if none is named, does not answer, or is another's."""
    settings = node_engine(stack.engine, node)
    client = stacks.connect(settings, stack.directory)
    try:
        there = observed_state.name(client)
    except (DockerException, OSError) as error:
        raise StackError(f"the engine of {node} no longer answers: {error}") from error
    if there != node:
        raise StackError(f"gix:engine.nodes.{node} = {settings.host} is the engine of {there}; correct the address")
    return client


def _tied_to(service: SwarmService) -> str | None:
    constraints = (service.spec["TaskTemplate"].get("Placement") or {}).get("Constraints") or []
    for constraint in constraints:
        left, separator, right = constraint.partition("==")
        if separator and left.strip() == "node.hostname":
            return str(right.strip())
    return None
