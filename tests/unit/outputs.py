"""Outputs of a stack for tests."""

from gix_model.catalog import CATALOG, ServiceName
from gix_model.outputs import NetworkOutputs, ServiceOutputs, StackOutputs, VersionOutputs
from gix_model.settings import EngineSettings

DIGEST = "sha256:" + "ab12" * 16


def service_outputs(service: ServiceName, *, digest: str = DIGEST) -> ServiceOutputs:
    spec = CATALOG[service]
    return ServiceOutputs(
        containers=(spec.container,),
        image=f"{spec.container}:latest",
        digest=digest,
        endpoint=f"127.0.0.1:{spec.port}",
        address=f"{spec.hostname}:{spec.port}",
    )


def stack_outputs() -> StackOutputs:
    """The outputs of the stack `dev` with all services."""
    return StackOutputs(
        services={service: service_outputs(service) for service in CATALOG},
        network=NetworkOutputs(name="gix-network", subnet="172.28.0.0/16"),
        volume="gcam-data",
        versions=VersionOutputs(program="0.1.0", images="latest"),
        label="gix/dev",
        engine=EngineSettings(),
    )
