"""The volume of the auction's ledger. No operation of Pulumi may lose data of it."""

from collections.abc import Collection
from typing import Any

import pulumi
import pulumi_docker as docker

from gix_components.ordering import value_after
from gix_components.succession import MODE, Place, save_predecessor
from gix_model.environment import STACK_LABEL, Environment


class LedgerVolume(pulumi.ComponentResource):
    """A volume with the configured name (default: `gcam-data`).

    It outlives the stack: `pulumi destroy` leaves it on the engine, and the next `pulumi up` finds it by its name. With
    `protect` (the default), Pulumi refuses to remove it from the stack. Before another volume or engine replaces it, a
    backup is written to `backups/`. With `adopt`, an existing volume is imported as it is.

    A resource that must not change before that backup depends on this component, which itself waits for `after`.
    """

    volume_name: pulumi.Output[str]
    """Name of the volume."""

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
            place.inputs()
            | {"volume": value_after(after, place.volume)}
            | ({MODE: "swarm"} if environment.is_swarm else {}),
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
                # For a changed label, the provider would delete the volume and create an empty one.
                ignore_changes=["labels"],
                import_=place.volume if settings.adopt else None,
                # Pulumi does not replace a resource that gets another provider: that of another node's engine.
                replacement_trigger=(place.engine.host or "default") if environment.is_swarm else None,
            ),
        )
        self.volume_name = volume.name
        self.register_outputs({"volumeName": self.volume_name})
