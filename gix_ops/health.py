"""`gixctl health`: the health of every service and of the edge, with the last probes.

`--json` prints a list with one object for each container:

    {"service": "router", "container": "gix-router", "state": "running", "health": "healthy", "restarts": 0,
     "started": "2026-01-02T03:04:05.678901234Z", "uptime_seconds": 61.2, "exit_code": null,
     "digest": "sha256:...", "ports": ["127.0.0.1:50051->50051/tcp"], "failing_streak": 0,
     "probes": [{"started": "2026-01-02T03:05:05.6Z", "seconds": 0.06, "exit_code": 0, "output": ""}],
     "fix": null, "node": null}

`service` has a number if the service has several containers: `router-2`. It is `edge` for the edge, whose ports are
those of the services. `state` is the container's state as the engine names it (running, paused, restarting, exited,
created, dead), or missing. `health` is the health of a running container (starting, healthy, unhealthy), otherwise the
state. `started` and `uptime_seconds` are null if the container does not run, `exit_code` is null if it does. `digest`
is the image's digest in the registry, or its id if it was built here. `probes` are the last ones that the engine
keeps, the oldest first. `fix` is null if the service is healthy. With `--watch` each line is one such list.

`node` is the host name of the task's node in Swarm, otherwise null. In Swarm, probes, restarts and uptime are known if
`gix:engine.nodes` has the address of the node.
"""

import time
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import docker
from rich import box
from rich.table import Table
from rich.text import Text

from gix_ops import services, status, swarm
from gix_ops.services import ServiceContainer
from gix_ops.stack import Stack

WATCH_SECONDS = 1.0
"""Time between two readings of the live view."""
WAIT_SECONDS = 0.25
"""Time between two readings while waiting."""

_UNITS = (("d", 86_400), ("h", 3_600), ("m", 60), ("s", 1))


@dataclass(frozen=True, kw_only=True)
class Probe:
    """One run of a health check: its start, duration, exit code and output."""

    started: str
    seconds: float
    exit_code: int
    output: str


@dataclass(frozen=True, kw_only=True)
class ServiceHealth:
    """One container, as JSON has it; see the docstring of this module."""

    service: str
    container: str
    state: str
    health: str
    restarts: int
    started: str | None
    uptime_seconds: float | None
    exit_code: int | None
    digest: str
    ports: list[str]
    failing_streak: int
    probes: list[Probe]
    fix: str | None
    node: str | None = None

    @property
    def is_healthy(self) -> bool:
        """Whether it runs and its health check succeeds."""
        return self.health == "healthy"


def read(stack: Stack, client: docker.DockerClient, wanted: Collection[str] = ()) -> list[ServiceHealth]:
    """The health of the `wanted` services. Default: all. Raises StackError as `services.read` does."""
    now = datetime.now(UTC)
    return [health_of(each, now) for each in services.read(stack, client, wanted)]


def watch(stack: Stack, client: docker.DockerClient) -> Iterator[list[ServiceHealth]]:
    """The health of every service, read every WATCH_SECONDS without an end."""
    while True:
        yield read(stack, client)
        time.sleep(WATCH_SECONDS)


def wait(
    stack: Stack, client: docker.DockerClient, time_limit: timedelta, wanted: Collection[str] = ()
) -> Iterator[list[ServiceHealth]]:
    """The health of the `wanted` services (default: all), read again until they are healthy or the time is over."""
    deadline = time.monotonic() + time_limit.total_seconds()
    while True:
        found = read(stack, client, wanted)
        yield found
        left = deadline - time.monotonic()
        if left <= 0 or all(each.is_healthy for each in found):
            return
        time.sleep(min(WAIT_SECONDS, left))


def health_of(container: ServiceContainer, now: datetime) -> ServiceHealth:
    """The health of a service from the engine's record of its container, at the time `now`."""
    found = container.found
    state = found.get("State") or {}
    runs = bool(state.get("Running"))
    in_task = None if container.task is None else container.task.exit_code
    check = state.get("Health") or {}
    return ServiceHealth(
        service=container.title,
        container=container.name,
        state=container.state,
        health=container.health,
        restarts=found.get("RestartCount") or 0,
        started=state["StartedAt"] if runs else None,
        uptime_seconds=max(0.0, (now - datetime.fromisoformat(state["StartedAt"])).total_seconds()) if runs else None,
        exit_code=None if runs or container.state == "running" else state.get("ExitCode", in_task),
        digest=container.digest,
        ports=[str(port) for port in container.ports],
        failing_streak=check.get("FailingStreak") or 0,
        probes=[_probe(each) for each in check.get("Log") or []],
        fix=container.fix,
        node=container.node,
    )


def unhealthy(found: list[ServiceHealth]) -> str:
    """The services that are not healthy, each with its fix, on one line."""
    return "; ".join(
        f"{each.service} is not healthy ({each.health}): {each.fix}" for each in found if not each.is_healthy
    )


def table(stack: Stack, found: list[ServiceHealth]) -> Table:
    """The health of all services for a terminal. It fits in 80 columns if all are healthy."""
    shown = Table(
        title=status.title(stack), title_justify="left", box=box.SIMPLE_HEAD, pad_edge=False, padding=(0, 1, 0, 0)
    )
    in_swarm = swarm.is_swarm(stack)
    node = ("node",) if in_swarm else ()
    for heading in ("service", *node, "health", "uptime", "image digest", "host ports", "last probe"):
        shown.add_column(heading, no_wrap=heading != "last probe", overflow="fold")
    for each in found:
        shown.add_row(
            each.service,
            *((each.node or "-",) if in_swarm else ()),
            status.coloured(each.health),
            _uptime(each),
            services.short_digest(each.digest).removeprefix("sha256:"),
            "\n".join(port.partition("->")[0] for port in each.ports) or "-",
            _last_probe(each),
        )
    return shown


def duration(seconds: float) -> str:
    """A duration in its two largest units: `2d 3h`, `1m 5s`, `0s`."""
    parts: list[str] = []
    rest = int(seconds)
    for unit, size in _UNITS:
        count, rest = divmod(rest, size)
        if count or (unit == "s" and not parts):
            parts.append(f"{count}{unit}")
    return " ".join(parts[:2])


def _uptime(health: ServiceHealth) -> str:
    if health.uptime_seconds is not None:
        what = duration(health.uptime_seconds)
    elif health.exit_code is not None:
        what = f"exit code {health.exit_code}"
    else:
        return "-"
    return f"{what} ({health.restarts} restarts)" if health.restarts else what


def _last_probe(health: ServiceHealth) -> Text:
    """The last probe, for a cell. It is plain text, because a container may write anything, also markup."""
    if not health.probes:
        return Text("-")
    probe = health.probes[-1]
    ended = datetime.fromisoformat(probe.started).timestamp() + probe.seconds
    ago = duration(max(0.0, datetime.now(UTC).timestamp() - ended))
    streak = f", {health.failing_streak} failed in a row" if health.failing_streak else ""
    output = f"\n{probe.output.strip()}" if probe.output.strip() else ""
    return Text(f"exit {probe.exit_code}, {ago} ago{streak}{output}")


def _probe(entry: dict[str, Any]) -> Probe:
    started, ended = (datetime.fromisoformat(entry[key]) for key in ("Start", "End"))
    return Probe(
        started=entry["Start"],
        seconds=(ended - started).total_seconds(),
        exit_code=entry["ExitCode"],
        output=entry["Output"],
    )
