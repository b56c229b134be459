"""`docker.Container`."""

import time
from collections.abc import Collection, Mapping
from typing import Any, ClassVar, Final

from pulumi.provider.experimental.provider import PropertyDiffKind

from offline.docker_plugin.diff import Changes, top_level
from offline.docker_plugin.engine import Engine
from offline.docker_plugin.errors import PartialFailureError, PluginError, readable
from offline.docker_plugin.registry import find_or_pull
from offline.docker_plugin.resources.base import Context, Resource, State, without_defaults
from offline.docker_plugin.resources.container_config import (
    CAPABILITIES,
    DEFAULT_NETWORK,
    HEALTHCHECK,
    HOST,
    MEBIBYTE,
    NETWORK,
    PORT,
    ULIMIT,
    VOLUME,
    engine_config,
    read_outputs,
)
from offline.docker_plugin.resources.volume import LABEL
from offline.docker_plugin.rules import no_empty_words, number, one_of
from offline.docker_plugin.schema import Kind, Prop, ResourceSchema
from offline.docker_plugin.values import Props

_HEALTH_POLL_SECONDS: Final = 1.0

_LIVE: Final = frozenset(
    {"restart", "maxRetryCount", "cpuShares", "cpuSet", "memory", "memorySwap", "memoryReservation"}
)
"""Inputs that the engine can change on a running container."""

_NOT_READ_ON_IMPORT: Final = ("envs", "labels", "networksAdvanced", "ports", "volumes")


class Container(Resource):
    """A container.

    Most changes replace it. Some are applied to the running container. Changes of `healthcheck`, `tmpfs`, `init`,
    `cpuPeriod` and `cpuQuota` are recorded and never applied.
    """

    schema: ClassVar = ResourceSchema(
        inputs={
            "attach": Prop(supported=False),
            "capabilities": Prop(kind=Kind.OBJECT, force_new=True, fields=CAPABILITIES),
            "cgroupParent": Prop(supported=False),
            "cgroupnsMode": Prop(supported=False),
            "command": Prop(kind=Kind.LIST, force_new=True, computed=True, rule=no_empty_words),
            "containerReadRefreshTimeoutMilliseconds": Prop(default=15000),
            "cpuPeriod": Prop(),
            "cpuQuota": Prop(),
            "cpuSet": Prop(),
            "cpuShares": Prop(),
            "cpus": Prop(force_new=True, rule=number),
            "destroyGraceSeconds": Prop(),
            "deviceCgroupRules": Prop(kind=Kind.SET, supported=False),
            "deviceReadBps": Prop(kind=Kind.SET, supported=False),
            "deviceReadIops": Prop(kind=Kind.SET, supported=False),
            "deviceRequests": Prop(kind=Kind.SET, supported=False),
            "deviceWriteBps": Prop(kind=Kind.SET, supported=False),
            "deviceWriteIops": Prop(kind=Kind.SET, supported=False),
            "devices": Prop(kind=Kind.SET, supported=False),
            "dns": Prop(kind=Kind.SET, force_new=True),
            "dnsOpts": Prop(kind=Kind.SET, force_new=True),
            "dnsSearches": Prop(kind=Kind.SET, force_new=True),
            "domainname": Prop(force_new=True),
            "entrypoints": Prop(kind=Kind.LIST, force_new=True, computed=True),
            "envs": Prop(kind=Kind.SET, force_new=True, computed=True),
            "gpus": Prop(supported=False),
            "groupAdds": Prop(kind=Kind.SET, force_new=True),
            "healthcheck": Prop(kind=Kind.OBJECT, computed=True, fields=HEALTHCHECK),
            "hostname": Prop(force_new=True, computed=True),
            "hosts": Prop(kind=Kind.SET, force_new=True, fields=HOST),
            "image": Prop(force_new=True, required=True),
            "init": Prop(computed=True),
            "ipcMode": Prop(force_new=True, computed=True),
            "labels": Prop(kind=Kind.SET, force_new=True, computed=True, fields=LABEL),
            "logDriver": Prop(force_new=True, computed=True),
            "logOpts": Prop(kind=Kind.MAP, force_new=True),
            "logs": Prop(supported=False),
            "maxRetryCount": Prop(),
            "memory": Prop(rule=number),
            "memoryReservation": Prop(),
            "memorySwap": Prop(),
            "mounts": Prop(kind=Kind.SET, supported=False),
            "mustRun": Prop(default=True),
            "name": Prop(force_new=True),
            "networkMode": Prop(force_new=True, default=DEFAULT_NETWORK),
            "networksAdvanced": Prop(kind=Kind.SET, force_new=True, fields=NETWORK),
            "pidMode": Prop(force_new=True),
            "platform": Prop(computed=True, supported=False),
            "ports": Prop(kind=Kind.SET, force_new=True, fields=PORT),
            "privileged": Prop(force_new=True),
            "publishAllPorts": Prop(force_new=True),
            "readOnly": Prop(force_new=True),
            "removeVolumes": Prop(default=True),
            "restart": Prop(default="no", rule=one_of("no", "on-failure", "always", "unless-stopped")),
            "rm": Prop(),
            "runtime": Prop(force_new=True, computed=True),
            "securityOpts": Prop(kind=Kind.SET, force_new=True, computed=True),
            "shmSize": Prop(force_new=True, computed=True),
            "start": Prop(default=True),
            "stdinOpen": Prop(force_new=True),
            "stopSignal": Prop(force_new=True, computed=True),
            "stopTimeout": Prop(force_new=True, computed=True),
            "storageOpts": Prop(kind=Kind.MAP, force_new=True),
            "sysctls": Prop(kind=Kind.MAP, force_new=True),
            "tmpfs": Prop(kind=Kind.MAP),
            "tty": Prop(force_new=True),
            "ulimits": Prop(kind=Kind.SET, force_new=True, fields=ULIMIT),
            "uploads": Prop(kind=Kind.SET, supported=False),
            "user": Prop(force_new=True, computed=True),
            "usernsMode": Prop(force_new=True),
            "volumes": Prop(kind=Kind.SET, force_new=True, fields=VOLUME),
            "wait": Prop(),
            "waitTimeout": Prop(default=60),
            "workingDir": Prop(force_new=True, computed=True),
        },
        outputs=("bridge", "containerLogs", "exitCode", "networkDatas"),
        delete_first=True,
        form='{"e2bfb730-ecaa-11e6-8f88-34363bc7c4c0":{"create":1200000000000,"delete":1200000000000,'
        '"update":1200000000000},"schema_version":"2"}',
    )

    def diff(self, *, old_outputs: Props, inputs: Props, ignored: Collection[str]) -> Changes:
        """Find what an update would change.

        A container that did not come up was never read: an update replaces it, for what the state does not know of it.
        """
        found = super().diff(old_outputs=old_outputs, inputs=inputs, ignored=ignored)
        if "networkDatas" in old_outputs:
            return found
        unread = {"networkDatas": PropertyDiffKind.ADD}
        return found | unread | ({} if "entrypoints" in old_outputs else {"entrypoints": PropertyDiffKind.ADD_REPLACE})

    def create(self, context: Context, inputs: Props) -> State:
        """Create and start the container, and wait until it is healthy if `wait` is set."""
        from docker.errors import APIError

        engine, image = context.engine, str(inputs["image"])
        try:
            find_or_pull(engine, image)
        except PluginError as error:
            raise PluginError(f"Unable to create container with image {image}: {error}") from error
        try:
            made = engine.api.create_container_from_config(engine_config(inputs), inputs["name"])
        except APIError as error:
            raise PluginError(f"Unable to create container: {readable(error)}") from error
        container_id: str = made["Id"]
        try:
            _connect(engine, container_id, inputs)
            _start(engine, container_id, inputs)
        except PluginError as error:
            outputs = self.planned(inputs, {})
            raise PartialFailureError(str(error), resource_id=container_id, outputs=outputs) from error
        found = self._outputs(engine.api.inspect_container(container_id), stated=inputs)
        # Only a refresh reads the hosts from the engine.
        return State(container_id, found | {"hosts": without_defaults(inputs.get("hosts") or [])})

    def read(self, context: Context, resource_id: str, *, inputs: Props, outputs: Props) -> State | None:
        """Read the container."""
        from docker.errors import NotFound

        try:
            container = context.engine.api.inspect_container(resource_id)
        except NotFound:
            return None
        if container["Id"] != resource_id:
            return None
        found = self._outputs(container, stated=_intended(inputs, outputs))
        if not outputs:
            found |= dict.fromkeys(_NOT_READ_ON_IMPORT)
        return State(resource_id, found, self.read_inputs(inputs, found))

    def update(self, context: Context, resource_id: str, *, inputs: Props, outputs: Props) -> Props:
        """Apply the changes that are possible on a running container. Record the others without applying them."""
        from docker.errors import APIError

        found = self.diff(old_outputs=outputs, inputs=inputs, ignored=())
        if "mustRun" in found and inputs["mustRun"] and inputs["start"]:
            try:
                context.engine.api.start(resource_id)
            except APIError as error:
                raise PluginError(f"Unable to start container: {readable(error)}") from error
        if _LIVE & {top_level(path) for path in found}:
            try:
                context.engine.api.update_container(
                    resource_id,
                    cpu_shares=inputs.get("cpuShares"),
                    cpuset_cpus=inputs.get("cpuSet"),
                    mem_limit=_bytes(inputs.get("memory")),
                    mem_reservation=_bytes(inputs.get("memoryReservation")),
                    memswap_limit=_bytes(inputs.get("memorySwap")),
                    restart_policy={
                        "Name": inputs["restart"],
                        "MaximumRetryCount": inputs.get("maxRetryCount") or 0,
                    },
                )
            except APIError as error:
                raise PluginError(f"Unable to update a container: {readable(error)}") from error
        return self.planned(inputs, outputs)

    def delete(self, context: Context, resource_id: str, outputs: Props) -> None:
        """Stop and remove the container."""
        from docker.errors import APIError, NotFound

        if outputs.get("rm"):
            return
        api = context.engine.api
        try:
            api.stop(resource_id, timeout=outputs.get("destroyGraceSeconds") or 0)
            api.remove_container(resource_id, v=outputs.get("removeVolumes") is not False, force=True)
        except NotFound:
            return
        except APIError as error:
            if "is already in progress" not in str(error.explanation):
                raise PluginError(f"Error deleting container {resource_id}: {readable(error)}") from error

    def _outputs(self, container: dict[str, Any], *, stated: Props) -> Props:
        return self.planned(stated, {}) | dict.fromkeys(self.schema.outputs) | read_outputs(container, stated)


def _intended(inputs: Props, outputs: Props) -> Props:
    """Return the intended container: the outputs, with `mustRun` as stated, since a read changes that output."""
    intended = {name: value for name, value in outputs.items() if value is not None}
    return intended | ({"mustRun": inputs["mustRun"]} if "mustRun" in inputs else {"mustRun": True})


def _connect(engine: Engine, container_id: str, inputs: Props) -> None:
    from docker.errors import APIError

    networks = inputs.get("networksAdvanced") or []
    if networks and inputs.get("networkMode") == DEFAULT_NETWORK:
        try:
            engine.api.disconnect_container_from_network(container_id, DEFAULT_NETWORK)
        except APIError as error:
            if "is not connected to" not in str(error.explanation):
                raise PluginError(f"Unable to disconnect the default network: {readable(error)}") from error
    for network in networks:
        try:
            engine.api.connect_container_to_network(
                container_id,
                network["name"],
                aliases=network.get("aliases"),
                ipv4_address=network.get("ipv4Address"),
                ipv6_address=network.get("ipv6Address"),
                link_local_ips=network.get("linkLocalIps"),
                mac_address=network.get("macAddress"),
            )
        except APIError as error:
            raise PluginError(f"Unable to connect to network '{network['name']}': {readable(error)}") from error


def _start(engine: Engine, container_id: str, inputs: Props) -> None:
    from docker.errors import APIError

    if not inputs.get("start"):
        return
    try:
        engine.api.start(container_id)
    except APIError as error:
        raise PluginError(f"Unable to start container: {readable(error)}") from error
    if inputs.get("wait"):
        _wait_until_healthy(engine, container_id, timeout_seconds=float(inputs["waitTimeout"]))


def _wait_until_healthy(engine: Engine, container_id: str, *, timeout_seconds: float) -> None:
    deadline = time.monotonic() + timeout_seconds
    while True:
        state: Mapping[str, Any] = engine.api.inspect_container(container_id)["State"]
        if "Health" not in state:
            raise PluginError(
                "you have supplied a 'wait' argument, but neither the container nor its image has a healthcheck: "
                "state 'healthcheck', or leave 'wait' out"
            )
        if state["Health"]["Status"] == "healthy":
            return
        # As in the official plugin, a container that exits or is unhealthy does not end the wait.
        if time.monotonic() + _HEALTH_POLL_SECONDS > deadline:
            raise PluginError("container failed to be in healthy state")
        time.sleep(_HEALTH_POLL_SECONDS)


def _bytes(mebibytes: int | None) -> int | None:
    if mebibytes is None:
        return None
    return mebibytes * MEBIBYTE if mebibytes > 0 else mebibytes
