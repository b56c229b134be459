"""`docker.Network`."""

import time
from typing import Any, ClassVar, Final

from offline.docker_plugin.engine import Engine
from offline.docker_plugin.errors import PluginError, readable
from offline.docker_plugin.resources.base import Context, Resource, State, labels_from, labels_to, remove_when_free
from offline.docker_plugin.resources.records import element
from offline.docker_plugin.resources.volume import LABEL
from offline.docker_plugin.schema import Kind, Prop, ResourceSchema
from offline.docker_plugin.values import Props, Value

_OVERLAY: Final = "overlay"
_OVERLAY_ID: Final = "com.docker.network.driver.overlay.vxlanid_list"
_READ_DELAY_SECONDS: Final = 2.0
_ALLOCATION_POLL_SECONDS: Final = 0.1

_IPAM_CONFIG = {
    "auxAddress": Prop(kind=Kind.MAP, force_new=True),
    "gateway": Prop(force_new=True),
    "ipRange": Prop(force_new=True),
    "subnet": Prop(force_new=True),
}


class Network(Resource):
    """A network. Every change replaces it.

    Of an overlay, a refresh finds a gateway that the program does not state, and the next update replaces it.
    """

    schema: ClassVar = ResourceSchema(
        inputs={
            "attachable": Prop(force_new=True),
            "driver": Prop(force_new=True, computed=True),
            "ingress": Prop(force_new=True),
            "internal": Prop(force_new=True, computed=True),
            "ipamConfigs": Prop(kind=Kind.SET, force_new=True, computed=True, fields=_IPAM_CONFIG),
            "ipamDriver": Prop(force_new=True, default="default"),
            "ipamOptions": Prop(kind=Kind.MAP, force_new=True),
            "ipv6": Prop(force_new=True),
            "labels": Prop(kind=Kind.SET, force_new=True, fields=LABEL),
            "name": Prop(force_new=True),
            "options": Prop(kind=Kind.MAP, force_new=True, computed=True),
        },
        outputs=("scope",),
        form='{"schema_version":"1"}',
    )

    def create(self, context: Context, inputs: Props) -> State:
        """Create the network. An existing one of that name is an error."""
        from docker.errors import APIError

        api = context.engine.api
        try:
            made = api.create_network(
                inputs["name"],
                driver=inputs.get("driver"),
                options=inputs.get("options"),
                ipam=_ipam(inputs),
                check_duplicate=True,
                internal=bool(inputs.get("internal")),
                labels=labels_to(inputs.get("labels")),
                enable_ipv6=bool(inputs.get("ipv6")),
                attachable=bool(inputs.get("attachable")),
                ingress=bool(inputs.get("ingress")),
            )
        except APIError as error:
            raise PluginError(f"Unable to create network: {readable(error)}") from error
        is_overlay = inputs.get("driver") == _OVERLAY
        found = _outputs(_allocated(context.engine, made["Id"]) if is_overlay else api.inspect_network(made["Id"]))
        # Only a refresh reads the subnets from the engine.
        stated = inputs.get("ipamConfigs")
        return State(
            made["Id"], found | ({"ipamConfigs": [element(_IPAM_CONFIG, each) for each in stated]} if stated else {})
        )

    def read(self, context: Context, resource_id: str, *, inputs: Props, outputs: Props) -> State | None:
        """Read the network."""
        from docker.errors import NotFound

        del outputs
        try:
            network = context.engine.api.inspect_network(resource_id)
        except NotFound:
            return None
        if network["Id"] != resource_id:
            return None
        found = _outputs(network)
        return State(resource_id, found, self.read_inputs(inputs, found))

    def update(self, context: Context, resource_id: str, *, inputs: Props, outputs: Props) -> Props:
        """Record the changes."""
        del context, resource_id
        return self.planned(inputs, outputs)

    def delete(self, context: Context, resource_id: str, outputs: Props) -> None:
        """Remove the network when no container is connected to it."""
        api = context.engine.api
        remove_when_free(
            f"network {outputs.get('name')}", lambda: api.remove_network(resource_id), busy="has active endpoints"
        )


def _allocated(engine: Engine, network_id: str) -> dict[str, Any]:
    """Inspect an overlay once Swarm has allocated it, or after the time that the official plugin waits.

    Before that, it has no options, and at times no driver.
    """
    deadline = time.monotonic() + _READ_DELAY_SECONDS
    while True:
        network: dict[str, Any] = engine.api.inspect_network(network_id)
        if _OVERLAY_ID in (network["Options"] or {}) or time.monotonic() >= deadline:
            return network
        time.sleep(_ALLOCATION_POLL_SECONDS)


def _ipam(inputs: Props) -> dict[str, Any]:
    return {
        "Driver": inputs.get("ipamDriver"),
        "Options": inputs.get("ipamOptions"),
        "Config": [_ipam_config(config) for config in inputs.get("ipamConfigs") or []],
    }


def _ipam_config(config: Props) -> dict[str, Value]:
    stated = {
        "Subnet": config.get("subnet"),
        "IPRange": config.get("ipRange"),
        "Gateway": config.get("gateway"),
        "AuxiliaryAddresses": config.get("auxAddress"),
    }
    return {name: value for name, value in stated.items() if value}


def _outputs(network: dict[str, Any]) -> Props:
    ipam = network["IPAM"]
    return {
        "attachable": network["Attachable"],
        "driver": network["Driver"],
        "ingress": network["Ingress"],
        "internal": network["Internal"],
        "ipamConfigs": [
            {
                "auxAddress": config.get("AuxiliaryAddresses") or {},
                "gateway": config.get("Gateway", ""),
                "ipRange": config.get("IPRange", ""),
                "subnet": config.get("Subnet", ""),
            }
            for config in ipam["Config"] or []
        ],
        "ipamDriver": ipam["Driver"],
        "ipamOptions": ipam["Options"] or None,
        "ipv6": network["EnableIPv6"],
        "labels": labels_from(network["Labels"]),
        "name": network["Name"],
        "options": network["Options"] or {},
        "scope": network["Scope"],
    }
