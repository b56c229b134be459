"""The volume that keeps the auction's ledger. Nothing that Pulumi does to it may lose a line."""

from collections.abc import Collection
from typing import Any

import pulumi
import pulumi_docker as docker

from gix_components.succession import Place, save_predecessor
from gix_model.environment import STACK_LABEL, Environment


class LedgerVolume(pulumi.ComponentResource):
    """A volume with the environment's name (default `gcam-data`).

    It outlives the stack: `pulumi destroy` leaves it on the engine, and the next `pulumi up` finds it by its name. With
    `protect` (default) Pulumi refuses to part with it at all. Where another volume or engine takes its place, a backup
    is taken in `backups/` first. With `adopt` a volume that something else made is imported as it is.

    Whatever must not be touched before that backup depends on this component. The component itself waits for `after`.
    """

    volume_name: pulumi.Output[str]
    """Its name on the engine."""

    def __init__(
        self,
        name: str,
        environment: Environment,
        *,
        after: Collection[pulumi.Output[Any]] = (),
        opts: pulumi.ResourceOptions | None = None,
    ) -> None:
        place = Place.configured(environment)
        hooks = save_predecessor(f"{name}-save", environment)
        super().__init__(
            "gix:docker:LedgerVolume",
            name,
            place.inputs() | {"volume": _once(after, place.volume)},
            pulumi.ResourceOptions.merge(opts, pulumi.ResourceOptions(hooks=hooks)),
        )
        settings = environment.settings.ledger
        volume = docker.Volume(
            f"{name}-volume",
            name=place.volume,
            labels=[docker.VolumeLabelArgs(label=STACK_LABEL, value=environment.label)],
            opts=pulumi.ResourceOptions(
                parent=self,
                protect=settings.protect,
                retain_on_delete=True,
                # The provider replaces a volume, and so empties it, for a label.
                ignore_changes=["labels"],
                import_=place.volume if settings.adopt else None,
            ),
        )
        self.volume_name = volume.name
        self.register_outputs({"volumeName": self.volume_name})


async def _once(after: Collection[pulumi.Output[Any]], value: str) -> str:
    """Wait for `after`.

    A dependency that the engine knows of would keep all of `after` in the state for as long as the volume is protected.
    """
    for each in after:
        await each.future()
    return value
