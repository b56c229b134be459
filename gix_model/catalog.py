"""The services of GIX, as data: what the program needs to know to build, run, reach and check each of them."""

from dataclasses import dataclass
from typing import Literal

ServiceName = Literal["router", "auction", "enclave"]
"""Names of the services, in the configuration and in outputs."""

DATA_DIRECTORY = "/data"
"""Path at which the volume of the ledger is mounted in the auction's container."""


@dataclass(frozen=True, kw_only=True)
class ServiceSpec:
    """The facts about a service that are the same in every environment."""

    name: ServiceName
    title: str
    purpose: str
    """What it does, as the README says it."""
    port: int
    """Port inside the container."""
    target: str
    """Stage in Dockerfile.rust-builder."""
    binary: str
    """Name of the program in the image."""
    metrics_port: int | None = None
    """Port for metrics inside the container; None if the service has no metrics."""
    keeps_ledger: bool = False
    """Whether it writes the ledger: it mounts the volume, and two of its containers must never run at the same time."""
    peers: tuple[ServiceName, ...] = ()
    """The services that it calls."""

    @property
    def container(self) -> str:
        """Name of the container and of the local image, without the prefix of an environment."""
        return f"gix-{self.name}"

    @property
    def hostname(self) -> str:
        """Host name on the network of the services."""
        return self.name

    @property
    def dockerfile(self) -> str:
        """Name of the file in infra/docker that builds only this service."""
        return f"Dockerfile.{self.name}"


CATALOG: dict[ServiceName, ServiceSpec] = {
    spec.name: spec
    for spec in (
        ServiceSpec(
            name="router",
            title="AJR router",
            purpose="accepts jobs and sends them to the auction",
            port=50051,
            target="router",
            binary="ajr-router",
            metrics_port=9001,
            peers=("auction",),
        ),
        ServiceSpec(
            name="auction",
            title="GCAM auction",
            purpose="matches jobs with providers, and keeps the ledger on the volume `gcam-data`",
            port=50052,
            target="auction",
            binary="gcam-node",
            metrics_port=9002,
            keeps_ledger=True,
            peers=("enclave",),
        ),
        ServiceSpec(
            name="enclave",
            title="GSEE enclave",
            purpose="runs jobs",
            port=50053,
            target="execution",
            binary="gsee-runtime",
        ),
    )
}
"""All services by name, in the order in which they are shown."""
