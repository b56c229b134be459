"""Logs of services in Swarm: task by task so far, then from the service, with tasks that Swarm starts meanwhile."""

import io
import struct
from typing import Any, Self, cast

import docker
import pytest

from gix_engine import swarm_state
from gix_engine.swarm_state import SwarmState
from gix_ops import logs, swarm, swarm_logs
from gix_ops.errors import StackError
from gix_ops.log_stream import Line, UnreadableLogError
from tests.unit.engine.test_swarm import node_record, service_record, task
from tests.unit.ops.test_swarm import stack

NOW = 1767322000.0
"""2026-01-02T02:46:40Z."""


def at(second: int) -> str:
    return f"2026-01-02T02:46:{second:02}.000000000Z"


def frame(second: int, text: str, *, source: str = "", stream: int = 1) -> bytes:
    details = f"com.docker.swarm.node.id=n,com.docker.swarm.task.id={source},colour=a%2Cb " if source else ""
    data = f"{at(second)} {details}{text}".encode()
    return struct.pack(">BxxxL", stream, len(data)) + data


class Answer:
    ok = True

    def __init__(self, content: bytes, status_code: int = 200) -> None:
        self.raw = io.BytesIO(content)
        self.status_code = status_code

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.raw.close()


class Manager:
    """Answers requests for the log of a task or a service, and records them. After the last answer it is gone."""

    base_url, api_version = "http://manager", "1.41"

    def __init__(self, **answers: list[Answer]) -> None:
        self.answers = answers
        self.asked: list[tuple[str, dict[str, Any]]] = []

    @property
    def api(self) -> "Manager":
        return self

    @property
    def client(self) -> docker.DockerClient:
        return cast("docker.DockerClient", self)

    def info(self) -> dict[str, str]:
        return {"SystemTime": "2026-01-02T02:46:40Z"}

    def get(self, url: str, *, params: dict[str, Any], **_options: Any) -> Answer:
        name = url.split("/")[-2]
        self.asked.append((name, params))
        if not self.answers.get(name):
            raise OSError("gone")
        return self.answers[name].pop(0)


def ran(record: dict[str, Any]) -> dict[str, Any]:
    """A task that has, or had, a container."""
    return record | {"Status": record["Status"] | {"ContainerStatus": {"ContainerID": f"container of {record['ID']}"}}}


def observed(*tasks: dict[str, Any], replicas: int | None = 1) -> SwarmState:
    nodes = [node_record(name) for name in ("one", "two")]
    return swarm_state.read(nodes=nodes, services=[service_record(replicas=replicas)], tasks=tasks)


def sources(monkeypatch: pytest.MonkeyPatch, manager: Manager, found: SwarmState, *wanted: str, **options: Any) -> Any:
    monkeypatch.setattr(swarm, "observe", lambda _: found)
    return logs.sources(stack(), manager.client, wanted or ["router"], **({"since": None, "tail": None} | options))


def shown(lines: Any) -> list[tuple[str, str]]:
    return [(each.service, each.line) for each in lines]


def never(error: UnreadableLogError) -> None:
    raise AssertionError(error)


def test_the_logs_of_all_tasks_that_have_run_are_merged_by_time(monkeypatch: pytest.MonkeyPatch) -> None:
    ended = ran(task("failed", desired="shutdown", at="0"))
    found = observed(ended, ran(task("running")), ran(task("running", slot=2)), task("pending", slot=3), replicas=3)
    answers = {
        "task-1-0": [Answer(frame(1, "first\n") + frame(4, "out of order\n", stream=2))],
        "task-1-1": [Answer(frame(5, "again\n"))],
        "task-2-1": [Answer(frame(3, "second\n"))],
    }
    manager = Manager(**answers)
    [source] = sources(monkeypatch, manager, found, tail=7)
    assert list(source.titles) == ["router-1", "router-2", "router-3"]
    assert shown(logs.history([source], never)) == [
        *(("router-1", "first"), ("router-2", "second")),
        *(("router-1", "out of order"), ("router-1", "again")),
    ]
    assert {params["tail"] for _, params in manager.asked} == {7}


def test_a_service_with_one_task_has_no_number_and_the_edge_has_one_for_each_node() -> None:
    [one] = observed(task("shutdown", desired="shutdown", at="0"), task("running")).services
    assert set(swarm_logs.titles("router", one).values()) == {"router"}
    tasks = [task("running", node=f"id-{name}", slot=None, at=name) for name in ("two", "one")]
    [edge] = observed(*tasks, replicas=None).services
    assert swarm_logs.titles("edge", edge) == {"task-None-one": "edge-1", "task-None-two": "edge-2"}


def test_the_log_of_an_ended_task_may_be_gone_but_not_that_of_one_that_should_run(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    found = observed(ran(task("failed", desired="shutdown", at="0")), ran(task("running")))
    manager = Manager(**{"task-1-0": [Answer(b"", 404)], "task-1-1": [Answer(b"", 404)]})
    unread: list[UnreadableLogError] = []
    assert list(logs.history(sources(monkeypatch, manager, found), unread.append)) == []
    [error] = unread
    assert str(error) == "the router's task task-1-1 is missing"


def test_a_node_that_does_not_answer_is_reported_after_the_lines_of_the_others(monkeypatch: pytest.MonkeyPatch) -> None:
    found = observed(ran(task("running")), ran(task("running", slot=2)), replicas=2)
    complaint = b"Error grabbing logs: node two is not available"
    cut = frame(1, "one\n") + struct.pack(">BxxxL", 3, len(complaint)) + complaint
    manager = Manager(**{"task-1-1": [Answer(cut)], "task-2-1": [Answer(frame(2, "two\n"))]})
    unread: list[UnreadableLogError] = []
    lines = logs.history(sources(monkeypatch, manager, found), unread.append)
    assert shown(lines) == [("router-1", "one"), ("router-2", "two")]
    assert "node two is not available" in str(unread[0])


def test_a_missing_service_is_reported_with_the_fix(monkeypatch: pytest.MonkeyPatch) -> None:
    [source] = sources(monkeypatch, Manager(), observed(), "enclave")
    unread: list[UnreadableLogError] = []
    assert list(logs.history([source], unread.append)) == []
    assert str(unread[0]) == "the enclave's service gix-enclave is missing; to create it again: pulumi up --refresh"


def followed(source: Any) -> list[Line | StackError]:
    found: list[Line | StackError] = []
    source.follow(found.append)
    return found


def test_following_repeats_no_line_and_shows_those_of_new_tasks(monkeypatch: pytest.MonkeyPatch) -> None:
    first, second = frame(1, "one\n", source="task-1-1"), frame(2, "two\n", source="task-1-1")
    begun, ended = frame(3, "be", source="task-2-2"), frame(3, "gun\n", source="task-2-2")
    services = [
        Answer(first + begun + second + ended),
        # The manager has ended the connection meanwhile.
        Answer(first + second + frame(3, "begun\n", source="task-2-2") + frame(4, "three\n", source="task-1-1")),
    ]
    manager = Manager(**{"task-1-1": [Answer(frame(1, "one\n"))], "gix-router": services})
    [source] = sources(monkeypatch, manager, observed(ran(task("running"))))
    assert shown(logs.history([source], never)) == [("router", "one")]

    monkeypatch.setattr(swarm_logs, "HEARTBEAT_SECONDS", 0)
    monkeypatch.setattr(
        swarm, "observe", lambda _: observed(task("running"), task("running", slot=2, at="2"), replicas=2)
    )
    *lines, error = followed(source)
    assert shown(lines) == [("router", "two"), ("router-2", "begun"), ("router", "three")]
    assert "the Docker engine does not answer any more" in str(error)
    name, question = manager.asked[1]
    assert (name, question["follow"], question["details"]) == ("gix-router", 1, 1)
    assert question["since"] < NOW, "clocks of nodes may differ"


def test_following_reports_a_missing_service_once(monkeypatch: pytest.MonkeyPatch) -> None:
    manager = Manager(**{"gix-router": [Answer(b"", 404), Answer(b"", 404)]})
    [source] = sources(monkeypatch, manager, observed(), tail=0)
    monkeypatch.setattr(swarm_logs, "HEARTBEAT_SECONDS", 0)
    assert [type(each) for each in followed(source)] == [UnreadableLogError, StackError]
