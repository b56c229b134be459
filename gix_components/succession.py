"""Saves a stack's ledger before an update puts another volume, or another engine, in its place.

The ledger's component states where the ledger is as its inputs. A hook of the component compares the inputs of the
last update with those of this one. It runs before anything that depends on the component is touched, and stops the
update where it fails.
"""

from dataclasses import dataclass
from typing import Any

import docker
import pulumi
from docker.errors import DockerException, ImageNotFound, NotFound
from docker.models.containers import Container
from pulumi import ResourceHook, ResourceHookArgs, ResourceHookBinding, ResourceHookOptions

from gix_engine import connection
from gix_ledger import backup
from gix_ledger.errors import LedgerError
from gix_ledger.location import LedgerLocation
from gix_model import __version__
from gix_model.catalog import CATALOG
from gix_model.environment import HELPER_LABEL, SERVICE_LABEL, STACK_LABEL, Environment
from gix_model.settings import EngineSettings

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
            engine=settings.engine,
        )

    def inputs(self) -> dict[str, Any]:
        """The place as inputs of the ledger's component."""
        return {
            "volume": self.volume,
            "container": self.container,
            "engine": self.engine.model_dump(by_alias=True, exclude_none=True),
        }

    def before(self, args: ResourceHookArgs) -> "Place":
        """The place of the last update. What the state of an earlier version does not record is taken from this one."""
        inputs, outputs = args.old_inputs or {}, args.old_outputs or {}
        return Place(
            volume=inputs.get("volume") or outputs.get("volumeName") or self.volume,
            container=inputs.get("container") or self.container,
            engine=EngineSettings.model_validate(inputs["engine"]) if "engine" in inputs else self.engine,
        )


def save_predecessor(name: str, environment: Environment) -> ResourceHookBinding:
    """Hooks for the ledger's component: where another ledger takes its place, a backup is taken. `name` is the hook's.

    A preview makes the same checks, and takes no backup.
    """
    now = Place.configured(environment)

    def save(args: ResourceHookArgs) -> None:
        before = now.before(args)
        if (before.volume, before.engine) == (now.volume, now.engine):
            return
        client = _old_engine(before, now, environment)
        if client is None:
            return
        try:
            client.volumes.get(before.volume)
        except NotFound:
            pulumi.log.warn(f"the former ledger's volume {before.volume} is gone from its engine; nothing is saved")
            return
        if environment.settings.ledger.protect:
            key = "gix:ledger.volume" if before.volume != now.volume else "gix:engine"
            raise LedgerError(
                f"gix:ledger.protect = true: the stack would no longer have its ledger on {before.volume}. Nothing has "
                f"been touched. Change {key} back, or allow it: pulumi config set --path gix:ledger.protect false"
            )
        _take_backup(client, before, environment)

    return ResourceHookBinding(before_update=[ResourceHook(name, save, ResourceHookOptions(on_dry_run=True))])


def _old_engine(before: Place, now: Place, environment: Environment) -> docker.DockerClient | None:
    """A client of the engine that the ledger was on before; None where the ledger stays where it is.

    Two addresses may be those of one engine. Raises LedgerError where the old address does not answer, and the new one
    is not known to be the same engine's.
    """
    new = connection.connect(now.engine, environment.directory)
    if before.engine == now.engine:
        return new
    try:
        old = connection.connect(before.engine, environment.directory)
        is_same = _identity(old, before.volume) == _identity(new, before.volume)
    except (DockerException, OSError) as error:
        # The stack's own auction there is proof enough: only the engine's address is another.
        if _auction(new, before, environment) is None:
            raise LedgerError(_unreachable(before, now, environment, error)) from None
        old, is_same = new, True
    return None if is_same and before.volume == now.volume else old


def _identity(client: docker.DockerClient, volume: str) -> tuple[str, ...]:
    """What tells one engine's volume from another engine's.

    Engines of one machine, and of machines that were copied, share an ID.
    """
    info = client.info()
    try:
        created = str(client.volumes.get(volume).attrs.get("CreatedAt"))
    except NotFound:
        created = "absent"
    return info["ID"], info["DockerRootDir"], created


def _unreachable(before: Place, now: Place, environment: Environment, error: Exception) -> str:
    return (
        f"gix:engine.host = {now.engine.host or '(not set)'}: the ledger on {before.volume} is on the engine at "
        f"{before.engine.host or 'DOCKER_HOST or /var/run/docker.sock'}, which does not answer "
        f"({' '.join(str(error).split())[:200]}), so that no backup of it can be taken. Nothing has been touched. "
        "Start that engine, or set gix:engine back. If it is lost for good, begin anew and restore a backup: "
        f"pulumi stack rm {environment.stack} --force --preserve-config; pulumi stack init {environment.stack}; "
        "pulumi up; gixctl restore FILE"
    )


def _auction(client: docker.DockerClient, place: Place, environment: Environment) -> Container | None:
    """The stack's auction among the containers that have the ledger's volume."""
    for container in client.containers.list(all=True, filters={"volume": place.volume}, ignore_removed=True):
        mine = container.labels.get(STACK_LABEL) == environment.label
        if mine and (container.labels.get(SERVICE_LABEL) == _AUCTION.name or container.name == place.container):
            return container
    return None


def _take_backup(client: docker.DockerClient, place: Place, environment: Environment) -> None:
    auction = _auction(client, place, environment)
    others = [
        str(each.name)
        for each in client.containers.list(filters={"volume": place.volume}, ignore_removed=True)
        if HELPER_LABEL not in each.labels and (auction is None or each.id != auction.id)
    ]
    if others:
        pulumi.log.warn(
            f"other containers have the volume {place.volume} too: {', '.join(others)}; they are not paused, so that "
            "the backup may miss what they write meanwhile"
        )
    ledger = LedgerLocation(
        engine=place.engine,
        directory=environment.directory,
        label=environment.label,
        volume=place.volume,
        container=place.container if auction is None else str(auction.name),
        image=_image(client, environment) if auction is None else str(auction.attrs["Image"]),
    )
    if pulumi.runtime.is_dry_run():
        pulumi.log.info(f"the ledger on {place.volume} is saved in {backup.DIRECTORY}/ before anything is touched")
        return
    file = backup.default_file(environment.directory, environment.stack)
    backup.take(ledger, file, program=__version__)
    pulumi.log.info(f"the former ledger stays on the volume {place.volume}, and is saved in {file}")


def _image(client: docker.DockerClient, environment: Environment) -> str:
    """The image to read the volume with, where no container of the auction has one."""
    name = environment.image_name(_AUCTION)
    try:
        return str(client.images.get(name).id)
    except ImageNotFound:
        raise LedgerError(
            f"no backup of the former ledger can be taken: its engine has neither the auction's container nor {name}. "
            "Nothing has been touched. Set gix:ledger.volume and gix:engine back and run pulumi up --refresh first"
        ) from None
