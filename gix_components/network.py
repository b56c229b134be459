"""The network of the services."""

from collections.abc import Collection
from typing import Any

import pulumi
import pulumi_docker as docker

from gix_components.ordering import value_after
from gix_model.environment import STACK_LABEL, Environment


class ServiceNetwork(pulumi.ComponentResource):
    """A bridge network with the configured name and subnet (defaults: `gix-network`, 172.28.0.0/16).

    `hooks` and `depends_on` are options of the Docker network in this component. It does not change before `after`: to
    replace a network, the provider deletes the containers that use it.
    """

    network_name: pulumi.Output[str]
    """Name of the network."""
    subnet: pulumi.Output[str]
    """Address range of the network."""

    def __init__(
        self,
        name: str,
        environment: Environment,
        *,
        hooks: pulumi.ResourceHookBinding | None = None,
        depends_on: list[pulumi.Resource] | None = None,
        after: Collection[pulumi.Output[Any]] = (),
        opts: pulumi.ResourceOptions | None = None,
    ) -> None:
        super().__init__("gix:docker:Network", name, None, opts)
        settings = environment.settings.network
        labels = {STACK_LABEL: environment.label} | settings.labels
        network = docker.Network(
            f"{name}-network",
            name=value_after(after, environment.name(settings.name)),
            driver=settings.driver,
            ipam_configs=[docker.NetworkIpamConfigArgs(subnet=settings.subnet)],
            labels=[docker.NetworkLabelArgs(label=label, value=value) for label, value in labels.items()],
            opts=pulumi.ResourceOptions(
                parent=self,
                hooks=hooks,
                depends_on=depends_on,
                # A network with a new name would be created first, while the old one still has the address range.
                delete_before_replace=True,
            ),
        )
        self.network_name = network.name
        self.subnet = pulumi.Output.from_input(settings.subnet)
        self.register_outputs({"networkName": self.network_name, "subnet": self.subnet})
