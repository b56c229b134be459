"""The images of the services: built from the source workspace, or pulled from a registry."""

from collections.abc import Mapping
from dataclasses import dataclass

import pulumi
import pulumi_docker as docker

from gix_components.image_builder import ALL_SERVICES, ImageBuilder, RustBuilder
from gix_model.catalog import ServiceName, ServiceSpec
from gix_model.environment import Environment


@dataclass(frozen=True, kw_only=True)
class ImageHandle:
    """One image."""

    name: str
    """Name of the image, with tag or digest."""
    id: pulumi.Output[str]
    """Id on the engine, from which containers are created."""
    digest: pulumi.Output[str]
    """REPOSITORY@sha256:... if a registry has the image, otherwise its id."""


class ServiceImages(pulumi.ComponentResource):
    """The image of each service that runs. If one is missing, the update fails before it touches a container."""

    by_service: Mapping[ServiceName, ImageHandle]
    """The images, by service."""

    def __init__(self, name: str, environment: Environment, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("gix:docker:Images", name, None, opts)
        self._builder = ImageBuilder(environment)
        if environment.builder_repository:
            RustBuilder(
                f"{name}-rust-builder",
                environment.builder_repository,
                self._builder,
                opts=pulumi.ResourceOptions(parent=self),
            )
        make = self._build if environment.builds else self._pull
        self.by_service = {spec.name: make(f"{name}-{spec.name}", environment, spec) for spec in environment.specs}
        self.register_outputs({"digests": {service: image.digest for service, image in self.by_service.items()}})

    def _build(self, name: str, environment: Environment, spec: ServiceSpec) -> ImageHandle:
        of_all = environment.settings.images.way == "multi-stage"
        image = self._builder.declare(
            name,
            image=environment.image_name(spec),
            dockerfile=ALL_SERVICES if of_all else spec.dockerfile,
            target=spec.target if of_all else None,
            parent=self,
            args=_probe_args(environment, spec),
        )
        return ImageHandle(name=environment.image_name(spec), id=image.repo_digest, digest=image.repo_digest)

    def _pull(self, name: str, environment: Environment, spec: ServiceSpec) -> ImageHandle:
        reference = environment.image_name(spec)
        image = docker.RemoteImage(
            f"{name}-image",
            name=reference,
            # Otherwise an update fails if it deletes an image that a container of another stack uses.
            keep_locally=True,
            opts=pulumi.ResourceOptions(parent=self),
        )
        # Of two registries on one host, the provider can state the other one's digest.
        digest = image.image_id.apply(lambda _: reference) if "@" in reference else image.repo_digest
        return ImageHandle(name=reference, id=image.image_id, digest=digest)


def _probe_args(environment: Environment, spec: ServiceSpec) -> dict[str, str]:
    """Build arguments that put the program of the service's probe into its image. Most probes need none."""
    if environment.services[spec.name].health_check.probe != "grpc":
        return {}
    return {"PROBE": "grpc", "GRPC_PROBE_IMAGE": environment.settings.images.grpc_probe_image}
