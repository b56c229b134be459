"""The task of a service in Swarm, as the docker provider takes it: what follows from the settings alone.

Every value that Swarm would choose itself is stated, in the form in which Swarm returns it. Otherwise each refresh
would find a difference.
"""

import math
from collections.abc import Sequence
from typing import Any

from gix_model import container_inputs, kernel
from gix_model.settings import MINIMUM_TIME, HealthCheckSettings, ServiceSettings
from gix_model.units import Memory, format_short_duration

_NANO = 10**9
_RESTART_DELAY = "1s"
"""How long Swarm waits before it starts a task in the place of one that ended."""
_MONITOR = "5s"
"""How long Swarm watches a task that runs before it counts as updated."""
_BATCHES = 4
"""An update of many tasks replaces a quarter of them at a time."""


def container_spec(settings: ServiceSettings, probe: Sequence[str]) -> dict[str, Any]:
    """The part about the container. `probe` is the test of its health check."""
    return {
        "dir": "/",
        "user": settings.user,
        "init": settings.init,
        "read_only": settings.read_only_root,
        "cap_drops": settings.drop_capabilities,
        "stop_signal": settings.stop_signal,
        "stop_grace_period": format_short_duration(settings.stop_grace),
        "healthcheck": _health_check(settings.health_check, probe),
        "hosts": container_inputs.as_list(settings.extra_hosts, "host", "ip"),
    }


def tmpfs_mounts(settings: ServiceSettings) -> list[dict[str, Any]]:
    """The mounts of memory. They have the options noexec, nosuid and nodev, whatever else is configured."""
    return [
        {"target": path, "type": "tmpfs", "tmpfs_options": {"size_bytes": kernel.tmpfs_size_bytes(options) or 0}}
        for path, options in container_inputs.tmpfs(settings).items()
    ]


def task_spec(settings: ServiceSettings, constraints: Sequence[str] = ()) -> dict[str, Any]:
    """The part about the task. `constraints` are those of the program, in addition to the configured ones."""
    placement = settings.placement
    kind, _, retries = settings.restart.partition(":")
    return {
        "resources": _resources(settings),
        "restart_policy": {
            "condition": {"no": "none", "on-failure": "on-failure"}.get(kind, "any"),
            "delay": _RESTART_DELAY,
            "max_attempts": int(retries or 0),
            "window": "0s",
        },
        "placement": {
            "constraints": [*constraints, *placement.constraints],
            "prefs": [placement.spread] if placement.spread else [],
            "max_replicas": placement.max_per_node or 0,
        },
        "log_driver": {"name": settings.logging.driver, "options": container_inputs.log_options(settings) or {}},
        "force_update": 0,
        "runtime": "container",
    }


def update_config(*, order: str, failure_action: str, replicas: int = 1) -> dict[str, Any]:
    """How Swarm replaces the tasks of a service, or goes back."""
    return {
        "parallelism": math.ceil(replicas / _BATCHES),
        "delay": "0s",
        "failure_action": failure_action,
        "monitor": _MONITOR,
        "max_failure_ratio": "0.0",
        "order": order,
    }


def _health_check(settings: HealthCheckSettings, probe: Sequence[str]) -> dict[str, Any]:
    return {
        "tests": list(probe),
        "interval": format_short_duration(settings.interval),
        "timeout": format_short_duration(settings.timeout),
        "start_period": format_short_duration(settings.start_period or MINIMUM_TIME),
        "retries": settings.retries,
    }


def _resources(settings: ServiceSettings) -> dict[str, Any]:
    # Zero is no limit. The provider does not notice when a limit is left out.
    return {
        "limits": _amounts(settings.cpus, settings.memory),
        "reservation": _amounts(settings.reservations.cpus, settings.reservations.memory),
    }


def _amounts(cpus: float | None, memory: Memory | None) -> dict[str, int]:
    return {"nano_cpus": round((cpus or 0) * _NANO), "memory_bytes": memory.bytes if memory else 0}
