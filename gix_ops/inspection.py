"""The engine's records of containers and networks, as the fields of `gix_ops.fields`."""

import re
import shlex
from collections.abc import Iterator, Mapping
from typing import Any

from gix_ops import fields
from gix_ops.fields import Value

MEBIBYTE = 2**20
_NANO = 10**9
_NOT_LIMITED = (0, None)

_Texts = Iterator[tuple[str, str]]

SHOWN = frozenset(
    {
        *("image", "name", "command", "entrypoints", "user", "hostname", "workingDir", "envs", "labels"),
        *("healthcheck", "stopSignal", "stopTimeout", "init", "readOnly", "privileged", "tmpfs", "volumes"),
        *("restart", "maxRetryCount", "memory", "memorySwap", "memoryReservation", "cpus", "cpuSet", "cpuShares"),
        *("cpuPeriod", "cpuQuota", "capabilities", "securityOpts", "ulimits", "hosts", "logDriver", "logOpts"),
        *("ports", "networksAdvanced"),
    }
)
"""The inputs of a container that the engine's record shows."""


def container(found: Mapping[str, Any], image: Mapping[str, Any]) -> dict[str, Value]:
    """The fields of a container. Anonymous volumes that its image declares are left out.

    `found` and `image` are the engine's records of both; `image` is empty if the image no longer exists. Each
    environment variable counts as a secret: the engine does not say which ones are.
    """
    return _variables(found["Config"]) | {name: Value(text) for name, text in _container(found, image) if text}


def inherited(image: Mapping[str, Any]) -> dict[str, Value]:
    """The fields that a container has from its image if it does not set them itself."""
    config = image.get("Config") or {}
    return _variables(config) | {name: Value(text) for name, text in (*_config(config), *_health_check(config)) if text}


SHOWN_OF_NETWORK = frozenset(
    {"name", "driver", "ipamDriver", "ipamConfigs", "internal", "attachable", "ipv6", "labels"}
)
"""The inputs of a network that the engine's record shows."""


def network(found: Mapping[str, Any]) -> dict[str, Value]:
    """The fields of a network."""
    pools = (found.get("IPAM") or {}).get("Config") or []
    texts = {
        "name": found["Name"],
        "driver": found["Driver"],
        "ipam driver": (found.get("IPAM") or {}).get("Driver") or "",
        "subnet": ", ".join(sorted(pool["Subnet"] for pool in pools if pool.get("Subnet"))),
        "gateway": ", ".join(sorted(pool["Gateway"] for pool in pools if pool.get("Gateway"))),
        "internal": "yes" if found.get("Internal") else "",
        "attachable": "yes" if found.get("Attachable") else "",
        "ipv6": "yes" if found.get("EnableIPv6") else "",
    } | {f"label {name}": value for name, value in (found.get("Labels") or {}).items()}
    return {name: Value(text) for name, text in texts.items() if text}


def _container(found: Mapping[str, Any], image: Mapping[str, Any]) -> _Texts:
    config, host = found["Config"], found["HostConfig"]
    yield "name", found["Name"].removeprefix("/")
    yield "image", found["Image"]
    yield from _config(config)
    yield from _health_check(config)
    yield from _process(host)
    yield from _limits(host)
    yield from _mounts(found, (image.get("Config") or {}).get("Volumes") or {})
    for inside, bindings in (host.get("PortBindings") or {}).items():
        internal, _, protocol = inside.partition("/")
        each = [fields.binding(item.get("HostIp"), item.get("HostPort") or "any") for item in bindings or []]
        yield fields.port(internal, protocol), ", ".join(sorted(each))
    for name, endpoint in found["NetworkSettings"]["Networks"].items():
        # Before version 26 the engine adds the container's short id to the configured aliases.
        given = [each for each in endpoint.get("Aliases") or [] if each != found["Id"][:12]]
        yield f"network {name}", fields.aliases(given)


def _variables(config: Mapping[str, Any]) -> dict[str, Value]:
    split = (variable.partition("=") for variable in config.get("Env") or [])
    return {f"variable {name}": Value(value or fields.EMPTY, secret=True) for name, _, value in split}


def _config(config: Mapping[str, Any]) -> _Texts:
    for name, value in (config.get("Labels") or {}).items():
        yield f"label {name}", value or fields.EMPTY
    yield "command", shlex.join(config.get("Cmd") or [])
    yield "entrypoints", shlex.join(config.get("Entrypoint") or [])
    yield "user", config.get("User") or ""
    yield "hostname", config.get("Hostname") or ""
    yield "working directory", config.get("WorkingDir") or ""
    yield "stop signal", config.get("StopSignal") or ""
    yield "stop grace", fields.seconds(config["StopTimeout"]) if config.get("StopTimeout") else ""


def _health_check(config: Mapping[str, Any]) -> _Texts:
    check = config.get("Healthcheck") or {}
    yield "health check probe", shlex.join(check.get("Test") or [])
    for key in ("Interval", "Timeout", "StartPeriod", "StartInterval"):
        title = re.sub(r"(?<!^)([A-Z])", r" \1", key).lower()
        yield f"health check {title}", fields.seconds(check[key] / _NANO) if check.get(key) else ""
    yield "health check retries", str(check.get("Retries") or "")


def _process(host: Mapping[str, Any]) -> _Texts:
    yield "init", "yes" if host.get("Init") else ""
    yield "read-only root", "yes" if host["ReadonlyRootfs"] else ""
    yield "privileged", "yes" if host["Privileged"] else ""
    yield "capabilities added", ", ".join(sorted(map(fields.capability, host.get("CapAdd") or [])))
    yield "capabilities dropped", ", ".join(sorted(map(fields.capability, host.get("CapDrop") or [])))
    yield "security options", ", ".join(sorted(host.get("SecurityOpt") or []))
    yield "log driver", host["LogConfig"]["Type"]
    for name, value in (host["LogConfig"].get("Config") or {}).items():
        yield f"log option {name}", value
    for entry in host.get("ExtraHosts") or []:
        name, _, address = entry.partition(":")
        yield f"extra host {name}", address


def _limits(host: Mapping[str, Any]) -> _Texts:
    policy = host["RestartPolicy"]
    yield "restart", fields.restart(policy["Name"] or "no", policy.get("MaximumRetryCount"))
    for key, title in (
        ("Memory", "memory"),
        ("MemorySwap", "memory with swap"),
        ("MemoryReservation", "memory reservation"),
    ):
        size = host.get(key)
        yield title, "" if size in _NOT_LIMITED else fields.memory(size if size < 0 else size / MEBIBYTE)
    yield "cpus", "" if host.get("NanoCpus") in _NOT_LIMITED else fields.processors(host["NanoCpus"] / _NANO)
    for key, title in (
        ("CpuShares", "cpu shares"),
        ("CpuPeriod", "cpu period"),
        ("CpuQuota", "cpu quota"),
        ("CpusetCpus", "cpu set"),
        ("PidsLimit", "limit on processes"),
        ("BlkioWeight", "weight of input and output"),
    ):
        yield title, str(host.get(key) or "")
    for limit in host.get("Ulimits") or []:
        yield f"ulimit {limit['Name']}", f"{limit['Soft']}:{limit['Hard']}"


def _mounts(found: Mapping[str, Any], image_volumes: Mapping[str, Any]) -> _Texts:
    for path, options in (found["HostConfig"].get("Tmpfs") or {}).items():
        yield f"tmpfs {path}", options or fields.EMPTY
    for each in found["Mounts"]:
        anonymous = each["Type"] == "volume" and re.fullmatch("[0-9a-f]{64}", each.get("Name") or "")
        if each["Type"] == "tmpfs" or (anonymous and each["Destination"] in image_volumes):
            continue
        source = each.get("Name") or each["Source"]
        yield f"mount {each['Destination']}", fields.mount(source, read_only=not each["RW"])
