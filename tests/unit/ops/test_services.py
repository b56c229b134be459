"""The containers of a stack that gixctl finds on the engine."""

from pathlib import Path
from typing import Any

import pytest

from gix_model.outputs import StackOutputs
from gix_ops import services
from gix_ops.errors import StackError
from gix_ops.stack import Stack
from tests.unit.engine.fake_engine import FakeEngine
from tests.unit.outputs import service_outputs, stack_outputs


class Engine(FakeEngine):
    """An engine with containers whose ids are their names."""

    def add(self, name: str, service: str = "router", state: str = "running") -> None:
        self.add_container(name, name, state=state, stack="gix/dev", service=service)

    def inspect_container(self, key: str) -> dict[str, Any]:
        state = super().inspect_container(key) and self.all_containers[key]["State"]
        return {"Id": key, "Name": f"/{key}", "State": {"Status": state}, "Image": "sha256:here"}


def behind_an_edge(*routers: str) -> Stack:
    found = stack_outputs()
    router = service_outputs("router").model_copy(update={"containers": routers})
    outputs: StackOutputs = found.model_copy(
        update={"edge": "gix-edge", "services": found.services | {"router": router}}
    )
    return Stack.from_outputs(outputs, Path())


def shown(stack: Stack, engine: Engine, *wanted: str) -> list[tuple[str, str, str]]:
    return [(each.title, each.name, each.state) for each in services.read(stack, engine.client, wanted)]


def test_each_container_of_a_service_and_the_edge_are_found() -> None:
    engine = Engine()
    engine.add("gix-router-a")
    engine.add("gix-router-2-b", state="exited")
    engine.add("gix-edge", service="")
    stack = behind_an_edge("gix-router-a", "gix-router-2-b")
    assert shown(stack, engine, "router", "edge") == [
        ("router-1", "gix-router-a", "running"),
        ("router-2", "gix-router-2-b", "exited"),
        ("edge", "gix-edge", "running"),
    ]


def test_given_containers_that_an_update_has_replaced_each_new_one_is_found_once() -> None:
    engine = Engine()
    for name in ("gix-router-2-b", "gix-router-c"):
        engine.add(name)
    stack = behind_an_edge("gix-router-a", "gix-router-2-b", "gix-router-3-d")
    assert shown(stack, engine, "router") == [
        ("router-1", "gix-router-c", "running"),
        ("router-2", "gix-router-2-b", "running"),
        ("router-3", "gix-router-3-d", "missing"),
    ]


def test_a_shell_opens_in_the_first_container_that_runs() -> None:
    engine = Engine()
    engine.add("gix-router-a", state="exited")
    engine.add("gix-router-2-b")
    stack = behind_an_edge("gix-router-a", "gix-router-2-b")
    assert services.running(stack, engine.client, "router").name == "gix-router-2-b"
    with pytest.raises(StackError, match="the enclave's container gix-enclave is missing"):
        services.running(stack, engine.client, "enclave")


def test_without_an_edge_there_is_none_to_inspect() -> None:
    stack = Stack.from_outputs(stack_outputs(), Path())
    with pytest.raises(StackError, match="the stack runs no service edge"):
        services.names(stack, ["edge"])


def test_the_address_of_the_edge_is_that_of_a_service() -> None:
    with pytest.raises(StackError, match="name one of them"):
        services.endpoint(behind_an_edge("gix-router-a"), "edge")
