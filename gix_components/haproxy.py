"""The configuration of HAProxy in the container of the edge."""

from collections.abc import Iterator

from gix_model.catalog import ServiceSpec
from gix_model.environment import Environment
from gix_model.settings import MOST_REPLICAS

RUNTIME_API_PORT = 9999
"""Port of HAProxy's runtime API, on the loopback address of the edge's container."""
MOST_CONTAINERS = 2 * MOST_REPLICAS + 2
"""How many containers of one service the edge can use at the same time.

They are the old and the new ones, and what interrupted updates left. The number does not follow `replicas`: another
configuration replaces the edge.
"""

_CONFIGURATION = "/tmp/haproxy.cfg"  # noqa: S108 - a path inside the container
VARIABLE = "HAPROXY_CONFIGURATION"
"""The environment variable with the configuration."""
_WRITE = f'printf "%s" "${VARIABLE}" >{_CONFIGURATION}'
COMMAND = f"{_WRITE} && exec haproxy -W -db -f {_CONFIGURATION}"
"""The command of a shell that runs HAProxy. In master-worker mode, it reaps processes and forwards signals."""
CHECK_COMMAND = f"{_WRITE} && exec haproxy -c -f {_CONFIGURATION}"
"""The command of a shell that checks the configuration."""
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
    hard-stop-after HARD_STOP

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


def configuration(environment: Environment) -> str:
    """The configuration of HAProxy: a frontend and a backend for each service, and for its metrics."""
    seconds = max(1, int(environment.settings.defaults.stop_grace.total_seconds()))
    common = _COMMON.replace("HARD_STOP", f"{seconds}s")
    return common + "".join(part for spec in environment.specs for part in _parts(environment, spec))


def _parts(environment: Environment, spec: ServiceSpec) -> Iterator[str]:
    yield _resolvers(spec)
    yield _proxy(environment, spec, spec.name, spec.port, options="proto h2")
    if spec.metrics_port is not None:
        yield _proxy(environment, spec, f"{spec.name}-metrics", spec.metrics_port, options="")


def _resolvers(spec: ServiceSpec) -> str:
    # The ledger's service has no second container. While its only one is replaced, its old address is kept, and what
    # cannot be sent there waits. For the others, a container that is gone gets no requests.
    hold = "60s" if spec.keeps_ledger else "0s"
    return f"""
resolvers {spec.name}
    nameserver engine 127.0.0.11:53
    # The default of 512 bytes has room for few addresses.
    accepted_payload_size 8192
    timeout resolve 200ms
    timeout retry 200ms
    hold valid 200ms
    hold obsolete 0s
    hold nx {hold}
    hold other 60s
    hold refused 60s
    hold timeout 60s
"""


def _proxy(environment: Environment, spec: ServiceSpec, name: str, port: int, *, options: str) -> str:
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
