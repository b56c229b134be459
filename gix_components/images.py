"""The images of the services: built from the source workspace, or pulled from a registry."""

from collections.abc import Mapping
from dataclasses import dataclass

import pulumi
import pulumi_docker as docker
from docker.errors import DockerException

from gix_components import dockerfiles
from gix_components.build_failure import BuildFailures, ImageBuild
from gix_engine import connection
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
            # Without a value, the provider takes the platform of this machine, and warns at each preview.
            platform=settings.platform or engine_platform(environment),
            args=settings.build_args
            | {
                "BUILDER_BASE": settings.builder_base,
                "RUNTIME_BASE": settings.runtime_base,
                "LTO": settings.lto,
                "PROFILE": settings.profile,
            },
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
            # Otherwise an update fails if it deletes an image that a container of another stack uses.
            keep_locally=True,
            opts=pulumi.ResourceOptions(parent=self),
        )
        return ImageHandle(name=environment.image_name(spec), id=image.image_id, digest=image.repo_digest)


def engine_platform(environment: Environment) -> str:
    """The platform of the engine, such as linux/amd64.

    Raises pulumi.RunError if the engine does not answer.
    """
    try:
        version = connection.connect(environment.settings.engine, environment.directory).version()
    except (DockerException, OSError) as error:
        raise pulumi.RunError(
            f"the platform of the Docker engine is not known ({error}); start the engine, or set gix:images.platform"
        ) from None
    return f"{version['Os']}/{version['Arch']}"


def _login(environment: Environment) -> docker.RegistryArgs:
    registry = environment.settings.registry
    return docker.RegistryArgs(
        server=registry.address,
        username=registry.username,
        password=None if registry.password is None else pulumi.Output.secret(registry.password.get_secret_value()),
    )
