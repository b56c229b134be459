"""The log of a container or of a task as the engine sends it: lines with their time and stream.

Memory use is constant: a log is read from the connection as fast as the reader consumes it.
"""

import re
import struct
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime

import docker
import requests
from urllib3.exceptions import HTTPError

from gix_ops.errors import StackError

LONGEST_LINE = 2**20
"""Bytes after which a line is split, so that no line fills the memory."""
STREAMS = {1: "stdout", 2: "stderr"}
"""The streams, by their number in a frame."""
HEARTBEAT_SECONDS = 0.5
"""How often a reader that follows looks for what is new besides lines, such as a container that has started again."""

_FRAME = struct.Struct(">BxxxL")
_STAMP = re.compile(rb"\d{4}-\d\d-\d\dT[\d:.]+Z ")
_CONNECT_WITHIN_SECONDS = 20
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
class Progress:
    """What has been read of a log. Lines before `since`, in seconds since 1970, do not count as new."""

    since: float | None = None
    last: dict[str, str] = field(default_factory=dict)
    """The time of the last line that was read, by stream."""

    def reader(self) -> Callable[[Line], bool]:
        """A function for one reading of the log that says whether a line is new, and notes it if it is."""
        read_already = dict(self.last)
        since = "" if self.since is None else f"{datetime.fromtimestamp(self.since, UTC):%Y-%m-%dT%H:%M:%S.%f}"

        def is_new(line: Line) -> bool:
            if line.time <= read_already[line.stream] if read_already else line.time < since:
                return False
            if not self.last:
                # Earlier lines of the other stream are not among the last lines.
                self.last = dict.fromkeys(STREAMS.values(), line.time)
            self.last[line.stream] = line.time
            return True

        return is_new


def request(
    client: docker.DockerClient, path: str, question: Mapping[str, str | int], *, service: str, missing: str
) -> requests.Response:
    """Ask the engine for the log at `path` of its API, with times.

    Raises UnreadableLogError with the text `missing` if there is no such object, or with the engine's reason, and
    StackError if the engine does not answer.
    """
    api = client.api
    words = {"stdout": 1, "stderr": 1, "timestamps": 1, **question}
    try:
        # The SDK's `logs` does not tell the stream of a line.
        response = api.get(
            f"{api.base_url}/v{api.api_version}/{path}",
            params=words,
            stream=True,
            timeout=(_CONNECT_WITHIN_SECONDS, None),
        )
    except OSError as error:
        raise StackError(f"the Docker engine does not answer any more: {error}") from error
    # Conflict: the container is dead or being removed, as at each replacement for a moment.
    if response.status_code in (requests.codes.not_found, requests.codes.conflict):
        raise UnreadableLogError(missing)
    if not response.ok:
        raise UnreadableLogError(f"the {service}'s log cannot be read: {response.json()['message']}")
    return response


def lines(service: str, response: requests.Response) -> Iterator[Line]:
    """The lines in the engine's answer, with `service` as that of each."""
    for _, line in _lines(service, response, has_details=False):
        yield line


def detailed_lines(service: str, response: requests.Response) -> Iterator[tuple[str, Line]]:
    """The lines in the engine's answer to a request with `details`: the details of each, and the line."""
    return _lines(service, response, has_details=True)


def _lines(service: str, response: requests.Response, *, has_details: bool) -> Iterator[tuple[str, Line]]:
    """A frame has its stream and length, a time, the details if they were asked for, and a line or a part of one."""
    begun: dict[tuple[str, str], tuple[str, bytes]] = {}
    with response:
        for stream, frame in _frames(service, response):
            stamp = _STAMP.match(frame)
            text = frame[stamp.end() :] if stamp else frame
            details, _, text = text.partition(b" ") if has_details else (b"", b"", text)
            key = (details.decode(errors="replace"), stream)
            at, before = begun.pop(key, (stamp[0].decode().rstrip() if stamp else "", b""))
            whole = before + text
            if whole.endswith(b"\n") or len(whole) >= LONGEST_LINE:
                yield key[0], _line(service, stream, at, whole)
            else:
                begun[key] = (at, whole)
        for (source, stream), (at, text) in begun.items():
            yield source, _line(service, stream, at, text)


def _line(service: str, stream: str, at: str, text: bytes) -> Line:
    return Line(time=at, service=service, stream=stream, line=text.decode(errors="replace").rstrip("\r\n"))


def _frames(service: str, response: requests.Response) -> Iterator[tuple[str, bytes]]:
    try:
        while header := response.raw.read(_FRAME.size):
            number, length = _FRAME.unpack(header)
            if number not in STREAMS:
                complaint = response.raw.read(min(length, _LONGEST_COMPLAINT)).decode(errors="replace").strip()
                raise UnreadableLogError(f"the {service}'s log cannot be read: {complaint}")
            yield STREAMS[number], response.raw.read(length)
    except (HTTPError, OSError, struct.error) as error:
        raise StackError(f"the {service}'s log ended early: {error}") from error
