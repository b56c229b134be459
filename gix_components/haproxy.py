"""The configuration of HAProxy in the container of the edge."""

from collections.abc import Iterator
from dataclasses import dataclass

from gix_engine.haproxy_runtime import RUNTIME_API_PORT
from gix_model.catalog import ServiceSpec
from gix_model.edge_certificate import EdgeCertificate
from gix_model.environment import EDGE_METRICS_PORT, TLS_PORT_OFFSET, Environment
from gix_model.settings import MOST_REPLICAS, MOST_REPLICAS_ON_ONE_MACHINE

CERTIFICATES = "/certificates"
"""Path of the volume with the certificate."""
LIVE_DIRECTORY = f"{CERTIFICATES}/live"
"""Directory of the files that HAProxy reads when it starts."""
CERTIFICATE_FILE = "edge.pem"
"""The certificate, its chain and its private key."""

_CONFIGURATION = "/tmp/haproxy.cfg"  # noqa: S108 - a path inside the container
SYSCTLS = {"net.ipv4.tcp_syn_retries": "1", "net.ipv4.tcp_retries2": "4"}
"""The kernel gives up a connection whose begin nobody answers after 3 s, and what nobody acknowledges after about 6 s.

HAProxy itself keeps a connection as long as requests use it, also one to the former address of a service.
"""
VARIABLE = "HAPROXY_CONFIGURATION"
"""The environment variable with the configuration."""
_WRITE = f'printf "%s" "${VARIABLE}" >{_CONFIGURATION}'
COMMAND = f"{_WRITE} && exec haproxy -W -db -f {_CONFIGURATION}"
"""The command of a shell that runs HAProxy. In master-worker mode, it reaps processes and forwards signals."""
CHECK_COMMAND = f"{_WRITE} && haproxy -c -f {_CONFIGURATION}"
"""The command of a shell that checks the configuration."""
_ERRORS = "".join(
    f"    http-error status {status} content-type application/grpc hdr grpc-status 14 hdr grpc-message '{message}'\n"
    for status, message in (
        (502, "the service closed the connection"),
        (503, "the service does not answer"),
        (504, "the service did not answer in time"),
    )
)
_DEFAULTS = f"""
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


_TLS = """\
    # Each connection is authenticated anew, so that it gets the present certificate and is checked by the present
    # authorities.
    ssl-default-bind-options ssl-min-ver TLSv1.2 no-tls-tickets
    tune.ssl.cachesize 0
"""
_ACCESS_LOG = """\
    option httplog
    option dontlognull
"""


@dataclass(frozen=True, kw_only=True)
class Tls:
    """The files of a `certificate`, in a `directory` in the container."""

    certificate: EdgeCertificate
    directory: str = LIVE_DIRECTORY

    @property
    def client_ca_file(self) -> str:
        """The name of the file of authorities.

        Other authorities have another name, so that they change the configuration and replace the edge. Until then, the
        old edge finds its own.
        """
        return f"client-ca-{self.certificate.client_ca_fingerprint}.pem"

    @property
    def options(self) -> str:
        """The options of a port with TLS."""
        options = f"ssl crt {self.directory}/{CERTIFICATE_FILE}"
        if self.certificate.client_ca is not None:
            options += f" ca-file {self.directory}/{self.client_ca_file} verify required"
        return options


def configuration(environment: Environment, tls: Tls | None = None) -> str:
    """The configuration of HAProxy: a frontend and a backend for each service, and for its metrics.

    `tls` is that of the published ports; None if they have none.
    """
    has_log = environment.settings.edge.access_log
    seconds = max(1, int(environment.settings.defaults.stop_grace.total_seconds()))
    common = f"""\
global
    log stdout format raw local0 {"info" if has_log else "notice"}
    stats socket ipv4@127.0.0.1:{RUNTIME_API_PORT} level admin
    hard-stop-after {seconds}s
{_TLS if tls else ""}{_DEFAULTS}"""
    parts = [part for spec in environment.specs for part in _parts(environment, spec, tls)]
    if environment.edge_metrics is not None:
        parts.append(_own_metrics(tls))
    return "".join([common, _ACCESS_LOG if has_log else "", *parts])


def _parts(environment: Environment, spec: ServiceSpec, tls: Tls | None) -> Iterator[str]:
    yield _resolvers(spec)
    binds = _binds(spec.port, tls, options="proto h2", alpn="h2")
    yield _proxy(environment, spec, spec.name, spec.port, binds=binds, options="proto h2")
    if spec.metrics_port is not None:
        binds = _binds(spec.metrics_port, tls, alpn="http/1.1")
        yield _proxy(environment, spec, f"{spec.name}-metrics", spec.metrics_port, binds=binds, options="")


def _binds(port: int, tls: Tls | None, *, options: str = "", alpn: str) -> str:
    """The ports of a frontend: one without TLS for the network and, with a certificate, one with TLS for the host."""
    binds = [f"    bind :{port} {options}"]
    if tls is not None:
        binds.append(f"    bind :{port + TLS_PORT_OFFSET} {tls.options} alpn {alpn} {options}".rstrip())
    return "\n".join(binds)


def _own_metrics(tls: Tls | None) -> str:
    return f"""
frontend edge-metrics
{_binds(EDGE_METRICS_PORT, tls, alpn="h2,http/1.1")}
    http-request use-service prometheus-exporter if {{ path /metrics }}
    http-request return status 404
"""


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


def _places(environment: Environment) -> int:
    """How many containers of one service the edge can use at the same time.

    They are the old and the new ones, and what interrupted updates left. The number does not depend on `replicas`, so
    that another number of replicas does not replace the edge.
    """
    return 2 * (MOST_REPLICAS if environment.is_swarm else MOST_REPLICAS_ON_ONE_MACHINE) + 2


def _proxy(environment: Environment, spec: ServiceSpec, name: str, port: int, *, binds: str, options: str) -> str:
    # Without a check, the ledger's service is not out of use while its container is replaced.
    count, check = (1, "") if spec.keeps_ledger else (_places(environment), "check inter 500ms")
    server = f"server-template {spec.name} {count} {environment.backend_host(spec)}:{port}"
    rest = " ".join(filter(None, (options, check, f"resolvers {spec.name}", "init-addr none")))
    return f"""
frontend {name}
{binds}
    default_backend {name}

backend {name}
    balance leastconn
    {server} {rest}
"""
