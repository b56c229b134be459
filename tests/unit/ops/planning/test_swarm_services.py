"""The plan of a stack in Swarm, from shortened steps of a preview."""

import copy
from typing import Any

import pytest
from pulumi.runtime.rpc import UNKNOWN

from gix_model.environment import EDGE_LABEL, SERVICE_LABEL
from gix_ops.planning import plan_text
from gix_ops.planning.effects import Downtime, Effect
from tests.unit.ops.planning.test_plan import NETWORK, PLATFORM, VOLUME, Step, image_urn, only, other, planned, step

HOOKS = {"resourceHooks": {"BeforeUpdate": ["gix-auction-trial"]}}


def inputs(service: str, **container: Any) -> dict[str, Any]:
    label = EDGE_LABEL if service == "edge" else SERVICE_LABEL
    return {
        "name": f"gix-{service}",
        "labels": [{"label": label, "value": service}],
        "mode": {"replicated": {"replicas": 1}},
        "updateConfig": {"order": "stop-first" if service == "auction" else "start-first"},
        "taskSpec": {
            "containerSpec": {
                "image": "r/router@sha256:a",
                "env": {"RUST_LOG": "info"},
                "stopGracePeriod": "10s",
                "healthcheck": {"interval": "10s", "timeout": "3s", "startPeriod": "5s", "retries": 3},
            }
            | container,
            "networksAdvanceds": [{"id": "n1"}],
        },
    }


def changed(before: dict[str, Any], *path: str, value: object) -> dict[str, Any]:
    after = copy.deepcopy(before)
    at = after
    for key in path[:-1]:
        at = at[key]
    at[path[-1]] = value
    return after


def component(service: str) -> str:
    return f"{PLATFORM}$gix:docker:Service::gix-{service}"


def service_urn(service: str) -> str:
    return f"{PLATFORM}$gix:docker:Service$docker:index/service:Service::gix-{service}-service"


def update(service: str, after: dict[str, Any], *, op: str = "update", depends: Any = None) -> Step:
    options = {"parent": component(service)}
    before = inputs(service)
    return step(op, service_urn(service), old=before, new=after, depends=depends, options=options)


ENV = ("taskSpec", "containerSpec", "env")


def test_another_variable_of_a_service_that_starts_first_does_not_interrupt() -> None:
    found = planned(
        update("router", changed(inputs("router"), *ENV, value={"RUST_LOG": "debug"})),
        update("enclave", inputs("enclave"), op="same"),
    )
    assert [(each.service, each.container, each.effect, each.causes, each.downtime) for each in found.services] == [
        ("router", "gix-router", Effect.REPLACED, ("RUST_LOG info -> debug",), None),
        ("enclave", "gix-enclave", Effect.UNTOUCHED, (), None),
    ]
    assert found.summary == "router replaced without interruption; 1 service untouched"


@pytest.mark.parametrize("trial", [True, False])
def test_another_variable_of_the_auction_is_tried_and_restarts_it(*, trial: bool) -> None:
    rollout = f"{PLATFORM}$gix:docker:Service$gix:docker:Rollout::gix-auction-rollout"
    found = planned(
        step("update", component("auction"), old={"image": "1"}, new={"image": "2"}, options=HOOKS if trial else {}),
        update("auction", changed(inputs("auction"), *ENV, value={})),
        step("update", rollout, old={}, new={"declaration": "2"}, options={"parent": component("auction")}),
    )
    assert only(found).effect is Effect.RESTARTED
    assert only(found).tried is trial
    assert only(found).downtime == Downtime(usual_seconds=11, at_most_seconds=67)
    assert found.others == (), "its trial and its rollout are shown with it"


def test_replicas_and_labels_are_updated_live_but_not_those_of_the_auction() -> None:
    after = changed(inputs("router"), "mode", value={"replicated": {"replicas": 3}})
    found = only(planned(update("router", after)))
    assert (found.effect, found.causes) == (Effect.UPDATED, ("replicas 1 -> 3",))
    label = [*inputs("auction")["labels"], {"label": "a", "value": "b"}]
    found = only(planned(update("auction", changed(inputs("auction"), "labels", value=label))))
    assert (found.effect, found.causes) == (Effect.RESTARTED, ("label a (none) -> b",))


@pytest.mark.parametrize(
    ("service", "effect"),
    [("router", Effect.REPLACED_IF_IMAGE_CHANGES), ("auction", Effect.RESTARTED_IF_IMAGE_CHANGES)],
)
def test_an_image_that_is_built_decides_whether_tasks_are_replaced(service: str, effect: Effect) -> None:
    built = step("update", image_urn(service), old={"build": {"context": "1"}}, new={"build": {"context": "2"}})
    after = changed(inputs(service), "taskSpec", "containerSpec", "image", value=UNKNOWN)
    found = planned(built, update(service, after, depends={"taskSpec": [image_urn(service)]}))
    assert found.services[0].effect is effect
    assert found.services[0].causes[0].startswith("image rebuilt")


def test_another_network_replaces_the_services_and_is_the_cause() -> None:
    network = step(
        "replace", NETWORK, old={"name": "n"}, new={"name": "n", "internal": True}, diff={"internal": "add-replace"}
    )
    after = changed(inputs("router"), "taskSpec", "networksAdvanceds", value=[{"id": UNKNOWN}])
    found = planned(network, update("router", after, op="replace", depends={"taskSpec": [NETWORK]}))
    [service] = found.services
    assert service.effect is Effect.RESTARTED
    assert service.causes[0].startswith("network replaced")


def test_another_node_of_the_ledger_puts_data_at_risk() -> None:
    volume = step(
        "replace", VOLUME, old={"name": "gcam-data"}, new={"name": "gcam-data"}, options={"retainOnDelete": True}
    )
    after = changed(inputs("auction"), "taskSpec", "placement", value={"constraints": ["node.hostname==two"]})
    found = planned(volume, update("auction", after, depends={"taskSpec": [VOLUME]}))
    assert found.puts_data_at_risk
    assert "no longer uses the volume gcam-data, which stays on the engine" in found.services[0].data_at_risk[0]
    assert "constraints (none) -> node.hostname==two" in found.services[0].causes


def test_a_refresh_that_finds_something_else_replaces_tasks() -> None:
    found = only(planned(update("router", inputs("router"))))
    assert found.effect is Effect.REPLACED
    assert found.causes == ("it differs from the declaration: gixctl verify shows in what",)


def test_edges_that_are_replaced_are_a_notice() -> None:
    found = planned(update("edge", changed(inputs("edge"), *ENV, value={"A": "1"})))
    assert found.services == ()
    assert (other(found).kind, other(found).name, other(found).operation) == ("service", "gix-edge", "updated")
    [notice] = found.notices
    assert "the edge of each node is replaced, one after the other" in notice
    labelled = planned(update("edge", changed(inputs("edge"), "labels", value=inputs("edge")["labels"] * 2)))
    assert labelled.notices == ()


def test_a_new_service_is_created_and_an_old_one_removed() -> None:
    urn = service_urn("router")
    assert only(planned(step("create", urn, new=inputs("router")))).effect is Effect.CREATED
    removed = planned(step("delete", urn, old=inputs("router")))
    assert only(removed).effect is Effect.REMOVED
    assert "router" in plan_text.markdown(removed)
