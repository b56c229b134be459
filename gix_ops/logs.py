"""`gixctl logs`: the logs of the services in one stream, ordered by time.

With `--json`, one object per line:

    {"time": "2026-01-02T03:04:05.678901234Z", "service": "router", "stream": "stderr", "line": "..."}

`time` is when the engine received the line from the container, by the engine's clock, in UTC. `stream` is stdout or
stderr.

Memory use is constant: each log is read from the connection as fast as the reader consumes it.
"""

import contextlib
import heapq
import queue
import re
import threading
import time
from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from operator import attrgetter
from typing import Protocol

import docker
from docker.errors import DockerException

from gix_model import units
from gix_ops import log_stream, services, swarm, swarm_logs
from gix_ops.errors import StackError
from gix_ops.log_stream import HEARTBEAT_SECONDS, Line, Progress, UnreadableLogError
from gix_ops.stack import Stack

_LINES_AHEAD = 1000


class Log(Protocol):
    """The log of a service, or of one of its containers."""

    @property
    def titles(self) -> Sequence[str]:
        """The `service` of its lines, as far as it is known before they are read."""

    def readings(self) -> Sequence[Callable[[], Iterator[Line]]]:
        """What reads the lines so far. Each reading is ordered by time, and may raise UnreadableLogError."""

    def follow(self, put: Callable[[Line | StackError], None]) -> None:
        """Put all new lines, and each UnreadableLogError. Returns when the engine does not answer, with that error."""


@dataclass(kw_only=True)
class ServiceLog:
    """The log of a container of a service, across all containers that have its name one after the other.

    Lines before `since`, in seconds since 1970, are left out. The first read returns at most the last `tail` lines. No
    line is read twice.
    """

    client: docker.DockerClient
    stack: str | None
    """PROJECT/STACK, if containers of the service get new names: behind an edge."""
    service: str
    title: str
    """The service, and the number if it has several containers."""
    container: str
    taken: set[str] = field(default_factory=set)
    """The names of all containers of the service that are followed, for all of its logs."""
    since: float | None = None
    tail: int | None = None
    _progress: Progress = field(default_factory=Progress, init=False)

    def __post_init__(self) -> None:
        self._progress.since = self.since

    @property
    def titles(self) -> Sequence[str]:
        """The title."""
        return [self.title]

    def readings(self) -> Sequence[Callable[[], Iterator[Line]]]:
        """One: that of the container."""
        return [self.read]

    def read(self, *, follow: bool = False) -> Iterator[Line]:
        """The lines that were not read yet. With `follow`, also new lines until the container stops.

        Raises UnreadableLogError at once if there is no log, and StackError if the engine does not answer.
        """
        response = log_stream.request(
            self.client,
            f"containers/{self.container}/logs",
            {"follow": int(follow), **self._beginning()},
            service=self.service,
            missing=f"the {self.service}'s container {self.container} is missing; to create it again: "
            "pulumi up --refresh",
        )
        self.tail = None
        return filter(self._progress.reader(), log_stream.lines(self.title, response))

    def _beginning(self) -> dict[str, str | int]:
        # Whole seconds, since a number cannot represent nanoseconds. `Progress` leaves out the lines before.
        if last := self._progress.last:
            return {"since": int(datetime.fromisoformat(min(last.values())).timestamp())}
        since = {} if self.since is None else {"since": int(self.since)}
        return since | {"tail": "all" if self.tail is None else self.tail}

    def follow(self, put: Callable[[Line | StackError], None]) -> None:
        """Follow the container, also if it is restarted or replaced."""
        at, readable = None, True
        try:
            while True:
                found = services.inspect(self.client, self.container)
                if not found and self.stack:
                    found = services.replacement(self.client, self.stack, self.service, but=self.taken)
                    self.container = services.name_in(found) or self.container
                    self.taken.add(self.container)
                state = found.get("State") or {}
                run = (found.get("Id"), state.get("StartedAt"), state.get("FinishedAt"))
                if run != at or (readable and state.get("Running")):
                    at, readable = run, True
                    try:
                        for line in self.read(follow=True):
                            put(line)
                    except UnreadableLogError as error:
                        readable = False
                        put(error)
                time.sleep(HEARTBEAT_SECONDS)
        except StackError as error:
            put(error)


def sources(
    stack: Stack, client: docker.DockerClient, wanted: Collection[str], *, since: str | None, tail: int | None
) -> Sequence[Log]:
    """The logs of the `wanted` services; all services if none is given. The log of the edge is shown if it is named.

    `since` has the format of `moment`. `tail` holds for each service; None means all lines. Raises ValueError if
    `since` is not a time, and StackError if the stack has no such service or the engine does not answer.
    """
    try:
        now = datetime.fromisoformat(client.info()["SystemTime"])
    except (DockerException, OSError) as error:
        raise StackError(f"the Docker engine does not answer any more: {error}") from error
    begin = None if since is None else moment(since, now)
    if tail == 0:
        begin, tail = max(begin or 0, now.timestamp()), None
    named = services.names(stack, wanted or stack.outputs.services)
    if swarm.is_swarm(stack):
        return swarm_logs.sources(stack, client, named, now=now.timestamp(), since=begin, tail=tail)
    return [
        ServiceLog(
            client=client,
            stack=stack.label if stack.outputs.edge and service != services.EDGE else None,
            service=service,
            title=services.title(service, number),
            container=name,
            since=begin,
            tail=tail,
            taken=taken,
        )
        for service in named
        for taken in [{name for name, _ in services.containers(stack, service)}]
        for name, number in services.containers(stack, service)
    ]


def moment(text: str, now: datetime) -> float:
    """A time in seconds since 1970, from the formats of `docker logs --since`.

    These are a duration before `now` (10m, 1h30m), a date or a date with a time (in this machine's time zone by
    default), and seconds since 1970. Raises ValueError for any other text.
    """
    with contextlib.suppress(ValueError):
        return now.timestamp() - units.parse_duration(text).total_seconds()
    with contextlib.suppress(ValueError):
        return float(text) if re.fullmatch(r"\d{9,}(\.\d+)?", text) else datetime.fromisoformat(text).timestamp()
    raise ValueError("is not a time; write a duration (10m, 1h30m) or a time (2026-01-02, 2026-01-02T15:04:05Z)")


def history(logs: Collection[Log], tell: Callable[[UnreadableLogError], None]) -> Iterator[Line]:
    """The lines so far, ordered by time. Calls `tell` for each log that cannot be read.

    Raises StackError if the engine does not answer.
    """
    return heapq.merge(*(_told(read, tell) for log in logs for read in log.readings()), key=attrgetter("time"))


def _told(read: Callable[[], Iterator[Line]], tell: Callable[[UnreadableLogError], None]) -> Iterator[Line]:
    try:
        yield from read()
    except UnreadableLogError as error:
        tell(error)


def follow(logs: Collection[Log], tell: Callable[[UnreadableLogError], None]) -> Iterator[Line | None]:
    """New lines, without an end. Yields None if no line arrived for HEARTBEAT_SECONDS.

    A container that is restarted or replaced is followed further, and so are new tasks of a service of a Swarm. Calls
    `tell` for each log that cannot be read. Raises StackError if the engine does not answer.
    """
    arrivals: queue.Queue[Line | StackError] = queue.Queue(_LINES_AHEAD)
    for log in logs:
        threading.Thread(target=log.follow, args=(arrivals.put,), daemon=True).start()
    while True:
        try:
            arrival = arrivals.get(timeout=HEARTBEAT_SECONDS)
        except queue.Empty:
            yield None
            continue
        if isinstance(arrival, UnreadableLogError):
            tell(arrival)
        elif isinstance(arrival, StackError):
            raise arrival
        else:
            yield arrival
