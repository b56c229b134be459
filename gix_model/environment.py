"""What every component is told: a stack's configuration, checked and resolved."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from gix_model import units
from gix_model.catalog import CATALOG, ServiceName, ServiceSpec
from gix_model.settings import ServiceSettings, StackSettings

STACK_LABEL = "io.gix.stack"
"""Label on everything that a stack makes on the engine; its value is PROJECT/STACK."""
SERVICE_LABEL = "io.gix.service"
"""Label on a service's container; its value is the service's name."""
HELPER_LABEL = "io.gix.helper"
"""Label on the container of a backup or restore; its value is the verb that it works for."""


@dataclass(frozen=True, kw_only=True)
class Environment:
    """One environment: `settings` as the stack's file has them, `services` with their defaults worked in.

    `directory` is the program's; relative paths of the configuration start there.
    """

    project: str
    stack: str
    directory: Path
    settings: StackSettings
    services: Mapping[ServiceName, ServiceSettings]

    @property
    def label(self) -> str:
        """The value of STACK_LABEL on all that this stack makes."""
        return f"{self.project}/{self.stack}"

    @property
    def source(self) -> Path:
        """The workspace to build: absolute, or relative to the program's directory as the file has it."""
        return Path(self.settings.source)

    @property
    def specs(self) -> tuple[ServiceSpec, ...]:
        """The services that run, in the catalog's order."""
        return tuple(CATALOG[name] for name in self.services)

    @property
    def builds(self) -> bool:
        """Whether images are built here, or else pulled."""
        return self.settings.images.are_built

    def name(self, base: str) -> str:
        """`base` with the stack's prefix: the name of an object on the engine."""
        return f"{self.settings.prefix}-{base}" if self.settings.prefix else base

    def repository(self, spec: ServiceSpec) -> str:
        """A service's image repository: REGISTRY/ORGANIZATION/SERVICE where pushed or pulled, else local."""
        images, registry = self.settings.images, self.settings.registry
        if images.push or not self.builds:
            return f"{registry.address}/{registry.organization}/{spec.name}"
        return self.name(spec.container)

    def image_name(self, spec: ServiceSpec) -> str:
        """A service's image: by digest where the configuration has one, else by tag."""
        digest = self.settings.images.digests.get(spec.name)
        if digest and not self.builds:
            return f"{self.repository(spec)}@{digest}"
        return f"{self.repository(spec)}:{self.settings.images.tag}"

    def host_port(self, spec: ServiceSpec) -> int | None:
        """The host's port on which a service is published; None where it is not."""
        service = self.services[spec.name]
        return (service.host_port or spec.port) if service.publish else None

    @property
    def longest_grace_seconds(self) -> int:
        """The longest time that any of the services has to stop."""
        return int(max(units.seconds(service.stop_grace) for service in self.services.values()))
