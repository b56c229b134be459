"""What a stack declares compared with what the engine shows. Inputs and inspections are real but shortened."""

import copy
import json
from pathlib import Path
from typing import Any

import pytest
from pydantic import SecretStr

from gix_components.platform import GixPlatform
from gix_engine import observed_state
from gix_model import container_inputs, provider_facts
from gix_model.catalog import CATALOG
from gix_model.input_texts import EMPTY
from gix_model.settings import EngineSettings
from gix_ops import fields, inspection, verify, verify_containers
from gix_ops.differences import Difference, DifferenceType, Report
from gix_ops.fields import Value
from gix_ops.resources import Resource, State
from gix_ops.stack import StackReference
from tests.unit.declared import configured, declare, environment
from tests.unit.engine.fake_engine import FakeEngine

STACK = StackReference(name="dev", directory=Path(), label="gix/dev", engine=EngineSettings())
ID = "1" * 64
IMAGE_ID = "sha256:" + "a" * 64


def sealed(value: object) -> dict[str, str]:
    """A secret as an exported state shows it."""
    signature = {"4dabf18193072939515e22adb298388d": "1b47061264138c4ac30d75fd1eb44270"}
    return signature | {"plaintext": json.dumps(value)}


SECRET = sealed("TOKEN=hunter2")

DECLARED: dict[str, Any] = {
    "__defaults": ["start"],
    "name": "gix-auction",
    "image": IMAGE_ID,
    "command": ["gcam-node"],
    "envs": ["RUST_LOG=info", "EMPTY=", SECRET],
    "labels": [{"__defaults": [], "label": "io.gix.service", "value": "auction"}],
    "healthcheck": {"tests": ["CMD-SHELL", "true"], "interval": "500ms", "retries": 3, "startInterval": "0s"},
    "user": "1000:1000",
    "hostname": "auction",
    "workingDir": "/",
    "networksAdvanced": [{"name": "gix-network", "aliases": ["auction"]}],
    "ports": [{"internal": 50052, "external": 50052, "ip": "127.0.0.1", "protocol": "tcp"}],
    "volumes": [{"containerPath": "/data", "volumeName": "gcam-data"}],
    "restart": "on-failure",
    "maxRetryCount": 3,
    "memory": 256,
    "memorySwap": 512,
    "cpus": "1.5",
    "readOnly": True,
    "tmpfs": {"/tmp": "rw,size=64m"},
    "capabilities": {"drops": ["ALL"], "adds": ["CAP_CHOWN"]},
    "securityOpts": ["no-new-privileges:true"],
    "init": True,
    "stopSignal": "SIGINT",
    "stopTimeout": 10,
    "logDriver": "json-file",
    "logOpts": {"max-size": "10m"},
    "ulimits": [{"name": "nofile", "soft": 1024, "hard": 2048}],
    "hosts": [{"host": "ledger.test", "ip": "192.0.2.7"}],
    "mustRun": True,
    "waitTimeout": 17,
}

FOUND: dict[str, Any] = {
    "Id": ID,
    "Name": "/gix-auction",
    "Image": IMAGE_ID,
    "State": {"Status": "running", "ExitCode": 0, "Health": {"Status": "healthy"}},
    "Config": {
        "Hostname": "auction",
        "User": "1000:1000",
        "Env": ["RUST_LOG=info", "EMPTY=", "TOKEN=hunter2", "PATH=/usr/bin"],
        "Cmd": ["gcam-node"],
        "Entrypoint": None,
        "Healthcheck": {"Test": ["CMD-SHELL", "true"], "Interval": 500_000_000, "Retries": 3},
        "Labels": {"io.gix.service": "auction", "of.the.image": "yes"},
        "WorkingDir": "/",
        "StopSignal": "SIGINT",
        "StopTimeout": 10,
    },
    "HostConfig": {
        "LogConfig": {"Type": "json-file", "Config": {"max-size": "10m"}},
        "PortBindings": {"50052/tcp": [{"HostIp": "127.0.0.1", "HostPort": "50052"}]},
        "RestartPolicy": {"Name": "on-failure", "MaximumRetryCount": 3},
        "CapAdd": ["CHOWN"],
        "CapDrop": ["ALL"],
        "ExtraHosts": ["ledger.test:192.0.2.7"],
        "Privileged": False,
        "ReadonlyRootfs": True,
        "SecurityOpt": ["no-new-privileges:true"],
        "Tmpfs": {"/tmp": "rw,size=64m"},
        "Memory": 256 * 2**20,
        "MemorySwap": 512 * 2**20,
        "NanoCpus": 1_500_000_000,
        "CpuShares": 0,
        "CpusetCpus": "",
        "PidsLimit": None,
        "Ulimits": [{"Name": "nofile", "Soft": 1024, "Hard": 2048}],
        "Init": True,
    },
    "Mounts": [
        {"Type": "volume", "Name": "gcam-data", "Source": "/var/lib/...", "Destination": "/data", "RW": True},
        {"Type": "volume", "Name": "f" * 64, "Source": "/var/lib/...", "Destination": "/cache", "RW": True},
    ],
    "NetworkSettings": {"Networks": {"gix-network": {"Aliases": ["auction", ID[:12]]}}},
}

IMAGE: dict[str, Any] = {
    "Id": IMAGE_ID,
    "Config": {"Env": ["PATH=/usr/bin"], "Labels": {"of.the.image": "yes"}, "Volumes": {"/cache": {}}},
}


def resource(**more: Any) -> Resource:
    return Resource(
        urn="urn:pulumi:dev::gix::a$docker:index/container:Container::gix-auction-container",
        type=provider_facts.CONTAINER,
        id=ID,
        inputs=DECLARED | more,
        outputs={},
    )


def compared(found: dict[str, Any] = FOUND, image: dict[str, Any] = IMAGE, **declared: Any) -> Report:
    report = Report(stack="gix/dev")
    verify_containers.compare_container(report, resource(**declared), found, image)
    return report


def changed(path: str, value: object) -> dict[str, Any]:
    """The inspection with another value at `path`."""
    found = copy.deepcopy(FOUND)
    *way, last = path.split("/")
    place: Any = found
    for key in way:
        place = place[key]
    place[last] = value
    return found


def only(report: Report) -> Difference:
    [difference] = report.differences
    return difference


def test_given_a_container_as_declared_there_is_no_difference_and_nothing_left_out() -> None:
    report = compared()
    assert report.differences == []
    assert report.not_compared == []
    assert report.compared > 30
    assert verify.summary(report) == f"gix/dev: as declared, {report.compared} fields compared"


ANEW = "pulumi up --replace '**::gix-auction-container'"
REFRESH = "pulumi up --refresh"


@pytest.mark.parametrize(
    ("path", "value", "field", "found", "fix"),
    [
        ("HostConfig/Memory", 300 * 2**20, "memory", "300 MiB", REFRESH),
        ("HostConfig/MemorySwap", -1, "memory with swap", "unlimited", REFRESH),
        ("HostConfig/RestartPolicy", {"Name": "always"}, "restart", "always", REFRESH),
        ("HostConfig/NanoCpus", 10**9, "cpus", "1", ANEW),
        ("HostConfig/CpuShares", 512, "cpu shares", "512", ANEW),
        ("HostConfig/PidsLimit", 10, "limit on processes", "10", ANEW),
        ("HostConfig/Init", False, "init", None, ANEW),
        ("HostConfig/ReadonlyRootfs", False, "read-only root", None, ANEW),
        ("HostConfig/Privileged", True, "privileged", "yes", ANEW),
        ("HostConfig/Tmpfs", {"/tmp": "rw"}, "tmpfs /tmp", "rw", ANEW),
        ("HostConfig/CapDrop", None, "capabilities dropped", None, ANEW),
        ("HostConfig/CapAdd", ["CHOWN", "NET_ADMIN"], "capabilities added", "CHOWN, NET_ADMIN", ANEW),
        ("HostConfig/SecurityOpt", None, "security options", None, ANEW),
        ("HostConfig/Ulimits", [{"Name": "nofile", "Soft": 1, "Hard": 2}], "ulimit nofile", "1:2", ANEW),
        ("HostConfig/ExtraHosts", ["ledger.test:192.0.2.8"], "extra host ledger.test", "192.0.2.8", ANEW),
        ("HostConfig/LogConfig/Type", "local", "log driver", "local", ANEW),
        ("HostConfig/LogConfig/Config", {"max-size": "1m"}, "log option max-size", "1m", ANEW),
        (
            "HostConfig/PortBindings",
            {"50052/tcp": [{"HostIp": "", "HostPort": "50052"}]},
            "port 50052/tcp",
            "0.0.0.0:50052",
            ANEW,
        ),
        ("Config/User", "0", "user", "0", ANEW),
        ("Config/Hostname", "other", "hostname", "other", ANEW),
        ("Config/WorkingDir", "/srv", "working directory", "/srv", ANEW),
        ("Config/Cmd", ["sh", "-c", "sleep 1"], "command", "sh -c 'sleep 1'", ANEW),
        ("Config/Entrypoint", ["sh"], "entrypoints", "sh", ANEW),
        ("Config/StopSignal", "SIGTERM", "stop signal", "SIGTERM", ANEW),
        ("Config/StopTimeout", None, "stop grace", None, ANEW),
        ("Config/Labels", {"io.gix.service": "router", "of.the.image": "yes"}, "label io.gix.service", "router", ANEW),
        (
            "Config/Healthcheck",
            {"Test": ["CMD-SHELL", "true"], "Interval": 10**9, "Retries": 3},
            "health check interval",
            "1s",
            ANEW,
        ),
        ("Image", "sha256:" + "b" * 64, "image", "sha256:" + "b" * 64, ANEW),
        ("Name", "/renamed", "name", "renamed", ANEW),
        ("Mounts", [], "mount /data", None, ANEW),
        (
            "Mounts",
            [{"Type": "bind", "Source": "/srv/data", "Destination": "/data", "RW": False}],
            "mount /data",
            "/srv/data (read-only)",
            ANEW,
        ),
        (
            "NetworkSettings/Networks",
            {"gix-network": {"Aliases": [ID[:12]]}},
            "network gix-network",
            "known by its own name",
            ANEW,
        ),
        ("NetworkSettings/Networks", {}, "network gix-network", None, ANEW),
        (
            "NetworkSettings/Networks",
            {"gix-network": {"Aliases": ["auction"]}, "bridge": {"Aliases": None}},
            "network bridge",
            "known by its own name",
            ANEW,
        ),
        ("State", {"Status": "exited", "ExitCode": 137}, "state", "exited, exit code 137", REFRESH),
        ("State", {"Status": "paused", "ExitCode": 0}, "state", "paused", "docker unpause gix-auction"),
    ],
)
def test_given_one_field_changed_only_that_is_a_difference(
    path: str, value: object, field: str, found: str | None, fix: str
) -> None:
    difference = only(compared(changed(path, value)))
    assert (difference.subject, difference.field) == ("auction", field)
    assert (difference.found, difference.fix) == (found, fix)


def test_given_an_undeclared_limit_the_fix_is_to_replace_the_container() -> None:
    difference = only(compared(memory=None))
    assert (difference.declared, difference.found, difference.fix) == (None, "256 MiB", ANEW)


@pytest.mark.parametrize(("health", "fix"), [("unhealthy", "docker logs gix-auction"), ("starting", "wait")])
def test_given_a_container_that_is_not_healthy_the_fix_fits_its_state(health: str, fix: str) -> None:
    difference = only(compared(changed("State", {"Status": "running", "Health": {"Status": health}})))
    assert (difference.field, difference.found) == ("health", health)
    assert fix in difference.fix


def test_given_another_container_with_the_name_the_fix_removes_it_first() -> None:
    report = compared(changed("Id", "2" * 64))
    assert [each.field for each in report.differences] == ["container id", "network gix-network"]
    assert [each.type for each in report.differences] == [DifferenceType.REPLACED, DifferenceType.VALUE]
    assert {each.id for each in report.differences} == {"2" * 64}
    assert {each.fix for each in report.differences} == {f"docker rm -f gix-auction, then {REFRESH}"}


def test_given_another_value_of_a_secret_the_difference_shows_neither_value() -> None:
    report = compared(changed("Config/Env", ["RUST_LOG=info", "EMPTY=", "TOKEN=guessed", "PATH=/usr/bin"]))
    difference = only(report)
    assert (difference.field, difference.declared, difference.found) == ("variable TOKEN", "(secret)", "another value")
    assert "hunter2" not in repr(report)
    assert "guessed" not in repr(report)


def test_given_an_undeclared_variable_only_its_name_is_shown() -> None:
    env = [*FOUND["Config"]["Env"], "PASSWORD=leaked"]
    difference = only(compared(changed("Config/Env", env)))
    assert (difference.field, difference.declared, difference.found) == ("variable PASSWORD", None, "(not shown)")


def test_given_the_images_own_variable_overridden_it_is_a_difference() -> None:
    env = ["RUST_LOG=info", "EMPTY=", "TOKEN=hunter2", "PATH=/elsewhere"]
    assert only(compared(changed("Config/Env", env))).field == "variable PATH"


def test_given_a_missing_image_only_that_is_a_difference() -> None:
    difference = only(compared(image={}))
    assert (difference.field, difference.declared, difference.found) == ("image", "on the engine", None)


def test_given_an_input_that_the_engine_does_not_show_it_is_listed_as_not_compared() -> None:
    report = compared(sysctls={"net.core.somaxconn": 1024})
    assert report.differences == []
    assert report.not_compared == ["auction sysctls"]
    assert "not compared: auction sysctls" in verify.summary(report)


NETWORK = Resource(
    urn="urn:pulumi:dev::gix::a$docker:index/network:Network::gix-network",
    type=provider_facts.NETWORK,
    id="net",
    inputs={
        "name": "gix-network",
        "driver": "bridge",
        "ipamConfigs": [{"subnet": "172.28.0.0/16"}],
        "labels": [{"label": "io.gix.stack", "value": "gix/dev"}],
    },
    outputs={},
)
FOUND_NETWORK: dict[str, Any] = {
    "Id": "net",
    "Name": "gix-network",
    "Driver": "bridge",
    "IPAM": {"Driver": "default", "Config": [{"Subnet": "172.28.0.0/16", "Gateway": "172.28.0.1"}]},
    "Labels": {"io.gix.stack": "gix/dev"},
    "Containers": {ID: {"Name": "gix-auction"}},
}


@pytest.mark.parametrize(
    ("change", "field", "found"),
    [
        ({}, None, None),
        ({"IPAM": {"Config": [{"Subnet": "10.0.0.0/24"}]}}, "subnet", "10.0.0.0/24"),
        ({"Labels": None}, "label io.gix.stack", None),
        ({"Internal": True}, "internal", "yes"),
        ({"Driver": "macvlan"}, "driver", "macvlan"),
        ({"Containers": {"9" * 64: {"Name": "stranger"}}}, "endpoint", "container stranger"),
        ({"Containers": {"9" * 64: {"Name": "gix-auction"}}}, None, None),
    ],
)
def test_a_network_is_compared_with_its_endpoints(change: dict[str, Any], field: str | None, found: str | None) -> None:
    report = Report(stack="gix/dev")
    verify_containers.compare_network(report, NETWORK, FOUND_NETWORK | change, frozenset({ID, "gix-auction"}))
    differences = [(each.subject, each.field, each.found) for each in report.differences]
    assert differences == ([] if field is None else [("network gix-network", field, found)])


def test_what_has_the_stack_s_label_and_is_not_in_its_state_is_a_difference_with_its_kind_and_id() -> None:
    engine = FakeEngine()
    engine.add_container("c1", "left", stack="gix/dev")
    engine.add_container("c2", "of-another-stack", stack="gix/other")
    engine.add_network("n1", "left-network", stack="gix/dev")
    state = State(resources=(), pending=(("gix-router", "creating"),))
    report = verify.compare(STACK, state, engine.client, observed_state.observe(engine.client))
    assert [(each.type, each.kind, each.name, each.id) for each in report.differences] == [
        (DifferenceType.INTERRUPTED_UPDATE, "resource", "gix-router", None),
        (DifferenceType.UNDECLARED, "container", "left", "c1"),
        (DifferenceType.UNDECLARED, "network", "left-network", "n1"),
    ]
    assert [each.fix for each in report.differences][1:] == ["docker rm -f left", "docker network rm left-network"]


def test_a_declared_container_and_network_that_the_engine_does_not_have_are_missing() -> None:
    engine = FakeEngine()
    state = State(resources=(resource(), NETWORK), pending=())
    report = verify.compare(STACK, state, engine.client, observed_state.observe(engine.client))
    assert [(each.type, each.kind, each.id) for each in report.differences] == [
        (DifferenceType.MISSING, "container", None),
        (DifferenceType.MISSING, "network", None),
    ]


def test_every_input_of_a_fully_configured_service_can_be_compared() -> None:
    settings: dict[str, Any] = {
        "environment": {"A": "1"},
        "secretEnvironment": {"B": SecretStr("2")},
        "cpus": 1,
        "memory": "1G",
        "readOnlyRoot": True,
        "dropCapabilities": ["ALL"],
        "noNewPrivileges": True,
        "restart": "on-failure:3",
        "ulimits": {"nofile": {"soft": 1, "hard": 2}},
        "extraHosts": {"a.test": "192.0.2.1"},
        "healthCheck": {"startInterval": "1s"},
    }
    configuration = environment(**configured({"defaults": settings}))
    declared = declare(lambda opts: GixPlatform("gix", configuration, opts))
    containers = declared.of_type(provider_facts.CONTAINER)
    readable = inspection.SHOWN | container_inputs.INSTRUCTIONS
    assert len(containers) == len(CATALOG)
    assert {name for each in containers for name in each.inputs} - readable == set()
    [network] = declared.of_type(provider_facts.NETWORK)
    assert set(network.inputs) - inspection.SHOWN_OF_NETWORK == set()


def test_variables_that_are_secret_as_a_whole_are_compared_one_by_one() -> None:
    whole = fields.read({"envs": sealed(["TOKEN=hunter2", "RUST_LOG=info", "EMPTY="])})["envs"]
    assert whole == {
        "variable TOKEN": Value("hunter2"),
        "variable RUST_LOG": Value("info"),
        "variable EMPTY": Value(EMPTY),
    }
    assert {str(each) for each in whole.values()} == {fields.SECRET}
    assert fields.read({"envs": "[secret]"})["envs"] == {"variables": Value("")}


def test_a_secret_is_shown_nowhere() -> None:
    variable = fields.flat(fields.read({"envs": [SECRET]}))["variable TOKEN"]
    assert variable.text == "hunter2"
    assert "hunter2" not in f"{variable} {variable!r} {fields.opened(SECRET)!r}"
    assert str(fields.flat(fields.read({"labels": [{"label": "a", "value": SECRET}]}))["labels"]) == fields.SECRET
