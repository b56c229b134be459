"""What `gixctl doctor --fix` removes and starts: the observed objects, by their ids."""

from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from gix_engine import observed_state
from gix_model.provider_facts import CONTAINER
from gix_model.settings import EngineSettings
from gix_ops import health
from gix_ops.differences import Difference, DifferenceType, Report
from gix_ops.doctor import remedies, stack_checks
from gix_ops.doctor.facts import Facts
from gix_ops.doctor.locks import Lock
from gix_ops.errors import StackError
from gix_ops.health import Probe, ServiceHealth
from gix_ops.resources import Resource, State
from tests.unit.engine.fake_engine import FakeEngine

MINE = "gix/dev"
LEDGER = "gcam-data"


def undeclared(kind: str, name: str, id_: str) -> Difference:
    return Difference(
        type=DifferenceType.UNDECLARED,
        kind=kind,
        name=name,
        id=id_,
        subject="text that decides nothing",
        field=kind,
        declared=None,
        found="there",
        fix="",
    )


def stopped(id_: str) -> Difference:
    return Difference(
        type=DifferenceType.STATE,
        kind="container",
        name="gix-router",
        id=id_,
        subject="router",
        field="state",
        declared="running",
        found="text that decides nothing",
        fix="",
    )


def facts(engine: FakeEngine, *differences: Difference, declared: tuple[str, ...] = ()) -> Facts:
    """The facts about a stack that is up, with these differences, observed now."""
    resources = tuple(Resource(urn=id_, type=CONTAINER, id=id_, inputs={}, outputs={}) for id_ in declared)
    known: dict[str, Any] = {
        "client": engine.client,
        "engine_settings": EngineSettings(),
        "is_local": True,
        "locks": [],
        "label": MINE,
        "observed": observed_state.observe(engine.client),
        "comparison": Report(stack=MINE, differences=list(differences)),
        "state": State(resources=resources, pending=()),
        "up": SimpleNamespace(outputs=SimpleNamespace(volume=LEDGER)),
    }
    found = Facts(Path("/nowhere"), "dev")
    found.known = {vars(Facts)[name]: value for name, value in known.items()}
    return found


@pytest.fixture
def engine() -> FakeEngine:
    engine = FakeEngine()
    engine.add_container("c1", "left", stack=MINE)
    engine.add_network("n1", "left-network", stack=MINE)
    engine.add_volume(LEDGER, stack=MINE)
    return engine


def test_undeclared_objects_are_removed_by_the_ids_of_their_differences(engine: FakeEngine) -> None:
    found = facts(engine, undeclared("container", "left", "c1"), undeclared("network", "left-network", "n1"))
    assert list(remedies._remove_undeclared(found)) == [
        "removed the container left, which is not in the stack's state",
        "removed the network left-network, which is not in the stack's state",
    ]
    assert engine.calls == [("kill and remove", "c1"), ("remove", "n1")]


def test_a_container_that_was_replaced_between_observation_and_removal_stays(engine: FakeEngine) -> None:
    found = facts(engine, undeclared("container", "left", "c1"), undeclared("network", "left-network", "n1"))
    del engine.all_containers["c1"], engine.all_networks["n1"]
    engine.add_container("c2", "left", stack=MINE)
    engine.add_network("n2", "left-network", stack=MINE)
    assert list(remedies._remove_undeclared(found)) == [
        "did not remove the container left: it was removed or replaced meanwhile",
        "did not remove the network left-network: it was removed or replaced meanwhile",
    ]
    assert engine.calls == []
    assert (list(engine.all_containers), list(engine.all_networks)) == (["c2"], ["n2"])


def test_while_another_process_holds_the_lock_nothing_is_removed(engine: FakeEngine) -> None:
    found = facts(engine, undeclared("container", "left", "c1"), undeclared("network", "left-network", "n1"))
    lock = Lock(file=Path("lock.json"), pid=1, user="gix", host="another.test", since="2026-01-02T03:04:05Z")
    found.known[vars(Facts)["locks"]] = [lock]
    with pytest.raises(StackError, match=r"a lock is held by gix@another\.test, process 1"):
        list(remedies._remove_undeclared(found))
    assert engine.calls == []


@pytest.mark.parametrize("volume", [LEDGER, "ledger-of-another-stack", "created-after-the-observation"])
def test_a_container_that_mounts_a_ledger_stays(engine: FakeEngine, volume: str) -> None:
    engine.add_volume("ledger-of-another-stack", stack="gix/other")
    engine.add_container("c1", "left", volume, stack=MINE)
    found = facts(engine, undeclared("container", "left", "c1"))
    assert list(remedies._remove_undeclared(found)) == ["did not remove the container left: it mounts a ledger"]
    assert engine.calls == []


def test_a_container_that_mounts_an_anonymous_volume_is_removed(engine: FakeEngine) -> None:
    engine.add_volume("f" * 64)
    engine.add_container("c1", "left", "f" * 64, stack=MINE)
    list(remedies._remove_undeclared(facts(engine, undeclared("container", "left", "c1"))))
    assert engine.calls == [("kill and remove", "c1")]


def test_a_container_that_mounts_the_certificate_of_the_edge_is_removed(engine: FakeEngine) -> None:
    engine.add_volume("gix-edge-certificates", stack=MINE, edge="certificates")
    engine.add_container("c1", "left", "gix-edge-certificates", stack=MINE)
    list(remedies._remove_undeclared(facts(engine, undeclared("container", "left", "c1"))))
    assert engine.calls == [("kill and remove", "c1")]


def test_the_helper_of_a_backup_is_not_removed_as_undeclared(engine: FakeEngine) -> None:
    engine.add_container("c1", "gcam-data-helper", stack=MINE, helper="backup")
    found = facts(engine, undeclared("container", "gcam-data-helper", "c1"))
    assert [each.id for each in stack_checks.helpers(found)] == ["c1"]
    assert list(remedies._remove_undeclared(found)) == []


@pytest.mark.parametrize(
    ("state", "declared", "starts"),
    [("exited", "c1", True), ("paused", "c1", True), ("dead", "c1", False), ("exited", "c9", False)],
)
def test_a_container_is_started_if_it_is_the_declared_one_and_its_state_allows_it(
    engine: FakeEngine,
    state: str,
    declared: str,
    starts: bool,  # noqa: FBT001 - a column of the table
) -> None:
    engine.add_container("c1", "gix-router", state=state, stack=MINE)
    found = facts(engine, stopped("c1"), declared=(declared,))
    assert (stack_checks.startable(found, stopped("c1")) is not None) == starts


def test_nothing_is_started_while_a_backup_has_not_ended(engine: FakeEngine) -> None:
    found = facts(engine, stopped("c1"), declared=("c1",))
    engine.add_container("c3", "gcam-data-helper", stack=MINE, helper="backup")
    with pytest.raises(StackError, match="a backup or restore has not ended"):
        list(remedies._start_services(found))


def health_at(name: str, probe: int) -> list[ServiceHealth]:
    started = f"2026-01-02T03:04:0{probe}Z"
    return [
        ServiceHealth(
            service="auction",
            container="gix-auction",
            state="running",
            health=name,
            restarts=0,
            started=started,
            uptime_seconds=1.0,
            exit_code=None,
            digest="sha256:1",
            ports=[],
            failing_streak=0,
            probes=[Probe(started=started, seconds=0.1, exit_code=0, output="")],
            fix=None,
        )
    ]


@pytest.mark.parametrize(
    ("readings", "read"),
    [
        ([("healthy", 1), ("healthy", 2)], 1),
        ([("starting", 1), ("starting", 2), ("healthy", 3), ("healthy", 4)], 3),
        ([("unhealthy", 1), ("unhealthy", 1), ("healthy", 2), ("healthy", 3)], 3),
        ([("unhealthy", 1), ("unhealthy", 2), ("healthy", 3)], 2),
    ],
    ids=["healthy", "starting", "was paused: unhealthy until its next probe", "stays unhealthy after a probe"],
)
def test_the_checks_after_the_fixes_wait_until_the_health_is_known(
    engine: FakeEngine, monkeypatch: pytest.MonkeyPatch, readings: list[tuple[str, int]], read: int
) -> None:
    given: list[list[ServiceHealth]] = []

    def wait(*_: object) -> Iterator[list[ServiceHealth]]:
        for name, probe in readings:
            given.append(health_at(name, probe))
            yield given[-1]

    monkeypatch.setattr(health, "wait", wait)
    remedies._await_health(facts(engine))
    assert len(given) == read
