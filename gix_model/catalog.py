"""The three services of GIX, as data: what the program must know of each to build, run, reach and check it."""

from dataclasses import dataclass
from typing import Literal

ServiceName = Literal["router", "auction", "enclave"]
"""The services' names, as they stand in the configuration and in outputs."""

DATA_DIRECTORY = "/data"
"""Where the auction's ledger volume is mounted."""


@dataclass(frozen=True, kw_only=True)
class ServiceSpec:
    """What never differs between environments.

    `port` and `metrics_port` are those on which
    the service listens inside its container; `metrics_port` is None where it serves no metrics. `hostname` is the name
    by which the others reach it. `target` is its stage in Dockerfile.rust-builder, `binary` the program in its image.
    `keeps_ledger` says that it needs the ledger volume, and that two of it must never run at a time. `peers` are the
    services that it asks.
    """

    name: ServiceName
    title: str
    port: int
    hostname: str
    target: str
    binary: str
    metrics_port: int | None = None
    keeps_ledger: bool = False
    peers: tuple[ServiceName, ...] = ()

    @property
    def container(self) -> str:
        """The container's name, and its local image's, before an environment's prefix."""
        return f"gix-{self.name}"

    @property
    def dockerfile(self) -> str:
        """The file, in infra/docker, that builds this service alone."""
        return f"Dockerfile.{self.name}"


ROUTER = ServiceSpec(
    name="router",
    title="AJR router",
    port=50051,
    hostname="router",
    target="router",
    binary="ajr-router",
    metrics_port=9001,
    peers=("auction",),
)
AUCTION = ServiceSpec(
    name="auction",
    title="GCAM auction",
    port=50052,
    hostname="auction",
    target="auction",
    binary="gcam-node",
    metrics_port=9002,
    keeps_ledger=True,
    peers=("enclave",),
)
ENCLAVE = ServiceSpec(
    name="enclave",
    title="GSEE enclave",
    port=50053,
    hostname="enclave",
    target="execution",
    binary="gsee-runtime",
)

CATALOG: dict[ServiceName, ServiceSpec] = {spec.name: spec for spec in (ROUTER, AUCTION, ENCLAVE)}
"""Every service by its name, in the order in which they are shown."""
