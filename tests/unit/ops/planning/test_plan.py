"""The plan that is made from the steps of `pulumi preview --json`, which are shortened here."""

import dataclasses
import json
from typing import Any

import pytest
from pulumi.runtime.rpc import UNKNOWN
from rich.console import Console

from gix_model.environment import EDGE_LABEL
from gix_model.provider_facts import IMAGE
from gix_ops.planning import plan, plan_text
from gix_ops.planning.effects import Downtime, Effect
from gix_ops.planning.plan import OtherPlan, Plan, ServicePlan

PLATFORM = "urn:pulumi:dev::gix::gix:docker:Platform"
CONNECTION = f"{PLATFORM}$pulumi:providers:docker::gix-engine"
NETWORK = f"{PLATFORM}$gix:docker:Network$docker:index/network:Network::gix-network"
VOLUME = f"{PLATFORM}$gix:docker:LedgerVolume$docker:index/volume:Volume::gix-ledger-volume"

Step = dict[str, Any]


def image_urn(service: str) -> str:
    return f"{PLATFORM}$gix:docker:Images$docker:index/image:Image::gix-images-{service}-image"


def step(
    op: str,
    urn: str,
    *,
    old: dict[str, Any] | None = None,
    new: dict[str, Any] | None = None,
    diff: dict[str, str] | None = None,
    outputs: dict[str, Any] | None = None,
    options: dict[str, Any] | None = None,
    depends: dict[str, list[str]] | None = None,
) -> Step:
    """A step. `options` belong to the old and the new state; `depends` lists the resources that an input depends on."""
    kind = urn.split("::")[2].rpartition("$")[2]
    common: dict[str, Any] = {
        "urn": urn,
        "type": kind,
        "custom": not kind.startswith("gix:"),
        "propertyDependencies": depends or {},
        "dependencies": sorted({urn for urns in (depends or {}).values() for urn in urns}),
    } | (options or {})
    paths = {path: {"kind": how, "inputDiff": False} for path, how in (diff or {}).items()}
    reasons = [path.partition("[")[0].partition(".")[0] for path in paths]
    record: Step = {
        "op": op,
        "urn": urn,
        "provider": f"{CONNECTION}::an-id" if kind.startswith("docker:") else "",
        "detailedDiff": paths or None,
        # The provider gives no detailed diff for an image.
        "diffReasons": None if kind == IMAGE else reasons,
    }
    if op == "replace":
        record["replaceReasons"] = reasons
    if old is not None:
        record["oldState"] = common | {"inputs": old, "outputs": outputs or {}}
    if new is not None:
        record["newState"] = common | {"inputs": new}
    return record


def inputs(service: str, **more: Any) -> dict[str, Any]:
    return {
        "name": f"gix-{service}",
        "image": "sha256:" + "a" * 64,
        "labels": [{"label": "io.gix.service", "value": service}],
        "envs": ["RUST_LOG=debug", "RUST_BACKTRACE=0"],
        "healthcheck": {"interval": "10s", "startInterval": "0s"},
        "destroyGraceSeconds": 10,
        "waitTimeout": 62,
        "volumes": [{"containerPath": "/data", "volumeName": "gcam-data"}] if service == "auction" else [],
    } | more


def container(
    op: str,
    service: str,
    *,
    diff: dict[str, str] | None = None,
    old: dict[str, Any] | None = None,
    new: dict[str, Any] | None = None,
    outputs: dict[str, Any] | None = None,
    options: dict[str, Any] | None = None,
) -> Step:
    """A step of a service's container. `old` and `new` change its inputs."""
    depends = {"image": [image_urn(service)], "networksAdvanced": [NETWORK]}
    if service == "auction":
        depends["volumes"] = [VOLUME]
    return step(
        op,
        f"{PLATFORM}$gix:docker:Service$docker:index/container:Container::gix-{service}-container",
        old=None if op == "create" else inputs(service, **(old or {})),
        new=None if op == "delete" else inputs(service, **(new or {})),
        diff=diff,
        outputs=outputs,
        options=options,
        depends=depends,
    )


def untouched(*services: str) -> list[Step]:
    return [container("same", service) for service in services]


def planned(*steps: Step, diagnostics: list[dict[str, str]] | None = None, failed: bool = False) -> Plan:
    preview = {"steps": list(steps)} | ({"diagnostics": diagnostics} if diagnostics else {})
    return plan.make(json.loads(json.dumps(preview)), failed=failed)


def only(found: Plan) -> ServicePlan:
    [service] = found.services
    return service


def other(found: Plan) -> OtherPlan:
    [each] = found.others
    return each


def test_given_nothing_changed_every_service_is_listed_as_unchanged() -> None:
    found = planned(*untouched("enclave", "auction", "router"))
    assert [each.service for each in found.services] == ["router", "auction", "enclave"]
    assert {each.effect for each in found.services} == {Effect.UNTOUCHED}
    assert (found.stack, found.summary, found.others) == ("dev", "nothing changes", ())


def test_given_a_variable_changed_the_service_is_restarted_with_the_variable_as_cause() -> None:
    found = planned(
        container(
            "replace",
            "router",
            diff={"envs[0]": "update-replace"},
            new={"envs": ["RUST_LOG=info", "RUST_BACKTRACE=0"]},
        ),
        *untouched("auction", "enclave"),
    )
    assert found.services[0] == ServicePlan(
        service="router",
        container="gix-router",
        effect=Effect.RESTARTED,
        causes=("RUST_LOG debug -> info",),
        downtime=Downtime(usual_seconds=12, at_most_seconds=72),
    )
    assert found.summary == "router restarted; 2 services untouched"


@pytest.mark.parametrize("trial", [True, False])
def test_given_a_successor_that_is_tried_the_plan_says_so(*, trial: bool) -> None:
    service = f"{PLATFORM}$gix:docker:Service::gix-router"
    replaced = container("replace", "router", diff={"user": "update-replace"}, options={"parent": service})
    hooks = {"resourceHooks": {"BeforeUpdate": ["gix-router-trial"]}} if trial else {}
    component = step("update", service, old={"image": "1"}, new={"image": "2"}, options=hooks)
    found = planned(component, replaced)
    assert only(found).tried is trial
    assert found.others == ()
    assert ("**tried, then restarted (about" in plan_text.markdown(found)) is trial


@pytest.mark.parametrize("before", ["provider", "program"])
def test_given_names_of_the_provider_a_container_is_replaced_without_interruption(before: str) -> None:
    named = {"__defaults": ["name"]}
    old = named if before == "provider" else {"__defaults": []}
    found = planned(container("replace", "router", diff={"user": "update-replace"}, old=old, new=named))
    assert only(found).effect is (Effect.REPLACED if before == "provider" else Effect.RESTARTED)
    assert (only(found).downtime is None) is (before == "provider")


def test_given_the_network_replaced_too_a_container_behind_an_edge_is_restarted() -> None:
    named = {"__defaults": ["name"]}
    network = step("replace", NETWORK, old={"name": "a"}, new={"name": "b"}, diff={"name": "update-replace"})
    found = planned(network, container("replace", "router", old=named, new=named))
    assert only(found).effect is Effect.RESTARTED
    assert only(found).downtime


def test_given_the_edge_replaced_a_notice_says_that_no_service_answers() -> None:
    urn = f"{PLATFORM}$gix:docker:Edge$docker:index/container:Container::gix-edge-container"
    inputs = {"name": "gix-edge", "labels": [{"label": EDGE_LABEL, "value": "haproxy"}]}
    found = planned(step("replace", urn, old=inputs, new=inputs, diff={"ports": "update-replace"}))
    assert found.notices == ("the edge is replaced: no service answers for some seconds",)


def test_given_a_start_interval_the_downtime_is_computed_from_it() -> None:
    check = {"interval": "10s", "startInterval": "500ms"}
    found = planned(container("replace", "router", diff={"user": "update-replace"}, new={"healthcheck": check}))
    assert only(found).downtime == Downtime(usual_seconds=3, at_most_seconds=72)


def test_given_limits_and_restart_policy_changed_the_service_is_updated_live() -> None:
    found = planned(
        container(
            "update",
            "enclave",
            diff={"memory": "update", "memorySwap": "add", "restart": "update"},
            old={"memory": 256, "restart": "on-failure", "maxRetryCount": 3},
            new={"memory": 1024, "memorySwap": 2048, "restart": "always"},
        )
    )
    assert only(found).effect is Effect.UPDATED
    assert only(found).downtime is None
    assert only(found).causes == (
        "memory 256 MiB -> 1024 MiB",
        "memory with swap (none) -> 2048 MiB",
        "restart on-failure:3 -> always",
    )


def test_given_a_limit_removed_the_plan_warns_that_the_engine_keeps_it() -> None:
    found = planned(container("update", "enclave", diff={"memory": "delete"}, old={"memory": 256}))
    assert only(found).effect is Effect.RECORDED
    assert only(found).causes == (
        "memory 256 MiB -> (none)",
        "recorded, not applied until the container is replaced: memory",
    )


def test_given_an_update_that_the_provider_only_records_the_service_is_listed_as_unchanged() -> None:
    found = planned(
        container("update", "router", diff={"healthcheck.interval": "update"}, new={"healthcheck": {"interval": "1s"}})
    )
    assert only(found).effect is Effect.RECORDED
    assert "health check interval 10s -> 1s" in only(found).causes


def test_given_the_network_replaced_containers_without_own_causes_have_its_cause() -> None:
    old, new = ({"name": "gix-network", "ipamConfigs": [{"subnet": each}]} for each in ("172.28.0.0/16", "10.0.0.0/24"))
    found = planned(
        step("replace", NETWORK, old=old, new=new, diff={"ipamConfigs[0]": "update-replace"}),
        container("replace", "router"),
        container("replace", "auction"),
    )
    assert [each.effect for each in found.services] == [Effect.RESTARTED, Effect.RESTARTED]
    assert {each.causes for each in found.services} == {("network replaced: subnet 172.28.0.0/16 -> 10.0.0.0/24",)}
    assert not any(each.data_at_risk for each in found.services)
    assert other(found).kind == "network"
    assert other(found).operation == "replaced"


def rebuilt(service: str) -> tuple[Step, Step]:
    old, new = (
        {"imageName": f"gix-{service}:latest", "build": {"contextDigest": digest, "args": {"RUNTIME_BASE": "debian"}}}
        for digest in ("b" * 64, "c" * 64)
    )
    return (
        step("update", image_urn(service), old=old, new=new, diff={"build": "update"}),
        container("replace", service, diff={"image": "update-replace"}, new={"image": UNKNOWN}),
    )


def test_given_the_source_changed_a_restart_depends_on_the_built_image() -> None:
    found = planned(*rebuilt("router"), *rebuilt("enclave"))
    assert {each.effect for each in found.services} == {Effect.RESTARTED_IF_IMAGE_CHANGES}
    assert found.services[0].causes == ("image rebuilt: source changed",)
    assert found.services[0].downtime
    assert [each.operation for each in found.others] == ["rebuilt", "rebuilt"]
    assert found.summary == "router, enclave restarted if its image changes; 2 other changes"


def test_given_the_source_and_a_variable_changed_the_restart_is_certain() -> None:
    image, _ = rebuilt("router")
    found = planned(
        image,
        container(
            "replace",
            "router",
            diff={"image": "update-replace", "envs[0]": "update-replace"},
            new={"image": UNKNOWN, "envs": ["RUST_LOG=warn", "RUST_BACKTRACE=0"]},
        ),
    )
    assert only(found).effect is Effect.RESTARTED
    assert only(found).causes == ("image rebuilt: source changed", "RUST_LOG debug -> warn")


def test_given_the_source_and_the_network_changed_the_restart_is_certain() -> None:
    network = step("replace", NETWORK, old={"name": "a"}, new={"name": "b"}, diff={"name": "update-replace"})
    found = planned(network, *rebuilt("router"))
    assert only(found).effect is Effect.RESTARTED
    assert only(found).causes == ("image rebuilt: source changed", "network replaced: name a -> b")


def test_given_another_engine_everything_is_replaced_with_that_cause() -> None:
    connection = step("replace", CONNECTION, old={}, new={"host": "ssh://gix@other"}, diff={"host": "add-replace"})
    found = planned(connection, container("replace", "router"))
    assert only(found).causes == ("connection replaced: engine (none) -> ssh://gix@other",)


@pytest.mark.parametrize(
    ("retained", "text"), [(True, "stays on the engine with its data"), (False, "IS DELETED WITH ITS CONTENT")]
)
def test_given_the_volume_removed_data_is_at_risk(*, retained: bool, text: str) -> None:
    volume = step("delete", VOLUME, old={"name": "gcam-data"}, options={"retainOnDelete": retained})
    found = planned(volume, container("delete", "auction"), *untouched("router"))
    assert found.summary.startswith("DATA AT RISK; ")
    assert other(found).operation == ("removed from the stack (it stays on the engine)" if retained else "removed")
    [risk] = other(found).data_at_risk
    assert text in risk
    auction = next(each for each in found.services if each.service == "auction")
    assert auction.effect is Effect.REMOVED
    assert auction.data_at_risk == (risk,)


@pytest.mark.parametrize(
    ("before", "after", "is_renewed"),
    [("a1", "b2", True), ("a1", "a1", False), (None, "a1", False), ("a1", None, False)],
)
def test_another_certificate_of_the_edge_is_a_notice(
    *, before: str | None, after: str | None, is_renewed: bool
) -> None:
    old, new = ({"image": "i"} if each is None else {"certificate": each} for each in (before, after))
    check = "urn:pulumi:dev::gix::gix:docker:Platform$gix:docker:Edge$gix:docker:EdgeCheck::gix-edge-check"
    found = planned(step("update", check, old=old, new=new, diff={"certificate": "update"}))
    assert ("the edge gets another certificate, without an interruption" in found.notices) == is_renewed


def test_given_the_volume_of_the_edge_removed_no_data_is_at_risk() -> None:
    labels = [{"label": EDGE_LABEL, "value": "certificates"}]
    found = planned(step("delete", VOLUME, old={"name": "gix-edge-certificates", "labels": labels}))
    assert other(found).data_at_risk == ()


def test_given_another_volume_the_service_no_longer_sees_its_data() -> None:
    volume = step(
        "replace",
        VOLUME,
        old={"name": "gcam-data"},
        new={"name": "other"},
        diff={"name": "update-replace"},
        options={"retainOnDelete": True},
    )
    # Pulumi marks the old state of a resource this way when it creates the new one first.
    volume["oldState"]["delete"] = True
    found = planned(
        volume,
        container(
            "replace",
            "auction",
            diff={"volumes[0]": "update-replace"},
            new={"volumes": [{"containerPath": "/data", "volumeName": "other"}]},
        ),
    )
    assert other(found).operation == "replaced"
    assert only(found).causes == ("mount /data gcam-data -> other",)
    detached, unseen = only(found).data_at_risk
    assert "stays on the engine" in detached
    assert "no longer sees what it wrote" in unseen


def test_given_only_the_mount_removed_data_is_at_risk() -> None:
    found = planned(container("replace", "auction", diff={"volumes": "delete-replace"}, new={"volumes": []}))
    assert found.summary == "DATA AT RISK; auction restarted"


def test_given_protection_removed_the_plan_shows_it_although_pulumi_calls_it_unchanged() -> None:
    guarded = step("same", VOLUME, old={"name": "gcam-data"}, new={"name": "gcam-data"})
    guarded["oldState"]["protect"] = True
    found = planned(guarded, *untouched("auction"))
    assert (other(found).operation, other(found).causes) == ("recorded", ("protection off",))
    assert found.summary == "1 service untouched; 1 other change"


SECRET = "[secret]"  # noqa: S105 - what a preview shows instead


@pytest.mark.parametrize(
    ("before", "after", "diff"),
    [
        (SECRET, SECRET, {"envs[1]": "update-replace"}),
        (["A=1"], SECRET, {"envs[1]": "add-replace"}),
        (SECRET, ["A=1"], {"envs[1]": "delete-replace"}),
        (["A=1", SECRET], SECRET, {"envs[1]": "update-replace"}),
    ],
)
def test_given_secret_variables_changed_the_plan_shows_only_that_they_change(
    before: Any, after: Any, diff: dict[str, str]
) -> None:
    found = planned(
        container("replace", "auction", diff=diff, old={"envs": before}, new={"envs": after}, outputs={"envs": SECRET})
    )
    assert only(found).causes == ("variables changed (secret)",)


def test_given_a_refresh_that_finds_a_stopped_container_that_is_the_cause() -> None:
    refreshed = container("refresh", "router")
    found = planned(
        refreshed,
        container(
            "replace",
            "router",
            diff={"mustRun": "add-replace", "ports": "add-replace"},
            old={"mustRun": False},
            new={"mustRun": True},
            outputs={"mustRun": False, "ports": []},
        ),
    )
    assert only(found).causes == ("it does not run",)


def test_given_a_refresh_that_finds_other_memory_the_change_starts_at_the_found_value() -> None:
    stated = {"memory": 256}
    found = planned(
        container("update", "enclave", diff={"memory": "update"}, old=stated, new=stated, outputs={"memory": 300})
    )
    assert only(found).effect is Effect.UPDATED
    assert only(found).causes == ("memory 300 MiB -> 256 MiB",)


def test_given_a_container_without_published_ports_that_has_stopped_it_is_started_again() -> None:
    found = planned(
        container(
            "update",
            "enclave",
            diff={"mustRun": "update"},
            old={"mustRun": True},
            new={"mustRun": True},
            outputs={"mustRun": False},
        )
    )
    assert only(found).effect is Effect.STARTED
    assert only(found).causes == ("it does not run",)


def test_given_a_new_stack_everything_is_created_and_records_are_listed_separately() -> None:
    found = planned(
        step("create", f"{PLATFORM}::gix", new={}),
        step("create", NETWORK, new={"name": "gix-network"}),
        step("create", image_urn("router"), new={"imageName": "gix-router:latest"}),
        container("create", "router", new={"image": UNKNOWN}),
    )
    assert only(found).effect is Effect.CREATED
    assert [(each.kind, each.name, each.operation) for each in found.others] == [
        ("image", "gix-router:latest", "built"),
        ("network", "gix-network", "created"),
        ("record", "Platform gix", "created"),
    ]
    assert found.summary == "router created; 2 other changes"


def test_given_an_adopted_volume_and_an_unknown_step_both_are_shown() -> None:
    found = planned(
        step("import", VOLUME, new={"name": "gcam-data"}),
        step("remove-pending-replace", "urn:pulumi:dev::gix::some:other/thing:Thing::odd", old={}, new={}),
    )
    assert [(each.kind, each.operation) for each in found.others] == [
        ("other", "remove-pending-replace"),
        ("volume", "imported"),
    ]


def test_the_order_of_steps_does_not_change_the_plan_and_data_at_risk_comes_first() -> None:
    steps = [
        step("create", NETWORK, new={"name": "gix-network"}),
        step("delete", VOLUME, old={"name": "gcam-data"}),
        step("create", image_urn("router"), new={"imageName": "gix-router:latest"}),
        step("create", image_urn("auction"), new={"imageName": "gix-auction:latest"}),
    ]
    found = planned(*steps)
    assert [each.name for each in found.others] == [
        "gcam-data",
        "gix-auction:latest",
        "gix-router:latest",
        "gix-network",
    ]
    assert planned(*reversed(steps)) == found


def test_given_a_leftover_of_an_earlier_update_its_removal_does_not_affect_the_service() -> None:
    leftover = container("delete", "router")
    leftover["oldState"]["delete"] = True
    found = planned(leftover, *untouched("router"))
    assert only(found).effect is Effect.UNTOUCHED
    assert other(found).operation == "removed (left over from an earlier update)"


PREFLIGHT = "error: Docker engine vm: 1 problem; nothing has been touched\n  gix:router.hostPort = 1: is held\n"


def test_given_a_preview_that_fails_only_the_reason_is_shown() -> None:
    found = planned(
        *untouched("router"),
        diagnostics=[
            {"severity": "error", "message": PREFLIGHT},
            {
                "severity": "error",
                "message": "error: an unhandled error occurred: program exited with non-zero exit: 1",
            },
        ],
        failed=True,
    )
    assert found.services == ()
    assert found.summary == "the preview failed"
    [error] = found.errors
    assert error.startswith("Docker engine vm: 1 problem")
    assert "    Docker engine vm: 1 problem" in plan_text.markdown(found)
    assert error.splitlines()[-1] in shown(found)


def test_given_a_preview_that_fails_without_a_message_the_plan_is_a_failure() -> None:
    assert planned(failed=True).errors == ("Pulumi gave no reason",)


def test_messages_of_the_program_are_shown_and_debug_output_of_the_provider_is_not() -> None:
    found = planned(
        *untouched("router"),
        diagnostics=[
            {"severity": "warning", "message": "warning: container old is stopped and removed: gix:takeOver is set\n"},
            {"severity": "debug", "message": "TOKEN=in-the-clear"},
        ],
    )
    assert found.notices == ("container old is stopped and removed: gix:takeOver is set",)
    assert "old is stopped" in shown(found)


def shown(found: Plan) -> str:
    console = Console(width=200)
    with console.capture() as capture:
        console.print(plan_text.terminal(found), highlight=False)
    return capture.get()


MANY = planned(
    step("delete", VOLUME, old={"name": "gcam-data"}),
    step("create", f"{PLATFORM}::gix", new={}),
    container("replace", "router", diff={"envs[0]": "update-replace"}, new={"envs": ["RUST_LOG=a|b`@x <i>"]}),
    container("delete", "auction"),
    container("same", "enclave"),
)


def test_the_terminal_shows_services_causes_risks_and_records() -> None:
    text = shown(MANY)
    for part in (
        "DATA AT RISK",
        "THE VOLUME gcam-data IS DELETED",
        "about 12 s, at most 72 s",
        "RUST_LOG debug -> a|b`@x",
    ):
        assert part in text
    assert "created: Platform gix" in text


def test_markdown_begins_with_a_summary_and_escapes_all_values() -> None:
    first, *rest = plan_text.markdown(MANY).splitlines()
    assert first.startswith(":warning: **dev**: DATA AT RISK; auction removed; router restarted")
    [row] = [line for line in rest if "RUST&#95;LOG debug" in line]
    assert "a&#124;b&#96;&#64;x &lt;i&gt;" in row
    assert row.count("|") == 4


def test_markdown_is_cut_to_the_limit_of_a_comment_with_a_note() -> None:
    variables = [f"V{number}={'x' * 90}" for number in range(900)]
    found = planned(
        container("replace", "router", diff={"user": "update-replace"}, new={"user": "1"}),
        *(step("create", f"{VOLUME}{number}", new={"name": name}) for number, name in enumerate(variables)),
    )
    text = plan_text.markdown(found)
    assert len(text) <= plan_text.LONGEST_COMMENT
    assert text.startswith("**dev**: router restarted; 900 other changes")
    assert "Cut here" in text.splitlines()[-1]


def test_json_has_the_documented_keys() -> None:
    written = json.loads(json.dumps(dataclasses.asdict(MANY)))
    assert list(written) == ["stack", "summary", "errors", "services", "others", "notices"]
    assert list(written["services"][0]) == [
        "service",
        "container",
        "effect",
        "tried",
        "causes",
        "downtime",
        "data_at_risk",
    ]
    assert written["services"][0]["downtime"] == {"usual_seconds": 12, "at_most_seconds": 72}
    assert list(written["others"][0]) == ["kind", "name", "operation", "causes", "data_at_risk", "urn"]
