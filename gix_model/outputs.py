"""What a stack exports: the contract between the program, gixctl, and programs that read it by a StackReference."""

from collections.abc import Mapping
from typing import Any

from pydantic import BaseModel, ConfigDict
from pydantic.alias_generators import to_camel

from gix_model.catalog import ServiceName
from gix_model.settings import EngineSettings, ImageSettings


class Outputs(BaseModel):
    """What all models of outputs share. A later version of the program may export more: unknown names are ignored."""

    model_config = ConfigDict(frozen=True, alias_generator=to_camel, populate_by_name=True, extra="ignore")

    @classmethod
    def export(cls, **values: Any) -> dict[str, Any]:
        """The dictionary that a program exports for this model; values may be Pulumi outputs.

        Raises TypeError if a value is missing or unknown to the model.
        """
        if values.keys() != cls.model_fields.keys():
            raise TypeError(f"{cls.__name__} has the outputs {', '.join(cls.model_fields)}; got {', '.join(values)}")
        return {str(cls.model_fields[name].alias): value for name, value in values.items()}


class ServiceOutputs(Outputs):
    """One service."""

    containers: tuple[str, ...]
    """Names of the containers: one, or as many as `replicas` says. None in Swarm, which makes and removes them."""
    swarm_service: str | None = None
    """Name of the service in Swarm; None if `engine.mode` is containers."""
    image: str
    """Name of the image."""
    digest: str
    """REPOSITORY@sha256:... if a registry has the image, otherwise its id."""
    endpoint: str | None = None
    """HOST:PORT that the host publishes; None if the service is not published."""
    address: str
    """HOST:PORT inside the network."""


class NetworkOutputs(Outputs):
    """The network of the services."""

    name: str
    subnet: str


class VersionOutputs(Outputs):
    """Versions: of the program, and the tag of the images."""

    program: str
    images: str


class ScanOutputs(Outputs):
    """The limit of `gixctl scan`."""

    fail_on: str = ImageSettings().fail_on


class StackOutputs(Outputs):
    """All outputs of a stack."""

    services: dict[ServiceName, ServiceOutputs]
    """The services that run, by name."""
    network: NetworkOutputs
    volume: str | None = None
    """Name of the ledger's volume; None if the auction does not run. Pulumi exports no output that is None."""
    versions: VersionOutputs
    scan: ScanOutputs = ScanOutputs()
    edge: str | None = None
    """Name of the edge's container, or in Swarm of its service; None if there is no edge."""
    label: str
    """Value of the label STACK_LABEL on everything that the stack creates: PROJECT/STACK."""
    engine: EngineSettings
    """The engine that the stack runs on, its mode, and the engines of the nodes."""

    @classmethod
    def read(cls, outputs: Mapping[str, Any]) -> "StackOutputs":
        """Read exported values. Raises ValueError if they are not those of a GIX platform."""
        return cls.model_validate(outputs)
