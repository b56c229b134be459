"""The configuration of a stack: one pydantic model for each section of `Pulumi.<stack>.yaml`.

Keys are camelCase in the file. Defaults are those of the original Docker set-up (`docker-compose.yml`), where it has
one. Times and amounts of memory are text in the file and typed values in the models. Each value is validated alone
here; `rules` has the rules between keys.
"""

import contextlib
import difflib
import ipaddress
import posixpath
import re
from collections.abc import Callable, Collection
from datetime import timedelta
from typing import Annotated, Literal, NoReturn, TypeVar, get_args
from urllib.parse import urlsplit

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    PlainSerializer,
    PlainValidator,
    SecretStr,
)
from pydantic.alias_generators import to_camel
from pydantic_core import PydanticCustomError, PydanticKnownError

from gix_model import kernel, provider_facts, units
from gix_model.catalog import ServiceName

MINIMUM_MEMORY_MIB = 6
"""Docker refuses a lower memory limit."""
MAXIMUM_MEMORY_MIB = 2**30
"""One PiB: more than any machine has, and well within the engine's 64 bits."""
MINIMUM_TIME = timedelta(milliseconds=1)
"""Docker refuses shorter times in a health check."""
MAXIMUM_TIME = timedelta(hours=1000)
"""Longer times are taken for a mistake. Far longer ones do not fit into the engine's 64 bits of nanoseconds."""
MAXIMUM_LIMIT = 2**63 - 1
"""The engine keeps the limits of a process in 64 bits."""
MOST_REPLICAS = 100
"""The most tasks of one service in Swarm. The edge has a place for each, and for its successor."""
MOST_REPLICAS_ON_ONE_MACHINE = 20
"""The most containers of one service without Swarm."""

PEM_BEGINS = "-----BEGIN "
"""What PEM text has, and the path of a file does not."""

PLAIN_TEXT = "gix_plain_text"
"""Type of the error for a plain value where a secret is required."""

_Quantity = TypeVar("_Quantity")


def refuse(limit: str, fix: str) -> NoReturn:
    """Reject the value under validation: `limit` says what is wrong, `fix` what to write instead."""
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


def _parsed(value: object, parse: Callable[[str], _Quantity], kind: type[_Quantity], fix: str) -> _Quantity:
    if isinstance(value, kind):
        return value
    if not isinstance(value, str):
        raise PydanticKnownError("string_type")
    try:
        return parse(value)
    except ValueError as error:
        refuse(str(error), fix)


def _memory(value: object) -> units.Memory:
    memory = _parsed(value, units.Memory.parse, units.Memory, "write a number with a unit: 512MiB, 2G")
    if memory.mebibytes < MINIMUM_MEMORY_MIB:
        refuse(f"is below the engine's minimum of {MINIMUM_MEMORY_MIB}MiB", "write more, e.g. 64MiB")
    if memory.mebibytes > MAXIMUM_MEMORY_MIB:
        refuse("is more than any machine has", "write less, e.g. 2G")
    return memory


def _duration(value: object) -> timedelta:
    time = _parsed(value, units.parse_duration, timedelta, "write a number with a unit: 10s, 1m30s, 500ms")
    if timedelta(0) < time < MINIMUM_TIME:
        refuse("is below the engine's minimum of 1ms", "write more, e.g. 500ms")
    if time > MAXIMUM_TIME:
        refuse(f"is over {MAXIMUM_TIME // timedelta(hours=1)}h", "write less, e.g. 10s")
    return time


def _positive(value: timedelta) -> timedelta:
    if not value:
        refuse("is zero, for which the engine takes its own default", "write a time, e.g. 1s")
    return value


def _whole_seconds(value: timedelta) -> timedelta:
    if value.microseconds:
        refuse("is not a whole number of seconds", "round it up, e.g. 10s")
    return value


def _subnet(value: str) -> str:
    try:
        network = ipaddress.IPv4Network(value)
    except ValueError as error:
        refuse(f"is not an IPv4 subnet ({error})", "write a range such as 172.28.0.0/16")
    if not network.is_private or network.is_loopback or network.is_link_local:
        refuse("is not a private range", "use one within 10.0.0.0/8, 172.16.0.0/12 or 192.168.0.0/16")
    largest = 29
    if network.prefixlen > largest:
        refuse(f"has room for {max(network.num_addresses - 2, 0)} addresses", f"use /{largest} or larger")
    return value


def _bind_address(value: str) -> str:
    try:
        ipaddress.IPv4Address(value)
    except ValueError:
        refuse("is not an IPv4 address", "write 0.0.0.0 for all addresses, or 127.0.0.1 for this machine only")
    return value


def _host_address(value: str) -> str:
    if value != "host-gateway":
        try:
            # The engine takes no zone (fe80::1%eth0).
            address = ipaddress.ip_address(value.replace("%", "/"))
        except ValueError:
            refuse("is not an IP address", "write the address of the host, or host-gateway")
        # The provider reads it back cut at its first colon, and would replace the container at each update.
        if address.version != 4:  # noqa: PLR2004
            refuse("is an IPv6 address, which the docker provider does not record", "write an IPv4 address")
    return value


def _engine_host(value: str) -> str:
    port = re.fullmatch(r"unix:///.+|ssh://[^/\s]+(?:/.*)?|tcp://(?:\[[0-9A-Fa-f:.]+\]|[^/\s:@[\]]+):(\d{1,5})", value)
    if port is None:
        refuse("is not an engine address", "write unix:///var/run/docker.sock, ssh://USER@HOST or tcp://HOST:2376")
    if port[1] is not None and not 1 <= int(port[1]) <= _LARGEST_PORT:
        refuse(f"has no port from 1 to {_LARGEST_PORT}", "write tcp://HOST:2376")
    try:
        urlsplit(value)
    except ValueError as error:
        refuse(f"is not an engine address ({error})", "write tcp://HOST:2376")
    return value


def _tmpfs_path(value: str) -> str:
    path = posixpath.normpath(value)
    if not value.startswith("/") or ":" in value or path.strip("/") in ("", "proc") or path.startswith("/proc/"):
        refuse("is not a path for a tmpfs", "write an absolute path without ':'; not / and nothing in /proc")
    return value


def _tmpfs_options(value: str) -> str:
    for option in filter(None, value.split(",")):
        if not kernel.is_tmpfs_option(option):
            refuse(f"has an unknown tmpfs option: {option}", "write e.g. rw,noexec,nosuid,size=64m")
    return value


def _tidy_cpus(value: object) -> object:
    return float(value) if isinstance(value, str) and re.fullmatch(r"[0-9]+(\.[0-9]+)?", value) else value


def _recordable_cpus(value: float) -> float:
    try:
        provider_facts.recorded_processors(value)
    except ValueError as error:
        refuse(
            f"is recorded by the docker provider as {error}, and each update would replace the container",
            f"write a value that it records unchanged, e.g. {_next_recordable(value):.3f}",
        )
    return value


def _next_recordable(cpus: float) -> float:
    """The next higher number of processors, in thousandths, that the provider records as it is."""
    while True:
        cpus = round(cpus + 0.001, 3)
        with contextlib.suppress(ValueError):
            provider_facts.recorded_processors(cpus)
            return cpus


def _sealed(value: object) -> object:
    if not isinstance(value, SecretStr):
        raise PydanticCustomError(PLAIN_TEXT, "is in plain text")
    return value


def _pem_or_file(value: object) -> SecretStr | str:
    if isinstance(value, SecretStr):
        return value
    if not isinstance(value, str):
        raise PydanticKnownError("string_type")
    if not value.strip():
        refuse("is empty", "write the path of a PEM file, or its text")
    if "PRIVATE KEY-----" in value:
        raise PydanticCustomError(PLAIN_TEXT, "is in plain text")
    return value


def _secret_pem_or_file(value: object) -> SecretStr | str:
    if isinstance(value, str) and PEM_BEGINS in value:
        raise PydanticCustomError(PLAIN_TEXT, "is in plain text")
    return _pem_or_file(value)


def _text(value: object) -> object:
    """Turn the numbers and booleans of YAML, such as `1` and `true`, into text."""
    if isinstance(value, bool):
        return str(value).lower()
    return str(value) if isinstance(value, int | float) else value


def _unless_false(word: str) -> Callable[[object], object]:
    """Read `word` as YAML 1.1 may spell it: `no` and `off` without quotes are false there."""
    return lambda value: word if value is False else value


_Lto = Literal["fat", "thin", "off"]
_LARGEST_PORT = 65535
_NAME = r"[a-zA-Z0-9][a-zA-Z0-9_.-]+"
_DIGEST = r"sha256:[0-9a-f]{64}"
_TAG = r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,127}"
_REPOSITORY = r"[a-z0-9]+(?:(?:[._]|__|-+)[a-z0-9]+)*"
_REGISTRY = r"(?:[A-Za-z0-9-]+)(?:\.[A-Za-z0-9-]+)*(?::\d{1,5})?"

Secret = Annotated[SecretStr, BeforeValidator(_sealed)]
"""A value that must be a secret: encrypted in the stack's file, a SecretStr in code. No other value may be one."""
PemOrFile = Annotated[SecretStr | str, PlainValidator(_pem_or_file, json_schema_input_type=SecretStr | str)]
"""PEM text, which may be a secret, or the path of a file that has it."""
SecretPemOrFile = Annotated[
    SecretStr | str, PlainValidator(_secret_pem_or_file, json_schema_input_type=SecretStr | str)
]
"""PEM text, which must be a secret, or the path of a file that has it."""
Port = Annotated[int, Field(ge=1, le=_LARGEST_PORT)]
Memory = Annotated[
    units.Memory,
    PlainValidator(_memory, json_schema_input_type=str),
    PlainSerializer(str),
    BeforeValidator(_text),
]
Duration = Annotated[
    timedelta,
    PlainValidator(_duration, json_schema_input_type=str),
    PlainSerializer(units.format_duration),
]
PositiveDuration = Annotated[Duration, AfterValidator(_positive)]
WholeSeconds = Annotated[Duration, AfterValidator(_whole_seconds)]
Text = Annotated[str, BeforeValidator(_text)]
ObjectName = Annotated[
    str, _matching(_NAME, "is not a name that the engine accepts", "use letters, digits, '_', '.', '-'; two or more")
]
VariableName = Annotated[
    str, _matching(r"[A-Za-z_][A-Za-z0-9_]*", "is not a variable name", "use letters, digits and '_'")
]
UlimitName = Annotated[
    str,
    _one_of(
        kernel.ULIMITS, "is not a limit that the engine knows", "write one of " + ", ".join(sorted(kernel.ULIMITS))
    ),
]
Limit = Annotated[int, Field(ge=-1, le=MAXIMUM_LIMIT)]
HostName = Annotated[
    str,
    _matching(
        r"(?=.{1,253}$)[A-Za-z0-9_](?:[A-Za-z0-9_-]*[A-Za-z0-9_])?(?:\.[A-Za-z0-9_](?:[A-Za-z0-9_-]*[A-Za-z0-9_])?)*",
        "is not a host name",
        "use letters, digits, '-' and '.'",
    ),
]
Word = Annotated[str, BeforeValidator(_text), _matching(r"(?s:.+)", "is empty", "write a program or an argument")]
LabelName = Annotated[str, _matching(r"(?s:.+)", "is not a label name", "write a name that is not empty")]
Digest = Annotated[str, _matching(_DIGEST, "is not an image digest", "write sha256: and 64 hexadecimal digits")]
ImageTag = Annotated[
    str,
    BeforeValidator(_text),
    _matching(
        _TAG, "is not an image tag", "use up to 128 letters, digits, '_', '.', '-', not starting with '.' or '-'"
    ),
]
ImageReference = Annotated[
    str,
    _matching(
        rf"(?:{_REGISTRY}/)?{_REPOSITORY}(?:/{_REPOSITORY})*(?::{_TAG})?(?:@{_DIGEST})?",
        "is not an image reference",
        "write NAME:TAG or NAME@sha256:...",
    ),
]

_CACHE_REGISTRY = r"(?:localhost|[A-Za-z0-9-]+(?:\.[A-Za-z0-9-]+)+|[A-Za-z0-9-]+(?=:))(?::\d{1,5})?"
CacheReference = Annotated[
    str,
    _matching(
        rf"{_CACHE_REGISTRY}(?:/{_REPOSITORY})+(?::{_TAG})?(?:@{_DIGEST})?",
        "is not the reference of an image in a registry",
        "write REGISTRY/REPOSITORY or REGISTRY/REPOSITORY:TAG: ghcr.io/gix-network/rust-builder",
    ),
]
"""An image in a registry that is named. The docker provider takes layers from no other."""


class Settings(BaseModel):
    """Base of all models. Unknown keys are refused, and values cannot be changed."""

    model_config = ConfigDict(extra="forbid", frozen=True, alias_generator=to_camel, populate_by_name=False)


class ImageSettings(Settings):
    """The images of the services: how they are built, or where they are pulled from."""

    way: Literal["multi-stage", "individual", "registry"] = Field(
        "multi-stage",
        description="source of the images: `multi-stage` builds all from Dockerfile.rust-builder, `individual` "
        "builds each from its own Dockerfile, `registry` pulls them",
    )
    tag: ImageTag = Field("latest", description="tag of the images to build, or to pull if `digests` has no entry")
    builder_base: ImageReference = Field(
        "rust:1.75-bookworm",
        description="base image of the builder stage; GIX_BUILDER_BASE overrides the default",
    )
    runtime_base: ImageReference = Field(
        "debian:bookworm-slim", description="base image of the services; GIX_RUNTIME_BASE overrides the default"
    )
    grpc_probe_image: ImageReference = Field(
        "ghcr.io/grpc-ecosystem/grpc-health-probe:v0.4.57",
        description="image from which services with `healthCheck.probe: grpc` get the program grpc-health-probe; "
        "GIX_GRPC_PROBE_IMAGE overrides the default",
    )
    lto: Annotated[_Lto, BeforeValidator(_unless_false("off"), json_schema_input_type=_Lto)] = Field(
        "fat",
        description="link-time optimization of the binaries: `fat` makes the smallest and fastest ones, `off` the "
        "quickest builds; applies to the profile `release` and to profiles that inherit it",
    )
    profile: Annotated[
        str,
        _matching(
            r"[A-Za-z0-9_][A-Za-z0-9_-]*",
            "is not a profile of Cargo",
            "write release, dev or a profile of the workspace",
        ),
    ] = Field("release", description="Cargo profile that the binaries are built with")
    build_args: dict[VariableName, Text] = Field({}, description="additional build arguments")
    platform: (
        Annotated[
            str, _matching(r"[a-z0-9]+/[a-z0-9]+(?:/v\d+)?", "is not a platform", "write linux/amd64 or linux/arm64")
        ]
        | None
    ) = Field(None, description="platform to build for, e.g. linux/arm64; none means the platform of the engine")
    push: bool = Field(False, description="push the images to the registry after the build")
    push_builder: bool = Field(
        True,
        description="with `push`, also push the layers with the compiled dependencies, as the image rust-builder; "
        "engines that do not have these layers take them from there",
    )
    cache_from: list[CacheReference] = Field(
        [],
        description="images to take layers from instead of building them; without a tag, it is that of the "
        "rust-builder with the same dependencies",
    )
    digests: dict[ServiceName, Digest] = Field({}, description="digest to run, by service; only with `way: registry`")
    fail_on: Literal["low", "medium", "high", "critical", "never"] = Field(
        "critical", description="lowest severity of a known vulnerability at which `gixctl scan` fails"
    )

    @property
    def are_built(self) -> bool:
        """Whether the images are built; otherwise they are pulled."""
        return self.way != "registry"


class RegistrySettings(Settings):
    """The image registry to push to or pull from."""

    address: Annotated[str, _matching(_REGISTRY, "is not a registry address", "write HOST or HOST:PORT")] | None = (
        Field(None, description="HOST or HOST:PORT of the registry")
    )
    organization: Annotated[
        str, _matching(rf"{_REPOSITORY}(?:/{_REPOSITORY})*", "is not a repository path", "use lower case: gix-network")
    ] = Field("gix-network", description="path of the repositories, between registry address and service name")
    username: str | None = Field(None, description="user name; without one, the registry is used without login")
    password: Secret | None = Field(None, description="password or token; must be a secret")


class NetworkSettings(Settings):
    """The network of the services."""

    name: ObjectName = Field("gix-network", description="name on the engine; `gix:prefix` is put before it")
    subnet: Annotated[str, AfterValidator(_subnet)] = Field(
        "172.28.0.0/16", description="private IPv4 range; /29 or larger"
    )
    driver: Literal["bridge"] = Field("bridge", description="network driver of containers; Swarm uses an overlay")
    encrypted: bool = Field(False, description="encrypt what goes from node to node; only in Swarm")
    endpoint: Literal["dnsrr", "vip"] = Field(
        "dnsrr",
        description="how the name of a Swarm service is resolved: `dnsrr` to the addresses of its tasks, `vip` to one "
        "address, for which the kernel of each node needs IPVS",
    )
    labels: dict[LabelName, Text] = Field({}, description="additional labels")


class LedgerSettings(Settings):
    """The volume with the auction's ledger."""

    volume: ObjectName = Field("gcam-data", description="name on the engine; `gix:prefix` is put before it")
    protect: bool = Field(
        True,
        description="refuse a destroy, or a change of volume or engine, that would detach the ledger from the stack",
    )
    adopt: bool = Field(False, description="use an existing volume of this name that the stack did not create")
    node: HostName | None = Field(
        None, description="host name of the node that has the volume, and where the auction runs; only in Swarm"
    )


class EngineSettings(Settings):
    """The Docker engine that the stack runs on."""

    mode: Literal["containers", "swarm"] = Field(
        "containers",
        description="`containers` runs the services in containers of one engine; `swarm` runs them as services of the "
        "Swarm that the engine manages",
    )
    host: Annotated[str, AfterValidator(_engine_host)] | None = Field(
        None,
        description="address of the engine: unix://, ssh:// or tcp://; none means DOCKER_HOST if that is set, "
        "otherwise /var/run/docker.sock",
    )
    cert_path: str | None = Field(
        None, description="directory with ca.pem, cert.pem and key.pem, for tcp:// with TLS; none means no TLS"
    )
    nodes: dict[HostName, Annotated[str, AfterValidator(_engine_host)]] = Field(
        {},
        description="addresses of the engines of Swarm nodes, by host name: unix://, ssh:// or tcp://; that of the "
        "ledger's node is needed; only in Swarm",
    )

    @property
    def alone(self) -> "EngineSettings":
        """The engine itself, without what is about the Swarm."""
        return self._at(self.host)

    def node(self, name: str) -> "EngineSettings | None":
        """The engine of the node with this host name; None if `nodes` does not have its address."""
        return self._at(self.nodes[name]) if name in self.nodes else None

    def _at(self, host: str | None) -> "EngineSettings":
        certificates = self.cert_path if host is None or host.startswith("tcp://") else None
        return EngineSettings.model_validate({"host": host, "certPath": certificates})


class HealthCheckSettings(Settings):
    """The health check, which runs a probe in the container repeatedly."""

    probe: Literal["tcp", "grpc", "command"] = Field(
        "tcp",
        description="`tcp` connects to the port of the service; `grpc` calls the health service of gRPC with "
        "grpc-health-probe, which is then in the image; `command` runs `command`",
    )
    command: list[Word] = Field(
        [],
        description="program and arguments to run in the container; exit code 0 means healthy; only with "
        "`probe: command`",
    )
    interval: PositiveDuration = Field(timedelta(seconds=10), description="time between probes")
    timeout: PositiveDuration = Field(timedelta(seconds=3), description="time after which a probe counts as failed")
    start_period: Duration = Field(
        timedelta(seconds=5), description="time after the start in which failed probes are ignored"
    )
    start_interval: PositiveDuration | None = Field(
        None,
        description="time between probes in the start period; needs Docker Engine 25 or later; none means `interval`",
    )
    retries: Annotated[int, Field(ge=1, le=100)] = Field(
        3, description="number of consecutive failures after which the service is unhealthy"
    )


class LoggingSettings(Settings):
    """The logs of a container."""

    driver: Literal["json-file", "local", "journald", "syslog", "none"] = Field("json-file", description="log driver")
    options: dict[str, Text] | None = Field(
        None,
        description="options of the log driver; none means 3 files of 10 MB for `json-file` and `local`",
    )


class UlimitSettings(Settings):
    """A resource limit of the processes in a container."""

    soft: Limit = Field(description="soft limit; -1 means unlimited")
    hard: Limit = Field(description="hard limit; -1 means unlimited")


class ReservationSettings(Settings):
    """What a node must have free for each task of a service."""

    cpus: Annotated[float, BeforeValidator(_tidy_cpus), Field(ge=0.01, allow_inf_nan=False)] | None = Field(
        None, description="processors, e.g. 0.5; none means no reservation"
    )
    memory: Memory | None = Field(None, description="memory, e.g. 256MiB; none means no reservation")


class PlacementSettings(Settings):
    """The nodes on which the tasks of a service run."""

    constraints: list[
        Annotated[
            str,
            _matching(
                r"(?:node\.(?:id|hostname|role|ip|platform\.(?:os|arch))|(?:node|engine)\.labels\.[^\s=!]+)\s*(?:==|!=)\s*\S+",
                "is not a constraint of Swarm",
                "write e.g. node.labels.zone==a or node.role!=manager",
            ),
        ]
    ] = Field([], description="conditions that a node must meet, e.g. node.labels.zone==a")
    spread: (
        Annotated[
            str,
            _matching(r"(?:node|engine)\.labels\.[^\s=!]+", "is not a label of nodes", "write e.g. node.labels.zone"),
        ]
        | None
    ) = Field(None, description="label of nodes, over whose values the tasks are spread evenly, e.g. node.labels.zone")
    max_per_node: Annotated[int, Field(ge=1, le=MOST_REPLICAS)] | None = Field(
        None, description="most tasks of the service on one node; none means no limit"
    )


class ServiceDefaults(Settings):
    """How a container runs. `gix:defaults` is for all services; a service's own keys override it."""

    publish: bool = Field(True, description="publish the port of the service on the host")
    bind_address: Annotated[str, AfterValidator(_bind_address)] = Field(
        "0.0.0.0",  # noqa: S104 - the original Docker set-up publishes on every address
        description="host address to publish ports on",
    )
    rust_log: str = Field("info", description="value of RUST_LOG: error, warn, info, debug, trace, or per module")
    rust_backtrace: Annotated[Literal["0", "1", "full"], BeforeValidator(_text)] = Field(
        "0", description="value of RUST_BACKTRACE"
    )
    environment: dict[VariableName, Text] = Field({}, description="additional environment variables")
    secret_environment: dict[VariableName, Secret] = Field(
        {}, description="additional environment variables whose values are secrets"
    )
    user: Annotated[
        str,
        BeforeValidator(_text),
        _matching(r"[1-9]\d{0,9}(?::[1-9]\d{0,9})?", "is root, or is not numeric", "write UID:GID, e.g. 1000:1000"),
    ] = Field("1000:1000", description="UID or UID:GID to run as; root is refused")
    cpus: (
        Annotated[
            float,
            BeforeValidator(_tidy_cpus),
            Field(ge=0.01, allow_inf_nan=False),
            AfterValidator(_recordable_cpus),
        ]
        | None
    ) = Field(None, description="CPU limit, e.g. 1.5; none means no limit")
    memory: Memory | None = Field(None, description="memory limit, e.g. 512MiB; none means no limit")
    memory_swap: Memory | None = Field(
        None, description="limit of memory and swap together; none means twice `memory`, as in Docker"
    )
    reservations: ReservationSettings = Field(
        ReservationSettings(), description="what a node must have free for each task; only in Swarm"
    )
    placement: PlacementSettings = Field(
        PlacementSettings(), description="the nodes on which the tasks run; only in Swarm"
    )
    restart: Annotated[
        str,
        BeforeValidator(_unless_false("no")),
        _matching(
            r"no|always|unless-stopped|on-failure(?::[1-9]\d{0,8})?",
            "is not a restart policy",
            "write no, always, unless-stopped, on-failure or on-failure:3",
        ),
    ] = Field(
        "unless-stopped", description="restart policy: no, always, unless-stopped, on-failure or on-failure:MAX-RETRIES"
    )
    read_only_root: bool = Field(False, description="mount the root file system read-only, with a tmpfs on /tmp")
    tmpfs: dict[Annotated[str, AfterValidator(_tmpfs_path)], Annotated[str, AfterValidator(_tmpfs_options)]] = Field(
        {}, description="tmpfs mounts: options by path"
    )
    drop_capabilities: list[
        Annotated[str, _one_of({"ALL", *kernel.CAPABILITIES}, "is not a capability", "write ALL or e.g. CAP_NET_RAW")]
    ] = Field([], description="capabilities to drop, e.g. ALL or CAP_NET_RAW")
    no_new_privileges: bool = Field(False, description="keep processes from gaining privileges")
    health_check: HealthCheckSettings = Field(HealthCheckSettings(), description="health check")
    init: bool = Field(True, description="run an init as process 1, which forwards signals and reaps processes")
    stop_signal: Annotated[str, _one_of(kernel.SIGNALS, "is not a signal", "write SIGINT or SIGTERM")] = Field(
        "SIGINT", description="stop signal; the GIX services ignore SIGTERM"
    )
    stop_grace: WholeSeconds = Field(
        timedelta(seconds=10), description="time between the stop signal and SIGKILL; whole seconds"
    )
    logging: LoggingSettings = Field(LoggingSettings(), description="logs")
    labels: dict[LabelName, Text] = Field({}, description="additional labels")
    ulimits: dict[UlimitName, UlimitSettings] = Field({}, description="resource limits by name, e.g. nofile")
    extra_hosts: dict[HostName, Annotated[str, AfterValidator(_host_address)]] = Field(
        {}, description="additional entries of /etc/hosts: IPv4 address, or host-gateway, by host name"
    )


class ServiceSettings(ServiceDefaults):
    """One service. Its own keys override `gix:defaults`."""

    host_port: Port | None = Field(None, description="port on the host; none means the port of the service")
    metrics_port: Port | None = Field(
        None, description="host port for metrics; none means that metrics are not published"
    )
    replicas: Annotated[int, Field(ge=1, le=MOST_REPLICAS)] = Field(
        1,
        description="number of containers; more than one needs `gix:rollout.strategy: start-first`, more than "
        f"{MOST_REPLICAS_ON_ONE_MACHINE} need `gix:engine.mode: swarm`, and the auction has one",
    )


class RolloutSettings(Settings):
    """How an update replaces the container of a service."""

    strategy: Literal["restart", "start-first"] = Field(
        "restart",
        description="`restart` deletes a container before its successor is created; `start-first` creates the "
        "successor first, behind an edge that publishes the ports, so that no request is lost; the auction's container "
        "is always deleted first",
    )
    trial: bool = Field(
        True,
        description="before a container is replaced, run its successor beside it until it is healthy; if it does not "
        "become healthy, the update fails and the old container still serves",
    )


class EdgeSettings(Settings):
    """The edge: HAProxy, which publishes the ports of all services with `gix:rollout.strategy: start-first`."""

    image: ImageReference = Field(
        "haproxy:2.8", description="image of HAProxy, with bash; GIX_EDGE_IMAGE overrides the default"
    )
    memory: Memory | None = Field(None, description="memory limit, e.g. 128MiB; none means no limit")
    certificate: PemOrFile | None = Field(
        None,
        description="certificate of the published ports, with its chain, for TLS: PEM text or the path of a file; a "
        "relative path starts at the program's directory; none means no TLS",
    )
    key: SecretPemOrFile | None = Field(
        None, description="private key of the certificate: PEM text, which must be a secret, or the path of a file"
    )
    client_ca: PemOrFile | None = Field(
        None,
        description="certificates of the authorities that must have signed the certificate of a client (mTLS): PEM "
        "text or the path of a file; none means that clients need no certificate",
    )
    metrics_port: Port | None = Field(
        None, description="host port for the metrics of HAProxy; none means that they are not published"
    )
    access_log: bool = Field(False, description="write a line to the log of the edge for each request")
    node_label: (
        Annotated[
            str,
            _matching(r"[^\s=!]+=[^\s=!]+", "is not a label with its value", "write NAME=VALUE, e.g. edge=true"),
        ]
        | None
    ) = Field(
        None,
        description="label of the nodes that run the edge, e.g. edge=true; none means all nodes; only in Swarm",
    )


class StackSettings(Settings):
    """The keys of the `gix` namespace in a stack's file."""

    source: str = Field(
        "sample", description="Cargo workspace to build; a relative path starts at the program's directory"
    )
    prefix: Annotated[
        str,
        _matching(r"(?:[a-z0-9][a-z0-9-]{0,30})?", "is not a prefix", "use up to 31 lower case letters, digits, '-'"),
    ] = Field("", description="prefix of all names on the engine, followed by '-'; lets several stacks share an engine")
    production: bool = Field(
        False,
        description="refuse what is unsafe in production: `latest`, unpinned base images, an unprotected ledger",
    )
    take_over: bool = Field(
        False,
        description="stop and remove containers and networks that have the stack's names, but are not the stack's",
    )
    services: Annotated[list[ServiceName], Field(min_length=1)] = Field(
        list(get_args(ServiceName)), description="services to run"
    )
    images: ImageSettings = Field(ImageSettings(), description="images of the services")
    registry: RegistrySettings = Field(RegistrySettings(), description="image registry")
    network: NetworkSettings = Field(NetworkSettings(), description="network of the services")
    ledger: LedgerSettings = Field(LedgerSettings(), description="volume with the auction's ledger")
    engine: EngineSettings = Field(EngineSettings(), description="Docker engine")
    rollout: RolloutSettings = Field(RolloutSettings(), description="how an update replaces containers")
    edge: EdgeSettings = Field(EdgeSettings(), description="the edge, with `gix:rollout.strategy: start-first`")
    defaults: ServiceDefaults = Field(
        ServiceDefaults(), description="settings of all services; a service's own keys override them"
    )
    router: ServiceSettings = Field(ServiceSettings(), description="settings of the router")
    auction: ServiceSettings = Field(ServiceSettings(), description="settings of the auction")
    enclave: ServiceSettings = Field(ServiceSettings(), description="settings of the enclave")
