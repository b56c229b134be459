"""The volume that keeps the auction's ledger. Nothing that Pulumi does to it may lose a line."""

import pulumi
import pulumi_docker as docker

from gix_components.environment import STACK_LABEL, Environment


class LedgerVolume(pulumi.ComponentResource):
    """A volume with the environment's name (default `gcam-data`).

    It outlives the stack: `pulumi destroy` leaves it on the engine, and the next `pulumi up` finds it by its name. With
    `protect` (default) Pulumi refuses to part with it at all. With `adopt` a volume that something else made is
    imported as it is.
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
            ),
        )
        self.volume_name = volume.name
        self.register_outputs({"volumeName": self.volume_name})
