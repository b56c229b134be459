"""The ledger of a stack, from its outputs and its engine, and the only code of this project that deletes a ledger."""

import time
from dataclasses import dataclass

import docker
from docker.errors import APIError, DockerException
from docker.models.containers import Container

from gix_engine import observed_state, removal
from gix_engine.observed_state import ObservedVolume
from gix_ledger import recovery, writers
from gix_ledger.location import LedgerLocation
from gix_model.provider_facts import VOLUME
from gix_ops import swarm
from gix_ops.errors import StackError
from gix_ops.resources import Resource, export
from gix_ops.stack import Stack, StackReference

_REMOVED_WITHIN_SECONDS = 60
_POLL_SECONDS = 0.5


def locate(stack: Stack) -> LedgerLocation:
    """The ledger of the stack. Raises StackError if the stack keeps none, or an engine does not answer."""
    auction = stack.outputs.services.get("auction")
    volume = stack.outputs.volume
    if auction is None or volume is None:
        raise StackError("the stack keeps no ledger: it does not run the auction (gix:services)")
    if swarm.is_swarm(stack):
        return _locate_in_swarm(stack, volume)
    record = observed_state.inspect_container(stack.connect(), auction.containers[0])
    return LedgerLocation(
        engine=stack.engine,
        directory=stack.directory,
        label=stack.label,
        volume=volume,
        container=auction.containers[0],
        image=auction.digest if record is None else str(record["Image"]),
    )


def _locate_in_swarm(stack: Stack, volume: str) -> LedgerLocation:
    name = swarm.service_name(stack, "auction") or ""
    node, image = _node_and_image(stack, name, volume)
    running = [str(each.attrs["Image"]) for each in _containers(swarm.connect_to_node(stack, node), name)]
    return LedgerLocation(
        engine=swarm.node_engine(stack.engine, node),
        manager=stack.engine.alone,
        directory=stack.directory,
        label=stack.label,
        volume=volume,
        container=name,
        image=next(iter(running), image),
    )


def _node_and_image(stack: Stack, name: str, volume: str) -> tuple[str, str]:
    """The node of the ledger, and the image of its auction."""
    try:
        observed = swarm.observe(stack.connect())
    except StackError:
        # Without a manager that answers, an auction that runs can still be paused for a backup.
        nodes = _nodes_with(stack, volume)
        if len(nodes) != 1:
            raise
        return nodes[0], stack.outputs.services["auction"].image
    service, node = observed.service(name), swarm.ledger_node(stack, observed)
    if service is None or node is None:
        raise StackError(f"the service {name} is missing, so the node of the ledger is not known; pulumi up --refresh")
    return node, service.image


def owner(stack: Stack) -> str:
    """UID:GID of the user that the stack's auction runs as. Raises StackError if its container is missing."""
    ledger = locate(stack)
    if ledger.manager is None:
        record = observed_state.inspect_container(stack.connect(), ledger.container)
        users = [] if record is None else [record["Config"]["User"]]
    else:
        users = [each.attrs["Config"]["User"] for each in _containers(ledger.connect(), ledger.container)]
    if not users:
        raise StackError(
            f"the container of {ledger.container} is missing, so its user is not known; give --owner UID:GID"
        )
    uid, _, gid = str(users[0]).partition(":")
    return f"{uid}:{gid or uid}"


def _containers(client: docker.DockerClient, service: str) -> list[Container]:
    """The containers of the tasks of a service in Swarm on an engine: first those that are active."""
    found = writers.of_service(client, service)
    return sorted(found, key=lambda each: each.status not in writers.ACTIVE)


@dataclass(frozen=True, kw_only=True)
class Deletable:
    """A ledger's volume that its stack may delete: everything that could forbid it has been checked."""

    client: docker.DockerClient
    volume: ObservedVolume
    engine: str
    stack: str
    """PROJECT/STACK."""

    def delete(self) -> None:
        """Delete the volume with its content. Wait for containers of the stack itself that Swarm still removes.

        Raises StackError if a container uses the volume, or it is no longer the volume that was checked.
        """
        try:
            self._await_tasks()
            deleted = removal.remove_volume(self.client, self.volume)
        except (DockerException, OSError) as error:
            what = error.explanation if isinstance(error, APIError) else error
            raise StackError(f"the volume {self.volume.name} stays on {self.engine}: {what}") from error
        if not deleted:
            raise StackError(
                f"the volume {self.volume.name} on {self.engine} was deleted or replaced after it was checked; run the "
                "command again to delete the volume that has this name now"
            )

    def _await_tasks(self) -> None:
        """Wait until Swarm has removed the containers of a destroyed stack. It tells the nodes a little later."""
        deadline = time.monotonic() + _REMOVED_WITHIN_SECONDS
        while time.monotonic() < deadline:
            own = observed_state.observe(self.client).created_by(self.stack).containers
            if not any(self.volume.name in each.volumes and each.is_task for each in own):
                return
            time.sleep(_POLL_SECONDS)


def deletable(stack: StackReference, name: str, *, destroyed_first: bool = False, node: str | None = None) -> Deletable:
    """The volume `name` on the engine of `stack`, which need not be up. In Swarm, on the engine of `node`.

    With `destroyed_first` the caller destroys the stack before it deletes the volume. Raises StackError if there is no
    such volume, it does not belong to the stack, its ledger is protected, or something uses it.
    """
    declared = next((each for each in export(stack).resources if each.type == VOLUME and each.name == name), None)
    if swarm.is_swarm(stack):
        node = _node_with(stack, name, node)
        client, engine = swarm.connect_to_node(stack, node), f"the engine of {node}"
        if swarm.ledger_node(stack, swarm.observe(stack.connect())) not in (None, node):
            # It is a former ledger, on a node that the ledger has left.
            declared = None
    elif node is not None:
        raise StackError("--node is for a stack in Swarm: gix:engine.mode is containers")
    else:
        client, engine = stack.connect(), f"the engine at {stack.engine.host or 'DOCKER_HOST or /var/run/docker.sock'}"
    if declared is not None:
        _refuse_declared(stack, declared, destroyed_first=destroyed_first)
    try:
        observed = observed_state.observe(client)
    except (DockerException, OSError) as error:
        raise StackError(f"{engine} does not answer ({error}); start it: make setup") from error
    volume = observed.volume(name)
    if volume is None:
        raise StackError(
            f"there is no volume {name} on {engine}, the engine of the stack {stack.name}; docker volume ls lists the "
            "volumes"
        )
    if volume.stack is None and declared is None:
        raise StackError(
            f"the volume {name} on {engine} was not made by the stack {stack.name}, so it is not deleted; to delete "
            f"it: docker volume rm {name}"
        )
    if volume.stack not in (None, stack.label):
        raise StackError(
            f"the volume {name} on {engine} is the ledger of the stack {volume.stack}, not of {stack.label}, so "
            f"it is not deleted; delete it with that stack: gixctl delete-ledger {name} --stack STACK"
        )
    users = [
        each.name
        for each in observed.containers
        if name in each.volumes and not (destroyed_first and each.stack == stack.label)
    ]
    if users:
        raise StackError(
            f"the volume {name} on {engine} is in use by {', '.join(users)}; remove what uses it: "
            f"docker rm --force {' '.join(users)}"
        )
    return Deletable(client=client, volume=volume, engine=engine, stack=stack.label)


def _refuse_declared(stack: StackReference, declared: Resource, *, destroyed_first: bool) -> None:
    if declared.protected:
        raise StackError(
            f"gix:ledger.protect = true: the stack {stack.name} protects its ledger on {declared.name}. Allow it "
            f"first: pulumi config set --stack {stack.name} --path gix:ledger.protect false; pulumi up --stack "
            f"{stack.name}"
        )
    if not destroyed_first:
        raise StackError(
            f"the stack {stack.name} uses the volume {declared.name}; destroy the stack first, or with it: "
            f"gixctl delete-ledger {declared.name} --stack {stack.name} --destroy"
        )


def _node_with(stack: StackReference, volume: str, wanted: str | None) -> str:
    """The node whose engine has the volume. Raises StackError unless it is `wanted`, or the only one."""
    if wanted is not None:
        return wanted
    found = _nodes_with(stack, volume)
    if len(found) != 1:
        where = "several nodes have" if found else "no node has"
        names = ", ".join(found or stack.engine.nodes) or "gix:engine.nodes is empty"
        raise StackError(f"{where} a volume {volume} ({names}); name the node with --node")
    return found[0]


def _nodes_with(stack: StackReference, volume: str) -> list[str]:
    """The nodes whose engine has the volume. Raises StackError if one of them does not answer."""
    found = []
    for node in stack.engine.nodes:
        try:
            if observed_state.inspect_volume(swarm.connect_to_node(stack, node), volume) is not None:
                found.append(node)
        except (DockerException, OSError) as error:
            raise StackError(f"the engine of {node} no longer answers: {error}") from error
    return found


def recover(stack: Stack) -> list[str]:
    """End the interrupted backups and restores of the stack's ledger; return what was done.

    Raises StackError or LedgerError if that fails.
    """
    return recovery.recover(locate(stack))
