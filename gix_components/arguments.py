"""The settings of a stack as a program passes them: the keys of a stack's file in snake_case, all of them optional.

They are plain dictionaries: `ServiceArgs(rust_log="debug")` and `{"rust_log": "debug"}` are equal.
`configuration.from_code` validates them all at once, before anything runs, and so refuses a pulumi.Output. A secret is
a SecretStr of pydantic; it stays secret in the stack's state.

Generated from `gix_model/settings.py` by `make generate`. Change the models there.
"""

from typing import Literal, Required, TypedDict

from pydantic import SecretStr


class ImageArgs(TypedDict, total=False):
    """The images of the services: how they are built, or where they are pulled from."""

    way: Literal["multi-stage", "individual", "registry"]
    """Source of the images: `multi-stage` builds all from Dockerfile.rust-builder, `individual` builds each from its
    own Dockerfile, `registry` pulls them. Default: 'multi-stage'."""
    tag: str
    """Tag of the images to build, or to pull if `digests` has no entry. Default: 'latest'."""
    builder_base: str
    """Base image of the builder stage; GIX_BUILDER_BASE overrides the default. Default: 'rust:1.75-bookworm'."""
    runtime_base: str
    """Base image of the services; GIX_RUNTIME_BASE overrides the default. Default: 'debian:bookworm-slim'."""
    grpc_probe_image: str
    """Image from which services with `healthCheck.probe: grpc` get the program grpc-health-probe; GIX_GRPC_PROBE_IMAGE
    overrides the default. Default: 'ghcr.io/grpc-ecosystem/grpc-health-probe:v0.4.57'."""
    lto: Literal["fat", "thin", "off"]
    """Link-time optimization of the binaries: `fat` makes the smallest and fastest ones, `off` the quickest builds;
    applies to the profile `release` and to profiles that inherit it. Default: 'fat'."""
    profile: str
    """Cargo profile that the binaries are built with. Default: 'release'."""
    build_args: dict[str, str]
    """Additional build arguments. Default: {}."""
    platform: str | None
    """Platform to build for, e.g. linux/arm64; none means the platform of the engine."""
    push: bool
    """Push the images to the registry after the build. Default: False."""
    push_builder: bool
    """With `push`, also push the layers with the compiled dependencies, as the image rust-builder; engines that do not
    have these layers take them from there. Default: True."""
    cache_from: list[str]
    """Images to take layers from instead of building them; without a tag, it is that of the rust-builder with the same
    dependencies. Default: []."""
    digests: dict[Literal["router", "auction", "enclave"], str]
    """Digest to run, by service; only with `way: registry`. Default: {}."""
    fail_on: Literal["low", "medium", "high", "critical", "never"]
    """Lowest severity of a known vulnerability at which `gixctl scan` fails. Default: 'critical'."""


class RegistryArgs(TypedDict, total=False):
    """The image registry to push to or pull from."""

    address: str | None
    """HOST or HOST:PORT of the registry."""
    organization: str
    """Path of the repositories, between registry address and service name. Default: 'gix-network'."""
    username: str | None
    """User name; without one, the registry is used without login."""
    password: SecretStr | None
    """Password or token; must be a secret."""


class NetworkArgs(TypedDict, total=False):
    """The network of the services."""

    name: str
    """Name on the engine; `gix:prefix` is put before it. Default: 'gix-network'."""
    subnet: str
    """Private IPv4 range; /29 or larger. Default: '172.28.0.0/16'."""
    driver: Literal["bridge"]
    """Network driver of containers; Swarm uses an overlay. Default: 'bridge'."""
    encrypted: bool
    """Encrypt what goes from node to node; only in Swarm. Default: False."""
    endpoint: Literal["dnsrr", "vip"]
    """How the name of a Swarm service is resolved: `dnsrr` to the addresses of its tasks, `vip` to one address, for
    which the kernel of each node needs IPVS. Default: 'dnsrr'."""
    labels: dict[str, str]
    """Additional labels. Default: {}."""


class LedgerArgs(TypedDict, total=False):
    """The volume with the auction's ledger."""

    volume: str
    """Name on the engine; `gix:prefix` is put before it. Default: 'gcam-data'."""
    protect: bool
    """Refuse a destroy, or a change of volume or engine, that would detach the ledger from the stack. Default: True."""
    adopt: bool
    """Use an existing volume of this name that the stack did not create. Default: False."""
    node: str | None
    """Host name of the node that has the volume, and where the auction runs; only in Swarm."""


class EngineArgs(TypedDict, total=False):
    """The Docker engine that the stack runs on."""

    mode: Literal["containers", "swarm"]
    """`containers` runs the services in containers of one engine; `swarm` runs them as services of the Swarm that the
    engine manages. Default: 'containers'."""
    host: str | None
    """Address of the engine: unix://, ssh:// or tcp://; none means DOCKER_HOST if that is set, otherwise
    /var/run/docker.sock."""
    cert_path: str | None
    """Directory with ca.pem, cert.pem and key.pem, for tcp:// with TLS; none means no TLS."""
    nodes: dict[str, str]
    """Addresses of the engines of Swarm nodes, by host name: unix://, ssh:// or tcp://; that of the ledger's node is
    needed; only in Swarm. Default: {}."""


class RolloutArgs(TypedDict, total=False):
    """How an update replaces the container of a service."""

    strategy: Literal["restart", "start-first"]
    """`restart` deletes a container before its successor is created; `start-first` creates the successor first, behind
    an edge that publishes the ports, so that no request is lost; the auction's container is always deleted first.
    Default: 'restart'."""
    trial: bool
    """Before a container is replaced, run its successor beside it until it is healthy; if it does not become healthy,
    the update fails and the old container still serves. Default: True."""


class EdgeArgs(TypedDict, total=False):
    """The edge: HAProxy, which publishes the ports of all services with `gix:rollout.strategy: start-first`."""

    image: str
    """Image of HAProxy, with bash; GIX_EDGE_IMAGE overrides the default. Default: 'haproxy:2.8'."""
    memory: str | None
    """Memory limit, e.g. 128MiB; none means no limit."""
    certificate: SecretStr | str | None
    """Certificate of the published ports, with its chain, for TLS: PEM text or the path of a file; a relative path
    starts at the program's directory; none means no TLS."""
    key: SecretStr | str | None
    """Private key of the certificate: PEM text, which must be a secret, or the path of a file."""
    client_ca: SecretStr | str | None
    """Certificates of the authorities that must have signed the certificate of a client (mTLS): PEM text or the path of
    a file; none means that clients need no certificate."""
    metrics_port: int | None
    """Host port for the metrics of HAProxy; none means that they are not published."""
    access_log: bool
    """Write a line to the log of the edge for each request. Default: False."""
    node_label: str | None
    """Label of the nodes that run the edge, e.g. edge=true; none means all nodes; only in Swarm."""


class ReservationArgs(TypedDict, total=False):
    """What a node must have free for each task of a service."""

    cpus: float | None
    """Processors, e.g. 0.5; none means no reservation."""
    memory: str | None
    """Memory, e.g. 256MiB; none means no reservation."""


class PlacementArgs(TypedDict, total=False):
    """The nodes on which the tasks of a service run."""

    constraints: list[str]
    """Conditions that a node must meet, e.g. node.labels.zone==a. Default: []."""
    spread: str | None
    """Label of nodes, over whose values the tasks are spread evenly, e.g. node.labels.zone."""
    max_per_node: int | None
    """Most tasks of the service on one node; none means no limit."""


class HealthCheckArgs(TypedDict, total=False):
    """The health check, which runs a probe in the container repeatedly."""

    probe: Literal["tcp", "grpc", "command"]
    """`tcp` connects to the port of the service; `grpc` calls the health service of gRPC with grpc-health-probe, which
    is then in the image; `command` runs `command`. Default: 'tcp'."""
    command: list[str]
    """Program and arguments to run in the container; exit code 0 means healthy; only with `probe: command`. Default:
    []."""
    interval: str
    """Time between probes. Default: '10s'."""
    timeout: str
    """Time after which a probe counts as failed. Default: '3s'."""
    start_period: str
    """Time after the start in which failed probes are ignored. Default: '5s'."""
    start_interval: str | None
    """Time between probes in the start period; needs Docker Engine 25 or later; none means `interval`."""
    retries: int
    """Number of consecutive failures after which the service is unhealthy. Default: 3."""


class LoggingArgs(TypedDict, total=False):
    """The logs of a container."""

    driver: Literal["json-file", "local", "journald", "syslog", "none"]
    """Log driver. Default: 'json-file'."""
    options: dict[str, str] | None
    """Options of the log driver; none means 3 files of 10 MB for `json-file` and `local`."""


class UlimitArgs(TypedDict, total=False):
    """A resource limit of the processes in a container."""

    soft: Required[int]
    """Soft limit; -1 means unlimited."""
    hard: Required[int]
    """Hard limit; -1 means unlimited."""


class ServiceDefaultsArgs(TypedDict, total=False):
    """How a container runs. `gix:defaults` is for all services; a service's own keys override it."""

    publish: bool
    """Publish the port of the service on the host. Default: True."""
    bind_address: str
    """Host address to publish ports on. Default: '0.0.0.0'."""
    rust_log: str
    """Value of RUST_LOG: error, warn, info, debug, trace, or per module. Default: 'info'."""
    rust_backtrace: Literal["0", "1", "full"]
    """Value of RUST_BACKTRACE. Default: '0'."""
    environment: dict[str, str]
    """Additional environment variables. Default: {}."""
    secret_environment: dict[str, SecretStr]
    """Additional environment variables whose values are secrets. Default: {}."""
    user: str
    """UID or UID:GID to run as; root is refused. Default: '1000:1000'."""
    cpus: float | None
    """CPU limit, e.g. 1.5; none means no limit."""
    memory: str | None
    """Memory limit, e.g. 512MiB; none means no limit."""
    memory_swap: str | None
    """Limit of memory and swap together; none means twice `memory`, as in Docker."""
    reservations: ReservationArgs
    """What a node must have free for each task; only in Swarm."""
    placement: PlacementArgs
    """The nodes on which the tasks run; only in Swarm."""
    restart: str
    """Restart policy: no, always, unless-stopped, on-failure or on-failure:MAX-RETRIES. Default: 'unless-stopped'."""
    read_only_root: bool
    """Mount the root file system read-only, with a tmpfs on /tmp. Default: False."""
    tmpfs: dict[str, str]
    """Tmpfs mounts: options by path. Default: {}."""
    drop_capabilities: list[str]
    """Capabilities to drop, e.g. ALL or CAP_NET_RAW. Default: []."""
    no_new_privileges: bool
    """Keep processes from gaining privileges. Default: False."""
    health_check: HealthCheckArgs
    """Health check."""
    init: bool
    """Run an init as process 1, which forwards signals and reaps processes. Default: True."""
    stop_signal: str
    """Stop signal; the GIX services ignore SIGTERM. Default: 'SIGINT'."""
    stop_grace: str
    """Time between the stop signal and SIGKILL; whole seconds. Default: '10s'."""
    logging: LoggingArgs
    """Logs."""
    labels: dict[str, str]
    """Additional labels. Default: {}."""
    ulimits: dict[str, UlimitArgs]
    """Resource limits by name, e.g. nofile. Default: {}."""
    extra_hosts: dict[str, str]
    """Additional entries of /etc/hosts: IPv4 address, or host-gateway, by host name. Default: {}."""


class ServiceArgs(ServiceDefaultsArgs, total=False):
    """One service. Its own keys override `gix:defaults`."""

    host_port: int | None
    """Port on the host; none means the port of the service."""
    metrics_port: int | None
    """Host port for metrics; none means that metrics are not published."""
    replicas: int
    """Number of containers; more than one needs `gix:rollout.strategy: start-first`, more than 20 need
    `gix:engine.mode: swarm`, and the auction has one. Default: 1."""


class StackArgs(TypedDict, total=False):
    """The keys of the `gix` namespace in a stack's file."""

    source: str
    """Cargo workspace to build; a relative path starts at the program's directory. Default: 'sample'."""
    prefix: str
    """Prefix of all names on the engine, followed by '-'; lets several stacks share an engine. Default: ''."""
    production: bool
    """Refuse what is unsafe in production: `latest`, unpinned base images, an unprotected ledger. Default: False."""
    take_over: bool
    """Stop and remove containers and networks that have the stack's names, but are not the stack's. Default: False."""
    services: list[Literal["router", "auction", "enclave"]]
    """Services to run. Default: ['router', 'auction', 'enclave']."""
    images: ImageArgs
    """Images of the services."""
    registry: RegistryArgs
    """Image registry."""
    network: NetworkArgs
    """Network of the services."""
    ledger: LedgerArgs
    """Volume with the auction's ledger."""
    engine: EngineArgs
    """Docker engine."""
    rollout: RolloutArgs
    """How an update replaces containers."""
    edge: EdgeArgs
    """The edge, with `gix:rollout.strategy: start-first`."""
    defaults: ServiceDefaultsArgs
    """Settings of all services; a service's own keys override them."""
    router: ServiceArgs
    """Settings of the router."""
    auction: ServiceArgs
    """Settings of the auction."""
    enclave: ServiceArgs
    """Settings of the enclave."""
