"""Converts a service's inputs to the engine's form, and the engine's form to outputs."""

import ctypes
from collections.abc import Iterator
from typing import Any, Final

from offline.docker_plugin.durations import nanoseconds, text
from offline.docker_plugin.resources.base import labels_from, labels_to
from offline.docker_plugin.values import Props

_PERMISSIONS: Final = 0o777
"""What the official plugin reads of the mode of a tmpfs: the sticky bit is lost."""


def engine_spec(inputs: Props) -> dict[str, Any]:
    """Return the engine's specification of a service from its completed inputs."""
    mode = inputs["mode"] or {}
    replicated, endpoint = mode.get("replicated"), inputs["endpointSpec"] or {}
    spec = {
        "Name": inputs["name"],
        "Labels": labels_to(inputs["labels"]),
        "TaskTemplate": _task(inputs["taskSpec"]),
        "Mode": ({} if replicated is None else {"Replicated": {"Replicas": replicated["replicas"]}})
        | ({"Global": {}} if mode.get("global") else {}),
        "UpdateConfig": _change_config(inputs["updateConfig"]),
        "RollbackConfig": _change_config(inputs["rollbackConfig"]),
        "EndpointSpec": {
            "Mode": endpoint.get("mode") or "",
            "Ports": [
                {
                    "Name": port.get("name") or "",
                    "Protocol": port["protocol"],
                    "TargetPort": port["targetPort"],
                    "PublishedPort": port.get("publishedPort") or 0,
                    "PublishMode": port["publishMode"],
                }
                for port in endpoint.get("ports") or []
            ],
        },
    }
    return {name: value for name, value in spec.items() if value is not None}


def read_outputs(service: dict[str, Any]) -> Props:
    """Return the outputs that the engine reports for a service."""
    spec = service["Spec"]
    mode, allocated = spec["Mode"], service.get("Endpoint") or {}
    is_allocated = bool((allocated.get("Spec") or {}).get("Mode"))
    endpoint = spec.get("EndpointSpec") or {}
    ports = allocated.get("Ports") if is_allocated else endpoint.get("Ports")
    return {
        "endpointSpec": {
            "mode": allocated["Spec"]["Mode"] if is_allocated else endpoint.get("Mode", ""),
            "ports": [_read_port(port) for port in ports or []],
        },
        "labels": labels_from(spec.get("Labels")),
        "mode": {
            "global": "Global" in mode,
            "replicated": {"replicas": mode["Replicated"].get("Replicas", 0)} if "Replicated" in mode else None,
        },
        "name": spec["Name"],
        "rollbackConfig": _read_change_config(spec.get("RollbackConfig")),
        "taskSpec": _read_task(spec["TaskTemplate"]),
        "updateConfig": _read_change_config(spec.get("UpdateConfig")),
    }


def short(duration: int) -> str:
    """Write a duration in nanoseconds as the official plugin does: `1m`, not `1m0s`."""
    written = text(duration)
    for unit, zero in (("m", "0s"), ("h", "0m")):
        if written.endswith(unit + zero):
            written = written.removesuffix(zero)
    return written


def _task(task: Props) -> dict[str, Any]:
    template = {
        "ContainerSpec": _container(task["containerSpec"]),
        "Resources": _resources(task["resources"] or {}),
        "RestartPolicy": _restart_policy(task["restartPolicy"]),
        "Placement": _placement(task["placement"] or {}),
        "ForceUpdate": task["forceUpdate"] or 0,
        "Runtime": task["runtime"] or "",
        "Networks": [
            {
                "Target": network.get("id") or network.get("name"),
                "Aliases": network.get("aliases") or [],
                "DriverOpts": dict(option.split("=", 1) for option in network.get("driverOpts") or []),
            }
            for network in task["networksAdvanceds"] or []
        ],
    }
    driver = task["logDriver"]
    return template | ({"LogDriver": {"Name": driver["name"], "Options": driver["options"] or {}}} if driver else {})


def _container(container: Props) -> dict[str, Any]:
    health, dns = container["healthcheck"] or {}, container["dnsConfig"] or {}
    spec = {
        "Image": container["image"],
        "Labels": labels_to(container["labels"]),
        "Command": container["commands"],
        "Args": container["args"],
        "Hostname": container["hostname"],
        "Env": [f"{name}={value}" for name, value in sorted((container["env"] or {}).items())],
        "Dir": container["dir"],
        "User": container["user"],
        "Groups": container["groups"],
        "Privileges": _privileges(container["privileges"]),
        "ReadOnly": container["readOnly"],
        "Mounts": [_mount(mount) for mount in container["mounts"] or []],
        "StopSignal": container["stopSignal"],
        "Hosts": [f"{host['ip']} {host['host']}" for host in container["hosts"] or []],
        "Secrets": list(_files(container["secrets"], "Secret", "secret")),
        "Configs": list(_files(container["configs"], "Config", "config")),
        "Isolation": container["isolation"],
        "Sysctls": container["sysctl"],
        "CapabilityAdd": container["capAdds"],
        "CapabilityDrop": container["capDrops"],
    }
    return {name: value for name, value in spec.items() if value} | {
        # The engine has defaults for these, but the official plugin sends zeros.
        "StopGracePeriod": _nanoseconds(container["stopGracePeriod"]),
        "Init": bool(container["init"]),
        "Healthcheck": {
            "Test": health.get("tests") or [],
            "Interval": _nanoseconds(health.get("interval")),
            "Timeout": _nanoseconds(health.get("timeout")),
            "StartPeriod": _nanoseconds(health.get("startPeriod")),
            "Retries": health.get("retries") or 0,
        },
        "DNSConfig": {
            "Nameservers": dns.get("nameservers") or [],
            "Search": dns.get("searches") or [],
            "Options": dns.get("options") or [],
        },
    }


def _privileges(stated: Props | None) -> dict[str, Any] | None:
    context = (stated or {}).get("seLinuxContext")
    if context is None:
        return None
    return {
        "SELinuxContext": {
            "Disable": bool(context.get("disable")),
            **{name.title(): context.get(name) or "" for name in ("user", "role", "type", "level")},
        }
    }


def _mount(mount: Props) -> dict[str, Any]:
    spec: dict[str, Any] = {
        "Type": mount["type"],
        "Source": mount.get("source") or "",
        "Target": mount["target"],
        "ReadOnly": bool(mount.get("readOnly")),
    }
    bind, volume, tmpfs = mount.get("bindOptions"), mount.get("volumeOptions"), mount.get("tmpfsOptions")
    if bind is not None:
        spec["BindOptions"] = {"Propagation": bind["propagation"]}
    if volume is not None:
        spec["VolumeOptions"] = {
            "NoCopy": bool(volume.get("noCopy")),
            "Labels": labels_to(volume.get("labels")),
            "DriverConfig": {"Name": volume.get("driverName") or "", "Options": volume.get("driverOptions") or {}},
        }
    if tmpfs is not None:
        spec["TmpfsOptions"] = {"SizeBytes": tmpfs.get("sizeBytes") or 0, "Mode": tmpfs.get("mode") or 0}
    return spec


def _files(stated: list[Props] | None, kind: str, prefix: str) -> Iterator[dict[str, Any]]:
    for file in stated or []:
        yield {
            f"{kind}ID": file[f"{prefix}Id"],
            f"{kind}Name": file.get(f"{prefix}Name") or "",
            "File": {
                "Name": file["fileName"],
                "UID": file["fileUid"],
                "GID": file["fileGid"],
                "Mode": file["fileMode"],
            },
        }


def _resources(resources: Props) -> dict[str, Any]:
    limits, reservation = resources.get("limits"), resources.get("reservation")
    spec: dict[str, Any] = {}
    if limits is not None:
        spec["Limits"] = _amounts(limits)
    if reservation is not None:
        generic = reservation.get("genericResources") or {}
        spec["Reservations"] = _amounts(reservation) | {"GenericResources": list(_generic_resources(generic))}
    return spec


def _amounts(stated: Props) -> dict[str, int]:
    return {"NanoCPUs": stated.get("nanoCpus") or 0, "MemoryBytes": stated.get("memoryBytes") or 0}


def _generic_resources(stated: Props) -> Iterator[dict[str, Any]]:
    for resource in stated.get("namedResourcesSpecs") or []:
        kind, _, value = resource.partition("=")
        yield {"NamedResourceSpec": {"Kind": kind, "Value": value}}
    for resource in stated.get("discreteResourcesSpecs") or []:
        kind, _, value = resource.partition("=")
        yield {"DiscreteResourceSpec": {"Kind": kind, "Value": int(value)}}


def _restart_policy(policy: Props | None) -> dict[str, Any]:
    if policy is None:
        return {}
    return {
        "Condition": policy["condition"] or "",
        "Delay": _nanoseconds(policy["delay"]),
        "MaxAttempts": policy["maxAttempts"] or 0,
        "Window": _nanoseconds(policy["window"]),
    }


def _placement(placement: Props) -> dict[str, Any]:
    return {
        "Constraints": placement.get("constraints") or [],
        "Preferences": [{"Spread": {"SpreadDescriptor": label}} for label in placement.get("prefs") or []],
        "Platforms": [
            {"Architecture": platform["architecture"], "OS": platform["os"]}
            for platform in placement.get("platforms") or []
        ],
        "MaxReplicas": placement.get("maxReplicas") or 0,
    }


def _change_config(config: Props | None) -> dict[str, Any] | None:
    if config is None:
        return None
    return {
        "Parallelism": config["parallelism"],
        "Delay": _nanoseconds(config["delay"]),
        "FailureAction": config["failureAction"],
        "Monitor": _nanoseconds(config["monitor"]),
        "MaxFailureRatio": float(config["maxFailureRatio"]),
        "Order": config["order"],
    }


def _nanoseconds(duration: str | None) -> int:
    return nanoseconds(duration) if duration else 0


def _read_task(task: dict[str, Any]) -> Props:
    driver, policy, placement = task.get("LogDriver"), task.get("RestartPolicy"), task.get("Placement")
    return {
        "containerSpec": _read_container(task["ContainerSpec"]),
        "forceUpdate": task.get("ForceUpdate", 0),
        "logDriver": {"name": driver.get("Name", ""), "options": driver.get("Options") or {}} if driver else None,
        "networksAdvanceds": [
            {
                "aliases": sorted(network.get("Aliases") or []),
                "driverOpts": sorted(f"{name}={value}" for name, value in (network.get("DriverOpts") or {}).items()),
                "id": network["Target"],
                "name": "",
            }
            for network in task.get("Networks") or []
        ],
        "placement": None if placement is None else _read_placement(placement),
        "resources": _read_resources(task.get("Resources") or {}),
        "restartPolicy": None
        if policy is None
        else {
            "condition": policy.get("Condition", ""),
            "delay": short(policy["Delay"]) if "Delay" in policy else "",
            "maxAttempts": policy.get("MaxAttempts", 0),
            "window": short(policy["Window"]) if "Window" in policy else "",
        },
        "runtime": task.get("Runtime", ""),
    }


def _read_container(spec: dict[str, Any]) -> Props:
    health = spec.get("Healthcheck")
    return {
        "args": spec.get("Args") or [],
        "capAdds": spec.get("CapabilityAdd") or [],
        "capDrops": spec.get("CapabilityDrop") or [],
        "commands": spec.get("Command") or [],
        "configs": [_read_file(file, "Config", "config") for file in spec.get("Configs") or []],
        "dir": spec.get("Dir", ""),
        "dnsConfig": _read_dns(spec.get("DNSConfig")),
        "env": dict(entry.partition("=")[::2] for entry in spec.get("Env") or []),
        "groups": spec.get("Groups") or [],
        "healthcheck": None
        if health is None
        else {
            "interval": short(health.get("Interval", 0)),
            "retries": health.get("Retries", 0),
            "startPeriod": short(health.get("StartPeriod", 0)),
            "tests": health.get("Test") or [],
            "timeout": short(health.get("Timeout", 0)),
        },
        "hostname": spec.get("Hostname", ""),
        "hosts": [{"host": entry.split(" ")[1], "ip": entry.split(" ")[0]} for entry in spec.get("Hosts") or []],
        "image": spec.get("Image", ""),
        "init": bool(spec.get("Init")),
        "isolation": spec.get("Isolation", ""),
        "labels": labels_from(spec.get("Labels")),
        "mounts": [_read_mount(mount) for mount in spec.get("Mounts") or []],
        "privileges": _read_privileges(spec.get("Privileges")),
        "readOnly": bool(spec.get("ReadOnly")),
        "secrets": [_read_file(file, "Secret", "secret") for file in spec.get("Secrets") or []],
        "stopGracePeriod": short(spec["StopGracePeriod"]) if "StopGracePeriod" in spec else "",
        "stopSignal": spec.get("StopSignal", ""),
        "sysctl": spec.get("Sysctls") or {},
        "user": spec.get("User", ""),
    }


def _read_dns(found: dict[str, Any] | None) -> Props | None:
    if found is None:
        return None
    if not any(found.values()):
        return {"nameservers": None, "options": None, "searches": None}
    return {
        "nameservers": found.get("Nameservers") or [],
        "options": found.get("Options") or [],
        "searches": found.get("Search") or [],
    }


def _read_privileges(found: dict[str, Any] | None) -> Props | None:
    if found is None:
        return None
    context = found.get("SELinuxContext")
    return {
        "credentialSpec": None,
        "seLinuxContext": None
        if context is None
        else {
            "disable": bool(context.get("Disable")),
            **{name: context.get(name.title(), "") for name in ("level", "role", "type", "user")},
        },
    }


def _read_file(file: dict[str, Any], kind: str, prefix: str) -> Props:
    return {
        "fileGid": file["File"].get("GID", ""),
        "fileMode": file["File"].get("Mode", 0),
        "fileName": file["File"]["Name"],
        "fileUid": file["File"].get("UID", ""),
        f"{prefix}Id": file[f"{kind}ID"],
        f"{prefix}Name": file.get(f"{kind}Name", ""),
    }


def _read_mount(mount: dict[str, Any]) -> Props:
    bind, volume, tmpfs = mount.get("BindOptions"), mount.get("VolumeOptions"), mount.get("TmpfsOptions")
    driver = (volume or {}).get("DriverConfig") or {}
    return {
        "bindOptions": None if bind is None else {"propagation": bind.get("Propagation", "")},
        "readOnly": bool(mount.get("ReadOnly")),
        "source": mount.get("Source", ""),
        "target": mount.get("Target", ""),
        "tmpfsOptions": None
        if tmpfs is None
        else {"mode": tmpfs.get("Mode", 0) & _PERMISSIONS, "sizeBytes": tmpfs.get("SizeBytes", 0)},
        "type": mount["Type"],
        "volumeOptions": None
        if volume is None
        else {
            "driverName": driver.get("Name", ""),
            "driverOptions": driver.get("Options") or {},
            "labels": labels_from(volume.get("Labels")),
            "noCopy": bool(volume.get("NoCopy")),
        },
    }


def _read_resources(found: dict[str, Any]) -> Props:
    limits, reservation = found.get("Limits"), found.get("Reservations")
    generic = (reservation or {}).get("GenericResources") or []
    return {
        "limits": None if limits is None else _read_amounts(limits),
        "reservation": None
        if reservation is None
        else _read_amounts(reservation) | {"genericResources": _read_generic_resources(generic) if generic else None},
    }


def _read_amounts(found: dict[str, int]) -> Props:
    return {"memoryBytes": found.get("MemoryBytes", 0), "nanoCpus": found.get("NanoCPUs", 0)}


def _read_generic_resources(found: list[dict[str, Any]]) -> Props:
    named = [each["NamedResourceSpec"] for each in found if "NamedResourceSpec" in each]
    counted = [each["DiscreteResourceSpec"] for each in found if "DiscreteResourceSpec" in each]
    return {
        "discreteResourcesSpecs": [f"{each['Kind']}={each['Value']}" for each in counted],
        "namedResourcesSpecs": [f"{each['Kind']}={each['Value']}" for each in named],
    }


def _read_placement(found: dict[str, Any]) -> Props:
    return {
        "constraints": sorted(found.get("Constraints") or []),
        "maxReplicas": found.get("MaxReplicas", 0),
        "platforms": [
            {"architecture": platform.get("Architecture", ""), "os": platform.get("OS", "")}
            for platform in found.get("Platforms") or []
        ],
        "prefs": [preference["Spread"]["SpreadDescriptor"] for preference in found.get("Preferences") or []],
    }


def _read_change_config(found: dict[str, Any] | None) -> Props | None:
    if found is None:
        return None
    # The engine's number has 32 bits: rounded to one digit it can differ from the stated one.
    ratio = ctypes.c_float(found.get("MaxFailureRatio", 0)).value
    return {
        "delay": short(found.get("Delay", 0)),
        "failureAction": found.get("FailureAction", ""),
        "maxFailureRatio": f"{ratio:.1f}",
        "monitor": short(found.get("Monitor", 0)),
        "order": found.get("Order", ""),
        "parallelism": found.get("Parallelism", 0),
    }


def _read_port(port: dict[str, Any]) -> Props:
    return {
        "name": port.get("Name", ""),
        "protocol": port.get("Protocol", ""),
        "publishMode": port.get("PublishMode", ""),
        "publishedPort": port.get("PublishedPort", 0),
        "targetPort": port.get("TargetPort", 0),
    }
