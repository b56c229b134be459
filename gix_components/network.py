"""The network of the services."""

import ipaddress
from collections.abc import Collection
from typing import Any

import pulumi
import pulumi_docker as docker
from pulumi import ResourceHook, ResourceHookArgs, ResourceHookBinding, ResourceHookOptions

from gix_components.ordering import output_after, value_after
from gix_model.environment import STACK_LABEL, Environment


class NetworkError(Exception):
    """The network cannot be changed as it is configured. The text says why, and what to do."""


class ServiceNetwork(pulumi.ComponentResource):
    """The network with the configured name and subnet (defaults: `gix-network`, 172.28.0.0/16).

    It is a bridge of the engine, or in Swarm an overlay of all nodes.

    `hooks` are those of the Docker network in this component. The network does not change before the outputs `after`
    are known: to replace a network, the provider deletes the containers that use it. The first update of a stack
    replaces nothing, so its network does not wait. With `gix:takeOver` it does, since it may remove other containers.
    """

    subnet: pulumi.Output[str]
    """Address range of the network."""

    def __init__(
        self,
        name: str,
        environment: Environment,
        *,
        hooks: pulumi.ResourceHookBinding | None = None,
        after: Collection[pulumi.Output[Any]] = (),
        opts: pulumi.ResourceOptions | None = None,
    ) -> None:
        inputs, keep = _keep_encryption(f"{name}-keep-encryption", environment)
        creation = _Creation(f"{name}-note-creation")
        own_hooks = pulumi.ResourceHookBinding.merge(keep, creation.hooks)
        super().__init__(
            "gix:docker:Network",
            name,
            inputs,
            pulumi.ResourceOptions.merge(opts, pulumi.ResourceOptions(hooks=own_hooks)),
        )
        self._after = after
        settings = environment.settings.network
        labels = {STACK_LABEL: environment.label} | settings.labels
        network = docker.Network(
            f"{name}-network",
            name=self._name_in_time(environment, creation),
            driver="overlay" if environment.is_swarm else settings.driver,
            ipam_configs=[_addresses(environment)],
            **_overlay(environment),
            labels=[docker.NetworkLabelArgs(label=label, value=value) for label, value in labels.items()],
            opts=pulumi.ResourceOptions(
                parent=self,
                hooks=hooks,
                # A network with a new name would be created first, while the old one still has the address range.
                delete_before_replace=True,
                # Swarm adds options of its own, for which the provider would replace the network.
                ignore_changes=["options"] if settings.encrypted else None,
            ),
        )
        self._network = network
        self.subnet = pulumi.Output.from_input(settings.subnet)
        self.register_outputs({"networkName": self.network_name, "subnet": self.subnet})

    @property
    def network_name(self) -> pulumi.Output[str]:
        """Name of the network. Known after the outputs `after`, so that no container changes before them."""
        return output_after(self._after, self._network.name)

    @property
    def network_id(self) -> pulumi.Output[str]:
        """Id of the network. Known after the outputs `after`."""
        return output_after(self._after, self._network.id)

    async def _name_in_time(self, environment: Environment, creation: "_Creation") -> str:
        # Pulumi runs the hooks of a component before its URN is known.
        await self.urn.future()
        replaces_nothing = creation.is_seen and not environment.settings.take_over
        name = environment.name(environment.settings.network.name)
        return name if replaces_nothing else await value_after(self._after, name)


class _Creation:
    """Notes that an update creates a component. Pulumi does not run its hook in a preview. `name` is the hook's own."""

    def __init__(self, name: str) -> None:
        self.is_seen = False
        self.hooks = ResourceHookBinding(before_create=[ResourceHook(name, self._note)])

    def _note(self, _args: ResourceHookArgs) -> None:
        self.is_seen = True


def _addresses(environment: Environment) -> docker.NetworkIpamConfigArgs:
    subnet = environment.settings.network.subnet
    if not environment.is_swarm:
        return docker.NetworkIpamConfigArgs(subnet=subnet)
    # Swarm chooses a gateway, and each refresh would find a difference.
    return docker.NetworkIpamConfigArgs(subnet=subnet, gateway=str(next(ipaddress.IPv4Network(subnet).hosts())))


def _overlay(environment: Environment) -> dict[str, Any]:
    """The arguments of an overlay that a bridge does not have."""
    if not environment.is_swarm:
        return {}
    encryption = {"options": {"encrypted": ""}} if environment.settings.network.encrypted else {}
    # The trial of the auction is a container on this network.
    return {"attachable": True, **encryption}


def _keep_encryption(name: str, environment: Environment) -> tuple[dict[str, Any] | None, ResourceHookBinding]:
    """Inputs of the component, and hooks that refuse another encryption of an overlay. `name` is the hook's own."""
    if not environment.is_swarm:
        return None, ResourceHookBinding()

    def refuse(args: ResourceHookArgs) -> None:
        before, now = (bool((each or {}).get("encrypted")) for each in (args.old_inputs, args.new_inputs))
        if (args.old_inputs or {}).get("driver") == "overlay" and before != now:
            raise NetworkError(
                f"gix:network.encrypted = {str(now).lower()}: Swarm cannot change it while services use the network. "
                "Nothing has been changed. Set it back, or remove the services first, which interrupts them and keeps "
                "the ledger: pulumi destroy --exclude-protected; pulumi up"
            )

    hook = ResourceHook(name, refuse, ResourceHookOptions(on_dry_run=True))
    inputs = {"driver": "overlay", "encrypted": environment.settings.network.encrypted}
    return inputs, ResourceHookBinding(before_update=[hook])
