"""An auction in Swarm as a backup or restore holds it: paused on its node, or stopped with its service."""

import copy
import dataclasses
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest
from docker.errors import APIError, NotFound
from requests import HTTPError, Response

from gix_engine import connection
from gix_ledger import auction as auctions
from gix_ledger import recovery
from gix_ledger.auction import Auction, Hold
from gix_ledger.errors import LedgerError
from gix_ledger.location import LedgerLocation
from gix_ledger.work import Work
from gix_model.settings import EngineSettings

SERVICE, TASK = "gix-auction", "gix-auction.1.t1"
LEDGER = LedgerLocation(
    engine=EngineSettings.model_validate({"host": "unix:///node.sock"}),
    manager=EngineSettings.model_validate({"host": "unix:///manager.sock"}),
    directory=Path("/program"),
    label="gix/dev",
    volume="gcam-data",
    container=SERVICE,
    image="sha256:1",
)


class Container:
    """A container of the node. `stops` is called when it is stopped."""

    def __init__(self, name: str, status: str, *, is_task: bool = True) -> None:
        self.name, self.id, self.status = name, f"id of {name}", status
        self.labels = {"com.docker.swarm.service.name": SERVICE} if is_task else {}
        self.attrs: dict[str, Any] = {"Config": {}}

    def unpause(self) -> None:
        self.status = "running"

    def start(self) -> None:
        self.status = "running"

    def stop(self, timeout: int) -> None:
        assert timeout
        self.status = "exited"

    def reload(self) -> None:
        pass


class Swarm:
    """A manager and the node with the ledger, which stops its task some readings after the manager says so."""

    base_url, api_version = "http://manager", "1.41"

    def __init__(self, *containers: Container, replicas: int | None = 1, refusals: int = 0) -> None:
        self.all = list(containers)
        self.refusals = refusals
        self.readings = 2
        self.updates: list[dict[str, Any]] = []
        self.record: dict[str, Any] | None = None
        if replicas is not None:
            spec = {
                "Name": SERVICE,
                "Mode": {"Replicated": {"Replicas": replicas}},
                "TaskTemplate": {"ContainerSpec": {"Image": "i", "StopGracePeriod": 10**10}, "Runtime": "container"},
                "RollbackConfig": {"FailureAction": "pause"},
            }
            self.record = {"ID": "s1", "Version": {"Index": 7}, "Spec": spec}

    # The node.

    @property
    def client(self) -> Any:
        return SimpleNamespace(
            containers=SimpleNamespace(list=self.listed, get=self.get),
            api=SimpleNamespace(
                pause=self.pause, containers=self.summaries, inspect_volume=lambda _: {"Mountpoint": "/v"}
            ),
        )

    def listed(self, *, filters: dict[str, str], **_: object) -> list[Container]:
        assert filters == {"label": f"com.docker.swarm.service.name={SERVICE}"}
        if self.replicas == 0:
            self.readings -= 1
            if self.readings <= 0:
                for each in self.all:
                    each.status = "exited" if each.labels else each.status
        return [each for each in self.all if each.labels]

    def get(self, name: str) -> Container:
        return next(each for each in self.all if each.name == name)

    def summaries(self, **_: object) -> list[dict[str, Any]]:
        mount = {"RW": True, "Type": "volume", "Name": "gcam-data"}
        return [
            {"Names": [f"/{each.name}"], "State": each.status, "Labels": each.labels, "Mounts": [mount]}
            for each in self.all
        ]

    def pause(self, name: str) -> None:
        self.get(name).status = "paused"

    # The manager.

    @property
    def api(self) -> Any:
        return self

    @property
    def replicas(self) -> int | None:
        return None if self.record is None else int(self.record["Spec"]["Mode"]["Replicated"]["Replicas"])

    def inspect_service(self, name: str) -> dict[str, Any]:
        assert name == SERVICE
        if self.record is None:
            raise NotFound("gone")
        return copy.deepcopy(self.record)

    def tasks(self, **_: object) -> list[dict[str, Any]]:
        running = any(each.status != "exited" for each in self.all if each.labels)
        return [
            {
                "ID": "t1",
                "ServiceID": "s1",
                "CreatedAt": "1",
                "DesiredState": "remove" if self.replicas == 0 else "running",
                "Spec": {},
                "Status": {"State": "running" if running else "complete"},
            }
        ]

    def post(self, url: str, *, params: dict[str, int], json: dict[str, Any], **_: object) -> Any:
        assert (url, params) == ("http://manager/v1.41/services/s1/update", {"version": 7})
        response = Response()
        response.status_code = 200
        if self.refusals:
            self.refusals -= 1
            response.status_code, response._content = 500, b'{"message": "update out of sequence"}'
            return SimpleNamespace(raise_for_status=lambda: refuse(response))
        self.updates.append(json)
        assert self.record is not None
        self.record["Spec"] = json
        return response


def refuse(response: Response) -> None:
    raise HTTPError("500", response=response)


@pytest.fixture
def held(monkeypatch: pytest.MonkeyPatch) -> Callable[[Swarm], Auction]:
    monkeypatch.setattr(auctions, "_POLL_SECONDS", 0)

    def held(swarm: Swarm) -> Auction:
        monkeypatch.setattr(connection, "connect", lambda settings, _: swarm if settings == LEDGER.manager else None)
        return auctions.auction(swarm.client, LEDGER)

    return held


Held = Callable[[Swarm], Auction]


@pytest.mark.parametrize(
    ("status", "replicas", "how", "state", "owed"),
    [
        ("running", 1, "pause", "running", "unpause"),
        ("running", 1, "stop", "running", "start"),
        ("paused", 1, "pause", "paused", "nothing"),
        ("paused", 1, "stop", "paused", "start"),
        # Swarm is about to start a task.
        ("exited", 1, "pause", "restarting", "start"),
        ("exited", 1, "stop", "restarting", "start"),
        # Somebody has scaled the service to 0, and its task still ends.
        ("running", 0, "stop", "running", "nothing"),
        ("exited", 0, "stop", "exited", "nothing"),
        ("exited", None, "stop", None, "nothing"),
    ],
)
def test_an_auction_is_resumed_as_it_was(
    held: Held, status: str, replicas: int | None, how: Hold, state: str | None, owed: str
) -> None:
    swarm = Swarm(Container(TASK, status), replicas=replicas)
    swarm.readings = 99
    assert (held(swarm).state(), held(swarm).owed(how)) == (state, owed)


def test_an_auction_is_stopped_with_its_service_and_all_else_of_the_service_stays(held: Held) -> None:
    swarm = Swarm(Container(TASK, "running"), refusals=2)
    before = copy.deepcopy(swarm.inspect_service(SERVICE)["Spec"])
    held(swarm).stop()
    assert swarm.updates == [before | {"Mode": {"Replicated": {"Replicas": 0}}}]
    assert held(swarm).state() == "exited", "nothing of it runs any more"
    assert held(swarm).resume("start") == [f"started {SERVICE}"]
    assert swarm.updates[1:] == [before]
    assert held(swarm).resume("start") == [], "it has a task"


def test_an_auction_whose_task_does_not_end_is_not_stopped(held: Held, monkeypatch: pytest.MonkeyPatch) -> None:
    swarm = Swarm(Container(TASK, "running"))
    swarm.readings = 10**9
    monkeypatch.setattr(auctions, "_STOP_ALLOWANCE_SECONDS", -10)
    with pytest.raises(LedgerError, match="has no tasks any more, but one still runs after 0 s"):
        held(swarm).stop()


def test_an_auction_that_something_else_scales_up_while_it_stops_is_an_error_at_once(
    held: Held, monkeypatch: pytest.MonkeyPatch
) -> None:
    swarm = Swarm(Container(TASK, "running"))
    swarm.readings = 10**9
    waited: list[float] = []

    def scale_up(seconds: float) -> None:
        waited.append(seconds)
        assert swarm.record is not None
        swarm.record["Spec"]["Mode"]["Replicated"]["Replicas"] = 1

    monkeypatch.setattr(auctions, "time", SimpleNamespace(monotonic=lambda: len(waited), sleep=scale_up))
    with pytest.raises(LedgerError, match="gix-auction was scaled to 1 while it was being stopped; find out"):
        held(swarm).stop()
    assert len(waited) == 1


def test_an_update_that_the_manager_refuses_is_an_error_with_its_reason(held: Held) -> None:
    swarm = Swarm(Container(TASK, "running"), refusals=99)
    with pytest.raises(LedgerError, match="gix-auction cannot be stopped: update out of sequence"):
        held(swarm).stop()
    stopped = Swarm(Container(TASK, "exited"), replicas=0, refusals=99)
    with pytest.raises(LedgerError, match=r"cannot be started: .*docker service scale gix-auction=1"):
        held(stopped).resume("start")


def test_an_auction_is_paused_on_its_node_and_goes_on(held: Held) -> None:
    swarm = Swarm(Container("gix-auction.1.t0", "exited"), Container(TASK, "running"))
    held(swarm).pause()
    assert held(swarm).state() == "paused"
    assert held(swarm).resume("unpause") == [f"unpaused {TASK}"]
    assert held(swarm).resume("unpause") == []
    assert held(swarm).resume("nothing") == []


def test_a_service_that_is_gone_is_left(held: Held) -> None:
    gone = held(Swarm(replicas=None))
    gone.stop()
    assert gone.resume("start") == []


def test_a_manager_that_does_not_answer_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    def connect(*_: object) -> None:
        raise APIError("no route")

    monkeypatch.setattr(connection, "connect", connect)
    with pytest.raises(LedgerError, match="the manager of the Swarm does not answer"):
        auctions.auction(Swarm().client, LEDGER).stop()


def test_what_can_write_is_stopped_with_its_service_and_containers_of_other_programs_by_name(held: Held) -> None:
    other = Container("other", "running", is_task=False)
    swarm = Swarm(Container(TASK, "running"), other)
    assert recovery._stop_writers(swarm.client, LEDGER, held(swarm)) == [SERVICE, "other"]
    assert (swarm.replicas, other.status) == (0, "exited")

    waiting = Swarm(Container(TASK, "exited"))
    assert recovery._stop_writers(waiting.client, LEDGER, held(waiting)) == [SERVICE]
    assert waiting.replicas == 0, "Swarm was about to start a task"


def test_a_location_in_swarm_is_passed_to_another_process() -> None:
    assert LedgerLocation.from_json(LEDGER.to_json()) == LEDGER
    alone = dataclasses.replace(LEDGER, manager=None)
    assert LedgerLocation.from_json(alone.to_json()) == alone


@pytest.mark.parametrize(
    ("status", "replicas", "state"),
    [("running", 1, "paused"), ("exited", 0, None)],
)
def test_a_backup_holds_the_auction_and_notices_if_it_goes_on(
    held: Held, status: str, replicas: int, state: str | None
) -> None:
    swarm = Swarm(Container(TASK, status), replicas=replicas)
    work = at_work(swarm, held(swarm))
    assert work.hold() == state
    assert work.is_held(state)
    swarm.readings = 99
    swarm.get(TASK).status = "running"
    assert not work.is_held(state)


def test_a_backup_does_not_begin_while_swarm_replaces_the_task(held: Held) -> None:
    swarm = Swarm(Container(TASK, "running"))
    work = at_work(swarm, held(swarm))
    swarm.get(TASK).status = "exited"
    with pytest.raises(LedgerError, match="gix-auction changed its state to restarting meanwhile; try again"):
        work.hold()


def test_without_a_leader_a_task_is_paused_and_goes_on_but_is_not_stopped(
    held: Held, monkeypatch: pytest.MonkeyPatch
) -> None:
    swarm = Swarm(Container(TASK, "running"))

    def refuse(_: str) -> None:
        raise APIError("500", explanation="the swarm does not have a leader")

    monkeypatch.setattr(swarm, "inspect_service", refuse)
    work = at_work(swarm, held(swarm))
    assert work.hold() == "paused"
    work.resume()
    assert work.state() == "running"
    with pytest.raises(LedgerError, match="does not say whether gix-auction runs: the swarm does not have a leader"):
        held(swarm).owed("stop")
    with pytest.raises(LedgerError, match="gix-auction cannot be stopped: the swarm does not have a leader"):
        held(swarm).stop()


def at_work(swarm: Swarm, auction: Auction) -> Work:
    return Work(
        client=swarm.client,
        ledger=LEDGER,
        auction=auction,
        container=cast("Any", None),
        how="pause",
        owed=auction.owed("pause"),
        id="work",
    )
