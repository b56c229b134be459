"""The network that the services share."""

import pulumi
import pulumi_docker as docker

from gix_model.environment import STACK_LABEL, Environment


class ServiceNetwork(pulumi.ComponentResource):
    """A bridge network with the environment's name and subnet (default `gix-network`, 172.28.0.0/16).

    `hooks` and `depends_on` are those of the network itself.
    """

    network_name: pulumi.Output[str]
    """Its name on the engine."""
    subnet: pulumi.Output[str]
    """Its address range."""

    def __init__(
        self,
        name: str,
        environment: Environment,
        *,
        hooks: pulumi.ResourceHookBinding | None = None,
        depends_on: list[pulumi.Resource] | None = None,
        opts: pulumi.ResourceOptions | None = None,
    ) -> None:
        super().__init__("gix:docker:Network", name, None, opts)
        settings = environment.settings.network
        labels = {STACK_LABEL: environment.label} | settings.labels
        network = docker.Network(
            f"{name}-network",
            name=environment.name(settings.name),
            driver=settings.driver,
            ipam_configs=[docker.NetworkIpamConfigArgs(subnet=settings.subnet)],
            labels=[docker.NetworkLabelArgs(label=label, value=value) for label, value in labels.items()],
            opts=pulumi.ResourceOptions(
                parent=self,
                hooks=hooks,
                depends_on=depends_on,
                # Under a new name it would be made first, and its range would still be the old one's.
                delete_before_replace=True,
            ),
        )
        self.network_name = network.name
        self.subnet = pulumi.Output.from_input(settings.subnet)
        self.register_outputs({"networkName": self.network_name, "subnet": self.subnet})
