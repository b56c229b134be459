"""The services' images: built from the source workspace, or pulled from a registry."""

from collections.abc import Mapping
from dataclasses import dataclass

import pulumi
import pulumi_docker as docker

from gix_components import dockerfiles
from gix_components.build_failure import BuildFailures, ImageBuild
from gix_model.catalog import ServiceName, ServiceSpec
from gix_model.environment import Environment


@dataclass(frozen=True, kw_only=True)
class ImageHandle:
    """One image: `id` is what a container is made from, on this engine; `digest` tells the same content anywhere.

    `digest` is REPOSITORY@sha256:... where a registry has the image, else its id.
    """

    name: str
    id: pulumi.Output[str]
    digest: pulumi.Output[str]


class ServiceImages(pulumi.ComponentResource):
    """The image of every service that runs. Without all of them, the update fails before any container."""

    by_service: Mapping[ServiceName, ImageHandle]
    """The images by service."""

    def __init__(self, name: str, environment: Environment, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("gix:docker:Images", name, None, opts)
        self._failures = BuildFailures(environment)
        make = self._build if environment.builds else self._pull
        self.by_service = {spec.name: make(f"{name}-{spec.name}", environment, spec) for spec in environment.specs}
        self.register_outputs({"digests": {service: image.digest for service, image in self.by_service.items()}})

    def _build(self, name: str, environment: Environment, spec: ServiceSpec) -> ImageHandle:
        settings = environment.settings.images
        dockerfile = "Dockerfile.rust-builder" if settings.way == "multi-stage" else spec.dockerfile
        build = ImageBuild(
            context=environment.source,
            dockerfile=dockerfiles.provide(environment.directory) / dockerfile,
            target=spec.target if settings.way == "multi-stage" else None,
            platform=settings.platform,
            args=settings.build_args | {"BUILDER_BASE": settings.builder_base, "RUNTIME_BASE": settings.runtime_base},
        )
        image = docker.Image(
            f"{name}-image",
            image_name=environment.image_name(spec),
            build=docker.DockerBuildArgs(
                context=str(build.context),
                dockerfile=build.dockerfile.as_posix(),
                target=build.target,
                platform=build.platform,
                args=build.args,
            ),
            skip_push=not settings.push,
            registry=_login(environment) if settings.push else None,
            opts=pulumi.ResourceOptions(parent=self, hooks=self._failures.hooks(f"{name}-image-failed", build)),
        )
        return ImageHandle(name=environment.image_name(spec), id=image.repo_digest, digest=image.repo_digest)

    def _pull(self, name: str, environment: Environment, spec: ServiceSpec) -> ImageHandle:
        image = docker.RemoteImage(
            f"{name}-image",
            name=environment.image_name(spec),
            # The delete of an image that another stack's container uses would fail this stack's every update.
            keep_locally=True,
            opts=pulumi.ResourceOptions(parent=self),
        )
        return ImageHandle(name=environment.image_name(spec), id=image.image_id, digest=image.repo_digest)


def _login(environment: Environment) -> docker.RegistryArgs:
    registry = environment.settings.registry
    return docker.RegistryArgs(
        server=registry.address,
        username=registry.username,
        password=None if registry.password is None else pulumi.Output.secret(registry.password.get_secret_value()),
    )
