"""A stack's settings as a program gives them: the keys of a stack's file in snake_case; none need be given.

They are plain dictionaries, `ServiceArgs(rust_log="debug")` as well as `{"rust_log": "debug"}`, and are checked all
together by `configuration.of`. Their values are known before anything runs, so a pulumi.Output is refused; a secret
is a SecretStr of pydantic, which the platform keeps secret in the stack's state.

Made from the models in `settings.py` by `make generate`; change it there.
"""

from typing import Literal, Required, TypedDict

from pydantic import SecretStr


class ImageArgs(TypedDict, total=False):
    """Where the services' images come from."""

    way: Literal["multi-stage", "individual", "registry"]
    """Multi-stage builds all from Dockerfile.rust-builder, individual each from its own Dockerfile, registry builds
    nothing and pulls. Default: 'multi-stage'."""
    tag: str
    """Tag of the images built, or pulled where no digest is given. Default: 'latest'."""
    builder_base: str
    """Image that the builder stage starts from; GIX_BUILDER_BASE overrides the default. Default:
    'rust:1.75-bookworm'."""
    runtime_base: str
    """Image that the services start from; GIX_RUNTIME_BASE overrides the default. Default: 'debian:bookworm-slim'."""
    build_args: dict[str, str]
    """Further build arguments, by name. Default: {}."""
    platform: str
    """Operating system and processor to build for. Default: 'linux/amd64'."""
    push: bool
    """Push what was built to the registry. Default: False."""
    digests: dict[Literal["router", "auction", "enclave"], str]
    """Digest to run, by service; for the way `registry`. Default: {}."""
    fail_on: Literal["low", "medium", "high", "critical", "never"]
    """Severity of a known vulnerability from which on gixctl scan fails. Default: 'critical'."""


class RegistryArgs(TypedDict, total=False):
    """The image registry to push to and pull from."""

    address: str | None
    """Host, with port where it is not the standard one."""
    organization: str
    """Path between the registry's address and the service's name. Default: 'gix-network'."""
    username: str | None
    """Name to log in with; without it the registry is used without log-in."""
    password: SecretStr | None
    """Password or token to log in with; always a secret."""


class NetworkArgs(TypedDict, total=False):
    """The network that the services share."""

    name: str
    """Name on the engine, before the prefix. Default: 'gix-network'."""
    subnet: str
    """Private IPv4 range, /29 or larger. Default: '172.28.0.0/16'."""
    driver: Literal["bridge"]
    """Network driver. Default: 'bridge'."""
    labels: dict[str, str]
    """Further labels. Default: {}."""


class LedgerArgs(TypedDict, total=False):
    """The volume that keeps the auction's ledger."""

    volume: str
    """Name on the engine, before the prefix. Default: 'gcam-data'."""
    protect: bool
    """Refuse every change and every destroy that would part the stack from it. Default: True."""
    adopt: bool
    """Take over a volume of this name that something else made. Default: False."""


class EngineArgs(TypedDict, total=False):
    """The Docker engine that everything runs on."""

    host: str | None
    """Address of the engine; none means DOCKER_HOST, else this machine's socket."""
    cert_path: str | None
    """Directory with ca.pem, cert.pem and key.pem for tcp:// with TLS; none means no TLS."""


class HealthCheckArgs(TypedDict, total=False):
    """When the engine looks whether a service answers on its port."""

    interval: str
    """Time between two probes. Default: '10s'."""
    timeout: str
    """Time after which a probe has failed. Default: '3s'."""
    start_period: str
    """Time in which failed probes do not count. Default: '5s'."""
    start_interval: str | None
    """Time between probes in the start period; needs engine 25 or later; none means the interval."""
    retries: int
    """Failed probes in a row that make it unhealthy. Default: 3."""


class LoggingArgs(TypedDict, total=False):
    """Where a container's output goes."""

    driver: Literal["json-file", "local", "journald", "syslog", "none"]
    """Log driver. Default: 'json-file'."""
    options: dict[str, str] | None
    """Options of the log driver; none means 3 files of 10 MB for json-file and local."""


class UlimitArgs(TypedDict, total=False):
    """One limit of the kernel on a container's processes."""

    soft: Required[int]
    """Limit in force; -1 means none."""
    hard: Required[int]
    """Limit up to which the process may raise it; -1 means none."""


class ServiceDefaultsArgs(TypedDict, total=False):
    """How a service's container runs; under `defaults`, for every service that does not say otherwise."""

    publish: bool
    """Publish the service's port on the host. Default: True."""
    bind_address: str
    """Host address that published ports are bound to. Default: '0.0.0.0'."""
    rust_log: str
    """RUST_LOG: error, warn, info, debug, trace, or per module. Default: 'info'."""
    rust_backtrace: Literal["0", "1", "full"]
    """RUST_BACKTRACE. Default: '0'."""
    environment: dict[str, str]
    """Further environment variables. Default: {}."""
    secret_environment: dict[str, SecretStr]
    """Environment variables whose values are secrets of the stack. Default: {}."""
    user: str
    """User and group that the process runs as; never root. Default: '1000:1000'."""
    cpus: float | None
    """Processors that it may use, e.g. 1.5; none means all."""
    memory: str | None
    """Memory that it may use, e.g. 512MiB; none means all."""
    memory_swap: str | None
    """Memory and swap together; none means twice the memory, as Docker does."""
    restart: str
    """What the engine does when the process ends. Default: 'unless-stopped'."""
    read_only_root: bool
    """No writes but to volumes and tmpfs; brings a tmpfs on /tmp. Default: False."""
    tmpfs: dict[str, str]
    """File systems in memory: options by path. Default: {}."""
    drop_capabilities: list[str]
    """Kernel capabilities taken away. Default: []."""
    no_new_privileges: bool
    """No process may gain privileges. Default: False."""
    health_check: HealthCheckArgs
    """Times of the health check."""
    init: bool
    """Run a small init as process 1, which passes signals on. Default: True."""
    stop_signal: str
    """Signal that asks the service to stop; the real services ignore SIGTERM. Default: 'SIGINT'."""
    stop_grace: str
    """Time to stop before it is killed. Default: '10s'."""
    logging: LoggingArgs
    """Where its output goes."""
    labels: dict[str, str]
    """Further labels. Default: {}."""
    ulimits: dict[str, UlimitArgs]
    """Kernel limits by name, e.g. nofile. Default: {}."""
    extra_hosts: dict[str, str]
    """Further host names: address by name. Default: {}."""


class ServiceArgs(ServiceDefaultsArgs, total=False):
    """One service: what it has of its own beside what `defaults` may set."""

    host_port: int | None
    """Port on the host; none means the service's own port."""
    metrics_port: int | None
    """Port on the host for its metrics; none means that they are not published."""


class StackArgs(TypedDict, total=False):
    """The keys of the `gix` namespace in a stack's file."""

    source: str
    """Cargo workspace to build, absolute or relative to the program. Default: 'sample'."""
    prefix: str
    """Put before every name on the engine, with a '-', so that stacks live side by side. Default: ''."""
    production: bool
    """Refuse what may not be in production: `latest`, floating bases, an unprotected ledger. Default: False."""
    take_over: bool
    """Stop and remove containers and a network of the stack's names that something else made. Default: False."""
    services: list[Literal["router", "auction", "enclave"]]
    """Which services run. Default: ['router', 'auction', 'enclave']."""
    images: ImageArgs
    """The images."""
    registry: RegistryArgs
    """The image registry."""
    network: NetworkArgs
    """The network of the services."""
    ledger: LedgerArgs
    """The volume with the auction's ledger."""
    engine: EngineArgs
    """The Docker engine."""
    defaults: ServiceDefaultsArgs
    """Settings that every service starts from."""
    router: ServiceArgs
    """Settings of the router alone."""
    auction: ServiceArgs
    """Settings of the auction alone."""
    enclave: ServiceArgs
    """Settings of the enclave alone."""
