"""What the platform declares in Swarm, and how it waits for Swarm."""

import subprocess
from datetime import timedelta
from types import SimpleNamespace
from typing import Any

import pytest
from docker.errors import DockerException
from pydantic import SecretStr

from gix_components import haproxy, sole_writer, swarm_rollout, swarm_service
from gix_components.platform import GixPlatform
from gix_components.swarm_rollout import Expected, RolloutError
from gix_engine import connection, observed_state, swarm_state
from gix_engine.swarm_state import SwarmService
from gix_model.environment import EDGE_LABEL, SERVICE_LABEL, STACK_LABEL
from tests.support.certificates import Authority
from tests.unit.declared import Declared, declare
from tests.unit.engine.test_swarm import state, task
from tests.unit.model.test_swarm import in_swarm

SERVICE = "docker:index/service:Service"
EXPECTED = Expected(
    key="router", name="gix-router", healthy_within=timedelta(seconds=5), stop_grace=timedelta(seconds=10)
)


def declared_in_swarm(**sections: Any) -> Declared:
    read = in_swarm(**sections)
    return declare(lambda options: GixPlatform("gix", read, options))


@pytest.fixture(scope="module")
def declared() -> Declared:
    return declared_in_swarm(prefix="blue", router={"replicas": 3, "labels": {"team": "a"}})


def spec(declared: Declared, service: str) -> dict[str, Any]:
    inputs: dict[str, Any] = declared.resources[f"gix-{service}-service"].inputs
    return inputs


def test_there_are_services_and_no_containers(declared: Declared) -> None:
    assert {each.inputs["name"] for each in declared.of_type(SERVICE)} == {
        f"blue-gix-{name}" for name in ("router", "auction", "enclave", "edge")
    }
    assert declared.of_type("docker:index/container:Container") == []


def test_the_auction_has_one_task_on_the_node_of_its_ledger_which_stops_first(declared: Declared) -> None:
    inputs = spec(declared, "auction")
    assert inputs["mode"] == {"replicated": {"replicas": 1}}
    assert inputs["taskSpec"]["placement"]["constraints"] == ["node.hostname==two"]
    assert inputs["updateConfig"]["order"] == inputs["rollbackConfig"]["order"] == "stop-first"
    assert inputs["updateConfig"]["failureAction"] == "pause"
    [mount] = inputs["taskSpec"]["containerSpec"]["mounts"]
    assert mount == {"target": "/data", "type": "volume", "source": "blue-gcam-data"}


def test_the_volume_of_the_ledger_is_on_the_engine_of_its_node(declared: Declared) -> None:
    assert "gix-ledger-engine" in declared.resources["gix-ledger-volume"].provider
    assert declared.resources["gix-ledger-engine"].inputs["host"] == "ssh://two"


def test_where_the_manager_has_the_ledger_the_volume_keeps_its_provider() -> None:
    nodes = {"mode": "swarm", "host": "ssh://one", "nodes": {"one": "ssh://one"}}
    declared = declared_in_swarm(engine=nodes, ledger={"node": "one"})
    assert "gix-ledger-engine" not in declared.resources
    assert "::gix-engine::" in declared.resources["gix-ledger-volume"].provider


def test_the_others_start_first_and_swarm_rolls_them_back(declared: Declared) -> None:
    inputs = spec(declared, "router")
    assert inputs["mode"] == {"replicated": {"replicas": 3}}
    assert inputs["updateConfig"]["order"] == inputs["rollbackConfig"]["order"] == "start-first"
    assert inputs["updateConfig"]["failureAction"] == "rollback"


def test_labels_of_a_service_change_without_a_replacement(declared: Declared) -> None:
    own = [{"label": STACK_LABEL, "value": "gix/dev"}, {"label": SERVICE_LABEL, "value": "router"}]
    inputs = spec(declared, "router")
    assert inputs["taskSpec"]["containerSpec"]["labels"] == own
    assert inputs["labels"] == [*own, {"label": "team", "value": "a"}]


def test_the_edge_is_on_all_nodes_and_publishes_their_ports(declared: Declared) -> None:
    inputs = spec(declared, "edge")
    assert inputs["mode"] == {"global": True}
    assert {(each["publishedPort"], each["publishMode"]) for each in inputs["endpointSpec"]["ports"]} == {
        (50051, "host"),
        (50052, "host"),
        (50053, "host"),
    }
    [network] = inputs["taskSpec"]["networksAdvanceds"]
    assert network["aliases"] == ["edge", "router", "auction", "enclave"]
    assert inputs["taskSpec"]["placement"]["constraints"] == []
    labels = inputs["taskSpec"]["containerSpec"]["labels"]
    assert {"label": EDGE_LABEL, "value": "haproxy"} in labels


def test_the_edge_is_on_the_nodes_with_its_label() -> None:
    inputs = spec(declared_in_swarm(edge={"nodeLabel": "edge=true"}), "edge")
    assert inputs["taskSpec"]["placement"]["constraints"] == ["node.labels.edge==true"]


def test_the_network_is_an_overlay_whose_gateway_is_stated(declared: Declared) -> None:
    [component] = declared.of_type("gix:docker:Network")
    assert component.inputs == {"driver": "overlay", "encrypted": False}
    [network] = declared.of_type("docker:index/network:Network")
    assert (network.inputs["driver"], network.inputs["attachable"]) == ("overlay", True)
    assert network.inputs["ipamConfigs"] == [{"subnet": "172.28.0.0/16", "gateway": "172.28.0.1"}]
    assert "options" not in network.inputs
    [encrypted] = declared_in_swarm(network={"encrypted": True}).of_type("docker:index/network:Network")
    assert encrypted.inputs["options"] == {"encrypted": ""}
    assert encrypted.options.ignore_changes == ["options"]


def test_the_edge_finds_tasks_and_gives_up_connections_to_former_addresses() -> None:
    text = haproxy.configuration(in_swarm(prefix="blue"))
    assert "server-template router 202 tasks.blue-gix-router:50051 proto h2 check inter 500ms resolvers" in text
    assert "server-template auction 1 tasks.blue-gix-auction:50052 proto h2 resolvers" in text


def test_secrets_are_those_of_swarm_and_no_variable_has_one() -> None:
    declared = declared_in_swarm(
        enclave={"secretEnvironment": {"SIGNING_KEY": SecretStr("hidden")}}, defaults={"user": "7:8"}
    )
    container = spec(declared, "enclave")["taskSpec"]["containerSpec"]
    [secret] = container["secrets"]
    assert (secret["fileName"], secret["fileUid"], secret["fileGid"], secret["fileMode"]) == (
        "SIGNING_KEY",
        "7",
        "8",
        0o400,
    )
    assert container["args"][-1] == "gsee-runtime"
    made = declared.resources["gix-enclave-signing-key"]
    assert made.secrets == {"data"}
    assert "name" not in made.inputs, "a name of its own could not be replaced while a task uses it"
    assert "hidden" not in repr(spec(declared, "enclave"))


def test_the_script_that_makes_variables_of_secrets_keeps_their_ends(tmp_path: Any) -> None:
    (tmp_path / "FIRST").write_text("one\n")
    (tmp_path / "SECOND").write_text("$two 'and' \"three\"")
    script = swarm_service._RUN_WITH_SECRETS.replace("/run/secrets", str(tmp_path))
    words = ["sh", "-euc", script, "run", "sh", "-c", 'printf "%s|%s" "$FIRST" "$SECOND"']
    done = subprocess.run(words, capture_output=True, text=True, check=True)
    assert done.stdout == "one\n|$two 'and' \"three\""


def test_the_certificate_of_the_edge_is_a_secret() -> None:
    issued = Authority().issue()
    declared = declared_in_swarm(edge={"certificate": issued.certificate, "key": SecretStr(issued.key)})
    [secret] = spec(declared, "edge")["taskSpec"]["containerSpec"]["secrets"]
    assert (secret["fileName"], secret["fileUid"]) == ("edge.pem", "99")
    assert "gix-edge-certificates" not in declared.resources
    plain = [each.inputs for each in declared.resources.values() if not each.secrets]
    assert issued.key.splitlines()[1] not in repr(plain)


def awaiting(monkeypatch: pytest.MonkeyPatch, *states: SwarmService) -> None:
    """Let a manager answer with one state after the other, and then always with the last one."""
    remaining = list(states)
    service = SimpleNamespace(logs=lambda **_: [b"out of order\n"])
    client = SimpleNamespace(services=SimpleNamespace(get=lambda _: service))
    monkeypatch.setattr(connection, "connect", lambda *_: client)
    following = lambda *_: remaining.pop(0) if len(remaining) > 1 else remaining[0]  # noqa: E731 - a state at each call
    monkeypatch.setattr(swarm_state, "observe_service", following)
    monkeypatch.setattr(swarm_rollout, "_POLL_SECONDS", 0)


def test_the_hook_waits_until_the_service_is_as_declared(monkeypatch: pytest.MonkeyPatch) -> None:
    awaiting(monkeypatch, state(task("preparing")), state(task("running"), status="updating"), state(task("running")))
    swarm_rollout.run(in_swarm(), EXPECTED, "id")


def test_given_an_update_that_swarm_gave_up_the_error_says_why_and_what_serves(monkeypatch: pytest.MonkeyPatch) -> None:
    failed = task("failed", error="exit 3", desired="shutdown")
    awaiting(monkeypatch, state(status="updating"), state(failed, status="rollback_completed"))
    with pytest.raises(RolloutError) as caught:
        swarm_rollout.run(in_swarm(), EXPECTED, "id")
    assert "Swarm rolled the update back, and the former version serves: exit 3" in str(caught.value)
    assert "out of order" in str(caught.value)
    assert "pulumi up --refresh" in str(caught.value)


def test_given_a_service_that_never_runs_the_hook_gives_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(swarm_rollout, "_ALLOWANCE", timedelta(seconds=-15))
    awaiting(monkeypatch, state(task("pending", error="no suitable node"), replicas=2))
    with pytest.raises(RolloutError, match=r"0 of 2 tasks run.*no suitable node"):
        swarm_rollout.run(in_swarm(), EXPECTED, "id")


def test_given_a_manager_that_does_not_answer_the_error_says_what_to_do(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> None:
        raise DockerException("no route")

    monkeypatch.setattr(connection, "connect", refuse)
    with pytest.raises(RolloutError, match=r"no route\nRun pulumi up again"):
        swarm_rollout.run(in_swarm(), EXPECTED, "id")


@pytest.mark.parametrize("is_running", [True, False])
def test_a_second_writer_of_the_ledger_is_refused(monkeypatch: pytest.MonkeyPatch, *, is_running: bool) -> None:
    writer = SimpleNamespace(name="gix-auction", is_running=is_running, written_volumes={"gcam-data"})
    monkeypatch.setattr(connection, "connect", lambda *_: None)
    observed = SimpleNamespace(containers=(writer,))
    monkeypatch.setattr(observed_state, "observe", lambda _: observed)
    [hook] = sole_writer.require("hook", in_swarm()).before_create or []
    args: Any = SimpleNamespace()
    if is_running:
        with pytest.raises(sole_writer.SoleWriterError, match="docker stop gix-auction"):
            hook.callback(args)  # type: ignore[union-attr]
    else:
        hook.callback(args)  # type: ignore[union-attr]
