"""The validated configuration of a stack, from which the components are made."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from gix_model.catalog import CATALOG, ServiceName, ServiceSpec
from gix_model.settings import EngineSettings, ServiceSettings, StackSettings

STACK_LABEL = "io.gix.stack"
"""Label of everything that a stack creates on the engine. Value: PROJECT/STACK."""
SERVICE_LABEL = "io.gix.service"
"""Label of the container of a service. Value: the name of the service."""
HELPER_LABEL = "io.gix.helper"
"""Label of the container of a backup, restore or trial. Value: which of them."""
EDGE_LABEL = "io.gix.edge"
"""Label of the container and of the volume of the edge. Value: the program that runs there, or `certificates`."""
EDGE_METRICS_PORT = 8404
"""Port of the edge for its own metrics, inside the network."""
TLS_PORT_OFFSET = 1000
"""How much higher than the port of a service, which has no TLS, the edge's port for the same service with TLS is.

Published ports lead to it if the edge has a certificate. Inside the network, the services speak without TLS.
"""


@dataclass(frozen=True, kw_only=True)
class HostPort:
    """A port that a service has on the host."""

    key: str
    """The key that sets it, for example gix:router.hostPort."""
    address: str
    """Address on the host."""
    external: int
    """Port on the host."""
    internal: int
    """Port inside the network."""


@dataclass(frozen=True, kw_only=True)
class Environment:
    """One environment. `settings` are those of the stack's file, `services` are merged with `gix:defaults`.

    `directory` is the program's. Relative paths in the configuration start there.
    """

    project: str
    stack: str
    directory: Path
    settings: StackSettings
    services: Mapping[ServiceName, ServiceSettings]

    @property
    def label(self) -> str:
        """The value of STACK_LABEL for this stack: PROJECT/STACK."""
        return f"{self.project}/{self.stack}"

    @property
    def source(self) -> Path:
        """The workspace to build. A relative path starts at the program's directory."""
        return Path(self.settings.source)

    @property
    def specs(self) -> tuple[ServiceSpec, ...]:
        """The services that run, in the order of the catalog."""
        return tuple(CATALOG[name] for name in self.services)

    @property
    def builds(self) -> bool:
        """Whether images are built. Otherwise they are pulled."""
        return self.settings.images.are_built

    def name(self, base: str) -> str:
        """The name of an object on the engine: `base` with the prefix of the stack."""
        return f"{self.settings.prefix}-{base}" if self.settings.prefix else base

    @property
    def builder_repository(self) -> str | None:
        """The repository that the compiled dependencies are pushed to; None if they are not pushed."""
        images, registry = self.settings.images, self.settings.registry
        pushed = self.builds and images.push and images.push_builder
        return f"{registry.address}/{registry.organization}/rust-builder" if pushed else None

    def repository(self, spec: ServiceSpec) -> str:
        """The image repository of a service: REGISTRY/ORGANIZATION/SERVICE if pushed or pulled, otherwise local."""
        images, registry = self.settings.images, self.settings.registry
        if images.push or not self.builds:
            return f"{registry.address}/{registry.organization}/{spec.name}"
        return self.name(spec.container)

    def image_name(self, spec: ServiceSpec) -> str:
        """The image of a service: by digest if the configuration has one for it, otherwise by tag."""
        digest = self.settings.images.digests.get(spec.name)
        if digest and not self.builds:
            return f"{self.repository(spec)}@{digest}"
        return f"{self.repository(spec)}:{self.settings.images.tag}"

    def host_port(self, spec: ServiceSpec) -> int | None:
        """The host port of a service; None if it is not published."""
        service = self.services[spec.name]
        return (service.host_port or spec.port) if service.publish else None

    def host_ports(self, spec: ServiceSpec) -> tuple[HostPort, ...]:
        """All ports that a service has on the host: its own, and that of its metrics."""
        service = self.services[spec.name]
        offset = TLS_PORT_OFFSET if self.has_tls else 0
        ports = (
            ("hostPort", spec.port, self.host_port(spec)),
            ("metricsPort", spec.metrics_port, service.metrics_port),
        )
        return tuple(
            HostPort(
                key=f"gix:{spec.name}.{key}",
                address=service.bind_address,
                external=external,
                internal=internal + offset,
            )
            for key, internal, external in ports
            if internal is not None and external is not None
        )

    @property
    def is_swarm(self) -> bool:
        """Whether the services are those of a Swarm. Otherwise they are containers of one engine."""
        return self.settings.engine.mode == "swarm"

    @property
    def ledger_engine(self) -> EngineSettings:
        """The engine with the ledger's volume, and nothing about the Swarm: in Swarm, that of `gix:ledger.node`."""
        engine = self.settings.engine
        node = engine.node(self.settings.ledger.node or "") if self.is_swarm else None
        return node or engine.alone

    @property
    def has_ledger_elsewhere(self) -> bool:
        """Whether the ledger is on another engine than that of `gix:engine.host`. In Swarm, it may be."""
        return self.ledger_engine.host != self.settings.engine.host

    @property
    def has_edge(self) -> bool:
        """Whether an edge publishes the ports, so that a container of a service can start before the old one ends."""
        return self.settings.rollout.strategy == "start-first"

    @property
    def has_tls(self) -> bool:
        """Whether the published ports of the edge speak TLS."""
        return self.has_edge and self.settings.edge.certificate is not None

    @property
    def edge_metrics(self) -> HostPort | None:
        """The port that the edge's own metrics have on the host; None if they are not published."""
        external = self.settings.edge.metrics_port
        if not self.has_edge or external is None:
            return None
        return HostPort(
            key="gix:edge.metricsPort",
            address=self.settings.defaults.bind_address,
            external=external,
            internal=EDGE_METRICS_PORT + (TLS_PORT_OFFSET if self.has_tls else 0),
        )

    @property
    def published(self) -> tuple[HostPort, ...]:
        """All ports that the stack has on the host."""
        own = [port for spec in self.specs for port in self.host_ports(spec)]
        return (*own, *filter(None, [self.edge_metrics]))

    @property
    def edge_volume(self) -> str:
        """The name of the volume with the edge's certificate."""
        return self.name("gix-edge-certificates")

    @property
    def edge_name(self) -> str:
        """The name of the container of the edge, or of its service in Swarm."""
        return self.name("gix-edge")

    @property
    def container_names(self) -> frozenset[str]:
        """The names on the engine that belong to the stack's containers."""
        if self.is_swarm:
            # Swarm makes the names of its containers.
            return frozenset()
        # The provider makes the names of those that start first.
        names = {self.name(spec.container) for spec in self.specs if not self.starts_first(spec)}
        return frozenset(names | ({self.edge_name} if self.has_edge else set()))

    def replicas(self, spec: ServiceSpec) -> int:
        """The number of containers of a service."""
        return self.services[spec.name].replicas

    def starts_first(self, spec: ServiceSpec) -> bool:
        """Whether a new container of a service starts before the old one is deleted. Two must not write one ledger."""
        return self.has_edge and not spec.keeps_ledger

    @property
    def service_names(self) -> frozenset[str]:
        """The names of the stack's services in Swarm."""
        if not self.is_swarm:
            return frozenset()
        return frozenset({self.edge_name} | {self.name(spec.container) for spec in self.specs})

    def backend_host(self, spec: ServiceSpec) -> str:
        """The host name of a service's containers on the network. Behind an edge, the edge has the service's own."""
        if self.is_swarm:
            return f"tasks.{self.name(spec.container)}"
        return f"{spec.hostname}-backend" if self.has_edge else spec.hostname

    @property
    def longest_grace_seconds(self) -> int:
        """The longest `stopGrace` of the services."""
        return int(max(service.stop_grace for service in self.services.values()).total_seconds())
