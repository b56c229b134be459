"""One service: in one container, in several that are equal, or as a service of Swarm."""

from datetime import timedelta

import pulumi
import pulumi_docker as docker

from gix_components import health_check, swarm_service, trial
from gix_components.edge import Edge
from gix_components.handover import HandOver, withdraw_failed
from gix_components.images import ImageHandle
from gix_components.ordering import value_after
from gix_components.trial import Successor
from gix_model import container_inputs
from gix_model.catalog import DATA_DIRECTORY, ServiceSpec
from gix_model.environment import SERVICE_LABEL, STACK_LABEL, Environment
from gix_model.settings import ServiceSettings


class Service(pulumi.ComponentResource):
    """The containers or tasks that run one service, on the network of the platform under the service's host name.

    `pulumi up` waits until they are healthy. If one does not become healthy, the update fails and shows the end of its
    log. Before they are replaced, a successor is tried: see `gix_components.trial`. The component is declared in two
    steps: first the component itself, whose hook is the trial, and when the network and the volume are declared, the
    containers, or the service of Swarm.
    """

    spec: ServiceSpec
    container_names: list[pulumi.Output[str]]
    """Names of the containers; none in Swarm, which makes and removes them."""
    swarm_name: pulumi.Output[str] | None
    """Name of the service in Swarm; None in containers."""
    endpoint: str | None
    """HOST:PORT that the host publishes; None if the service is not published."""
    address: str
    """HOST:PORT inside the network."""

    def __init__(
        self,
        name: str,
        environment: Environment,
        spec: ServiceSpec,
        *,
        image: ImageHandle,
        opts: pulumi.ResourceOptions | None = None,
    ) -> None:
        settings = environment.services[spec.name]
        successor = Successor(
            environment=environment,
            spec=spec,
            command=[spec.binary],
            probe=health_check.probe(spec, settings.health_check),
            variables=_variables(spec, settings),
            healthy_within=timedelta(seconds=health_check.wait_seconds(settings.health_check)),
        )
        hooks = trial.try_before_replacement(f"{name}-trial", successor)
        super().__init__(
            "gix:docker:Service",
            name,
            # The engine that tries the successor of a Swarm's task may not have the image yet.
            successor.inputs(image.digest if environment.is_swarm else image.id),
            pulumi.ResourceOptions.merge(opts, pulumi.ResourceOptions(hooks=hooks)),
        )
        self.spec = spec
        self._name, self._environment, self._image = name, environment, image

    def declare_containers(
        self,
        *,
        network: pulumi.Input[str],
        volume: pulumi.Input[str] | None,
        edge: Edge | None,
        hooks: pulumi.ResourceHookBinding,
    ) -> None:
        """Declare the containers. They change after `network` and `volume`, and these after the trials of all services.

        `volume` is the name of the ledger's volume, for the service that writes it. `edge` publishes the ports, if
        there is one; the containers change after it. `hooks` are bound to each container.
        """
        environment, spec = self._environment, self.spec
        if environment.starts_first(spec):
            withdraw = withdraw_failed(f"{self._name}-withdraw", environment, spec)
            hooks = pulumi.ResourceHookBinding.merge(hooks, withdraw)
        containers = [
            self._container(number, network=network, volume=volume, edge=edge, hooks=hooks)
            for number in range(1, environment.replicas(spec) + 1)
        ]
        if environment.starts_first(spec):
            HandOver(
                f"{self._name}-hand-over",
                environment,
                spec,
                containers=[each.id for each in containers],
                opts=pulumi.ResourceOptions(parent=self),
            )
        self.container_names, self.swarm_name = [each.name for each in containers], None
        self._register()

    def declare_tasks(self, *, network: pulumi.Input[str], volume: pulumi.Input[str] | None) -> None:
        """Declare the service of Swarm, as `declare_containers` does for containers. `network` is the network's id."""
        self.container_names = []
        self.swarm_name = swarm_service.declare(
            self._name,
            self._environment,
            self.spec,
            image=self._image.digest,
            variables=_plain_variables(self.spec, self._environment.services[self.spec.name]),
            network=network,
            volume=volume,
            parent=self,
        )
        self._register()

    def _register(self) -> None:
        spec, settings = self.spec, self._environment.services[self.spec.name]
        port = self._environment.host_port(spec)
        self.endpoint = None if port is None else f"{_reachable(settings.bind_address)}:{port}"
        self.address = f"{spec.hostname}:{spec.port}"
        self.register_outputs(
            {"containerNames": self.container_names, "endpoint": self.endpoint, "address": self.address}
        )

    def _container(
        self,
        number: int,
        *,
        network: pulumi.Input[str],
        volume: pulumi.Input[str] | None,
        edge: Edge | None,
        hooks: pulumi.ResourceHookBinding,
    ) -> docker.Container:
        """One of the containers, which have the numbers from 1 on."""
        environment, spec, settings = self._environment, self.spec, self._environment.services[self.spec.name]
        labels = {STACK_LABEL: environment.label, SERVICE_LABEL: spec.name} | settings.labels
        first, host = environment.starts_first(spec), environment.backend_host(spec)
        # The provider adds a random suffix to the name of a resource, if there is no name of its own.
        named, suffixed = f"{self._name}-container", environment.name(spec.container)
        name, former = (suffixed, named) if first else (named, suffixed)
        return docker.Container(
            name if number == 1 else f"{name}-{number}",
            name=None if first else environment.name(spec.container),
            image=self._image.id,
            # The image has the same values. They are stated because the provider does not notice when one is removed.
            command=[spec.binary],
            healthcheck=health_check.arguments(health_check.probe(spec, settings.health_check), settings.health_check),
            working_dir="/",
            hostname=host if edge is None else value_after([edge.container_id], host),
            envs=_environment_inputs(spec, settings),
            ports=_ports(environment, spec) if edge is None else [],
            networks_advanced=[docker.ContainerNetworksAdvancedArgs(name=network, aliases=[host])],
            volumes=[]
            if volume is None
            else [docker.ContainerVolumeArgs(volume_name=volume, container_path=DATA_DIRECTORY)],
            labels=[docker.ContainerLabelArgs(label=label, value=value) for label, value in labels.items()],
            must_run=True,
            wait=True,
            wait_timeout=health_check.wait_seconds(settings.health_check),
            **container_inputs.declared(settings),
            opts=pulumi.ResourceOptions(
                parent=self,
                replace_on_changes=container_inputs.replaced_on_changes(settings),
                delete_before_replace=not first,
                hooks=hooks,
                aliases=[pulumi.Alias(name=former)] if number == 1 else [],
            ),
        )


def _plain_variables(spec: ServiceSpec, settings: ServiceSettings) -> dict[str, str]:
    """The environment of the container, without its secrets."""
    plain = {"RUST_LOG": settings.rust_log, "RUST_BACKTRACE": settings.rust_backtrace}
    if spec.keeps_ledger:
        plain["GIX_DATA_DIR"] = DATA_DIRECTORY
    return plain | settings.environment


def _variables(spec: ServiceSpec, settings: ServiceSettings) -> dict[str, str]:
    """The environment of the container, with its secrets."""
    secrets = {name: value.get_secret_value() for name, value in settings.secret_environment.items()}
    return _plain_variables(spec, settings) | secrets


def _environment_inputs(spec: ServiceSpec, settings: ServiceSettings) -> list[pulumi.Input[str]]:
    return [
        pulumi.Output.secret(f"{name}={value}") if name in settings.secret_environment else f"{name}={value}"
        for name, value in _variables(spec, settings).items()
    ]


def _ports(environment: Environment, spec: ServiceSpec) -> list[docker.ContainerPortArgs]:
    return [
        docker.ContainerPortArgs(internal=each.internal, external=each.external, ip=each.address, protocol="tcp")
        for each in environment.host_ports(spec)
    ]


def _reachable(bind_address: str) -> str:
    return "127.0.0.1" if bind_address == "0.0.0.0" else bind_address  # noqa: S104 - compared, not bound
