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
import struct
import threading
import time
from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from operator import attrgetter

import docker
import requests
from docker.errors import DockerException
from urllib3.exceptions import HTTPError

from gix_model import units
from gix_ops import services
from gix_ops.errors import StackError
from gix_ops.stack import Stack

LONGEST_LINE = 2**20
"""Bytes after which a line is split, so that no line fills the memory."""
HEARTBEAT_SECONDS = 0.5
"""How often `follow` yields None without new lines, and checks whether a container has started again."""

_FRAME = struct.Struct(">BxxxL")
_STREAMS = {1: "stdout", 2: "stderr"}
_STAMP = re.compile(rb"\d{4}-\d\d-\d\dT[\d:.]+Z ")
_CONNECT_WITHIN_SECONDS = 20
_LINES_AHEAD = 1000
_LONGEST_COMPLAINT = 200


@dataclass(frozen=True, kw_only=True)
class Line:
    """A line that a service wrote."""

    time: str
    service: str
    stream: str
    line: str


class UnreadableLogError(StackError):
    """The log of one service cannot be read: its container is missing, or its log driver keeps no logs."""


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
    _last: dict[str, str] = field(default_factory=dict, init=False)
    """The time of the last line that was read, by stream."""

    def read(self, *, follow: bool = False) -> Iterator[Line]:
        """The lines that were not read yet. With `follow`, also new lines until the container stops.

        Raises UnreadableLogError at once if there is no log, and StackError if the engine does not answer.
        """
        api = self.client.api
        url = f"{api.base_url}/v{api.api_version}/containers/{self.container}/logs"
        # The SDK's `logs` does not tell the stream of a line.
        question = {"stdout": 1, "stderr": 1, "timestamps": 1, "follow": int(follow), **self._beginning()}
        try:
            response = api.get(url, params=question, stream=True, timeout=(_CONNECT_WITHIN_SECONDS, None))
        except OSError as error:
            raise StackError(f"the Docker engine does not answer any more: {error}") from error
        # Conflict: the container is dead or being removed, as at each replacement for a moment.
        if response.status_code in (requests.codes.not_found, requests.codes.conflict):
            raise UnreadableLogError(
                f"the {self.service}'s container {self.container} is missing; to create it again: pulumi up --refresh"
            )
        if not response.ok:
            raise UnreadableLogError(f"the {self.service}'s log cannot be read: {response.json()['message']}")
        self.tail = None
        return self._unread(_lines(self.title, response))

    def _beginning(self) -> dict[str, str | int]:
        # Whole seconds, since a number cannot represent nanoseconds. `_unread` leaves out the lines before.
        if self._last:
            return {"since": int(datetime.fromisoformat(min(self._last.values())).timestamp())}
        since = {} if self.since is None else {"since": int(self.since)}
        return since | {"tail": "all" if self.tail is None else self.tail}

    def _unread(self, lines: Iterator[Line]) -> Iterator[Line]:
        read_already = dict(self._last)
        since = "" if self.since is None else f"{datetime.fromtimestamp(self.since, UTC):%Y-%m-%dT%H:%M:%S.%f}"
        for line in lines:
            if line.time <= read_already[line.stream] if read_already else line.time < since:
                continue
            if not self._last:
                # Earlier lines of the other stream are not among the last lines.
                self._last = dict.fromkeys(_STREAMS.values(), line.time)
            self._last[line.stream] = line.time
            yield line


def sources(
    stack: Stack, client: docker.DockerClient, wanted: Collection[str], *, since: str | None, tail: int | None
) -> list[ServiceLog]:
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
        for service in services.names(stack, wanted or stack.outputs.services)
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


def history(logs: Collection[ServiceLog], tell: Callable[[UnreadableLogError], None]) -> Iterator[Line]:
    """The lines so far, ordered by time. Calls `tell` for each log that cannot be read.

    Raises StackError if the engine does not answer.
    """
    streams = []
    for log in logs:
        try:
            streams.append(log.read())
        except UnreadableLogError as error:
            tell(error)
    return heapq.merge(*streams, key=attrgetter("time"))


def follow(logs: Collection[ServiceLog], tell: Callable[[UnreadableLogError], None]) -> Iterator[Line | None]:
    """New lines, without an end. Yields None if no line arrived for HEARTBEAT_SECONDS.

    A container that is restarted or replaced is followed further. Calls `tell` for each log that cannot be read. Raises
    StackError if the engine does not answer.
    """
    arrivals: queue.Queue[Line | StackError] = queue.Queue(_LINES_AHEAD)
    for log in logs:
        threading.Thread(target=_follow, args=(log, arrivals), daemon=True).start()
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


def _follow(log: ServiceLog, arrivals: "queue.Queue[Line | StackError]") -> None:
    """Put all new lines and errors into `arrivals`."""
    at, readable = None, True
    try:
        while True:
            found = services.inspect(log.client, log.container)
            if not found and log.stack:
                found = services.replacement(log.client, log.stack, log.service, but=log.taken)
                log.container = services.name_in(found) or log.container
                log.taken.add(log.container)
            state = found.get("State") or {}
            run = (found.get("Id"), state.get("StartedAt"), state.get("FinishedAt"))
            if run != at or (readable and state.get("Running")):
                at, readable = run, True
                try:
                    for line in log.read(follow=True):
                        arrivals.put(line)
                except UnreadableLogError as error:
                    readable = False
                    arrivals.put(error)
            time.sleep(HEARTBEAT_SECONDS)
    except StackError as error:
        arrivals.put(error)


def _lines(service: str, response: requests.Response) -> Iterator[Line]:
    """The lines in the engine's answer. A frame has its stream and length, a time, and a line or a part of one."""
    begun: dict[str, tuple[str, bytes]] = {}
    with response:
        for stream, frame in _frames(service, response):
            stamp = _STAMP.match(frame)
            text = frame[stamp.end() :] if stamp else frame
            at, before = begun.pop(stream, (stamp[0].decode().rstrip() if stamp else "", b""))
            whole = before + text
            if whole.endswith(b"\n") or len(whole) >= LONGEST_LINE:
                yield _line(service, stream, at, whole)
            else:
                begun[stream] = (at, whole)
        for stream, (at, text) in begun.items():
            yield _line(service, stream, at, text)


def _line(service: str, stream: str, at: str, text: bytes) -> Line:
    return Line(time=at, service=service, stream=stream, line=text.decode(errors="replace").rstrip("\r\n"))


def _frames(service: str, response: requests.Response) -> Iterator[tuple[str, bytes]]:
    try:
        while header := response.raw.read(_FRAME.size):
            number, length = _FRAME.unpack(header)
            if number not in _STREAMS:
                complaint = response.raw.read(min(length, _LONGEST_COMPLAINT)).decode(errors="replace").strip()
                raise UnreadableLogError(f"the {service}'s log cannot be read: {complaint}")
            yield _STREAMS[number], response.raw.read(length)
    except (HTTPError, OSError, struct.error) as error:
        raise StackError(f"the {service}'s log ended early: {error}") from error
