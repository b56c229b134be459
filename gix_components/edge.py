"""The edge: HAProxy in a container that publishes the ports of all services, with `gix:rollout.strategy: start-first`.

The host names of the services are those of the edge. It finds the containers of a service by the engine's DNS, under
the host name of the service and `-backend`, so that a second container of a service gets requests without a change of
the edge. `gix_components.handover` tells it which container to leave out before that container is deleted.
"""

from collections.abc import Iterator

import pulumi
import pulumi_docker as docker

from gix_components import health_check
from gix_components.health_check import tcp_probe
from gix_model import container_inputs
from gix_model.catalog import ServiceSpec
from gix_model.environment import EDGE_LABEL, STACK_LABEL, Environment
from gix_model.settings import ServiceSettings

RUNTIME_API_PORT = 9999
"""Port of HAProxy's runtime API, on the loopback address of the edge's container."""
MOST_CONTAINERS = 4
"""The number of containers of one service that the edge can send requests to: each one, and its successor."""

_CONFIGURATION = "/tmp/haproxy.cfg"  # noqa: S108 - a path inside the container
_COMMAND = f'printf "%s" "$HAPROXY_CONFIGURATION" >{_CONFIGURATION} && exec haproxy -W -db -f {_CONFIGURATION}'
_USER = "99:99"
"""The user haproxy of the official image."""
_ERRORS = "".join(
    f"    http-error status {status} content-type application/grpc hdr grpc-status 14 hdr grpc-message '{message}'\n"
    for status, message in (
        (502, "the service closed the connection"),
        (503, "the service does not answer"),
        (504, "the service did not answer in time"),
    )
)
_COMMON = f"""\
global
    log stdout format raw local0 notice
    stats socket ipv4@127.0.0.1:{RUNTIME_API_PORT} level admin
    hard-stop-after 5s
    maxconn 4096

defaults
    mode http
    log global
    # Requests that no container has got yet are sent again, each time to the address that the container has by then.
    retries 30
    option redispatch 1
    timeout connect 1s
    timeout check 2s
    timeout queue 30s
    timeout http-request 10s
    # A stream of gRPC may be silent for long.
    timeout client 1h
    timeout server 1h
    # As gRPC clients understand them. 14 is UNAVAILABLE.
{_ERRORS}"""


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
        settings = _settings(environment)
        image = docker.RemoteImage(
            f"{name}-image",
            name=environment.settings.edge.image,
            keep_locally=True,
            opts=pulumi.ResourceOptions(parent=self),
        )
        labels = {STACK_LABEL: environment.label, EDGE_LABEL: "haproxy"}
        container = docker.Container(
            f"{name}-container",
            name=environment.edge_name,
            image=image.image_id,
            # In master-worker mode, HAProxy reaps processes and forwards signals.
            command=["sh", "-c", _COMMAND],
            envs=[f"HAPROXY_CONFIGURATION={configuration(environment)}"],
            healthcheck=health_check.arguments(tcp_probe(RUNTIME_API_PORT), settings.health_check),
            working_dir="/",
            hostname="edge",
            ports=[
                docker.ContainerPortArgs(
                    internal=each.internal, external=each.external, ip=each.address, protocol="tcp"
                )
                for spec in environment.specs
                for each in environment.host_ports(spec)
            ],
            networks_advanced=[
                docker.ContainerNetworksAdvancedArgs(
                    name=network, aliases=["edge", *(spec.hostname for spec in environment.specs)]
                )
            ],
            labels=[docker.ContainerLabelArgs(label=label, value=value) for label, value in labels.items()],
            must_run=True,
            wait=True,
            wait_timeout=health_check.wait_seconds(settings.health_check),
            **container_inputs.declared(settings),
            opts=pulumi.ResourceOptions(parent=self, delete_before_replace=True, hooks=hooks),
        )
        self.container_name = container.name
        self.container_id = container.id
        self.register_outputs({"containerName": self.container_name})


def configuration(environment: Environment) -> str:
    """The configuration of HAProxy: a frontend and a backend for each service, and for its metrics on the host."""
    return _COMMON + "".join(part for spec in environment.specs for part in _parts(environment, spec))


def _parts(environment: Environment, spec: ServiceSpec) -> Iterator[str]:
    yield _resolvers(spec)
    yield _proxy(environment, spec, spec.name, spec.port, options="proto h2")
    if any(each.internal == spec.metrics_port for each in environment.host_ports(spec)):
        yield _proxy(environment, spec, f"{spec.name}-metrics", spec.metrics_port, options="")


def _resolvers(spec: ServiceSpec) -> str:
    # The ledger's service has no second container. While its only one is replaced, its old address is kept, and what
    # cannot be sent there waits. For the others, a container that is gone gets no requests.
    hold = "60s" if spec.keeps_ledger else "0s"
    return f"""
resolvers {spec.name}
    nameserver engine 127.0.0.11:53
    timeout resolve 200ms
    timeout retry 200ms
    hold valid 200ms
    hold obsolete 0s
    hold nx {hold}
    hold other 60s
    hold refused 60s
    hold timeout 60s
"""


def _proxy(environment: Environment, spec: ServiceSpec, name: str, port: int | None, *, options: str) -> str:
    # Without a check, the ledger's service is not out of use while its container is replaced.
    count, check = (1, "") if spec.keeps_ledger else (MOST_CONTAINERS, "check inter 500ms")
    server = f"server-template {spec.name} {count} {environment.backend_host(spec)}:{port}"
    rest = " ".join(filter(None, (options, check, f"resolvers {spec.name}", "init-addr none")))
    return f"""
frontend {name}
    bind :{port} {options}
    default_backend {name}

backend {name}
    balance leastconn
    {server} {rest}
"""


def _settings(environment: Environment) -> ServiceSettings:
    """What the edge has in common with the services, and what is its own."""
    defaults = environment.settings.defaults
    return ServiceSettings.model_validate(
        {
            "restart": defaults.restart,
            "logging": defaults.logging,
            "healthCheck": defaults.health_check,
            "stopGrace": defaults.stop_grace,
            "memory": environment.settings.edge.memory,
            "user": _USER,
            "readOnlyRoot": True,
            "dropCapabilities": ["ALL"],
            "noNewPrivileges": True,
            "init": False,
            # HAProxy ends when its connections have ended, at the latest after `hard-stop-after`.
            "stopSignal": "SIGUSR1",
        }
    )
