"""Declares the images that a stack builds, with what all of them have in common."""

from collections.abc import Mapping
from functools import cached_property
from pathlib import Path

import pulumi
import pulumi_docker as docker
from docker.errors import DockerException

from gix_components import dockerfiles
from gix_components.build_failure import BuildFailures, ImageBuild
from gix_components.dependency_key import dependency_key
from gix_engine import connection
from gix_model.environment import Environment

ALL_SERVICES = "Dockerfile.rust-builder"
"""Name of the Dockerfile that has a target for each service."""
DEPENDENCIES = "dependencies"
"""Stage with the compiled dependencies."""

_AFTER_DEPENDENCIES = f"\nFROM {DEPENDENCIES} AS "


class ImageBuilder:
    """Declares images of one environment."""

    def __init__(self, environment: Environment) -> None:
        self._environment = environment
        self._failures = BuildFailures(environment)

    def declare(
        self,
        name: str,
        *,
        image: str,
        dockerfile: str,
        target: str | None,
        parent: pulumi.Resource,
        args: Mapping[str, str] | None = None,
    ) -> docker.Image:
        """Declare an image with the name `image`, which is built from a stage of a Dockerfile: the last one if None."""
        settings = self._environment.settings.images
        build = ImageBuild(
            context=self._environment.source,
            dockerfile=self._dockerfiles / dockerfile,
            target=target,
            platform=self._platform,
            args=self._args | dict(args or {}),
            cache_from=self._cache,
        )
        return docker.Image(
            f"{name}-image",
            # For a build with a cache, the provider takes only names that begin with a registry.
            image_name=image if settings.push or not self._cache else f"docker.io/library/{image}",
            build=docker.DockerBuildArgs(
                context=str(build.context),
                dockerfile=build.dockerfile.as_posix(),
                target=build.target,
                platform=build.platform,
                args=build.args,
                cache_from=docker.CacheFromArgs(images=list(self._cache)) if self._cache else None,
            ),
            skip_push=not settings.push,
            registry=_login(self._environment) if settings.push or self._cache else None,
            opts=pulumi.ResourceOptions(parent=parent, hooks=self._failures.hooks(f"{name}-image-failed", build)),
        )

    @cached_property
    def key(self) -> str:
        """The tag of the image with the compiled dependencies."""
        directory = self._environment.directory
        instructions = (directory / self._dockerfiles / ALL_SERVICES).read_text().partition(_AFTER_DEPENDENCIES)[0]
        # The base of the services has no part in the dependencies.
        args = {name: value for name, value in self._args.items() if name != "RUNTIME_BASE"}
        return dependency_key(directory / self._environment.source, instructions, args | {"platform": self._platform})

    @cached_property
    def _cache(self) -> tuple[str, ...]:
        own = self._environment.builder_repository
        images = [*([own] if own else []), *self._environment.settings.images.cache_from]
        return tuple(dict.fromkeys(image if _has_tag(image) else f"{image}:{self.key}" for image in images))

    @cached_property
    def _dockerfiles(self) -> Path:
        return dockerfiles.provide(self._environment.directory)

    @cached_property
    def _platform(self) -> str:
        # Without a value, the provider takes the platform of this machine, and warns at each preview.
        return self._environment.settings.images.platform or engine_platform(self._environment)

    @property
    def _args(self) -> dict[str, str]:
        settings = self._environment.settings.images
        return settings.build_args | {
            "BUILDER_BASE": settings.builder_base,
            "RUNTIME_BASE": settings.runtime_base,
            "LTO": settings.lto,
            "PROFILE": settings.profile,
        }


class RustBuilder(pulumi.ComponentResource):
    """The compiled dependencies, as an image in the registry: an engine without these layers takes them from there."""

    def __init__(
        self,
        name: str,
        repository: str,
        builder: ImageBuilder,
        opts: pulumi.ResourceOptions | None = None,
    ) -> None:
        super().__init__("gix:docker:RustBuilder", name, None, opts)
        image = builder.declare(
            name,
            image=f"{repository}:{builder.key}",
            dockerfile=ALL_SERVICES,
            target=DEPENDENCIES,
            parent=self,
            # The image carries the keys of its layers.
            args={"BUILDKIT_INLINE_CACHE": "1"},
        )
        self.register_outputs({"image": image.image_name})


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


def _has_tag(image: str) -> bool:
    return ":" in image.rpartition("/")[2] or "@" in image


def _login(environment: Environment) -> docker.RegistryArgs:
    registry = environment.settings.registry
    return docker.RegistryArgs(
        server=registry.address,
        username=registry.username,
        password=None if registry.password is None else pulumi.Output.secret(registry.password.get_secret_value()),
    )
