"""What an edge consists of in both modes: the image of HAProxy, the certificate, and the check of both."""

from dataclasses import dataclass

import pulumi
import pulumi_docker

from gix_components.configuration import ConfigurationError
from gix_components.edge_check import EdgeCheck
from gix_model import edge_certificate, stack_file
from gix_model.edge_certificate import EdgeCertificate
from gix_model.environment import EDGE_LABEL, STACK_LABEL, Environment


@dataclass(frozen=True, kw_only=True)
class EdgeParts:
    """The parts of an edge. `volume` is the name of the volume for `certificate`: None without one, and in Swarm."""

    image: pulumi_docker.RemoteImage
    certificate: EdgeCertificate | None
    volume: pulumi.Output[str] | None
    check: EdgeCheck

    @classmethod
    def declare(cls, name: str, environment: Environment, *, parent: pulumi.Resource) -> "EdgeParts":
        """Declare the parts. `name` begins the names of their resources.

        Raises ConfigurationError if a file of the certificate has changed since the configuration was read.
        """
        opts = pulumi.ResourceOptions(parent=parent)
        image = pulumi_docker.RemoteImage(
            f"{name}-image", name=environment.settings.edge.image, keep_locally=True, opts=opts
        )
        certificate, problems = edge_certificate.read(environment)
        if problems:
            raise ConfigurationError(stack_file.name(environment.stack), problems)
        needs_volume = certificate is not None and not environment.is_swarm
        volume = _volume(f"{name}-certificates", environment, opts) if needs_volume else None
        check = EdgeCheck(
            f"{name}-check", environment, image=image.image_id, certificate=certificate, volume=volume, opts=opts
        )
        return cls(image=image, certificate=certificate, volume=volume, check=check)


def _volume(name: str, environment: Environment, opts: pulumi.ResourceOptions) -> pulumi.Output[str]:
    """The name of the volume for the files of the certificate."""
    labels = {STACK_LABEL: environment.label, EDGE_LABEL: "certificates"}
    volume = pulumi_docker.Volume(
        name,
        name=environment.edge_volume,
        labels=[pulumi_docker.VolumeLabelArgs(label=label, value=value) for label, value in labels.items()],
        opts=opts,
    )
    return volume.name
