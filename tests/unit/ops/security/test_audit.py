"""Real inspections, shortened and made less secure in one place each, against the items of the benchmark."""

import copy
import dataclasses
import json
from typing import Any

import pytest

from gix_engine import observed_state
from gix_model.environment import EDGE_LABEL
from gix_ops import swarm
from gix_ops.security import audit, cis
from gix_ops.security.audit import Result, Scorecard, Verdict
from gix_ops.security.cis import Container, Image
from tests.unit.engine.fake_engine import FakeEngine
from tests.unit.engine.test_swarm import task
from tests.unit.ops.test_swarm import CLIENT, observed, stack

IMAGE_ID = "sha256:" + "a" * 64

HARDENED: dict[str, Any] = {
    "Id": "1" * 64,
    "Name": "/gix-router",
    "Image": IMAGE_ID,
    "State": {"Status": "running", "Running": True},
    "AppArmorProfile": "docker-default",
    "ProcessLabel": "",
    "HostConfig": {
        "NetworkMode": "bridge",
        "PortBindings": {"50051/tcp": [{"HostIp": "192.0.2.1", "HostPort": "50051"}]},
        "RestartPolicy": {"Name": "on-failure", "MaximumRetryCount": 5},
        "CapAdd": None,
        "CapDrop": ["ALL"],
        "IpcMode": "private",
        "PidMode": "",
        "UTSMode": "",
        "UsernsMode": "",
        "Privileged": False,
        "PublishAllPorts": False,
        "ReadonlyRootfs": True,
        "SecurityOpt": ["no-new-privileges:true"],
        "CpuShares": 0,
        "CpuQuota": 0,
        "NanoCpus": 2_000_000_000,
        "Memory": 2 * 2**30,
        "CgroupParent": "",
        "Devices": None,
        "DeviceRequests": None,
        "PidsLimit": 100,
        "Ulimits": None,
    },
    "Mounts": [{"Type": "volume", "Name": "gcam-data", "Source": "/var/lib/...", "Destination": "/data", "RW": True}],
    "Config": {
        "User": "1000:1000",
        "Image": IMAGE_ID,
        "Healthcheck": {"Test": ["CMD-SHELL", "true"]},
        "Labels": {"io.gix.stack": "gix/dev"},
    },
    "NetworkSettings": {"Networks": {"gix-network": {}}},
}

IMAGE: dict[str, Any] = {
    "Id": IMAGE_ID,
    "Config": {
        "User": "1000:1000",
        "Env": ["PATH=/usr/bin", "GIX_DATA_DIR=/data"],
        "Healthcheck": {"Test": ["CMD-SHELL", "true"]},
    },
}
HISTORY = (
    'CMD ["ajr-router"]',
    "COPY /target/release/ajr-router /usr/local/bin/ # buildkit",
    "RUN |1 EXTRA=x /bin/sh -c apt-get update && apt-get install -y libssl3 # buildkit",
    "/bin/sh -c #(nop) ADD file:0123 in / ",
)

SEAL = {"4dabf18193072939515e22adb298388d": "1b47061264138c4ac30d75fd1eb44270"}
"""Pulumi's mark of a secret in a state."""

ALL_GUARDS = frozenset({"apparmor", "seccomp"})


def container(path: str = "", value: object = None, **more: Any) -> Container:
    """The hardened container with another value at `path` of its inspection."""
    record = copy.deepcopy(HARDENED)
    if path:
        *way, last = path.split("/")
        place: Any = record
        for key in way:
            place = place[key]
        place[last] = value
    known = {"name": "gix-router", "service": "router", "processes": ("docker-init -- ajr-router", "ajr-router")}
    return Container(record=record, **({"image_now": IMAGE_ID, "guards": ALL_GUARDS} | known | more))


def image(*history: str, **config: Any) -> Image:
    record = IMAGE | {"Config": IMAGE["Config"] | config}
    return Image(name="gix-router:latest", service="router", record=record, history=history or HISTORY)


def card(*subjects: Container | Image) -> Scorecard:
    return audit.scorecard(
        "gix/dev",
        [each for each in subjects if isinstance(each, Container)],
        [each for each in subjects if isinstance(each, Image)],
    )


def fails(*subjects: Container | Image) -> list[Result]:
    return [each for each in card(*subjects).results if each.result is Verdict.FAILS]


def test_given_a_hardened_container_and_image_everything_passes() -> None:
    found = card(container(), image())
    assert fails(container(), image()) == []
    assert found.score == 100
    assert (found.failed, found.waived) == (0, 0)
    assert found.passed + found.not_applicable == len(cis.CONTAINER_ITEMS) + len(cis.IMAGE_ITEMS)
    assert [each.item for each in found.results if each.result is Verdict.NOT_APPLICABLE] == ["5.3"]


def mounted(source: str, **more: Any) -> list[dict[str, Any]]:
    return [{"Type": "bind", "Source": source, "Destination": "/there", "RW": True} | more]


@pytest.mark.parametrize(
    ("path", "value", "item", "text"),
    [
        ("Config/User", "", "4.1", "root"),
        ("Config/User", "0:1000", "4.1", "root"),
        ("Config/User", "root", "4.1", "root"),
        ("AppArmorProfile", "unconfined", "5.2", "no profile"),
        ("HostConfig/CapDrop", None, "5.4", "default capabilities"),
        ("HostConfig/CapAdd", ["SYS_ADMIN"], "5.4", "SYS_ADMIN added"),
        ("HostConfig/Privileged", True, "5.5", "privileged"),
        ("Mounts", mounted("/etc"), "5.6", "/etc of the host"),
        ("Mounts", mounted("/usr/share/zoneinfo", RW=False), "5.6", "/usr/share/zoneinfo"),
        (
            "HostConfig/PortBindings",
            {"50051/tcp": [{"HostIp": "192.0.2.1", "HostPort": "443"}]},
            "5.8",
            "port 443 of the host",
        ),
        ("HostConfig/PortBindings", {"22/tcp": [{"HostIp": "192.0.2.1", "HostPort": "2222"}]}, "5.9", "22/tcp"),
        ("HostConfig/PublishAllPorts", True, "5.9", "all ports that its image exposes"),
        ("HostConfig/NetworkMode", "host", "5.10", "network"),
        ("HostConfig/Memory", 0, "5.11", "no limit"),
        ("HostConfig/NanoCpus", 0, "5.12", "no limit"),
        ("HostConfig/ReadonlyRootfs", False, "5.13", "writable"),
        ("HostConfig/RestartPolicy", {"Name": "always", "MaximumRetryCount": 0}, "5.15", "always"),
        ("HostConfig/RestartPolicy", {"Name": "on-failure", "MaximumRetryCount": 0}, "5.15", "without a limit"),
        ("HostConfig/PidMode", "host", "5.16", "processes"),
        ("HostConfig/IpcMode", "host", "5.17", "shared memory"),
        ("HostConfig/Devices", [{"PathOnHost": "/dev/kvm"}], "5.18", "/dev/kvm"),
        ("HostConfig/DeviceRequests", [{"Driver": "nvidia"}], "5.18", "by request"),
        ("HostConfig/Ulimits", [{"Name": "nofile", "Soft": -1, "Hard": -1}], "5.19", "nofile"),
        ("Mounts", mounted("/srv", Propagation="rshared"), "5.20", "rshared"),
        ("HostConfig/UTSMode", "host", "5.21", "host name"),
        ("HostConfig/SecurityOpt", ["no-new-privileges", "seccomp=unconfined"], "5.22", "unconfined"),
        ("HostConfig/CgroupParent", "/other", "5.25", "/other"),
        ("HostConfig/SecurityOpt", ["no-new-privileges:false"], "5.26", "may gain"),
        ("HostConfig/SecurityOpt", None, "5.26", "may gain"),
        ("Config/Healthcheck", {"Test": ["NONE"]}, "5.27", "none"),
        ("Config/Healthcheck", None, "5.27", "none"),
        ("Image", "sha256:" + "b" * 64, "5.28", "refers to another image"),
        ("NetworkSettings/Networks", {"bridge": {}, "gix-network": {}}, "5.30", "default bridge"),
        ("HostConfig/UsernsMode", "host", "5.31", "users"),
        ("Mounts", mounted("/run/docker.sock"), "5.32", "/run/docker.sock"),
        ("Mounts", mounted("/home/me/.docker/run/docker.sock"), "5.32", "docker.sock"),
        ("Mounts", mounted("/run"), "5.32", "/run"),
    ],
)
def test_given_one_insecure_setting_its_item_fails_with_a_fix(path: str, value: object, item: str, text: str) -> None:
    [failed] = fails(container(path, value))
    assert failed.item == item
    assert failed.subject == "router"
    assert text in failed.found
    assert failed.fix
    assert "{" not in failed.fix


def test_given_a_mount_of_the_whole_file_system_its_directories_and_the_engine_s_socket_fail() -> None:
    assert [each.item for each in fails(container("Mounts", mounted("/")))] == ["5.6", "5.32"]


def test_given_an_ssh_process_its_item_fails_and_given_no_process_it_does_not_apply() -> None:
    [failed] = fails(container(processes=("/usr/sbin/sshd -D",)))
    assert failed.item == "5.7"
    [left_out] = [each for each in card(container(processes=None)).results if each.item == "5.7"]
    assert (left_out.result, left_out.found) == (Verdict.NOT_APPLICABLE, "it does not run")


def test_given_selinux_on_the_engine_a_container_without_a_label_fails() -> None:
    guards = ALL_GUARDS | {"selinux"}
    assert [each.item for each in fails(container(guards=guards))] == ["5.3"]
    labelled = container("ProcessLabel", "system_u:system_r:container_t:s0", guards=guards)
    assert fails(labelled) == []


@pytest.mark.parametrize(
    ("made", "item"),
    [
        (image(User=""), "4.1"),
        (image(User="0"), "4.1"),
        (image(Healthcheck=None), "4.6"),
        (image("RUN /bin/sh -c apt-get update # buildkit", *HISTORY), "4.7"),
        (image("ADD thing.tar.gz / # buildkit", *HISTORY), "4.9"),
        (image(Env=["API_TOKEN=x"]), "4.10"),
        (image("RUN |2 A=1 DEPLOY_PASSWORD=x /bin/sh -c make # buildkit", *HISTORY), "4.10"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_given_an_insecure_image_its_item_fails_and_no_value_is_shown(made: Image, item: str) -> None:
    [failed] = fails(made)
    assert (failed.item, failed.subject) == (item, "router's image")
    assert "=x" not in failed.found


@pytest.mark.parametrize(
    "made",
    [
        image("RUN |1 EXTRA=hunter2 /bin/sh -c make # buildkit", *HISTORY),
        image(Labels={"note": "it is hunter2"}),
        image(Env=["EXTRA=hunter2"]),
        image(Cmd=["serve", "--key", "hunter2"]),
    ],
)
def test_given_an_image_with_a_secret_of_the_stack_it_fails_and_the_secret_is_not_shown(made: Image) -> None:
    sealed = [
        {**SEAL, "plaintext": json.dumps("A_NAME=hunter2")},
        {**SEAL, "plaintext": json.dumps("SHORT=x")},
        {**SEAL, "plaintext": json.dumps("EMPTY=")},
    ]
    secrets = audit.secrets_in([{"name": "gix-router", "envs": ["RUST_LOG=info", *sealed]}])
    [failed] = fails(dataclasses.replace(made, secrets=secrets))
    assert (failed.item, failed.found) == ("4.10", "a secret of the stack is in it")
    assert fails(dataclasses.replace(image(), secrets=secrets)) == []
    assert "hunter2" not in repr(dataclasses.replace(image(), secrets=secrets))


def test_a_waiver_has_a_reason_and_applies_only_to_its_subjects() -> None:
    everywhere = {"50051/tcp": [{"HostIp": "", "HostPort": "50051"}]}
    found = card(container("HostConfig/PortBindings", everywhere))
    [waived] = [each for each in found.results if each.result is Verdict.WAIVED]
    assert waived.item == "5.14"
    assert "50051/tcp on 0.0.0.0:50051" in waived.found
    assert "clients on other machines" in waived.found
    assert found.score == 100

    [failed] = fails(container("HostConfig/PortBindings", {"50053/tcp": everywhere["50051/tcp"]}, service="enclave"))
    assert failed.item == "5.14"
    assert "gix:enclave.bindAddress" in failed.fix


def test_items_that_the_provider_cannot_set_are_waived_for_services_only() -> None:
    assert fails(container("HostConfig/PidsLimit", None)) == []
    [failed] = fails(container("HostConfig/PidsLimit", None, service=None, name="stranger"))
    assert (failed.item, failed.subject) == ("5.29", "stranger")


def test_given_a_container_made_by_hand_its_fix_is_to_remove_it() -> None:
    stranger = container("HostConfig/Privileged", True, service=None, name="stranger")
    [failed] = fails(stranger)
    assert failed.item == "5.5"
    assert "docker rm -f stranger" in failed.fix


def test_every_waiver_and_excluded_item_has_a_reason_and_no_item_is_both_checked_and_excluded() -> None:
    checked = {each.id for each in cis.CONTAINER_ITEMS} | {each.id for each in cis.IMAGE_ITEMS}
    assert {each.item for each in cis.WAIVERS} <= checked
    assert all(each.reason for each in cis.WAIVERS)
    assert not checked & set(cis.NOT_CHECKED)
    sections = {f"4.{number}" for number in range(1, 13)} | {f"5.{number}" for number in range(1, 33)}
    assert checked | set(cis.NOT_CHECKED) == sections


def test_the_score_is_the_percentage_of_passed_items_rounded_down() -> None:
    found = card(container("HostConfig/Memory", 0))
    assert found.failed == 1
    assert found.score == 100 * found.passed // (found.passed + 1)
    assert found.score < 100
    assert card().score == 0


def test_what_the_edge_fails_is_not_a_reason_to_remove_it() -> None:
    edge = container("HostConfig/Memory", 0, name="gix-edge", service=None)
    edge.record["Config"]["Labels"] = {EDGE_LABEL: "haproxy"}
    found = fails(edge)
    assert found
    assert all("gix:edge.memory" in each.fix and "docker rm" not in each.fix for each in found)


def test_in_swarm_tasks_are_checked_on_their_nodes_and_those_that_cannot_be_read_are_named(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    two = FakeEngine()
    two.add_container("c1", "gix-router.1.t1", stack="gix/dev")
    two.add_container("c0", "gix-router.1.t0", state="exited", stack="gix/dev")
    for each in two.all_containers.values():
        each["Labels"][observed_state.TASK_LABEL] = "t"
    two.add_container("c2", "by-hand", stack="gix/dev")
    monkeypatch.setattr(swarm.NodeEngines, "client", lambda _, node: two.client if node == "two" else None)
    on_one, on_two = (task("running", node=f"id-{name}", slot=slot) for slot, name in enumerate(("one", "two"), 1))
    monkeypatch.setattr(swarm, "observe", lambda _: observed(on_one, on_two, replicas=2))
    records = {"two": {"Id": "c1"}}
    monkeypatch.setattr(swarm.NodeEngines, "container", lambda _, each: records.get(each.node, {}))

    found, missing = audit._found_in_swarm(stack(), CLIENT)
    assert [(each.id, each.name, each.service) for each in found] == [
        ("c1", "gix-router.2", "router"),
        ("c2", "by-hand", None),
    ]
    assert missing == ["gix-router.1 on one", "gix-auction on no node", "gix-enclave on no node"]


def test_a_task_may_have_what_swarm_cannot_set() -> None:
    ports = {"50051/tcp": [{"HostIp": "", "HostPort": "50051"}]}
    labels = {observed_state.TASK_LABEL: "t", EDGE_LABEL: "gix/dev"}
    record = copy.deepcopy(HARDENED)
    record["Config"]["Labels"] = labels
    record["HostConfig"] |= {"SecurityOpt": None, "PortBindings": ports}
    edge = Container(name="gix-edge.two", service=None, record=record, processes=(), image_now=IMAGE_ID)
    waived = {
        each.item: each.found for each in audit.scorecard("gix/dev", [edge], []).results if each.result == "waived"
    }
    assert "Swarm publishes ports on all addresses of a node: limit them with a firewall" in waived["5.14"]
    assert "set no-new-privileges in the daemon.json of each node" in waived["5.26"]
