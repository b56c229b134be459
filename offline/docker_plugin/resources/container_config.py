"""Converts a container's inputs to the engine's form, and the engine's form to outputs."""

from collections.abc import Iterator
from decimal import ROUND_HALF_UP, Decimal
from typing import Any, Final

from offline.docker_plugin.durations import nanoseconds, text
from offline.docker_plugin.rules import absolute_path, duration
from offline.docker_plugin.schema import Kind, Prop
from offline.docker_plugin.values import Props, Value

MEBIBYTE: Final = 1024 * 1024
DEFAULT_NETWORK: Final = "bridge"
_NANO_CPUS: Final = 1_000_000_000
_ROUND_ZEROS: Final = 9
"""The official plugin takes a number with this many zeros among its digits for a round one."""
_ANY_ADDRESS: Final = "0.0.0.0"  # noqa: S104 - the engine's own default, and that of the official plugin
_ALL_CAPABILITIES: Final = "ALL"
_ANY_ADDRESS_V6: Final = "::"

CAPABILITIES: Final = {
    "adds": Prop(kind=Kind.SET, force_new=True),
    "drops": Prop(kind=Kind.SET, force_new=True),
}
HEALTHCHECK: Final = {
    "interval": Prop(default="0s", rule=duration),
    "retries": Prop(),
    "startInterval": Prop(default="0s", rule=duration),
    "startPeriod": Prop(default="0s", rule=duration),
    "tests": Prop(kind=Kind.LIST),
    "timeout": Prop(default="0s", rule=duration),
}
HOST: Final = {"host": Prop(force_new=True, required=True), "ip": Prop(force_new=True, required=True)}
NETWORK: Final = {
    "aliases": Prop(kind=Kind.SET, force_new=True),
    "driverOpts": Prop(kind=Kind.SET, force_new=True, supported=False),
    "gwPriority": Prop(force_new=True, supported=False),
    "ipv4Address": Prop(force_new=True),
    "ipv6Address": Prop(force_new=True),
    "linkLocalIps": Prop(kind=Kind.SET, force_new=True),
    "macAddress": Prop(force_new=True),
    "name": Prop(force_new=True, required=True),
}
PORT: Final = {
    "external": Prop(force_new=True, computed=True),
    "internal": Prop(force_new=True, required=True),
    "ip": Prop(force_new=True, default=_ANY_ADDRESS),
    "protocol": Prop(force_new=True, default="tcp"),
}
ULIMIT: Final = {
    "hard": Prop(force_new=True, required=True),
    "name": Prop(force_new=True, required=True),
    "soft": Prop(force_new=True, required=True),
}
VOLUME: Final = {
    "containerPath": Prop(force_new=True),
    "fromContainer": Prop(force_new=True),
    "hostPath": Prop(force_new=True, rule=absolute_path),
    "readOnly": Prop(force_new=True),
    "selinuxRelabel": Prop(force_new=True, supported=False),
    "volumeName": Prop(force_new=True),
}


def engine_config(inputs: Props) -> dict[str, Any]:
    """Return the request of the engine's API that creates a container."""
    config = {
        "Image": inputs["image"],
        "Hostname": inputs.get("hostname"),
        "Domainname": inputs.get("domainname"),
        "User": inputs.get("user"),
        "WorkingDir": inputs.get("workingDir"),
        "Tty": inputs.get("tty"),
        "OpenStdin": inputs.get("stdinOpen"),
        "Env": inputs.get("envs"),
        "Cmd": inputs.get("command"),
        "Entrypoint": inputs.get("entrypoints"),
        "Labels": {item["label"]: item.get("value", "") for item in inputs.get("labels") or []},
        "Healthcheck": _healthcheck(inputs.get("healthcheck")),
        "StopSignal": inputs.get("stopSignal"),
        "StopTimeout": inputs.get("stopTimeout"),
        "ExposedPorts": {_port_key(port): {} for port in inputs.get("ports") or []},
        "Volumes": {
            volume["containerPath"]: {} for volume in inputs.get("volumes") or [] if volume.get("containerPath")
        },
        "HostConfig": _stated(_host_config(inputs)) | {"Init": bool(inputs.get("init"))},
    }
    return _stated(config)


def read_outputs(container: dict[str, Any], stated: Props) -> Props:
    """Return the outputs that the engine reports for a container. For the others `stated` applies.

    Args:
        container: the engine's inspection of it.
        stated: what was asked for. Environment, labels, volumes and the image's name are not read, because the engine
            mixes them with the image's own; networks are not read either, as in the official plugin.

    """
    config, host, state = container["Config"], container["HostConfig"], container["State"]
    running = bool(state["Running"])
    return {
        "attach": False,
        "bridge": container["NetworkSettings"]["Bridge"],
        "capabilities": _read_capabilities(host),
        "cgroupParent": None,
        "cgroupnsMode": None,
        "command": config["Cmd"],
        "cpus": _read_cpus(host["NanoCpus"]) if host["NanoCpus"] else stated.get("cpus"),
        "cpuSet": host["CpusetCpus"],
        "cpuShares": host["CpuShares"],
        "deviceReadBps": [],
        "deviceReadIops": [],
        "deviceRequests": [],
        "deviceWriteBps": [],
        "deviceWriteIops": [],
        "devices": [],
        "dns": host["Dns"] or None,
        "dnsOpts": host["DnsOptions"] or None,
        "dnsSearches": host["DnsSearch"] or None,
        "domainname": config["Domainname"],
        "entrypoints": config["Entrypoint"] or [],
        "exitCode": None if running else state["ExitCode"],
        "gpus": None,
        "groupAdds": host["GroupAdd"] or None,
        "healthcheck": _read_healthcheck(config.get("Healthcheck")),
        "hostname": config["Hostname"],
        "hosts": [_read_host(entry) for entry in host["ExtraHosts"] or []],
        "image": stated.get("image") or container["Image"],
        "init": bool(host.get("Init")),
        "ipcMode": host["IpcMode"],
        "logDriver": host["LogConfig"]["Type"],
        "logOpts": host["LogConfig"]["Config"] if stated.get("logOpts") else None,
        "logs": False,
        "maxRetryCount": host["RestartPolicy"]["MaximumRetryCount"],
        "memory": host["Memory"] // MEBIBYTE,
        "memoryReservation": host["MemoryReservation"] // MEBIBYTE,
        "memorySwap": host["MemorySwap"] // MEBIBYTE if host["MemorySwap"] > 0 else host["MemorySwap"],
        "mounts": [],
        # A container that should run and does not is recorded so, and the next update starts it.
        "mustRun": running and bool(stated.get("mustRun", True)),
        "name": container["Name"].lstrip("/"),
        "networkDatas": list(_read_networks(container)),
        "networkMode": host["NetworkMode"],
        "networksAdvanced": [_completed(NETWORK, network) for network in stated.get("networksAdvanced") or []],
        "pidMode": host["PidMode"] or None,
        "platform": container["Platform"],
        "ports": list(_read_ports(container)),
        "privileged": host["Privileged"],
        "publishAllPorts": host["PublishAllPorts"],
        "readOnly": host["ReadonlyRootfs"],
        "restart": host["RestartPolicy"]["Name"],
        "rm": host["AutoRemove"],
        "runtime": host["Runtime"],
        "securityOpts": host["SecurityOpt"] or [],
        "shmSize": host["ShmSize"] // MEBIBYTE,
        "stdinOpen": config["OpenStdin"],
        "stopSignal": config.get("StopSignal", ""),
        "stopTimeout": config.get("StopTimeout") or 0,
        "storageOpts": host.get("StorageOpt") or None,
        "sysctls": host.get("Sysctls") or None,
        "tmpfs": host.get("Tmpfs") or None,
        "tty": config["Tty"],
        "ulimits": [
            {"hard": limit["Hard"], "name": limit["Name"], "soft": limit["Soft"]} for limit in host["Ulimits"] or []
        ],
        "uploads": [],
        "user": config["User"],
        "usernsMode": host["UsernsMode"],
        "volumes": [_completed(VOLUME, volume) for volume in stated.get("volumes") or []],
        "wait": bool(stated.get("wait")),
        "workingDir": config["WorkingDir"],
    }


def _host_config(inputs: Props) -> dict[str, Any]:
    capabilities = inputs.get("capabilities") or {}
    return {
        "Binds": list(_binds(inputs)),
        "VolumesFrom": [
            volume["fromContainer"] for volume in inputs.get("volumes") or [] if volume.get("fromContainer")
        ],
        "PortBindings": _port_bindings(inputs.get("ports") or []),
        "PublishAllPorts": inputs.get("publishAllPorts"),
        "NetworkMode": inputs.get("networkMode"),
        "RestartPolicy": {"Name": inputs.get("restart"), "MaximumRetryCount": inputs.get("maxRetryCount") or 0},
        "AutoRemove": inputs.get("rm"),
        "ReadonlyRootfs": inputs.get("readOnly"),
        "Tmpfs": inputs.get("tmpfs"),
        "LogConfig": _stated({"Type": inputs.get("logDriver"), "Config": inputs.get("logOpts")}),
        "Privileged": inputs.get("privileged"),
        "CapAdd": _capability_names(capabilities.get("adds")),
        "CapDrop": _capability_names(capabilities.get("drops")),
        "SecurityOpt": inputs.get("securityOpts"),
        "Ulimits": [
            {"Name": limit["name"], "Soft": limit["soft"], "Hard": limit["hard"]}
            for limit in inputs.get("ulimits") or []
        ],
        "ExtraHosts": [f"{entry['host']}:{entry['ip']}" for entry in inputs.get("hosts") or []],
        "Dns": inputs.get("dns"),
        "DnsOptions": inputs.get("dnsOpts"),
        "DnsSearch": inputs.get("dnsSearches"),
        "Memory": (inputs.get("memory") or 0) * MEBIBYTE,
        "MemorySwap": _swap(inputs.get("memorySwap") or 0),
        "MemoryReservation": (inputs.get("memoryReservation") or 0) * MEBIBYTE,
        "NanoCpus": round(float(inputs.get("cpus") or 0) * _NANO_CPUS),
        "CpuShares": inputs.get("cpuShares"),
        "CpusetCpus": inputs.get("cpuSet"),
        "CpuPeriod": None if inputs.get("cpus") else inputs.get("cpuPeriod"),
        "CpuQuota": None if inputs.get("cpus") else inputs.get("cpuQuota"),
        "ShmSize": (inputs.get("shmSize") or 0) * MEBIBYTE,
        "Sysctls": inputs.get("sysctls"),
        "GroupAdd": inputs.get("groupAdds"),
        "PidMode": inputs.get("pidMode"),
        "IpcMode": inputs.get("ipcMode"),
        "UsernsMode": inputs.get("usernsMode"),
        "Runtime": inputs.get("runtime"),
        "StorageOpt": inputs.get("storageOpts"),
    }


def _stated(config: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in config.items() if value}


def _completed(fields: dict[str, Prop], item: Props) -> Props:
    """Return every field of an element as the official plugin records it. Missing lists are empty, others null."""
    numbers = ("gwPriority", "readOnly")
    return {
        name: item.get(name) or ([] if prop.kind is Kind.SET else None if name in numbers else "")
        for name, prop in fields.items()
    }


def _binds(inputs: Props) -> Iterator[str]:
    for volume in inputs.get("volumes") or []:
        source = volume.get("hostPath") or volume.get("volumeName")
        if source:
            yield f"{source}:{volume['containerPath']}:{'ro' if volume.get('readOnly') else 'rw'}"


def _port_key(port: Props) -> str:
    return f"{port['internal']}/{port['protocol']}"


def _port_bindings(ports: list[Props]) -> dict[str, list[dict[str, str]]]:
    bindings: dict[str, list[dict[str, str]]] = {}
    for port in ports:
        binding = {"HostIp": str(port["ip"]), "HostPort": str(port.get("external") or 0)}
        bindings.setdefault(_port_key(port), []).append(binding)
    return bindings


def _swap(mebibytes: int) -> int:
    return mebibytes * MEBIBYTE if mebibytes > 0 else mebibytes


def _healthcheck(stated: Props | None) -> dict[str, Any] | None:
    if not stated:
        return None
    return {
        "Test": stated.get("tests") or [],
        "Interval": nanoseconds(stated["interval"]),
        "Timeout": nanoseconds(stated["timeout"]),
        "StartPeriod": nanoseconds(stated["startPeriod"]),
        "StartInterval": nanoseconds(stated["startInterval"]),
        "Retries": stated.get("retries") or 0,
    }


def _read_healthcheck(found: dict[str, Any] | None) -> Props | None:
    if not found:
        return None
    return {
        "interval": text(found.get("Interval", 0)),
        "retries": found.get("Retries", 0),
        "startInterval": text(found.get("StartInterval", 0)),
        "startPeriod": text(found.get("StartPeriod", 0)),
        "tests": found.get("Test") or [],
        "timeout": text(found.get("Timeout", 0)),
    }


def _capability_names(stated: list[str] | None) -> list[str]:
    """Return the full names of capabilities, as Docker's own client does. A short name reads back as the full one."""
    names = [name.upper() for name in stated or []]
    return [name if name == _ALL_CAPABILITIES or name.startswith("CAP_") else f"CAP_{name}" for name in names]


def _read_capabilities(host: dict[str, Any]) -> Props | None:
    if not host["CapAdd"] and not host["CapDrop"]:
        return None
    return {"adds": host["CapAdd"] or [], "drops": host["CapDrop"] or []}


def _read_host(entry: str) -> Props:
    # Cut at every colon, as the official plugin does: of an IPv6 address, the part before its first one is left.
    name, address, *_ = entry.split(":")
    return {"host": name, "ip": address}


def _read_cpus(nano: int) -> str:
    """Write `cpus` as the official plugin does, which changes some values: 0.05 becomes "0.1"."""
    exact = f"{Decimal(nano).scaleb(-9):.9f}"
    if exact.count("0") == _ROUND_ZEROS:
        return str(Decimal(exact).quantize(Decimal("0.1"), ROUND_HALF_UP))
    return exact.rstrip("0")


def _read_ports(container: dict[str, Any]) -> Iterator[Value]:
    for key, bindings in sorted((container["NetworkSettings"]["Ports"] or {}).items()):
        internal, _, protocol = key.partition("/")
        for binding in bindings or []:
            # The engine adds a binding for IPv6 by itself to one for all of IPv4.
            if binding["HostIp"] != _ANY_ADDRESS_V6:
                yield {
                    "external": int(binding["HostPort"]),
                    "internal": int(internal),
                    "ip": binding["HostIp"] or _ANY_ADDRESS,
                    "protocol": protocol,
                }


def _read_networks(container: dict[str, Any]) -> Iterator[Value]:
    for name, endpoint in sorted(container["NetworkSettings"]["Networks"].items()):
        yield {
            "gateway": endpoint["Gateway"],
            "globalIpv6Address": endpoint["GlobalIPv6Address"],
            "globalIpv6PrefixLength": endpoint["GlobalIPv6PrefixLen"],
            "ipAddress": endpoint["IPAddress"],
            "ipPrefixLength": endpoint["IPPrefixLen"],
            "ipv6Gateway": endpoint["IPv6Gateway"],
            "macAddress": endpoint["MacAddress"],
            "networkName": name,
        }
