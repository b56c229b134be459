"""Backs up a stack's ledger before an update replaces its volume or its engine by another.

The inputs of the ledger's component say where the ledger is. A hook of the component compares the inputs of the last
update with those of this update. It runs before anything that depends on the component changes, and stops the update
if it fails.
"""

from dataclasses import dataclass
from typing import Any

import docker
import pulumi
from docker.errors import DockerException
from pulumi import ResourceHook, ResourceHookArgs, ResourceHookBinding, ResourceHookOptions

from gix_engine import connection, observed_state
from gix_engine.observed_state import ObservedContainer, ObservedState
from gix_ledger import backup
from gix_ledger.errors import LedgerError
from gix_ledger.location import LedgerLocation
from gix_model import __version__
from gix_model.catalog import CATALOG
from gix_model.environment import Environment
from gix_model.settings import EngineSettings

MODE = "mode"
"""The input of the ledger's component that says that the stack is in Swarm. In containers, there is none."""
_AUCTION = CATALOG["auction"]


@dataclass(frozen=True, kw_only=True)
class Place:
    """Where a stack keeps its ledger: a `volume` on an `engine`. `container` is the name of the auction's container."""

    volume: str
    container: str
    engine: EngineSettings

    @classmethod
    def configured(cls, environment: Environment) -> "Place":
        """The place that a stack's configuration names."""
        settings = environment.settings
        return cls(
            volume=environment.name(settings.ledger.volume),
            container=environment.name(_AUCTION.container),
            engine=environment.ledger_engine,
        )

    def inputs(self) -> dict[str, Any]:
        """The place as inputs of the ledger's component."""
        return {
            "volume": self.volume,
            "container": self.container,
            "engine": self.engine.model_dump(by_alias=True, exclude_defaults=True),
        }

    def before(self, args: ResourceHookArgs) -> "Place":
        """The place in the last update. Values that an old state does not record are taken from this place."""
        inputs, outputs = args.old_inputs or {}, args.old_outputs or {}
        return Place(
            volume=inputs.get("volume") or outputs.get("volumeName") or self.volume,
            container=inputs.get("container") or self.container,
            engine=EngineSettings.model_validate(inputs["engine"]) if "engine" in inputs else self.engine,
        )


@dataclass(frozen=True, kw_only=True)
class _Engine:
    client: docker.DockerClient
    observed: ObservedState

    @classmethod
    def observe(cls, settings: EngineSettings, environment: Environment) -> "_Engine":
        client = connection.connect(settings, environment.directory)
        return cls(client=client, observed=observed_state.observe(client))


def save_predecessor(name: str, environment: Environment) -> ResourceHookBinding:
    """Hooks for the ledger's component that back up a ledger which the update replaces. `name` is the hook's own.

    A preview makes the same checks and takes no backup.
    """
    now = Place.configured(environment)

    def save(args: ResourceHookArgs) -> None:
        before = now.before(args)
        if (before.volume, before.engine) == (now.volume, now.engine):
            return
        engine = _old_engine(before, now, environment)
        if engine is None:
            return
        if engine.observed.volume(before.volume) is None:
            pulumi.log.warn(
                f"the former ledger's volume {before.volume} no longer exists on its engine; there is no backup of it"
            )
            return
        if environment.settings.ledger.protect:
            key = "gix:ledger.volume" if before.volume != now.volume else _engine_key(environment)
            raise LedgerError(
                f"gix:ledger.protect = true: the stack would no longer have its ledger on {before.volume}. Nothing has "
                f"been changed. Change {key} back, or allow it: pulumi config set --path gix:ledger.protect false"
            )
        if environment.has_ledger_elsewhere and MODE not in (args.old_inputs or {}):
            raise LedgerError(
                f"gix:ledger.node = {environment.settings.ledger.node}: a stack moves to Swarm with its ledger where "
                "it is. No container has been changed. Set it to the node of that engine, with the address of "
                "gix:engine.host in gix:engine.nodes, and run pulumi up; then set it to another node. See docs/swarm.md"
            )
        _take_backup(engine, before, environment)

    return ResourceHookBinding(before_update=[ResourceHook(name, save, ResourceHookOptions(on_dry_run=True))])


def _engine_key(environment: Environment) -> str:
    """The key that names the engine of the ledger."""
    return "gix:ledger.node" if environment.is_swarm else "gix:engine"


def _old_engine(before: Place, now: Place, environment: Environment) -> _Engine | None:
    """The engine that the ledger was on before; None if the ledger stays where it is.

    Two addresses may lead to the same engine. Raises LedgerError if the old address does not answer and the new address
    is not known to lead to the same engine.
    """
    new = _Engine.observe(now.engine, environment)
    if before.engine == now.engine:
        return new
    try:
        old = _Engine.observe(before.engine, environment)
    except (DockerException, OSError) as error:
        # If the stack's own auction is at the new address, it is the same engine at another address.
        if _auction(new.observed, before, environment) is None:
            raise LedgerError(_unreachable(before, now, environment, error)) from None
        old, is_same = new, True
    else:
        is_same = _identity(old.observed, before.volume) == _identity(new.observed, before.volume)
    return None if is_same and before.volume == now.volume else old


def _identity(observed: ObservedState, volume: str) -> tuple[str, ...]:
    """What distinguishes a volume from the volume of the same name on another engine.

    Engines on one machine, and engines on copied machines, share an ID.
    """
    found = observed.volume(volume)
    return observed.info.id, observed.info.directory, "absent" if found is None else found.created


def _unreachable(before: Place, now: Place, environment: Environment, error: Exception) -> str:
    key = f"gix:engine.nodes.{environment.settings.ledger.node}" if environment.is_swarm else "gix:engine.host"
    return (
        f"{key} = {now.engine.host or '(not set)'}: the ledger on {before.volume} is on the engine at "
        f"{before.engine.host or 'DOCKER_HOST or /var/run/docker.sock'}, which does not answer "
        f"({' '.join(str(error).split())[:200]}), so it cannot be backed up. Nothing has been changed. "
        f"Start that engine, or set {_engine_key(environment)} back. If it is lost for good, start again and restore a "
        f"backup: pulumi stack rm {environment.stack} --force --preserve-config; pulumi stack init "
        f"{environment.stack}; pulumi up; gixctl restore FILE"
    )


def _auction(observed: ObservedState, place: Place, environment: Environment) -> ObservedContainer | None:
    """The stack's auction among the containers that mount the ledger's volume."""
    for container in observed.created_by(environment.label).containers:
        is_auction = container.service == _AUCTION.name or container.name == place.container
        if is_auction and place.volume in container.volumes:
            return container
    return None


def _take_backup(engine: _Engine, place: Place, environment: Environment) -> None:
    auction = _auction(engine.observed, place, environment)
    others = [
        each.name
        for each in engine.observed.containers
        if each.is_running and place.volume in each.volumes and each.helper is None and each != auction
    ]
    if others:
        pulumi.log.warn(
            f"other containers mount the volume {place.volume} too: {', '.join(others)}; they are not paused, so the "
            "backup may miss what they write meanwhile"
        )
    ledger = LedgerLocation(
        engine=place.engine,
        directory=environment.directory,
        label=environment.label,
        volume=place.volume,
        container=place.container if auction is None else auction.name,
        image=_image(engine.client, environment) if auction is None else auction.image_id,
    )
    if pulumi.runtime.is_dry_run():
        pulumi.log.info(f"the ledger on {place.volume} is backed up in {backup.DIRECTORY}/ before anything is changed")
        return
    file = backup.default_file(environment.directory, environment.stack)
    backup.take(ledger, file, program=__version__)
    pulumi.log.info(f"the former ledger stays on the volume {place.volume}; a backup of it is in {file}")


def _image(client: docker.DockerClient, environment: Environment) -> str:
    """The image to read the volume with, if there is no container of the auction whose image can be used."""
    name = environment.image_name(_AUCTION)
    image = observed_state.inspect_image(client, name)
    if image is None:
        raise LedgerError(
            f"the former ledger cannot be backed up: its engine has neither the auction's container nor {name}. "
            "Nothing has been changed. Set gix:ledger.volume and gix:engine back and run pulumi up --refresh first"
        )
    return str(image["Id"])
