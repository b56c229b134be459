"""Waits until the tasks of a service run, at the moments at which the official plugin asks for them."""

import time
from collections.abc import Callable, Iterator
from typing import Any, Final

from offline.docker_plugin.durations import nanoseconds, text
from offline.docker_plugin.engine import Api
from offline.docker_plugin.errors import PluginError
from offline.docker_plugin.values import Props

_SECOND: Final = 1_000_000_000
_UPDATE_DELAY_SECONDS: Final = 7.0
"""The official plugin waits so long after an update, whatever `delay` says. Before, the old tasks would count."""
_FIRST_PAUSE_SECONDS: Final = 5.0
_NEXT_PAUSE_SECONDS: Final = 10.0

_STATES: Final = (
    *("new", "allocated", "pending", "assigned", "accepted", "preparing", "ready", "starting", "running"),
    *("complete", "shutdown", "failed", "rejected"),
)
_RUNNING: Final = "running"
_FAILURES: Final = {
    "rollback_completed": "service rollback completed",
    "paused": "service update paused",
    "rollback_paused": "service rollback paused",
}


def await_creation(api: Api, service_id: str, config: Props) -> None:
    """Wait until all tasks of a new service run.

    Args:
        api: the engine's API.
        service_id: the service.
        config: `convergeConfig`.

    Raises:
        PluginError: they do not run in time.

    """
    delay = nanoseconds(config["delay"]) / _SECOND
    _wait(service_id, lambda: _all_run(api, service_id), delay_seconds=delay, timeout=config["timeout"])


def await_update(api: Api, service_id: str, config: Props) -> None:
    """Wait until the Swarm has updated a service.

    Raises:
        PluginError: it paused the update or rolled it back, or is not done in time.

    """
    _wait(
        service_id,
        lambda: _is_updated(api, service_id),
        delay_seconds=_UPDATE_DELAY_SECONDS,
        timeout=config["timeout"],
    )


def _wait(service_id: str, done: Callable[[], bool], *, delay_seconds: float, timeout: str) -> None:
    deadline = time.monotonic() + nanoseconds(timeout) / _SECOND
    for pause in _pauses(delay_seconds):
        if time.monotonic() + pause > deadline:
            time.sleep(max(0.0, deadline - time.monotonic()))
            raise PluginError(f"Service with ID ({service_id}) did not converge after {text(nanoseconds(timeout))}")
        time.sleep(pause)
        if done():
            return


def _pauses(delay_seconds: float) -> Iterator[float]:
    yield delay_seconds
    yield _FIRST_PAUSE_SECONDS
    while True:
        yield _NEXT_PAUSE_SECONDS


def _is_updated(api: Api, service_id: str) -> bool:
    status = api.inspect_service(service_id).get("UpdateStatus") or {}
    state, message = status.get("State"), status.get("Message", "")
    if state == "completed":
        return True
    if state in _FAILURES:
        raise PluginError(f"{_FAILURES[state]}: {message}")
    updated = _all_run(api, service_id)
    if updated and state == "rollback_started":
        raise PluginError(f"service rollback completed: {message}")
    return updated


def _all_run(api: Api, service_id: str) -> bool:
    """Return whether as many slots as there are replicas have a running task, of whatever version."""
    mode = api.inspect_service(service_id)["Spec"]["Mode"]
    if "Replicas" not in mode.get("Replicated", {}):
        raise PluginError("no replica count")
    tasks = api.tasks({"service": service_id, "desired-state": _RUNNING})
    replicas: int = mode["Replicated"]["Replicas"]
    active = {node["ID"] for node in api.nodes() if node["Status"]["State"] != "down"}
    running = [
        task
        for task in _task_by_slot(tasks, active).values()
        if _rank(task["DesiredState"]) <= _rank(_RUNNING) and task["Status"]["State"] == _RUNNING
    ]
    return len(running) == replicas


def _task_by_slot(tasks: list[dict[str, Any]], active: set[str]) -> dict[int, dict[str, Any]]:
    """Choose of each slot's tasks the one that is to end last or, of two such, that has come less far."""
    chosen: dict[int, dict[str, Any]] = {}
    for task in sorted(tasks, key=lambda task: (_rank(task["DesiredState"]), _rank(task["Status"]["State"]))):
        known = task["DesiredState"] in _STATES and task["Status"]["State"] in _STATES
        if known and task.get("NodeID", "") in active | {""}:
            chosen.setdefault(task.get("Slot", 0), task)
    return chosen


def _rank(state: str) -> int:
    return _STATES.index(state) if state in _STATES else -1
