"""The platform of one environment: connection to the engine, images, network, ledger and services."""

import functools
from typing import Any

import pulumi
import pulumi_docker

from gix_components.container_failure import explain_failure
from gix_components.edge import Edge
from gix_components.host_ports import release_ports
from gix_components.images import ServiceImages
from gix_components.ledger_volume import LedgerVolume
from gix_components.network import ServiceNetwork
from gix_components.provider import provider
from gix_components.service import Service
from gix_components.swarm_edge import SwarmEdge
from gix_components.takeover import take_over
from gix_model import __version__
from gix_model.catalog import ServiceName
from gix_model.environment import Environment
from gix_model.outputs import NetworkOutputs, ScanOutputs, ServiceOutputs, StackOutputs, VersionOutputs


class GixPlatform(pulumi.ComponentResource):
    """The GIX platform, as configured in `environment`."""

    provider: pulumi_docker.Provider
    """The connection to the engine. A program may use it for its own resources."""
    images: ServiceImages
    network: ServiceNetwork
    ledger: LedgerVolume | None
    """The volume of the ledger; None if the auction does not run."""
    services: dict[ServiceName, Service]
    """The services that run, by name."""
    edge: Edge | SwarmEdge | None
    """The edge, with `gix:rollout.strategy: start-first`."""
    outputs: dict[str, pulumi.Input[Any]]
    """The outputs to export, which gixctl and other stacks read. See gix_model.outputs.StackOutputs."""

    def __init__(self, name: str, environment: Environment, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("gix:docker:Platform", name, None, opts)
        self.provider = provider(f"{name}-engine", environment, pulumi.ResourceOptions(parent=self))
        children = pulumi.ResourceOptions(parent=self, providers=[self.provider])
        clear_the_way = take_over(f"{name}-take-over", environment)

        self.images = ServiceImages(f"{name}-images", environment, opts=children)
        self.services = {
            spec.name: Service(
                f"{name}-{spec.name}", environment, spec, image=self.images.by_service[spec.name], opts=children
            )
            for spec in environment.specs
        }
        # To replace the volume or the network, Pulumi deletes the containers first.
        tried = [service.urn for service in self.services.values()]
        self.ledger = None
        if any(spec.keeps_ledger for spec in environment.specs):
            # A build may take long, or fail. A backup of the ledger that was taken before it would be out of date.
            built = [image.id for image in self.images.by_service.values()]
            self.ledger = LedgerVolume(
                f"{name}-ledger",
                environment,
                after=[*built, *tried],
                opts=pulumi.ResourceOptions(parent=self, providers=[self._ledger_provider(name, environment)]),
            )
        # The ledger is backed up before the containers are deleted.
        backed_up = [self.ledger.volume_name] if self.ledger else []
        self.network = ServiceNetwork(name, environment, hooks=clear_the_way, after=[*tried, *backed_up], opts=children)
        if environment.is_swarm:
            self._declare_swarm(name, environment, children)
        else:
            self._declare_containers(name, environment, children, clear_the_way)
        self.outputs = StackOutputs.export(
            services={
                service: ServiceOutputs.export(
                    containers=each.container_names,
                    swarm_service=each.swarm_name,
                    image=self.images.by_service[service].name,
                    digest=self.images.by_service[service].digest,
                    endpoint=each.endpoint,
                    address=each.address,
                )
                for service, each in self.services.items()
            },
            network=NetworkOutputs.export(name=self.network.network_name, subnet=self.network.subnet),
            volume=self.ledger.volume_name if self.ledger else None,
            versions=VersionOutputs.export(program=__version__, images=environment.settings.images.tag),
            scan=ScanOutputs.export(fail_on=environment.settings.images.fail_on),
            edge=self._edge_name,
            label=environment.label,
            engine=environment.settings.engine.model_dump(by_alias=True),
        )
        self.register_outputs(self.outputs)

    @property
    def _edge_name(self) -> pulumi.Output[str] | None:
        match self.edge:
            case SwarmEdge(service_name=name) | Edge(container_name=name):
                return name
        return None

    def _ledger_provider(self, name: str, environment: Environment) -> pulumi_docker.Provider:
        """The connection to the engine with the ledger's volume. In Swarm, it may be that of another node."""
        if not environment.has_ledger_elsewhere:
            return self.provider
        own, engine = pulumi.ResourceOptions(parent=self), environment.ledger_engine
        return provider(f"{name}-ledger-engine", environment, own, engine=engine)

    def _ledger_of(self, service: Service) -> pulumi.Output[str] | None:
        return self.ledger.volume_name if self.ledger and service.spec.keeps_ledger else None

    def _declare_containers(
        self,
        name: str,
        environment: Environment,
        children: pulumi.ResourceOptions,
        clear_the_way: pulumi.ResourceHookBinding,
    ) -> None:
        release = release_ports(f"{name}-release-ports", environment)
        explain = explain_failure(f"{name}-explain-failure", environment)
        hooks = functools.reduce(pulumi.ResourceHookBinding.merge, (clear_the_way, release, explain))
        edge = None
        if environment.has_edge:
            edge = Edge(f"{name}-edge", environment, network=self.network.network_name, hooks=hooks, opts=children)
        for service in self.services.values():
            service.declare_containers(
                network=self.network.network_name, volume=self._ledger_of(service), edge=edge, hooks=hooks
            )
        self.edge = edge

    def _declare_swarm(self, name: str, environment: Environment, children: pulumi.ResourceOptions) -> None:
        self.edge = SwarmEdge(f"{name}-edge", environment, network=self.network.network_id, opts=children)
        for service in self.services.values():
            service.declare_tasks(network=self.network.network_id, volume=self._ledger_of(service))
