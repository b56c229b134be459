"""The edge: HAProxy in a container that publishes the ports of all services, with `gix:rollout.strategy: start-first`.

The host names of the services are those of the edge. It finds the containers of a service by the engine's DNS, under
the host name of the service and `-backend`, so that a second container of a service gets requests without a change of
the edge. `gix_components.handover` tells it which container to leave out before that container is deleted.
"""

import pulumi
import pulumi_docker

from gix_components import haproxy, health_check
from gix_components.edge_check import settings_of_the_edge
from gix_components.edge_parts import EdgeParts
from gix_engine.haproxy_runtime import RUNTIME_API_PORT
from gix_model import container_inputs
from gix_model.environment import EDGE_LABEL, STACK_LABEL, Environment


class Edge(pulumi.ComponentResource):
    """The container of HAProxy, on the `network` of the services. `hooks` are bound to the container."""

    container_name: pulumi.Output[str]
    """Name of the container."""
    container_id: pulumi.Output[str]
    """Id of the container."""

    def __init__(
        self,
        name: str,
        environment: Environment,
        *,
        network: pulumi.Input[str],
        hooks: pulumi.ResourceHookBinding,
        opts: pulumi.ResourceOptions | None = None,
    ) -> None:
        super().__init__("gix:docker:Edge", name, None, opts)
        settings = settings_of_the_edge(environment)
        parts = EdgeParts.declare(name, environment, parent=self)
        tls = None if parts.certificate is None else haproxy.Tls(certificate=parts.certificate)
        labels = {STACK_LABEL: environment.label, EDGE_LABEL: "haproxy"}
        container = pulumi_docker.Container(
            f"{name}-container",
            name=environment.edge_name,
            image=parts.check.image,
            command=["sh", "-c", haproxy.COMMAND],
            envs=[f"{haproxy.VARIABLE}={haproxy.configuration(environment, tls)}"],
            healthcheck=health_check.arguments(health_check.tcp_probe(RUNTIME_API_PORT), settings.health_check),
            working_dir="/",
            hostname="edge",
            sysctls=haproxy.SYSCTLS,
            ports=[
                pulumi_docker.ContainerPortArgs(
                    internal=each.internal, external=each.external, ip=each.address, protocol="tcp"
                )
                for each in environment.published
            ],
            volumes=[]
            if parts.volume is None
            else [
                pulumi_docker.ContainerVolumeArgs(
                    volume_name=parts.volume, container_path=haproxy.CERTIFICATES, read_only=True
                )
            ],
            networks_advanced=[
                pulumi_docker.ContainerNetworksAdvancedArgs(
                    name=network, aliases=["edge", *(spec.hostname for spec in environment.specs)]
                )
            ],
            labels=[pulumi_docker.ContainerLabelArgs(label=label, value=value) for label, value in labels.items()],
            must_run=True,
            wait=True,
            wait_timeout=health_check.wait_seconds(settings.health_check),
            **container_inputs.declared(settings),
            opts=pulumi.ResourceOptions(
                parent=self,
                replace_on_changes=container_inputs.replaced_on_changes(settings),
                delete_before_replace=True,
                hooks=pulumi.ResourceHookBinding.merge(hooks, parts.check.before_the_container),
            ),
        )
        self.container_name = container.name
        self.container_id = container.id
        self.register_outputs({"containerName": self.container_name})
