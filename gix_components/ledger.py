"""The volume that keeps the auction's ledger. Nothing that Pulumi does to it may lose a line."""

import docker as docker_sdk
import pulumi
import pulumi_docker as docker
from pulumi import ResourceHook, ResourceHookArgs, ResourceHookBinding

from gix_engine import connection
from gix_ledger import backup
from gix_ledger.errors import LedgerError
from gix_ledger.ledger import Ledger
from gix_model import __version__
from gix_model.environment import STACK_LABEL, Environment


class LedgerVolume(pulumi.ComponentResource):
    """A volume with the environment's name (default `gcam-data`).

    It outlives the stack: `pulumi destroy` leaves it on the engine, and the next `pulumi up` finds it by its name. With
    `protect` (default) Pulumi refuses to part with it at all. Where another volume takes its place, it is saved in
    `backups/` first. With `adopt` a volume that something else made is imported as it is.
    """

    volume_name: pulumi.Output[str]
    """Its name on the engine."""

    def __init__(self, name: str, environment: Environment, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("gix:docker:LedgerVolume", name, None, opts)
        settings = environment.settings.ledger
        volume_name = environment.name(settings.volume)
        volume = docker.Volume(
            f"{name}-volume",
            name=volume_name,
            labels=[docker.VolumeLabelArgs(label=STACK_LABEL, value=environment.label)],
            opts=pulumi.ResourceOptions(
                parent=self,
                protect=settings.protect,
                retain_on_delete=True,
                # The provider replaces a volume, and so empties it, for a label.
                ignore_changes=["labels"],
                import_=volume_name if settings.adopt else None,
                hooks=_save_predecessors(f"{name}-save", environment, volume_name),
            ),
        )
        self.volume_name = volume.name
        self.register_outputs({"volumeName": self.volume_name})


def _save_predecessors(name: str, environment: Environment, volume_name: str) -> ResourceHookBinding:
    """Hooks that take a backup of the stack's other ledgers just before the volume is created. `name` is the hook's."""

    def save(_args: ResourceHookArgs) -> None:
        client = connection.connect(environment.settings.engine, environment.directory)
        mine: dict[str, str | list[str] | bool] = {"label": f"{STACK_LABEL}={environment.label}"}
        for volume in client.volumes.list(filters=mine):
            if volume.name != volume_name:
                _save(client, environment, volume.name)

    return ResourceHookBinding(before_create=[ResourceHook(name, save)])


def _save(client: docker_sdk.DockerClient, environment: Environment, volume: str) -> None:
    holders = client.containers.list(all=True, filters={"volume": volume})
    if not holders:
        pulumi.log.warn(
            f"the stack's former ledger stays on the volume {volume}; no container has it, so none was saved"
        )
        return
    ledger = Ledger(
        engine=environment.settings.engine,
        directory=environment.directory,
        label=environment.label,
        volume=volume,
        container=str(holders[0].name),
        image=str(holders[0].attrs["Image"]),
    )
    file = backup.default_file(environment.directory, environment.stack)
    try:
        backup.take(ledger, file, program=__version__)
    except LedgerError:
        # The same update may have ended the auction in the middle; then nothing disturbs a second time.
        backup.take(ledger, file, program=__version__)
    pulumi.log.info(f"the former ledger stays on the volume {volume}, and is saved in {file}")
