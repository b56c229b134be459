"""Hands the requests of a service over to its new container, before the old one is deleted.

A component has the ids of the containers as its input. A hook of the component runs when one of them changes: after the
new containers are healthy, and before others are deleted. It waits until the edge sends requests to all of them. Then
the edge leaves the other containers of the service out ("drain"), and the hook waits until their requests have ended.
If that fails, the update ends, all containers stay, and the next update tries again.

When the engine has deleted an old container, its place in the edge is free for the next one. HAProxy keeps the state
"drain" of a free place, so a process in the edge's container sets it back.
"""

import asyncio
import csv
import time
from collections.abc import Iterable, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from datetime import timedelta

import pulumi
from docker.errors import APIError, DockerException
from docker.models.containers import Container
from pulumi import ErrorHook, ErrorHookArgs, ResourceHook, ResourceHookArgs, ResourceHookBinding

from gix_engine import connection, haproxy_runtime
from gix_model.catalog import ServiceSpec
from gix_model.environment import HELPER_LABEL, SERVICE_LABEL, STACK_LABEL, Environment

SEES_WITHIN = timedelta(seconds=15)
"""How long the edge may take until it sends requests to a new container."""

_POLL_SECONDS = 0.2
_UP = "2"
"""The operational state of a server that gets requests, in `show servers state`."""
_READY_WHEN_FREE = f"""
command() {{
{haproxy_runtime.COMMAND}
}}
while command "show servers state $1" | grep -q " $2 $3 "; do sleep 0.2; done
command "set server $1/$2 state ready"
"""


class HandOverError(Exception):
    """The edge does not send requests to a new container. The old ones are not deleted."""


@dataclass(frozen=True, kw_only=True)
class Server:
    """A place for a container in a backend of the edge. `address` is that of its container, or `-`."""

    backend: str
    name: str
    address: str
    is_up: bool


@dataclass(frozen=True)
class RuntimeApi:
    """HAProxy's runtime API, in the edge's container."""

    edge: Container

    def command(self, text: str) -> str:
        """Run a command and return its answer. Raises docker.errors.DockerException if the edge does not run."""
        return haproxy_runtime.command(self.edge, text)

    def servers(self) -> list[Server]:
        """The servers of all backends. Raises docker.errors.DockerException if the edge does not list them."""
        return read_servers(self.command("show servers state").splitlines())

    def requests(self, server: Server) -> int:
        """How many requests a server has at the moment."""
        rows = csv.DictReader(self.command(f"show stat {server.backend} 4 -1").lstrip("# ").splitlines())
        return sum(int(row["scur"] or 0) for row in rows if row["svname"] == server.name)

    def drain(self, server: Server) -> None:
        """Send no more requests to a server."""
        self.command(f"set server {server.backend}/{server.name} state drain")

    def ready_when_free(self, server: Server) -> None:
        """Let the next container that takes the server's place get requests, as soon as this one is gone."""
        script = ["bash", "-c", _READY_WHEN_FREE, "ready", server.backend, server.name, server.address]
        self.edge.exec_run(script, detach=True)


class HandOver(pulumi.ComponentResource):
    """Hands the requests of a service over to the containers with the ids `containers`.

    Pulumi's state records the ids only if that succeeds, so the next update tries again after a failure.
    """

    def __init__(
        self,
        name: str,
        environment: Environment,
        spec: ServiceSpec,
        *,
        containers: list[pulumi.Output[str]],
        opts: pulumi.ResourceOptions | None = None,
    ) -> None:
        async def attempt(args: ResourceHookArgs) -> None:
            # In a thread, so that several services are handed over at the same time.
            await asyncio.to_thread(run, environment, spec, list((args.new_inputs or {})["containers"]))

        hook = ResourceHook(name, attempt)
        hooks = ResourceHookBinding(before_create=[hook], before_update=[hook])
        super().__init__(
            "gix:docker:HandOver",
            name,
            {"containers": containers},
            pulumi.ResourceOptions.merge(opts, pulumi.ResourceOptions(hooks=hooks)),
        )
        self.register_outputs({})


def withdraw_failed(name: str, environment: Environment, spec: ServiceSpec) -> ResourceHookBinding:
    """Hooks for a container that stop it if it does not become healthy beside one that is. `name` is the hook's own.

    The edge would send it requests as long as its port is open.
    """

    def withdraw(args: ErrorHookArgs) -> bool:
        if args.failed_operation == "create":
            try:
                withdraw_unhealthy(environment, spec)
            except (DockerException, OSError) as error:
                pulumi.log.warn(f"a container of the {spec.name} that is not healthy may get requests: {error}")
        return False

    return ResourceHookBinding(on_error=[ErrorHook(name, withdraw)])


def withdraw_unhealthy(environment: Environment, spec: ServiceSpec) -> None:
    """Stop the containers of a service that are not healthy, if one is. Raises docker.errors.DockerException."""
    client = connection.connect(environment.settings.engine, environment.directory)
    labels = [f"{STACK_LABEL}={environment.label}", f"{SERVICE_LABEL}={spec.name}"]
    found = client.containers.list(filters={"label": labels}, ignore_removed=True)
    own = [each for each in found if HELPER_LABEL not in each.labels]
    healthy = [each for each in own if each.attrs["State"].get("Health", {}).get("Status") == "healthy"]
    for each in own if healthy else ():
        if each not in healthy:
            pulumi.log.info(f"stopping {each.name}, which is not healthy; {healthy[0].name} serves")
            each.stop(timeout=int(environment.services[spec.name].stop_grace.total_seconds()))


def run(environment: Environment, spec: ServiceSpec, container_ids: Sequence[str]) -> None:
    """Hand the requests of a service over to the containers with these ids.

    Raises HandOverError if the edge does not send requests to all of them in time.
    """
    client = connection.connect(environment.settings.engine, environment.directory)
    network = environment.name(environment.settings.network.name)
    grace = environment.services[spec.name].stop_grace
    try:
        found = [client.containers.get(each) for each in container_ids]
        new = {each.attrs["NetworkSettings"]["Networks"][network]["IPAddress"] for each in found}
        api = RuntimeApi(client.containers.get(environment.edge_name))
        _wait_until_used(api, spec, new)
        old = [each for each in _servers_of(spec, api.servers()) if each.address not in {*new, "-"}]
        for server in old:
            api.drain(server)
            api.ready_when_free(server)
        _wait_until_idle(api, old, grace)
    except (DockerException, OSError) as error:
        reason = error.explanation if isinstance(error, APIError) else error
        raise _failed(environment, spec, str(reason)) from error


def read_servers(lines: Iterable[str]) -> list[Server]:
    """Read the answer to `show servers state`: the version of the format, the names of the columns, the servers.

    Raises docker.errors.DockerException if it is another answer.
    """
    match [line for line in lines if line.strip()]:
        case ["1", header, *rows] if header.startswith("# "):
            columns = header.removeprefix("# ").split()
        case other:
            raise DockerException(f"the edge does not list its servers: {' '.join(other)[:100]}")
    records = [dict(zip(columns, row.split(), strict=False)) for row in rows]
    return [
        Server(
            backend=each["be_name"],
            name=each["srv_name"],
            address=each["srv_addr"],
            is_up=each["srv_op_state"] == _UP and each["srv_admin_state"] == "0",
        )
        for each in records
    ]


def _servers_of(spec: ServiceSpec, servers: Iterable[Server]) -> list[Server]:
    return [each for each in servers if each.backend in (spec.name, f"{spec.name}-metrics")]


def _wait_until_used(api: RuntimeApi, spec: ServiceSpec, addresses: AbstractSet[str]) -> None:
    deadline = time.monotonic() + SEES_WITHIN.total_seconds()
    while True:
        # The metrics may have a port that opens later, or never.
        unused = addresses - {each.address for each in api.servers() if each.backend == spec.name and each.is_up}
        if not unused:
            return
        if time.monotonic() > deadline:
            missing = ", ".join(sorted(unused))
            raise DockerException(f"it sends no request to {missing} after {SEES_WITHIN.total_seconds():g} s")
        time.sleep(_POLL_SECONDS)


def _wait_until_idle(api: RuntimeApi, servers: Iterable[Server], grace: timedelta) -> None:
    """Wait until the servers have no request. The limit is the time that the service has to stop."""
    deadline = time.monotonic() + grace.total_seconds()
    while sum(map(api.requests, servers)) and time.monotonic() < deadline:
        time.sleep(_POLL_SECONDS)


def _failed(environment: Environment, spec: ServiceSpec, reason: str) -> HandOverError:
    return HandOverError(
        f"the edge did not hand over to the new container of the {spec.name}: {reason}. No old one is deleted. "
        f"See docker logs {environment.edge_name}, then run pulumi up again: it tries again"
    )
