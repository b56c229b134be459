"""The rules for a stack's file, and the problems of files that break them."""

import json
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from gix_model.catalog import CATALOG
from gix_model.problems import ConfigurationError, Problem
from gix_model.settings import MOST_REPLICAS_ON_ONE_MACHINE
from tests.unit.declared import PROGRAM, configured, environment

NOBODY = 65534


def problems(config: Mapping[str, Any], directory: Path = PROGRAM) -> dict[str, Problem]:
    """The problems of a stack's file by key. Objects of `config` are written as JSON."""
    texts = {
        key if ":" in key else f"gix:{key}": value if isinstance(value, str) else json.dumps(value)
        for key, value in config.items()
    }
    with pytest.raises(ConfigurationError) as caught:
        environment(texts, directory=directory)
    return {problem.subject.split(" = ")[0]: problem for problem in caught.value.problems}


def only(found: dict[str, Problem], key: str) -> Problem:
    assert list(found) == [key]
    return found[key]


def test_every_problem_of_a_file_is_reported_at_once() -> None:
    found = problems(
        {
            "prefx": "a",
            "network": {"subnet": "8.8.8.0/24"},
            "router": {"hostPort": 70000, "memory": "2Q"},
            "auction": {"hostPort": 50053},
            "defaults": {"restart": "sometimes"},
        }
    )
    assert set(found) == {
        "gix:prefx",
        "gix:network.subnet",
        "gix:router.hostPort",
        "gix:router.memory",
        "gix:enclave.hostPort",
        "gix:defaults.restart",
    }


def test_a_problem_has_key_value_limit_and_fix() -> None:
    with pytest.raises(ConfigurationError) as caught:
        environment({"gix:router": '{"memory": "2Q"}'})
    assert str(caught.value) == (
        "Pulumi.dev.yaml: 1 problem; nothing has been touched\n"
        '  gix:router.memory = "2Q": is not a quantity of memory such as 512MiB or 2G\n'
        "      -> write a number with a unit: 512MiB, 2G"
    )


@pytest.mark.parametrize(
    ("section", "value", "key"),
    [
        ("router", {"hostPort": 0}, "gix:router.hostPort"),
        ("router", {"hostPort": 65536}, "gix:router.hostPort"),
        ("router", {"cpus": "many"}, "gix:router.cpus"),
        ("router", {"cpus": 0}, "gix:router.cpus"),
        ("router", {"cpus": 0.05}, "gix:router.cpus"),
        ("router", {"memory": "4MiB"}, "gix:router.memory"),
        ("router", {"user": "0:0"}, "gix:router.user"),
        ("router", {"user": "root"}, "gix:router.user"),
        ("router", {"stopSignal": "INT"}, "gix:router.stopSignal"),
        ("router", {"stopGrace": "500ms"}, "gix:router.stopGrace"),
        ("router", {"bindAddress": "localhost"}, "gix:router.bindAddress"),
        ("router", {"rustBacktrace": "2"}, "gix:router.rustBacktrace"),
        ("router", {"extraHosts": {"a": "nowhere"}}, "gix:router.extraHosts.a"),
        ("router", {"extraHosts": {"a": "::1"}}, "gix:router.extraHosts.a"),
        ("router", {"ulimits": {"nofile": {"soft": 1}}}, "gix:router.ulimits.nofile.hard"),
        ("router", {"dropCapabilities": ["NET_BIND_SERVICE"]}, "gix:router.dropCapabilities[0]"),
        ("router", {"healthCheck": {"interval": "0s"}}, "gix:router.healthCheck.interval"),
        ("router", {"healthCheck": {"retries": 0}}, "gix:router.healthCheck.retries"),
        ("router", {"environment": {"1A": "x"}}, "gix:router.environment.1A"),
        ("router", {"environment": {"RUST_LOG": "x"}}, "gix:router.environment.RUST_LOG"),
        ("router", {"labels": {"io.gix.stack": "x"}}, "gix:router.labels.io.gix.stack"),
        (
            "router",
            {"logging": {"driver": "syslog", "options": {"max-size": "1m"}}},
            "gix:router.logging.options.max-size",
        ),
        ("router", {"logging": {"driver": "local", "options": {"tag": "x"}}}, "gix:router.logging.options.tag"),
        ("router", {"logging": {"driver": "none", "options": {"mode": "blocking"}}}, "gix:router.logging.options.mode"),
        ("router", {"logging": {"options": {"max-size": "0"}}}, "gix:router.logging.options.max-size"),
        ("router", {"logging": {"options": {"max-file": "0"}}}, "gix:router.logging.options.max-file"),
        ("router", {"logging": {"options": {"compress": "true"}}}, "gix:router.logging.options.compress"),
        (
            "router",
            {"logging": {"options": {"max-buffer-size": "4m"}}},
            "gix:router.logging.options.max-buffer-size",
        ),
        (
            "router",
            {"logging": {"driver": "local", "options": {"max-file": 1}}},
            "gix:router.logging.options.max-file",
        ),
        (
            "router",
            {"logging": {"driver": "syslog", "options": {"syslog-address": "there:514"}}},
            "gix:router.logging.options.syslog-address",
        ),
        ("router", {"dropCapabilities": ["CAP_FLY"]}, "gix:router.dropCapabilities[0]"),
        ("router", {"stopSignal": "SIGNAL"}, "gix:router.stopSignal"),
        ("router", {"stopSignal": "SIGRTMIN+16"}, "gix:router.stopSignal"),
        ("router", {"ulimits": {"files": {"soft": 1, "hard": 1}}}, "gix:router.ulimits.files"),
        ("router", {"ulimits": {"nofile": {"soft": 2, "hard": 1}}}, "gix:router.ulimits.nofile.soft"),
        ("router", {"ulimits": {"nofile": {"soft": -1, "hard": 1}}}, "gix:router.ulimits.nofile.soft"),
        ("router", {"ulimits": {"nofile": {"soft": 1, "hard": -1}}}, "gix:router.ulimits.nofile.hard"),
        ("router", {"ulimits": {"nofile": {"soft": 1, "hard": 2**63}}}, "gix:router.ulimits.nofile.hard"),
        ("router", {"tmpfs": {"data": ""}}, "gix:router.tmpfs.data"),
        ("router", {"tmpfs": {"/": ""}}, "gix:router.tmpfs./"),
        ("router", {"tmpfs": {"/proc/sys": ""}}, "gix:router.tmpfs./proc/sys"),
        ("router", {"tmpfs": {"/run": "rw,speed=9"}}, "gix:router.tmpfs./run"),
        ("auction", {"tmpfs": {"/data": ""}}, "gix:auction.tmpfs./data"),
        ("auction", {"tmpfs": {"//data/": ""}}, "gix:auction.tmpfs.//data/"),
        ("auction", {"tmpfs": {"/data/index": ""}}, "gix:auction.tmpfs./data/index"),
        ("auction", {"tmpfs": {"/tmp/../data": ""}}, "gix:auction.tmpfs./tmp/../data"),
        ("router", {"extraHosts": {"a b": "192.0.2.7"}}, "gix:router.extraHosts.a b"),
        ("router", {"extraHosts": {"a:1": "192.0.2.7"}}, "gix:router.extraHosts.a:1"),
        ("router", {"extraHosts": {"": "192.0.2.7"}}, "gix:router.extraHosts."),
        ("router", {"extraHosts": {"a": "fe80::1%eth0"}}, "gix:router.extraHosts.a"),
        ("router", {"labels": {"": "x"}}, "gix:router.labels."),
        ("router", {"labels": {"a\nb": "x"}}, "gix:router.labels.a\\nb"),
        ("router", {"environment": {"": "x"}}, "gix:router.environment."),
        ("router", {"user": "1\u0661"}, "gix:router.user"),
        ("router", {"memory": "1G", "memorySwap": "512M"}, "gix:router.memorySwap"),
        ("router", {"memorySwap": "1G"}, "gix:router.memorySwap"),
        ("enclave", {"metricsPort": 9003}, "gix:enclave.metricsPort"),
        ("enclave", {"hostPort": 50051}, "gix:enclave.hostPort"),
        ("router", {"metricsPort": 50051}, "gix:router.metricsPort"),
        ("router", "quick", "gix:router"),
        ("network", {"subnet": "172.28.0.0/30"}, "gix:network.subnet"),
        ("network", {"subnet": "172.28.0.1/16"}, "gix:network.subnet"),
        ("network", {"driver": "overlay"}, "gix:network.driver"),
        ("images", {"tag": "no tag"}, "gix:images.tag"),
        ("images", {"builderBase": "Rust:1.75"}, "gix:images.builderBase"),
        ("images", {"way": "by hand"}, "gix:images.way"),
        ("images", {"way": "registry"}, "gix:images.way"),
        ("images", {"push": True}, "gix:images.push"),
        ("images", {"cacheFrom": ["rust-builder"]}, "gix:images.cacheFrom[0]"),
        ("images", {"lto": "slim"}, "gix:images.lto"),
        ("images", {"digests": {"router": "sha256:" + 64 * "0"}}, "gix:images.digests"),
        ("images", {"digests": {"router": "sha256:0"}}, "gix:images.digests.router"),
        ("registry", {"username": "me"}, "gix:registry.username"),
        ("registry", {"address": "https://ghcr.io"}, "gix:registry.address"),
        ("engine", {"host": "localhost"}, "gix:engine.host"),
        ("engine", {"host": "tcp://10.0.0.1:2375"}, "gix:engine.host"),
        ("engine", {"host": "tcp://127.evil.com:2375"}, "gix:engine.host"),
        ("engine", {"host": "tcp://127.0.0.1.evil.com:2375"}, "gix:engine.host"),
        ("engine", {"host": "tcp://localhost.evil.com:2375"}, "gix:engine.host"),
        ("engine", {"host": "tcp://127.0.0.1@evil.com:2375"}, "gix:engine.host"),
        ("engine", {"host": "tcp://[2001:db8::1]:2375"}, "gix:engine.host"),
        ("engine", {"host": "tcp://[::1:2375"}, "gix:engine.host"),
        ("engine", {"host": "tcp://127.0.0.1:0"}, "gix:engine.host"),
        ("engine", {"host": "tcp://127.0.0.1:65536"}, "gix:engine.host"),
        ("engine", {"host": "tcp://10.0.0.1:2376", "certPath": "~nobody-of-this-name"}, "gix:engine.certPath"),
        ("engine", {"host": "tcp://10.0.0.1:2376", "certPath": "x" * 9999}, "gix:engine.certPath"),
        ("engine", {"host": "unix:///run/docker.sock", "certPath": "."}, "gix:engine.certPath"),
        ("ledger", {"volume": "a/b"}, "gix:ledger.volume"),
        ("services", [], "gix:services"),
        ("services", ["router", "router"], "gix:services"),
        ("services", ["worker"], "gix:services[0]"),
        ("prefix", "Upper", "gix:prefix"),
        ("production", "perhaps", "gix:production"),
    ],
)
def test_a_value_that_breaks_a_rule_is_reported_with_its_key(section: str, value: Any, key: str) -> None:
    problem = problems({section: value})[key]
    assert problem.limit
    assert problem.fix


@pytest.mark.parametrize(
    ("section", "value"),
    [
        ("engine", {"host": "tcp://localhost:2375"}),
        ("engine", {"host": "tcp://127.9.9.9:2375"}),
        ("engine", {"host": "tcp://[::1]:2375"}),
        ("engine", {"host": "ssh://root@192.0.2.7:2222"}),
        ("router", {"stopSignal": "SIGRTMIN+3"}),
        ("router", {"stopSignal": "SIGRTMAX-14"}),
        ("router", {"dropCapabilities": ["CAP_CHECKPOINT_RESTORE"]}),
        ("router", {"ulimits": {"memlock": {"soft": 1024, "hard": -1}, "core": {"soft": -1, "hard": -1}}}),
        ("router", {"tmpfs": {"/data": "", "/run": "rw,noexec,size=64m,mode=1777", "/var/tmp": "size=10%"}}),
        ("auction", {"tmpfs": {"/database": "", "/dat": "defaults"}}),
        ("router", {"extraHosts": {"a-b.c_d": "192.0.2.1", "gateway": "host-gateway"}}),
        ("router", {"labels": {"com.example/a:b": "x y", "a b=c": "x"}}),
        (
            "router",
            {"logging": {"options": {"max-size": "0.5m", "max-file": "2", "compress": "true", "tag": "{{.ID}}"}}},
        ),
        ("router", {"logging": {"driver": "local", "options": {"max-file": "1", "compress": "false"}}}),
        ("router", {"logging": {"driver": "journald", "options": {"labels": "a,b", "mode": "non-blocking"}}}),
        ("router", {"logging": {"driver": "syslog", "options": {"syslog-address": "udp://192.0.2.7:514"}}}),
        ("router", {"logging": {"options": {"mode": "non-blocking", "max-buffer-size": "4m"}}}),
    ],
)
def test_a_value_that_the_engine_accepts_is_accepted(section: str, value: Any) -> None:
    assert environment({f"gix:{section}": json.dumps(value)})


def test_a_misspelled_capability_is_reported_with_the_closest_one() -> None:
    problem = only(problems({"router": {"dropCapabilities": ["CAP_NET_ROW"]}}), "gix:router.dropCapabilities[0]")
    assert problem.fix == "did you mean CAP_NET_RAW?"


def test_an_unknown_key_is_reported_with_the_closest_one() -> None:
    problem = only(problems({"router": {"rustLg": "debug"}}), "gix:router.rustLg")
    assert problem.fix == "did you mean rustLog?"


def test_equal_ports_on_different_addresses_do_not_collide() -> None:
    read = environment(
        {
            "gix:services": '["router", "auction", "enclave"]',
            "gix:router": '{"bindAddress": "127.0.0.1"}',
            "gix:enclave": '{"bindAddress": "127.0.0.2", "hostPort": 50051}',
        }
    )
    assert [read.host_port(spec) for spec in read.specs] == [50051, 50052, 50051]


def test_keys_of_the_provider_itself_are_refused() -> None:
    only(problems({"docker:host": "unix:///x"}), "docker:host")


def test_a_source_directory_without_a_workspace_is_refused(tmp_path: Path) -> None:
    only(problems({"source": "absent"}, tmp_path), "gix:source")
    (tmp_path / "empty").mkdir()
    assert only(problems({"source": "empty"}, tmp_path), "gix:source").limit == "has no Cargo.toml"
    (tmp_path / "file").touch()
    assert only(problems({"source": "file"}, tmp_path), "gix:source").limit == "is not a directory"


@contextmanager
def as_somebody_without_rights() -> Iterator[None]:
    """Run the block without root's right to read everything."""
    before = os.geteuid()
    if before == 0:
        os.seteuid(NOBODY)
    try:
        yield
    finally:
        os.seteuid(before)


def test_a_source_directory_that_is_not_readable_is_refused_with_the_fix(tmp_path: Path) -> None:
    workspace = tmp_path / "workspace"
    workspace.mkdir()
    (workspace / "Cargo.toml").touch()
    workspace.chmod(0)
    with as_somebody_without_rights():
        problem = only(problems({"source": str(workspace)}), "gix:source")
    assert problem.limit == "is not readable"
    assert f"chmod -R u+rX {workspace}" in problem.fix


PRODUCTION: dict[str, Any] = {
    "production": True,
    "images": {"tag": "v1", "builderBase": "rust:1.75.0-bookworm", "runtimeBase": "debian:bookworm-20231218-slim"},
}


def test_production_accepts_pinned_base_images_a_version_and_a_protected_ledger(own_source: str) -> None:
    config = {f"gix:{key}": json.dumps(value) for key, value in PRODUCTION.items()}
    assert environment(config | {"gix:source": own_source}).settings.production


@pytest.mark.parametrize(
    ("change", "key"),
    [
        ({"images": {"tag": "latest"}}, "gix:images.tag"),
        ({"images": {"builderBase": "rust:1.75-bookworm"}}, "gix:images.builderBase"),
        ({"images": {"runtimeBase": "debian"}}, "gix:images.runtimeBase"),
        ({"ledger": {"protect": False}}, "gix:ledger.protect"),
    ],
)
def test_production_refuses(change: dict[str, dict[str, Any]], key: str, own_source: str) -> None:
    [(section, values)] = change.items()
    production = PRODUCTION | {"source": own_source}
    only(problems(production | {section: production.get(section, {}) | values}), key)


@pytest.mark.parametrize(
    "source",
    [None, "sample", "./sample", "sample/.", str(PROGRAM / "sample"), "LINK"],
    ids=["default", "relative", "with a dot before", "with a dot after", "absolute", "link"],
)
def test_the_bundled_sample_never_replaces_a_real_service(source: str | None, tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to(PROGRAM / "sample")
    config = PRODUCTION | {"takeOver": True, "ledger": {"adopt": True}}
    if source is not None:
        config["source"] = source.replace("LINK", str(tmp_path / "link"))
    found = problems(config)
    assert set(found) == {"gix:production", "gix:takeOver", "gix:ledger.adopt"}
    for problem in found.values():
        assert "is the sample" in problem.limit
        assert "gix:images.way to registry" in problem.fix


def test_given_pulled_images_or_another_workspace_real_services_may_be_replaced(own_source: str) -> None:
    settings = {"gix:takeOver": "true", "gix:ledger": '{"adopt": true}'}
    pulled = {"gix:images": '{"way": "registry"}', "gix:registry": '{"address": "ghcr.io"}'}
    for config in (settings | pulled, settings | {"gix:source": own_source}):
        assert environment(config).settings.ledger.adopt


def test_production_refuses_to_pull_by_tag() -> None:
    found = problems(
        {"production": True, "images": {"way": "registry", "tag": "v1"}, "registry": {"address": "ghcr.io"}}
    )
    assert set(found) == {f"gix:images.digests.{service}" for service in CATALOG}


def test_the_machine_s_images_are_defaults_that_a_stack_overrides() -> None:
    machine = {
        "GIX_BUILDER_BASE": "local/rust:1",
        "GIX_RUNTIME_BASE": "local/debian:1",
        "GIX_GRPC_PROBE_IMAGE": "local/probe:1",
        "GIX_EDGE_IMAGE": "local/edge:1",
    }
    settings = environment({"gix:images": '{"runtimeBase": "debian:12.5-slim"}'}, machine=machine).settings
    assert settings.edge.image == "local/edge:1"
    images = settings.images
    assert (images.builder_base, images.runtime_base) == ("local/rust:1", "debian:12.5-slim")
    assert images.grpc_probe_image == "local/probe:1"
    stated = environment({"gix:images": '{"grpcProbeImage": "mine/probe:v1"}'}, machine=machine).settings.images
    assert stated.grpc_probe_image == "mine/probe:v1"


GRPC = {"healthCheck": {"probe": "grpc"}}


@pytest.mark.parametrize(
    ("image", "services", "wanted"),
    [
        (None, {"router": GRPC}, set()),
        ("probe:v0.4.57", {"defaults": GRPC}, set()),
        (f"probe@sha256:{64 * '0'}", {"defaults": GRPC}, set()),
        ("probe:v0.4", {"router": GRPC}, {"gix:images.grpcProbeImage"}),
        ("probe:v0.4", {"defaults": GRPC, "services": ["auction"]}, {"gix:images.grpcProbeImage"}),
        ("probe:v0.4", {}, set()),
        ("probe:v0.4", {"router": {"healthCheck": {"probe": "command", "command": ["true"]}}}, set()),
        ("probe:v0.4", {"router": GRPC, "services": ["auction"]}, set()),
    ],
)
def test_production_pins_the_image_of_the_probe_if_a_service_gets_it(
    image: str | None, services: dict[str, Any], wanted: set[str], own_source: str
) -> None:
    images = PRODUCTION["images"] | ({} if image is None else {"grpcProbeImage": image})
    config = PRODUCTION | {"source": own_source, "images": images} | services
    if not wanted:
        assert environment(**configured(config)).settings.production
        return
    found = problems(config)
    assert set(found) == wanted
    assert "ghcr.io/grpc-ecosystem/grpc-health-probe:v" in found["gix:images.grpcProbeImage"].fix


@pytest.mark.parametrize(
    ("config", "key", "limit", "fix"),
    [
        (
            {"router": {"healthCheck": {"probe": "command"}}},
            "gix:router.healthCheck.probe",
            "gix:router.healthCheck.command is not set",
            "set gix:router.healthCheck.command",
        ),
        (
            {"router": {"healthCheck": {"command": ["true"]}}},
            "gix:router.healthCheck.command",
            "has no effect with gix:router.healthCheck.probe = tcp",
            "set gix:router.healthCheck.probe to command",
        ),
        (
            {"defaults": GRPC, "router": {"healthCheck": {"command": ["true"]}}},
            "gix:router.healthCheck.command",
            "has no effect with gix:router.healthCheck.probe = grpc",
            "leave it out",
        ),
        (
            {"defaults": {"healthCheck": {"command": ["true"]}}},
            "gix:defaults.healthCheck.command",
            "no service has probe = command",
            "set gix:defaults.healthCheck.probe to command",
        ),
        (
            {"router": {"healthCheck": {"probe": "http"}}},
            "gix:router.healthCheck.probe",
            "input should be 'tcp', 'grpc' or 'command'",
            "expected: `tcp` connects",
        ),
        (
            {"router": {"healthCheck": {"probe": "command", "command": [""]}}},
            "gix:router.healthCheck.command[0]",
            "is empty",
            "write a program",
        ),
        (
            {"router": {"healthCheck": {"probe": "command", "command": "true"}}},
            "gix:router.healthCheck.command",
            "list",
            "expected: program and arguments",
        ),
    ],
)
def test_a_probe_and_a_command_that_do_not_fit_are_refused(
    config: dict[str, Any], key: str, limit: str, fix: str
) -> None:
    problem = problems(config)[key]
    assert limit in problem.limit
    assert fix in problem.fix


def test_services_may_have_different_probes() -> None:
    config = {
        "defaults": {"healthCheck": {"probe": "command", "command": ["check", 1, True]}},
        "router": GRPC,
        "auction": {"healthCheck": {"probe": "tcp"}},
    }
    services = environment(**configured(config)).services
    assert {name: service.health_check.probe for name, service in services.items()} == {
        "router": "grpc",
        "auction": "tcp",
        "enclave": "command",
    }
    assert services["enclave"].health_check.command == ["check", "1", "true"]


def test_an_edge_requires_trials() -> None:
    found = problems({"rollout": {"strategy": "start-first", "trial": False}})
    assert "gets requests before its health is known" in found["gix:rollout.trial"].limit


@pytest.mark.parametrize(
    ("config", "limit"),
    [
        ({"router": {"replicas": 2}}, "without an edge, only one container can publish the port"),
        ({"rollout": {"strategy": "start-first"}, "auction": {"replicas": 2}}, "two containers that write one ledger"),
    ],
    ids=["without-an-edge", "auction"],
)
def test_more_than_one_container_is_refused(config: dict[str, Any], limit: str) -> None:
    found = problems(config)
    [subject] = found
    assert subject.endswith(".replicas")
    assert limit in found[subject].limit


def test_behind_an_edge_router_and_enclave_may_have_several_containers() -> None:
    config = {
        "router": {"replicas": MOST_REPLICAS_ON_ONE_MACHINE},
        "enclave": {"replicas": 2},
        "rollout": {"strategy": "start-first"},
    }
    read = environment(**configured({f"gix:{key}": value for key, value in config.items()}))
    assert {spec.name: read.replicas(spec) for spec in read.specs} == {
        "router": MOST_REPLICAS_ON_ONE_MACHINE,
        "auction": 1,
        "enclave": 2,
    }


def test_more_containers_than_one_machine_may_have_are_for_swarm() -> None:
    many = MOST_REPLICAS_ON_ONE_MACHINE + 1
    found = problems({"router": {"replicas": many}, "rollout": {"strategy": "start-first"}})
    assert found["gix:router.replicas"].fix == "set it to 20 or less, or set gix:engine.mode to swarm"


@pytest.mark.parametrize(("subnet", "fits"), [("10.9.9.0/26", False), ("10.9.9.0/25", True)])
def test_the_subnet_has_room_for_the_old_and_the_new_containers(subnet: str, fits: bool) -> None:  # noqa: FBT001 - a parameter
    config = {
        "rollout": {"strategy": "start-first"},
        "router": {"replicas": 20},
        "enclave": {"replicas": 10},
        "network": {"subnet": subnet},
    }
    if fits:
        assert environment(**configured({f"gix:{key}": value for key, value in config.items()}))
    else:
        assert "has room for 62 addresses, and an update needs up to 66" in problems(config)["gix:network.subnet"].limit


def test_production_requires_a_pinned_edge() -> None:
    config = PRODUCTION | {"rollout": {"strategy": "start-first"}}
    assert "gix:edge.image" in problems(config)
    assert "gix:edge.image" not in problems(
        config | {"edge": {"image": f"haproxy@sha256:{64 * '0'}"}, "takeOver": True}
    )


def test_a_service_s_own_keys_override_the_defaults() -> None:
    read = environment(
        {
            "gix:defaults": '{"environment": {"A": "1", "B": "1"}, "healthCheck": {"interval": "2s"}}',
            "gix:router": '{"environment": {"B": "2"}, "healthCheck": {"retries": 9}}',
        }
    )
    router = read.services["router"]
    assert router.environment == {"A": "1", "B": "2"}
    assert (router.health_check.interval, router.health_check.retries) == (timedelta(seconds=2), 9)
    assert read.services["enclave"].health_check.retries == 3
