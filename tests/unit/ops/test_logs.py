"""Logs as the engine sends them: frames, times, and reading on after a restart."""

import io
import itertools
import json
import struct
from datetime import UTC, datetime
from pathlib import Path
from types import SimpleNamespace
from typing import Any, Self, cast

import docker
import pytest
from rich.console import Console

from gix_ops import logs
from gix_ops.errors import StackError
from gix_ops.log_stream import LONGEST_LINE, Line, UnreadableLogError
from gix_ops.log_text import Style
from gix_ops.logs import ServiceLog
from gix_ops.stack import Stack
from tests.unit.outputs import stack_outputs

STDOUT, STDERR = 1, 2
NOW = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)


def at(second: float) -> str:
    return f"2026-01-02T03:04:{second:012.9f}Z"


def frame(stream: int, second: float, text: str | bytes) -> bytes:
    data = f"{at(second)} ".encode() + (text.encode() if isinstance(text, str) else text)
    return struct.pack(">BxxxL", stream, len(data)) + data


class Answer:
    def __init__(self, content: bytes, status_code: int = 200) -> None:
        self.raw = io.BytesIO(content)
        self.status_code = status_code
        self.ok = status_code < 400

    def json(self) -> Any:
        return json.loads(self.raw.getvalue())

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.raw.close()


class Engine:
    """Answers requests for a log in order, and records their arguments."""

    base_url, api_version = "http://engine", "1.41"

    def __init__(self, *answers: Answer) -> None:
        self.answers = iter(answers)
        self.asked: list[dict[str, Any]] = []

    @property
    def api(self) -> "Engine":
        return self

    def get(self, _url: str, *, params: dict[str, Any], **_options: Any) -> Answer:
        self.asked.append(params)
        return next(self.answers)


def log(engine: Engine, service: str = "router", **options: Any) -> ServiceLog:
    client = cast("docker.DockerClient", engine)
    return ServiceLog(client=client, stack=None, service=service, title=service, container=f"gix-{service}", **options)


def texts(lines: Any) -> list[tuple[str, str]]:
    return [(line.stream, line.line) for line in lines]


def test_lines_have_their_stream_and_time() -> None:
    engine = Engine(Answer(frame(STDOUT, 1, "one\n") + frame(STDERR, 2.5, "two\r\n") + frame(STDOUT, 3, "\n")))
    assert list(log(engine).read()) == [
        Line(time=at(1), service="router", stream="stdout", line="one"),
        Line(time=at(2.5), service="router", stream="stderr", line="two"),
        Line(time=at(3), service="router", stream="stdout", line=""),
    ]


def test_a_line_in_several_frames_is_one_line_also_with_the_other_stream_between() -> None:
    parts = [frame(STDOUT, 1, "a" * 9), frame(STDERR, 2, "x\n"), frame(STDOUT, 1, "b" * 9), frame(STDOUT, 1, "c\n")]
    found = list(log(Engine(Answer(b"".join(parts)))).read())
    assert texts(found) == [("stderr", "x"), ("stdout", "a" * 9 + "b" * 9 + "c")]
    assert [line.time for line in found] == [at(2), at(1)]


def test_a_line_without_an_end_is_shown_at_the_end_of_the_log() -> None:
    assert texts(log(Engine(Answer(frame(STDOUT, 1, "half")))).read()) == [("stdout", "half")]


def test_a_very_long_line_is_shown_in_parts() -> None:
    parts = itertools.repeat(frame(STDOUT, 1, "y" * 2**14), 2 * LONGEST_LINE // 2**14 + 1)
    lengths = [len(line.line) for line in log(Engine(Answer(b"".join(parts)))).read()]
    assert lengths == [LONGEST_LINE, LONGEST_LINE, 2**14]


def test_invalid_utf_8_is_shown_as_replacement_characters() -> None:
    assert texts(log(Engine(Answer(frame(STDOUT, 1, b"caf\xc3\xa9 \xff\n")))).read()) == [
        ("stdout", "café \N{REPLACEMENT CHARACTER}")
    ]


def test_given_a_restart_no_line_is_repeated_or_lost() -> None:
    before = frame(STDOUT, 10.25, "one\n") + frame(STDERR, 10.5, "two\n") + frame(STDERR, 10.5, "two again\n")
    after = before + frame(STDOUT, 10.4, "late on its stream\n") + frame(STDERR, 12, "three\n")
    engine = Engine(Answer(before), Answer(after))
    one = log(engine, tail=3)
    assert texts(one.read()) == [("stdout", "one"), ("stderr", "two"), ("stderr", "two again")]
    assert texts(one.read(follow=True)) == [("stdout", "late on its stream"), ("stderr", "three")]
    first, second = engine.asked
    assert (first["tail"], first["follow"], "since" in first) == (3, 0, False)
    assert (second["since"], second["follow"], "tail" in second) == (int(NOW.timestamp()) + 5, 1, False)


def test_given_a_tail_earlier_lines_of_the_other_stream_are_left_out() -> None:
    tail = frame(STDOUT, 20, "last\n")
    everything = frame(STDERR, 19, "old\n") + tail + frame(STDERR, 21, "new\n")
    one = log(Engine(Answer(tail), Answer(everything)), tail=1)
    assert texts(one.read()) == [("stdout", "last")]
    assert texts(one.read(follow=True)) == [("stderr", "new")]


def test_since_is_exact_to_the_microsecond() -> None:
    engine = Engine(Answer(frame(STDOUT, 5.2, "before\n") + frame(STDOUT, 5.25, "at\n") + frame(STDOUT, 6, "after\n")))
    assert texts(log(engine, since=NOW.timestamp() + 0.25).read()) == [("stdout", "at"), ("stdout", "after")]
    assert engine.asked[0]["since"] == int(NOW.timestamp())


def test_logs_are_merged_by_time_and_unreadable_ones_are_reported() -> None:
    router = log(Engine(Answer(frame(STDOUT, 1, "a\n") + frame(STDOUT, 4, "d\n"))))
    auction = log(Engine(Answer(frame(STDERR, 2, "b\n") + frame(STDERR, 3, "c\n"))), "auction")
    gone = log(Engine(Answer(b"", 404)), "enclave")
    unread: list[UnreadableLogError] = []
    assert "".join(line.line for line in logs.history([router, auction, gone], unread.append)) == "abcd"
    [error] = unread
    assert "the enclave's container gix-enclave is missing" in str(error)


def test_given_a_container_that_is_being_removed_it_is_missing() -> None:
    """So it is at each replacement, for a moment."""
    with pytest.raises(UnreadableLogError, match="the router's container gix-router is missing"):
        log(Engine(Answer(b"", 409))).read()


def test_the_engine_s_reason_for_an_unreadable_log_is_reported() -> None:
    refusal = Answer(b'{"message": "configured logging driver does not support reading"}', 501)
    with pytest.raises(UnreadableLogError, match="the router's log cannot be read: configured logging driver does not"):
        log(Engine(refusal)).read()


def test_a_truncated_log_is_reported() -> None:
    with pytest.raises(StackError, match="the router's log ended early"):
        list(log(Engine(Answer(frame(STDOUT, 1, "one\n") + b"\x01\x00"))).read())


def test_an_invalid_frame_is_reported() -> None:
    with pytest.raises(UnreadableLogError, match="cannot be read: ready on port 50051"):
        list(log(Engine(Answer(b"<ter\x00\x00\x00minal>ready on port 50051"[:8] + b"ready on port 50051"))).read())


@pytest.mark.parametrize(
    ("text", "moment"),
    [
        ("10m", datetime(2026, 1, 2, 2, 54, 5, tzinfo=UTC)),
        ("1h0m5s", datetime(2026, 1, 2, 2, 4, 0, tzinfo=UTC)),
        ("2026-01-02T01:02:03Z", datetime(2026, 1, 2, 1, 2, 3, tzinfo=UTC)),
        ("2026-01-02T01:02:03.5+01:00", datetime(2026, 1, 2, 0, 2, 3, 500_000, tzinfo=UTC)),
        ("2026-01-02", datetime(2026, 1, 2).astimezone()),
        ("1767312000", datetime(2026, 1, 2, tzinfo=UTC)),
        ("1767312000.25", datetime(2026, 1, 2, 0, 0, 0, 250_000, tzinfo=UTC)),
    ],
)
def test_a_time_is_parsed_as_docker_logs_does(text: str, moment: datetime) -> None:
    assert logs.moment(text, NOW) == moment.timestamp()


@pytest.mark.parametrize("text", ["", "yesterday", "10", "-5m", "2026-13-01"])
def test_what_is_no_time_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="is not a time; write"):
        logs.moment(text, NOW)


LINE = Line(time=at(1), service="router", stream="stdout", line="[red]ready[/red]")


@pytest.mark.parametrize(
    ("options", "timestamps", "shown"),
    [
        ({"force_terminal": False}, False, "router  | [red]ready[/red]"),
        ({"force_terminal": True, "no_color": True}, False, "router  | [red]ready[/red]"),
        ({"force_terminal": True, "no_color": False}, False, "\x1b[36mrouter  |\x1b[0m [red]ready[/red]"),
        ({"force_terminal": False}, True, f"router  | {at(1)} [red]ready[/red]"),
    ],
    ids=["not a terminal", "NO_COLOR", "a terminal", "with times"],
)
def test_a_line_is_shown_with_its_service(options: dict[str, bool], timestamps: bool, shown: str) -> None:  # noqa: FBT001 - a parameter
    style = Style.choose(Console(**cast("Any", options)), ["router", "auction"], timestamps=timestamps)
    assert style.text(LINE) == shown


@pytest.mark.parametrize(
    ("wanted", "shown"),
    [
        ([], ["router", "auction", "enclave"]),
        (["edge"], ["edge"]),
        (["edge", "router"], ["router", "edge"]),
    ],
)
def test_the_log_of_the_edge_is_shown_if_it_is_named(wanted: list[str], shown: list[str]) -> None:
    client = cast("docker.DockerClient", SimpleNamespace(info=lambda: {"SystemTime": "2026-01-02T03:04:05Z"}))
    stack = Stack.from_outputs(stack_outputs().model_copy(update={"edge": "gix-edge"}), Path())
    found = [
        each for each in logs.sources(stack, client, wanted, since=None, tail=None) if isinstance(each, ServiceLog)
    ]
    assert [each.service for each in found] == shown
    assert [each.container for each in found if each.service == "edge"] == ["gix-edge"] * ("edge" in wanted)


def test_without_an_edge_it_has_no_log() -> None:
    client = cast("docker.DockerClient", SimpleNamespace(info=lambda: {"SystemTime": "2026-01-02T03:04:05Z"}))
    stack = Stack.from_outputs(stack_outputs(), Path())
    with pytest.raises(StackError, match="the stack runs no service edge"):
        logs.sources(stack, client, ["edge"], since=None, tail=None)
