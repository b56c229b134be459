"""The shape of a stack's configuration: one pydantic model for each key of `Pulumi.<stack>.yaml`.

Keys are camelCase in the file. A default stands beside its field; it is the description's value wherever the
description has one. Every value is checked alone here; what must hold between keys stands in `environment`.
"""

import contextlib
import difflib
import ipaddress
import posixpath
import re
from collections.abc import Collection
from typing import Annotated, Literal, NoReturn, get_args
from urllib.parse import urlsplit

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, SecretStr
from pydantic.alias_generators import to_camel
from pydantic_core import PydanticCustomError

from gix_model import kernel, units
from gix_model.catalog import ServiceName

MINIMUM_MEMORY_MIB = 6
"""Docker refuses a smaller limit on a container's memory."""
MAXIMUM_MEMORY_MIB = 2**30
"""One PiB: more than any machine has, and well within the engine's 64 bits."""
MINIMUM_TIME_SECONDS = 0.001
"""Docker refuses shorter times of a health check."""
MAXIMUM_TIME_SECONDS = 1000 * 3600
"""Longer times are a slip, and far longer ones do not fit into the engine's nanoseconds."""
MAXIMUM_LIMIT = 2**63 - 1
"""The engine keeps a process's limits in 64 bits."""

PLAIN_TEXT = "gix_plain_text"
"""The type of the error about a value that must be a secret and is none."""


def refuse(limit: str, fix: str) -> NoReturn:
    """Reject the value under validation, saying what it breaks and what to write instead."""
    raise PydanticCustomError("gix", "{limit}", {"limit": limit, "fix": fix})


def _matching(pattern: str, limit: str, fix: str) -> AfterValidator:
    def check(value: str) -> str:
        if re.fullmatch(pattern, value, re.ASCII) is None:
            refuse(limit, fix)
        return value

    return AfterValidator(check)


def _one_of(names: Collection[str], limit: str, fix: str) -> AfterValidator:
    def check(value: str) -> str:
        if value not in names:
            close = difflib.get_close_matches(value, names, n=1)
            refuse(limit, f"did you mean {close[0]}?" if close else fix)
        return value

    return AfterValidator(check)


def _memory(value: str) -> str:
    try:
        size = units.mebibytes(value)
    except ValueError as error:
        refuse(str(error), "write a number with a unit: 512MiB, 2G")
    if size < MINIMUM_MEMORY_MIB:
        refuse(f"is under the engine's minimum of {MINIMUM_MEMORY_MIB}MiB", "write more, e.g. 64MiB")
    if size > MAXIMUM_MEMORY_MIB:
        refuse("is more than any machine has", "write less, e.g. 2G")
    return value


def _duration(value: str) -> str:
    try:
        time = units.seconds(value)
    except ValueError as error:
        refuse(str(error), "write a number with a unit: 10s, 1m30s, 500ms")
    if 0 < time < MINIMUM_TIME_SECONDS:
        refuse("is under the engine's minimum of 1ms", "write more, e.g. 500ms")
    if time > MAXIMUM_TIME_SECONDS:
        refuse(f"is over {MAXIMUM_TIME_SECONDS // 3600}h", "write less, e.g. 10s")
    return value


def _some_time(value: str) -> str:
    if units.seconds(_duration(value)) == 0:
        refuse("is no time at all, which the engine reads as its own default", "write how long, e.g. 1s")
    return value


def _whole_seconds(value: str) -> str:
    if units.seconds(_duration(value)) % 1:
        refuse("is no whole number of seconds", "round it up, e.g. 10s")
    return value


def _subnet(value: str) -> str:
    try:
        network = ipaddress.IPv4Network(value)
    except ValueError as error:
        refuse(f"is no IPv4 subnet ({error})", "write an address range such as 172.28.0.0/16")
    if not network.is_private or network.is_loopback or network.is_link_local:
        refuse("is no private range", "take one within 10.0.0.0/8, 172.16.0.0/12 or 192.168.0.0/16")
    largest = 29
    if network.prefixlen > largest:
        refuse(f"has room for {max(network.num_addresses - 2, 0)} addresses", f"take /{largest} or larger")
    return value


def _bind_address(value: str) -> str:
    try:
        ipaddress.IPv4Address(value)
    except ValueError:
        refuse("is no IPv4 address of this host", "write 0.0.0.0 for all, 127.0.0.1 for this machine alone")
    return value


def _host_address(value: str) -> str:
    if value != "host-gateway":
        try:
            # The engine takes no zone (fe80::1%eth0).
            address = ipaddress.ip_address(value.replace("%", "/"))
        except ValueError:
            refuse("is no IP address", "write the address that the name stands for, or host-gateway")
        # The provider cuts it at its first colon when it reads it back, and would replace the container at each update.
        if address.version != 4:  # noqa: PLR2004
            refuse("is an IPv6 address, which the docker provider does not record", "write an IPv4 address")
    return value


def _engine_host(value: str) -> str:
    port = re.fullmatch(r"unix:///.+|ssh://[^/\s]+(?:/.*)?|tcp://(?:\[[0-9A-Fa-f:.]+\]|[^/\s:@[\]]+):(\d{1,5})", value)
    if port is None:
        refuse("is no engine address", "write unix:///var/run/docker.sock, ssh://USER@HOST or tcp://HOST:2376")
    if port[1] is not None and not 1 <= int(port[1]) <= _LARGEST_PORT:
        refuse(f"has no port from 1 to {_LARGEST_PORT}", "write tcp://HOST:2376")
    try:
        urlsplit(value)
    except ValueError as error:
        refuse(f"is no engine address ({error})", "write tcp://HOST:2376")
    return value


def _tmpfs_path(value: str) -> str:
    path = posixpath.normpath(value)
    if not value.startswith("/") or ":" in value or path.strip("/") in ("", "proc") or path.startswith("/proc/"):
        refuse("is no path for a tmpfs", "write an absolute path without ':', not / itself and nothing in /proc")
    return value


def _tmpfs_options(value: str) -> str:
    for option in filter(None, value.split(",")):
        if not kernel.is_tmpfs_option(option):
            refuse(f"has an option that a tmpfs does not know: {option}", "write e.g. rw,noexec,nosuid,size=64m")
    return value


def _tidy_cpus(value: object) -> object:
    return float(value) if isinstance(value, str) and re.fullmatch(r"[0-9]+(\.[0-9]+)?", value) else value


def _recordable_cpus(value: float) -> float:
    try:
        units.recorded_processors(value)
    except ValueError as error:
        refuse(
            f"is recorded as {error} by the docker provider, which would replace the container at each update",
            f"write a value that it records as it is, e.g. {_next_recordable(value):.3f}",
        )
    return value


def _next_recordable(cpus: float) -> float:
    """The next higher number of processors, in thousandths, that the provider records as it is."""
    while True:
        cpus = round(cpus + 0.001, 3)
        with contextlib.suppress(ValueError):
            units.recorded_processors(cpus)
            return cpus


def _sealed(value: object) -> object:
    if not isinstance(value, SecretStr):
        raise PydanticCustomError(PLAIN_TEXT, "is in plain text")
    return value


def _text(value: object) -> object:
    """YAML reads `1` and `true` as no text; in a variable or label they are meant as written."""
    if isinstance(value, bool):
        return str(value).lower()
    return str(value) if isinstance(value, int | float) else value


_LARGEST_PORT = 65535
_NAME = r"[a-zA-Z0-9][a-zA-Z0-9_.-]+"
_DIGEST = r"sha256:[0-9a-f]{64}"
_TAG = r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,127}"
_REPOSITORY = r"[a-z0-9]+(?:(?:[._]|__|-+)[a-z0-9]+)*"
_REGISTRY = r"(?:[A-Za-z0-9-]+)(?:\.[A-Za-z0-9-]+)*(?::\d{1,5})?"

Secret = Annotated[SecretStr, BeforeValidator(_sealed)]
"""A value that must be a secret: sealed in the stack's file, a SecretStr in code. All other values must not be one."""
Port = Annotated[int, Field(ge=1, le=_LARGEST_PORT)]
Memory = Annotated[str, BeforeValidator(_text), AfterValidator(_memory)]
Duration = Annotated[str, AfterValidator(_duration)]
SomeTime = Annotated[str, AfterValidator(_some_time)]
WholeSeconds = Annotated[str, AfterValidator(_whole_seconds)]
Text = Annotated[str, BeforeValidator(_text)]
ObjectName = Annotated[
    str, _matching(_NAME, "is no name for an object of the engine", "use letters, digits, '_', '.', '-'; two or more")
]
VariableName = Annotated[
    str, _matching(r"[A-Za-z_][A-Za-z0-9_]*", "is no name of a variable", "use letters, digits and '_'")
]
UlimitName = Annotated[
    str,
    _one_of(kernel.ULIMITS, "is no limit that the engine knows", "write one of " + ", ".join(sorted(kernel.ULIMITS))),
]
Limit = Annotated[int, Field(ge=-1, le=MAXIMUM_LIMIT)]
HostName = Annotated[
    str,
    _matching(
        r"(?=.{1,253}$)[A-Za-z0-9_](?:[A-Za-z0-9_-]*[A-Za-z0-9_])?(?:\.[A-Za-z0-9_](?:[A-Za-z0-9_-]*[A-Za-z0-9_])?)*",
        "is no host name",
        "use letters, digits, '-' and '.'",
    ),
]
LabelName = Annotated[str, _matching(r"(?s:.+)", "is no name of a label", "write one that is not empty")]
Digest = Annotated[str, _matching(_DIGEST, "is no image digest", "write sha256: and 64 hexadecimal digits")]
ImageTag = Annotated[
    str,
    BeforeValidator(_text),
    _matching(_TAG, "is no image tag", "use up to 128 letters, digits, '_', '.', '-', not starting with '.' or '-'"),
]
ImageReference = Annotated[
    str,
    _matching(
        rf"(?:{_REGISTRY}/)?{_REPOSITORY}(?:/{_REPOSITORY})*(?::{_TAG})?(?:@{_DIGEST})?",
        "is no image reference",
        "write NAME:TAG or NAME@sha256:...",
    ),
]


class Settings(BaseModel):
    """What all models share: unknown keys are refused, values are fixed once read."""

    model_config = ConfigDict(extra="forbid", frozen=True, alias_generator=to_camel, populate_by_name=False)


class ImageSettings(Settings):
    """Where the services' images come from."""

    way: Literal["multi-stage", "individual", "registry"] = Field(
        "multi-stage",
        description="multi-stage builds all from Dockerfile.rust-builder, individual each from its own Dockerfile, "
        "registry builds nothing and pulls",
    )
    tag: ImageTag = Field("latest", description="tag of the images built, or pulled where no digest is given")
    builder_base: ImageReference = Field(
        "rust:1.75-bookworm",
        description="image that the builder stage starts from; GIX_BUILDER_BASE overrides the default",
    )
    runtime_base: ImageReference = Field(
        "debian:bookworm-slim", description="image that the services start from; GIX_RUNTIME_BASE overrides the default"
    )
    build_args: dict[VariableName, Text] = Field({}, description="further build arguments, by name")
    platform: Annotated[
        str, _matching(r"[a-z0-9]+/[a-z0-9]+(?:/v\d+)?", "is no platform", "write linux/amd64 or linux/arm64")
    ] = Field("linux/amd64", description="operating system and processor to build for")
    push: bool = Field(False, description="push what was built to the registry")
    digests: dict[ServiceName, Digest] = Field({}, description="digest to run, by service; for the way `registry`")
    fail_on: Literal["low", "medium", "high", "critical", "never"] = Field(
        "critical", description="severity of a known vulnerability from which on gixctl scan fails"
    )

    @property
    def are_built(self) -> bool:
        """Whether the images are built; otherwise they are pulled."""
        return self.way != "registry"


class RegistrySettings(Settings):
    """The image registry to push to and pull from."""

    address: Annotated[str, _matching(_REGISTRY, "is no registry address", "write HOST or HOST:PORT")] | None = Field(
        None, description="host, with port where it is not the standard one"
    )
    organization: Annotated[
        str, _matching(rf"{_REPOSITORY}(?:/{_REPOSITORY})*", "is no repository path", "use lower case: gix-network")
    ] = Field("gix-network", description="path between the registry's address and the service's name")
    username: str | None = Field(
        None, description="name to log in with; without it the registry is used without log-in"
    )
    password: Secret | None = Field(None, description="password or token to log in with; always a secret")


class NetworkSettings(Settings):
    """The network that the services share."""

    name: ObjectName = Field("gix-network", description="name on the engine, before the prefix")
    subnet: Annotated[str, AfterValidator(_subnet)] = Field(
        "172.28.0.0/16", description="private IPv4 range, /29 or larger"
    )
    driver: Literal["bridge"] = Field("bridge", description="network driver")
    labels: dict[LabelName, Text] = Field({}, description="further labels")


class LedgerSettings(Settings):
    """The volume that keeps the auction's ledger."""

    volume: ObjectName = Field("gcam-data", description="name on the engine, before the prefix")
    protect: bool = Field(True, description="refuse every change and every destroy that would part the stack from it")
    adopt: bool = Field(False, description="take over a volume of this name that something else made")


class EngineSettings(Settings):
    """The Docker engine that everything runs on."""

    host: Annotated[str, AfterValidator(_engine_host)] | None = Field(
        None, description="address of the engine; none means DOCKER_HOST, else this machine's socket"
    )
    cert_path: str | None = Field(
        None, description="directory with ca.pem, cert.pem and key.pem for tcp:// with TLS; none means no TLS"
    )


class HealthCheckSettings(Settings):
    """When the engine looks whether a service answers on its port."""

    interval: SomeTime = Field("10s", description="time between two probes")
    timeout: SomeTime = Field("3s", description="time after which a probe has failed")
    start_period: Duration = Field("5s", description="time in which failed probes do not count")
    start_interval: SomeTime | None = Field(
        None, description="time between probes in the start period; needs engine 25 or later; none means the interval"
    )
    retries: Annotated[int, Field(ge=1, le=100)] = Field(3, description="failed probes in a row that make it unhealthy")


class LoggingSettings(Settings):
    """Where a container's output goes."""

    driver: Literal["json-file", "local", "journald", "syslog", "none"] = Field("json-file", description="log driver")
    options: dict[str, Text] | None = Field(
        None, description="options of the log driver; none means 3 files of 10 MB for json-file and local"
    )


class UlimitSettings(Settings):
    """One limit of the kernel on a container's processes."""

    soft: Limit = Field(description="limit in force; -1 means none")
    hard: Limit = Field(description="limit up to which the process may raise it; -1 means none")


class ServiceDefaults(Settings):
    """How a service's container runs; under `defaults`, for every service that does not say otherwise."""

    publish: bool = Field(True, description="publish the service's port on the host")
    bind_address: Annotated[str, AfterValidator(_bind_address)] = Field(
        "0.0.0.0",  # noqa: S104 - the description publishes on every address
        description="host address that published ports are bound to",
    )
    rust_log: str = Field("info", description="RUST_LOG: error, warn, info, debug, trace, or per module")
    rust_backtrace: Annotated[Literal["0", "1", "full"], BeforeValidator(_text)] = Field(
        "0", description="RUST_BACKTRACE"
    )
    environment: dict[VariableName, Text] = Field({}, description="further environment variables")
    secret_environment: dict[VariableName, Secret] = Field(
        {}, description="environment variables whose values are secrets of the stack"
    )
    user: Annotated[
        str,
        BeforeValidator(_text),
        _matching(r"[1-9]\d{0,9}(?::[1-9]\d{0,9})?", "is root, or not numeric", "write UID:GID, e.g. 1000:1000"),
    ] = Field("1000:1000", description="user and group that the process runs as; never root")
    cpus: (
        Annotated[
            float,
            BeforeValidator(_tidy_cpus),
            Field(ge=0.01, allow_inf_nan=False),
            AfterValidator(_recordable_cpus),
        ]
        | None
    ) = Field(None, description="processors that it may use, e.g. 1.5; none means all")
    memory: Memory | None = Field(None, description="memory that it may use, e.g. 512MiB; none means all")
    memory_swap: Memory | None = Field(
        None, description="memory and swap together; none means twice the memory, as Docker does"
    )
    restart: Annotated[
        str,
        BeforeValidator(lambda value: "no" if value is False else value),
        _matching(
            r"no|always|unless-stopped|on-failure(?::[1-9]\d{0,8})?",
            "is no restart policy",
            "write no, always, unless-stopped, on-failure or on-failure:3",
        ),
    ] = Field("unless-stopped", description="what the engine does when the process ends")
    read_only_root: bool = Field(False, description="no writes but to volumes and tmpfs; brings a tmpfs on /tmp")
    tmpfs: dict[Annotated[str, AfterValidator(_tmpfs_path)], Annotated[str, AfterValidator(_tmpfs_options)]] = Field(
        {}, description="file systems in memory: options by path"
    )
    drop_capabilities: list[
        Annotated[str, _one_of({"ALL", *kernel.CAPABILITIES}, "is no capability", "write ALL or e.g. CAP_NET_RAW")]
    ] = Field([], description="kernel capabilities taken away")
    no_new_privileges: bool = Field(False, description="no process may gain privileges")
    health_check: HealthCheckSettings = Field(HealthCheckSettings(), description="times of the health check")
    init: bool = Field(True, description="run a small init as process 1, which passes signals on")
    stop_signal: Annotated[str, _one_of(kernel.SIGNALS, "is no signal", "write SIGINT or SIGTERM")] = Field(
        "SIGINT", description="signal that asks the service to stop; the real services ignore SIGTERM"
    )
    stop_grace: WholeSeconds = Field("10s", description="time to stop before it is killed")
    logging: LoggingSettings = Field(LoggingSettings(), description="where its output goes")
    labels: dict[LabelName, Text] = Field({}, description="further labels")
    ulimits: dict[UlimitName, UlimitSettings] = Field({}, description="kernel limits by name, e.g. nofile")
    extra_hosts: dict[HostName, Annotated[str, AfterValidator(_host_address)]] = Field(
        {}, description="further host names: address by name"
    )


class ServiceSettings(ServiceDefaults):
    """One service: what it has of its own beside what `defaults` may set."""

    host_port: Port | None = Field(None, description="port on the host; none means the service's own port")
    metrics_port: Port | None = Field(
        None, description="port on the host for its metrics; none means that they are not published"
    )


class StackSettings(Settings):
    """The keys of the `gix` namespace in a stack's file."""

    source: str = Field("sample", description="Cargo workspace to build, absolute or relative to the program")
    prefix: Annotated[
        str, _matching(r"(?:[a-z0-9][a-z0-9-]{0,30})?", "is no prefix", "use up to 31 lower case letters, digits, '-'")
    ] = Field("", description="put before every name on the engine, with a '-', so that stacks live side by side")
    production: bool = Field(
        False, description="refuse what may not be in production: `latest`, floating bases, an unprotected ledger"
    )
    take_over: bool = Field(
        False, description="stop and remove containers and a network of the stack's names that something else made"
    )
    services: Annotated[list[ServiceName], Field(min_length=1)] = Field(
        list(get_args(ServiceName)), description="which services run"
    )
    images: ImageSettings = Field(ImageSettings(), description="the images")
    registry: RegistrySettings = Field(RegistrySettings(), description="the image registry")
    network: NetworkSettings = Field(NetworkSettings(), description="the network of the services")
    ledger: LedgerSettings = Field(LedgerSettings(), description="the volume with the auction's ledger")
    engine: EngineSettings = Field(EngineSettings(), description="the Docker engine")
    defaults: ServiceDefaults = Field(ServiceDefaults(), description="settings that every service starts from")
    router: ServiceSettings = Field(ServiceSettings(), description="settings of the router alone")
    auction: ServiceSettings = Field(ServiceSettings(), description="settings of the auction alone")
    enclave: ServiceSettings = Field(ServiceSettings(), description="settings of the enclave alone")
