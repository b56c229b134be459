"""The inputs of a service's container: one row for each input of the docker provider.

A row says which value the settings give the input, how the engine shows it, what texts call it, and what the provider
does when it changes. `gix_components.service` states the inputs. `gixctl plan` and `gixctl verify` read them.
"""

import re
import shlex
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import timedelta
from enum import Enum, auto
from typing import Any

from pydantic.alias_generators import to_snake

from gix_model import input_texts, provider_facts, units
from gix_model.input_texts import Texts
from gix_model.merging import merged
from gix_model.settings import ServiceSettings

MEBIBYTE = 2**20
_NANO = 10**9
_TMPFS_OF_READ_ONLY_ROOT = {"/tmp": "rw,noexec,nosuid,nodev,size=64m"}  # noqa: S108 - a path inside the container
_ROTATION = {"max-size": "10m", "max-file": "3"}

Record = Mapping[str, Any]
"""A container as the engine shows it (`docker inspect`)."""


class Change(Enum):
    """What the provider does when an input changes. docs/provider.md has the measurements."""

    REPLACE = auto()
    """It replaces the container."""
    LIVE = auto()
    """It changes the running container."""
    LIVE_UNLESS_REMOVED = auto()
    """It changes the running container. It records a removal and does not apply it."""
    RECORD_ONLY = auto()
    """It records the change and does not apply it. The program replaces the container."""
    INSTRUCT = auto()
    """The input tells the provider what to do. The engine does not keep it with the container."""


@dataclass(frozen=True)
class ContainerInput:
    """One input. Its value has the provider's form, in `declared` as in `observed`."""

    name: str
    """The provider's name."""
    title: str = ""
    """What texts call it. Default: the words of the name."""
    declared: Callable[[ServiceSettings], object] | None = None
    """The value from the settings. None: `gix_components.service` states it, if it is stated at all."""
    observed: Callable[[Record], Any] | None = None
    """The value from the engine's record. None: the engine does not show it."""
    text: Callable[[Any], str] = input_texts.plain
    """The value as a text. An empty text means no effect."""
    fields: Callable[[Any], Texts] | None = None
    """The names and texts of the parts of a value that has several. Default: one field, `title` and `text`."""
    created: Callable[[Any], Mapping[str, Any]] | None = None
    """The value as arguments of the Docker SDK's `containers.create`, for a trial. None: a trial does without it."""
    change: Change = Change.REPLACE
    """What the provider does when it changes."""
    unstated: str = ""
    """The text that means the same as no value."""
    engine_default: bool = False
    """Whether the engine sets a value of its own if the input is not stated."""

    def read(self, value: object) -> Texts:
        """The names and texts of its fields."""
        if self.fields is None:
            yield self.title or input_texts.words(self.name), self.text(value)
        else:
            yield from self.fields(value)


def declared(settings: ServiceSettings) -> dict[str, Any]:
    """The inputs that follow from the settings alone, as arguments of the provider's SDK."""
    return {to_snake(name): row.declared(settings) for name, row in INPUTS.items() if row.declared is not None}


def created(settings: ServiceSettings) -> dict[str, Any]:
    """The same as arguments of the Docker SDK's `containers.create`."""
    arguments: dict[str, Any] = {}
    for row in _ROWS:
        if row.declared is None or row.created is None:
            continue
        value = row.declared(settings)
        if value is not None:
            arguments = merged(arguments, row.created(value))
    return arguments


def replacing(settings: ServiceSettings) -> dict[str, Any]:
    """The inputs that follow from the settings alone and whose change replaces the container."""
    return {
        name: row.declared(settings)
        for name, row in INPUTS.items()
        if row.declared is not None and row.change in (Change.REPLACE, Change.RECORD_ONLY)
    }


def observed(record: Record) -> dict[str, Any]:
    """The inputs that the engine's record of a container shows, or that of an image: its part `Config`."""
    return {name: row.observed(record) for name, row in INPUTS.items() if row.observed is not None}


def is_applied_live(name: str, inputs: Mapping[str, Any]) -> bool:
    """Whether the provider applies a change of the input `name`, which leads to `inputs`, to a running container."""
    return name in LIVE and (name not in RECORDED_ONLY_WHEN_REMOVED or bool(inputs.get(name)))


def _at(*keys: str, unit: int = 1) -> Callable[[Record], Any]:
    """Read the value at `keys`. Zero and an empty value are None. A number is in units of `unit`; -1 is unlimited."""

    def read(record: Record) -> Any:
        value: Any = record
        for key in keys:
            value = (value or {}).get(key)
        return value / unit if unit != 1 and value and value > 0 else value or None

    return read


def as_list(values: Mapping[str, str] | None, key: str, value: str) -> list[dict[str, str]]:
    """The form that the provider has for a mapping: an object for each item, with the names `key` and `value`."""
    return [{key: name, value: each} for name, each in (values or {}).items()]


def _memory_swap(settings: ServiceSettings) -> int | None:
    if settings.memory is None:
        return None
    # Without a value, each refresh would find Docker's default and want an update.
    return 2 * settings.memory.mebibytes if settings.memory_swap is None else settings.memory_swap.mebibytes


def tmpfs(settings: ServiceSettings) -> dict[str, str]:
    """The options of each tmpfs, by path."""
    return (_TMPFS_OF_READ_ONLY_ROOT if settings.read_only_root else {}) | settings.tmpfs


def log_options(settings: ServiceSettings) -> dict[str, str] | None:
    """The options of the log driver. None: it has none."""
    if settings.logging.options is not None:
        return settings.logging.options
    return _ROTATION if re.fullmatch("json-file|local", settings.logging.driver) else None


def _observed_health_check(record: Record) -> dict[str, Any] | None:
    check = _at("Config", "Healthcheck")(record)
    times = ("Interval", "Timeout", "StartPeriod", "StartInterval")
    return check and {
        "tests": check.get("Test"),
        "retries": check.get("Retries"),
        **{
            f"{name[0].lower()}{name[1:]}": units.format_duration(timedelta(microseconds=(check.get(name) or 0) / 1000))
            for name in times
        },
    }


def _observed_ports(record: Record) -> list[dict[str, Any]]:
    ports = _at("HostConfig", "PortBindings")(record) or {}
    return [
        {"internal": internal, "protocol": protocol, "ip": each.get("HostIp"), "external": each.get("HostPort")}
        for (internal, _, protocol), bindings in ((port.partition("/"), bindings) for port, bindings in ports.items())
        for each in bindings or []
    ]


def _observed_networks(record: Record) -> list[dict[str, Any]]:
    # Before version 26 the engine adds the container's short id to the configured aliases.
    return [
        {"name": name, "aliases": [each for each in endpoint.get("Aliases") or [] if each != record["Id"][:12]]}
        for name, endpoint in (_at("NetworkSettings", "Networks")(record) or {}).items()
    ]


def _observed_mounts(record: Record) -> list[dict[str, Any]]:
    return [
        {
            "containerPath": each["Destination"],
            "volumeName": each.get("Name"),
            "hostPath": each["Source"],
            "readOnly": not each["RW"],
        }
        for each in record.get("Mounts") or []
        if each["Type"] != "tmpfs"
    ]


def _observed_hosts(record: Record) -> list[dict[str, str]]:
    entries = (entry.partition(":") for entry in _at("HostConfig", "ExtraHosts")(record) or [])
    return [{"host": host, "ip": address} for host, _, address in entries]


_ROWS = (
    ContainerInput("name", observed=lambda record: (record.get("Name") or "").removeprefix("/")),
    ContainerInput("image", observed=_at("Image")),
    ContainerInput("command", observed=_at("Config", "Cmd"), text=shlex.join),
    ContainerInput("entrypoints", observed=_at("Config", "Entrypoint"), text=shlex.join),
    ContainerInput("hostname", observed=_at("Config", "Hostname"), engine_default=True),
    ContainerInput("workingDir", "working directory", observed=_at("Config", "WorkingDir")),
    ContainerInput("envs", "variables", observed=_at("Config", "Env")),
    ContainerInput(
        "labels",
        observed=lambda record: as_list(_at("Config", "Labels")(record), "label", "value"),
        fields=input_texts.label_fields,
    ),
    ContainerInput(
        "healthcheck",
        observed=_observed_health_check,
        fields=input_texts.health_check_fields,
        change=Change.RECORD_ONLY,
    ),
    ContainerInput("ports", observed=_observed_ports, fields=input_texts.port_fields),
    ContainerInput("networksAdvanced", observed=_observed_networks, fields=input_texts.network_fields),
    ContainerInput("volumes", observed=_observed_mounts, fields=input_texts.mount_fields),
    ContainerInput(
        "user",
        declared=lambda settings: settings.user,
        observed=_at("Config", "User"),
        created=lambda value: {"user": value},
    ),
    ContainerInput(
        "restart",
        declared=lambda settings: settings.restart.partition(":")[0],
        observed=_at("HostConfig", "RestartPolicy", "Name"),
        change=Change.LIVE,
        unstated="no",
    ),
    ContainerInput(
        "maxRetryCount",
        declared=lambda settings: int(settings.restart.partition(":")[2] or 0) or None,
        observed=_at("HostConfig", "RestartPolicy", "MaximumRetryCount"),
        change=Change.LIVE,
    ),
    ContainerInput(
        "cpus",
        declared=lambda settings: settings.cpus and provider_facts.recorded_processors(settings.cpus),
        observed=_at("HostConfig", "NanoCpus", unit=_NANO),
        created=lambda value: {"nano_cpus": round(float(value) * _NANO)},
        text=input_texts.processors,
    ),
    ContainerInput("cpuShares", observed=_at("HostConfig", "CpuShares"), change=Change.LIVE_UNLESS_REMOVED),
    ContainerInput("cpuSet", observed=_at("HostConfig", "CpusetCpus"), change=Change.LIVE_UNLESS_REMOVED),
    ContainerInput("cpuPeriod", observed=_at("HostConfig", "CpuPeriod")),
    ContainerInput("cpuQuota", observed=_at("HostConfig", "CpuQuota")),
    ContainerInput(
        "memory",
        declared=lambda settings: settings.memory and settings.memory.mebibytes,
        observed=_at("HostConfig", "Memory", unit=MEBIBYTE),
        created=lambda value: {"mem_limit": value * MEBIBYTE},
        text=input_texts.memory,
        change=Change.LIVE_UNLESS_REMOVED,
    ),
    ContainerInput(
        "memorySwap",
        "memory with swap",
        declared=_memory_swap,
        observed=_at("HostConfig", "MemorySwap", unit=MEBIBYTE),
        created=lambda value: {"memswap_limit": value * MEBIBYTE},
        text=input_texts.memory,
        change=Change.LIVE_UNLESS_REMOVED,
    ),
    ContainerInput(
        "memoryReservation",
        observed=_at("HostConfig", "MemoryReservation", unit=MEBIBYTE),
        text=input_texts.memory,
        change=Change.LIVE_UNLESS_REMOVED,
    ),
    ContainerInput(
        "readOnly",
        "read-only root",
        declared=lambda settings: settings.read_only_root,
        observed=_at("HostConfig", "ReadonlyRootfs"),
        created=lambda value: {"read_only": value},
        unstated="no",
    ),
    ContainerInput(
        "tmpfs",
        declared=lambda settings: tmpfs(settings) or None,
        observed=_at("HostConfig", "Tmpfs"),
        created=lambda value: {"tmpfs": value},
        fields=input_texts.keyed_fields("tmpfs"),
        change=Change.RECORD_ONLY,
    ),
    ContainerInput(
        "capabilities",
        declared=lambda settings: {"drops": settings.drop_capabilities} if settings.drop_capabilities else None,
        observed=lambda record: {
            "adds": _at("HostConfig", "CapAdd")(record),
            "drops": _at("HostConfig", "CapDrop")(record),
        },
        created=lambda value: {"cap_drop": value["drops"]},
        fields=input_texts.capability_fields,
    ),
    ContainerInput(
        "securityOpts",
        "security options",
        # Stated also if it is off, because the provider does not notice when it is removed.
        declared=lambda settings: [f"no-new-privileges:{str(settings.no_new_privileges).lower()}"],
        observed=_at("HostConfig", "SecurityOpt"),
        created=lambda value: {"security_opt": value},
        text=input_texts.listed,
    ),
    ContainerInput("privileged", observed=_at("HostConfig", "Privileged"), unstated="no"),
    ContainerInput(
        "init",
        declared=lambda settings: settings.init,
        observed=_at("HostConfig", "Init"),
        created=lambda value: {"init": value},
        change=Change.RECORD_ONLY,
        unstated="no",
    ),
    ContainerInput(
        "stopSignal",
        declared=lambda settings: settings.stop_signal,
        observed=_at("Config", "StopSignal"),
        created=lambda value: {"stop_signal": value},
    ),
    ContainerInput(
        "stopTimeout",
        "stop grace",
        declared=lambda settings: int(settings.stop_grace.total_seconds()),
        observed=_at("Config", "StopTimeout"),
        text=input_texts.seconds,
    ),
    ContainerInput(
        "destroyGraceSeconds",
        "time to stop",
        declared=lambda settings: int(settings.stop_grace.total_seconds()),
        text=input_texts.seconds,
        change=Change.INSTRUCT,
    ),
    ContainerInput(
        "logDriver",
        declared=lambda settings: settings.logging.driver,
        observed=_at("HostConfig", "LogConfig", "Type"),
        created=lambda value: {"log_config": {"type": value}},
        engine_default=True,
    ),
    ContainerInput(
        "logOpts",
        declared=log_options,
        observed=_at("HostConfig", "LogConfig", "Config"),
        created=lambda value: {"log_config": {"config": value}},
        fields=input_texts.keyed_fields("log option"),
    ),
    ContainerInput(
        "ulimits",
        declared=lambda settings: [{"name": name, **limit.model_dump()} for name, limit in settings.ulimits.items()],
        observed=lambda record: [
            {key.lower(): value for key, value in limit.items()} for limit in _at("HostConfig", "Ulimits")(record) or []
        ],
        created=lambda value: {"ulimits": value},
        fields=input_texts.ulimit_fields,
        engine_default=True,
    ),
    ContainerInput(
        "hosts",
        declared=lambda settings: as_list(settings.extra_hosts, "host", "ip"),
        observed=_observed_hosts,
        created=lambda value: {"extra_hosts": {each["host"]: each["ip"] for each in value}},
        fields=input_texts.host_fields,
    ),
    ContainerInput("waitTimeout", "time to become healthy", text=input_texts.seconds, change=Change.INSTRUCT),
    *(
        ContainerInput(name, change=Change.INSTRUCT)
        for name in ("mustRun", "wait", "start", "networkMode", "removeVolumes")
    ),
    ContainerInput("containerReadRefreshTimeoutMilliseconds", change=Change.INSTRUCT),
)

INPUTS: Mapping[str, ContainerInput] = {row.name: row for row in _ROWS}
"""The rows by the provider's name."""


def _with(*changes: Change) -> tuple[str, ...]:
    return tuple(row.name for row in _ROWS if row.change in changes)


RECORDED_ONLY = _with(Change.RECORD_ONLY)
"""Inputs whose change the provider records and does not apply. A change must replace the container."""
RECORDED_ONLY_WHEN_REMOVED = _with(Change.LIVE_UNLESS_REMOVED)
"""Limits that the provider changes without a restart. It records their removal and does not apply it."""
LIVE = frozenset(_with(Change.LIVE, Change.LIVE_UNLESS_REMOVED))
"""Inputs that the provider changes without a restart."""
INSTRUCTIONS = frozenset(_with(Change.INSTRUCT))
"""Inputs that tell the provider what to do, and that the engine does not keep with the container."""


def replaced_on_changes(settings: ServiceSettings) -> list[str]:
    """The inputs whose changes must replace the container because the provider does not apply them."""
    removed = RECORDED_ONLY_WHEN_REMOVED if settings.memory is None else ()
    return [*RECORDED_ONLY, *removed]
