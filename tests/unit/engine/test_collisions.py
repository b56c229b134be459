"""Collisions with what an engine lists, also with invalid records: problems or none, and never a traceback."""

import ipaddress
import json
import socket
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import SecretStr

from gix_engine import collisions, connection, machine, observed_state
from gix_engine.machine import Route
from gix_model.environment import EDGE_LABEL, STACK_LABEL
from gix_model.settings import EngineSettings
from tests.reliability import tried
from tests.support.certificates import Authority
from tests.unit.declared import configured, environment

LEAST_TRIED = 200
"""The least number of hostile engine states in each run."""

SOUND: dict[str, Any] = {
    "info": {
        "Name": "here",
        "ServerVersion": "20.10.24",
        "NCPU": 2,
        "MemTotal": 2**34,
        "DockerRootDir": "/nowhere",
    },
    "containers": [
        {
            "Names": ["/other"],
            "State": "running",
            "Labels": {},
            "Ports": [{"IP": "0.0.0.0", "PrivatePort": 80, "PublicPort": 80, "Type": "tcp"}],
        }
    ],
    "networks": [
        {
            "Name": "other",
            "Id": "0" * 64,
            "Labels": {},
            "Options": {},
            "IPAM": {"Driver": "default", "Options": None, "Config": [{"Subnet": "172.17.0.0/16"}]},
        }
    ],
    "volumes": [],
}
"""An engine without a conflict, as records of its API."""
ISSUED = Authority().issue()
UNPUBLISHED = {"gix:defaults": '{"publish": false}'}
ROUTER = '["router"]'


@pytest.fixture(autouse=True)
def table(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    """Set the routes of this machine: network, device, flags. It starts with none."""
    monkeypatch.setattr(machine, "_ROUTES", tmp_path / "route")

    def word(address: ipaddress.IPv4Address) -> str:
        return f"{socket.htonl(int(address)):08X}"

    def write(*routes: tuple[str, str, int]) -> None:
        lines = ["Iface Destination Gateway Flags RefCnt Use Metric Mask MTU Window IRTT"]
        for network, device, flags in routes:
            range_ = ipaddress.IPv4Network(network)
            destination, mask = word(range_.network_address), word(range_.netmask)
            lines.append(f"{device}\t{destination}\t00000000\t{flags:04X}\t0\t0\t0\t{mask}\t0\t0\t0")
        (tmp_path / "route").write_text("\n".join(lines) + "\n")

    write()
    return write


def problems(config: dict[str, str] | None = None, *, local: bool = False, **records: Any) -> list[str]:
    """The problems of a stack with `config` on the engine SOUND with other `records`."""
    found = observed_state.read(local=local, **(SOUND | records))
    return [f"{each.subject}: {each.limit}" for each in collisions.find(environment(config), found)]


def container(**changes: Any) -> list[dict[str, Any]]:
    return [SOUND["containers"][0] | changes]


def network(**changes: Any) -> list[dict[str, Any]]:
    return [SOUND["networks"][0] | changes]


def publishing(port: object, kind: object = "tcp", ip: object = "0.0.0.0") -> list[dict[str, Any]]:
    return container(Ports=[{"IP": ip, "PublicPort": port, "Type": kind}])


def test_a_normal_engine_gives_no_problem() -> None:
    assert problems() == []


STATES: list[dict[str, Any]] = [
    {"info": None},
    {"info": {}},
    {"info": {"ServerVersion": "dev", "NCPU": None, "MemTotal": "lots", "DockerRootDir": None, "Name": 7}},
    {"info": SOUND["info"] | {"NCPU": 0, "MemTotal": 0}},
    {"info": SOUND["info"] | {"NCPU": -1, "MemTotal": -1, "ServerVersion": ""}},
    {"info": SOUND["info"] | {"ServerVersion": "\u0662\u0660.10"}},
    {"info": SOUND["info"] | {"DockerRootDir": "a\0b"}},
    {"containers": None},
    {"volumes": None},
    {"volumes": [None, {}, {"Name": None}, {"Name": 7, "Labels": []}]},
    {"containers": [None, "text", 1]},
    {"containers": [{}]},
    {"containers": container(Names=None, Labels=None, Ports=None, State=None)},
    {"containers": container(Names=[], Labels=[], Ports={})},
    {"containers": container(Names=[None, "", "/"], Labels={"a": None}, State="dead")},
    {"containers": publishing(None)},
    {"containers": publishing("50051")},
    {"containers": publishing(50051, "udp")},
    {"containers": publishing(50051, "sctp")},
    {"containers": publishing(99999, ip=None)},
    {"networks": None},
    {"networks": [None, [], {}]},
    {"networks": network(Name=None, Id=None, Labels=None, Options=None)},
    {"networks": network(IPAM=None)},
    {"networks": network(IPAM={})},
    {"networks": network(IPAM={"Config": None})},
    {"networks": network(IPAM={"Config": [None, {}, {"Subnet": None}, {"Subnet": ""}, {"Gateway": "172.28.0.1"}]})},
    {"networks": network(IPAM={"Config": [{"Subnet": "fd00::/64"}, {"Subnet": "172.17.0.9/16"}]})},
    {"networks": network(IPAM={"Config": [{"Subnet": "nonsense"}, {"Subnet": "300.0.0.0/8"}, {"Subnet": 7}]})},
    {"networks": network(IPAM=[]), "containers": [[]], "info": []},
]
"""Odd states of an engine without a conflict."""


@pytest.mark.parametrize("state", STATES, ids=range(len(STATES)))
def test_an_odd_engine_without_a_conflict_gives_no_problem(state: dict[str, Any]) -> None:
    tried("engines", 2)
    assert problems(**state) == []
    assert problems(UNPUBLISHED, local=True, **state) == []


ODD = st.recursive(
    st.one_of(st.none(), st.booleans(), st.integers(), st.floats(), st.text(max_size=8)),
    lambda inner: st.one_of(st.lists(inner, max_size=3), st.dictionaries(st.text(max_size=8), inner, max_size=3)),
    max_leaves=6,
)


def records(fields: dict[str, st.SearchStrategy[Any]]) -> st.SearchStrategy[Any]:
    """Records with these fields, each of which can be missing, null, or of another type."""
    odd = {key: st.one_of(value, st.none(), ODD) for key, value in fields.items()}
    return st.one_of(st.fixed_dictionaries({}, optional=odd), ODD)


SUBNETS = st.one_of(
    st.ip_addresses(v=4).flatmap(lambda ip: st.integers(0, 33).map(lambda bits: f"{ip}/{bits}")),
    st.ip_addresses(v=6).map(lambda ip: f"{ip}/64"),
    st.sampled_from(["172.28.0.1/16", "172.28.0.0/33", "0.0.0.0/0", "", "172.28.0.0"]),
)
LABELS = st.dictionaries(st.sampled_from([STACK_LABEL, "com.docker.compose.project", "a"]), ODD, max_size=2)
NAMES = st.sampled_from(["/gix-router", "gix-network", "gcam-data", "", "/", "\x1b[2J", "\ud800", "x" * 5000])
INFO = records(
    {
        "Name": NAMES,
        "ServerVersion": st.sampled_from(["20.10.24", "1.2", "25.0-rc.1", "library", "", "9" * 5000 + ".1"]),
        "NCPU": st.integers(-1, 4),
        "MemTotal": st.integers(-1, 2**40),
        "DockerRootDir": st.sampled_from(["/", "", "relative", "/nowhere", "\0", "\ud800", "x" * 5000]),
    }
)
PORTS = st.lists(
    records(
        {
            "IP": st.sampled_from(["", "::", "0.0.0.0", "127.0.0.1", "nonsense"]),
            "PublicPort": st.sampled_from([0, -1, 50051, 50052, 99999, "50051"]),
            "Type": st.sampled_from(["tcp", "udp", "sctp", ""]),
        }
    ),
    max_size=3,
)
STATE_NAMES = st.sampled_from(["running", "paused", "dead", "removing", "restarting", "", "unheard of"])
CONTAINERS = st.lists(
    records(
        {
            "Names": st.lists(NAMES, max_size=2),
            "State": STATE_NAMES,
            "Labels": LABELS,
            "Ports": PORTS,
            "Mounts": st.lists(records({"Name": NAMES, "RW": st.booleans()}), max_size=2),
        }
    ),
    max_size=3,
)
NETWORKS = st.lists(
    records(
        {
            "Name": NAMES,
            "Id": NAMES,
            "Labels": LABELS,
            "Options": st.dictionaries(st.just("com.docker.network.bridge.name"), ODD),
            "IPAM": records({"Config": st.lists(records({"Subnet": SUBNETS}), max_size=3)}),
        }
    ),
    max_size=3,
)
VOLUMES = records({"Name": st.one_of(st.just("gcam-data"), NAMES), "Labels": LABELS})
PULLED = {"gix:images": '{"way": "registry"}', "gix:registry": '{"address": "registry.test"}'}
CONFIGURATIONS = st.sampled_from(
    [
        {},
        {"gix:ledger": '{"adopt": true}'} | PULLED,
        {"gix:takeOver": "true"} | PULLED,
        {"gix:defaults": '{"cpus": 1.5, "memory": "2G", "dropCapabilities": ["CAP_BPF"], "bindAddress": "127.0.0.1"}'},
        {"gix:services": '["router"]', "gix:router": '{"publish": false, "healthCheck": {"startInterval": "1s"}}'},
    ]
)


@settings(max_examples=2 * LEAST_TRIED, deadline=None)
@given(
    config=CONFIGURATIONS,
    local=st.booleans(),
    info=st.one_of(INFO, ODD),
    containers=st.one_of(CONTAINERS, ODD),
    networks=st.one_of(NETWORKS, ODD),
    volumes=st.one_of(st.lists(VOLUMES, min_size=1, max_size=2), ODD),
)
def test_any_records_of_an_engine_give_problems_or_none_and_no_traceback(
    config: dict[str, str], *, local: bool, info: Any, containers: Any, networks: Any, volumes: Any
) -> None:
    tried("engines")
    found = observed_state.read(local=local, info=info, containers=containers, networks=networks, volumes=volumes)
    for problem in collisions.find(environment(config), found):
        assert str(problem).replace("\n", "").isprintable()
        assert problem.limit
        assert problem.fix


def test_a_tcp_port_that_a_container_publishes_is_a_problem_and_a_udp_port_is_not() -> None:
    holder = "gix:router.hostPort = 50051: is used by the container other"
    assert problems(containers=publishing(50051)) == [holder]
    assert problems(containers=publishing(50051, ip="::")) == [holder]
    assert problems(containers=publishing(50051, "udp")) == []


def test_a_container_without_a_name_that_holds_a_port_is_a_problem() -> None:
    state = [publishing(50051)[0] | {"Names": None}]
    assert problems(containers=state) == ["gix:router.hostPort = 50051: is used by the container (no name)"]


def test_the_subnet_that_a_problem_proposes_is_free(table: Callable[..., None]) -> None:
    table(("172.18.0.0/16", "eth0", 0x1))
    used = [{"Subnet": "172.16.3.0/24"}, {"Subnet": "172.17.0.0/16"}, {"Subnet": "172.28.0.0/16"}]
    found = observed_state.read(local=True, **(SOUND | {"networks": network(IPAM={"Config": used})}))
    [problem] = [each for each in collisions.find(environment(), found) if "subnet" in each.subject]
    assert problem.fix == "set it to a free range, for example 172.19.0.0/16"
    proposed = environment({"gix:network": '{"subnet": "172.19.0.0/16"}'})
    assert [each for each in collisions.find(proposed, found) if "subnet" in each.subject] == []


def with_tls(**records: Any) -> list[str]:
    """The problems of a stack with TLS at its edge."""
    edge = {"certificate": ISSUED.certificate, "key": SecretStr(ISSUED.key), "metricsPort": 9100}
    config = configured({"rollout": {"strategy": "start-first"}, "edge": edge})
    found = observed_state.read(local=False, **(SOUND | records))
    return [f"{each.subject}: {each.limit}" for each in collisions.find(environment(**config), found)]


@pytest.mark.parametrize(("stack", "refused"), [("gix/dev", False), ("gix/other", True)])
def test_the_volume_of_the_certificate_must_be_the_stack_s_own(*, stack: str, refused: bool) -> None:
    volume = {"Name": "gix-edge-certificates", "Labels": {STACK_LABEL: stack, EDGE_LABEL: "certificates"}}
    limit = "already exists, made by the stack gix/other, and gets the certificate of the edge"
    assert with_tls(volumes=[volume]) == ([f"volume gix-edge-certificates: {limit}"] if refused else [])
    found = observed_state.read(local=False, **(SOUND | {"volumes": [volume]}))
    assert collisions.unused_ledgers(environment(), found) == []


def test_the_port_of_the_edge_s_metrics_must_be_free() -> None:
    assert with_tls(containers=publishing(9100)) == ["gix:edge.metricsPort = 9100: is used by the container other"]


def test_a_network_whose_subnet_has_host_bits_is_named_by_its_range() -> None:
    state = network(IPAM={"Config": [{"Subnet": "fd00::/64"}, {"Subnet": "172.28.3.7/24"}]})
    assert problems(networks=state) == [
        "gix:network.subnet = 172.28.0.0/16: overlaps 172.28.3.0/24 of other, made by something else"
    ]


@pytest.mark.parametrize(
    ("section", "problem"),
    [
        ({"cpus": 2.5}, "gix:router.cpus = 2.5: the engine has 2"),
        (
            {"memory": "17G"},
            "gix:router.memory = 17G: the engine's machine has 16384MiB, so this limits nothing",
        ),
        (
            {"dropCapabilities": ["CAP_BPF"]},
            "gix:router.dropCapabilities = CAP_BPF: the engine, 20.10.24, is older than 23 and refuses it",
        ),
        (
            {"healthCheck": {"startInterval": "1s"}},
            "gix:router.healthCheck.startInterval = 1s: the engine, 20.10.24, is older than 25 and ignores it",
        ),
    ],
)
def test_limits_over_the_engine_s_resources_are_problems(section: dict[str, Any], problem: str) -> None:
    assert problems({"gix:router": json.dumps(section)}) == [problem]


@pytest.mark.parametrize(
    "section", [{"cpus": 2}, {"memory": "16G"}, {"dropCapabilities": ["ALL", "CAP_NET_RAW"]}], ids=str
)
def test_limits_within_the_engine_s_resources_are_no_problem(section: dict[str, Any]) -> None:
    assert problems({"gix:router": json.dumps(section)}) == []


@pytest.fixture
def held_port() -> Iterator[int]:
    """A loopback port on which this process listens."""
    with socket.create_server(("127.0.0.1", 0)) as holder:
        yield holder.getsockname()[1]


def test_a_port_in_use_on_this_machine_is_a_problem_for_this_machine_s_engine_only(held_port: int) -> None:
    config = {"gix:services": ROUTER, "gix:router": json.dumps({"hostPort": held_port, "bindAddress": "127.0.0.1"})}
    assert problems(config, local=True) == [f"gix:router.hostPort = {held_port}: is used by a process on this machine"]
    assert problems(config, local=False) == []


@pytest.mark.parametrize(
    ("stack", "state", "is_problem"),
    [("gix/dev", "restarting", False), ("gix/dev", "exited", True), ("gix/other", "restarting", True)],
)
def test_the_port_of_a_container_of_the_stack_that_restarts_is_no_problem(
    held_port: int, *, stack: str, state: str, is_problem: bool
) -> None:
    """The engine lists no ports of a container that restarts, and binds them again and again."""
    config = {"gix:services": ROUTER, "gix:router": json.dumps({"hostPort": held_port, "bindAddress": "127.0.0.1"})}
    restarting = container(Names=["/gix-router"] if stack == "gix/dev" else ["/other"], State=state, Ports=[])
    restarting[0]["Labels"] = {STACK_LABEL: stack}
    assert bool(problems(config, local=True, containers=restarting)) == is_problem


def test_a_udp_port_in_use_on_this_machine_is_no_problem() -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as holder:
        holder.bind(("127.0.0.1", 0))
        section = {"hostPort": holder.getsockname()[1], "bindAddress": "127.0.0.1"}
        config = {"gix:services": ROUTER, "gix:router": json.dumps(section)}
        assert problems(config, local=True) == []


def test_an_address_that_this_machine_does_not_have_is_a_problem_for_this_machine_s_engine_only() -> None:
    config = {"gix:services": ROUTER, "gix:router": '{"bindAddress": "192.0.2.7"}'}
    assert problems(config, local=True) == ["gix:router.bindAddress = 192.0.2.7: this machine has no such address"]
    assert problems(config, local=False) == []
    assert problems(config | {"gix:router": '{"bindAddress": "192.0.2.7", "publish": false}'}, local=True) == []


@pytest.mark.parametrize(
    ("host", "docker_host", "local"),
    [
        (None, None, True),
        (None, "", True),
        (None, "unix:///var/run/docker.sock", True),
        (None, "npipe:////./pipe/docker_engine", True),
        (None, "ssh://me@there", False),
        (None, "tcp://127.0.0.1:2375", False),
        (None, "there:2375", False),
        ("unix:///var/run/docker.sock", "ssh://me@there", True),
        ("ssh://root@127.0.0.1:2222", None, False),
        ("tcp://127.0.0.1:2375", None, False),
    ],
)
def test_an_engine_is_local_if_its_address_is_a_socket_or_a_pipe(
    host: str | None,
    docker_host: str | None,
    local: bool,  # noqa: FBT001 - a column of the table
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.delenv("DOCKER_HOST", raising=False)
    if docker_host is not None:
        monkeypatch.setenv("DOCKER_HOST", docker_host)
    assert connection.is_local(EngineSettings(host=host)) == local


WANTED = "172.28.0.0/16"


@pytest.mark.parametrize(
    ("route", "on_link", "collides"),
    [
        ("0.0.0.0/0", False, False),
        ("0.0.0.0/0", True, False),
        ("0.0.0.0/1", False, False),
        ("128.0.0.0/1", False, False),
        ("128.0.0.0/1", True, False),
        ("172.0.0.0/8", True, False),
        ("172.16.0.0/12", False, False),
        ("172.16.0.0/12", True, True),
        ("172.28.0.0/16", False, True),
        ("172.28.0.0/16", True, True),
        ("172.28.9.0/24", False, True),
        ("172.28.9.9/32", True, True),
        ("172.29.0.0/16", True, False),
        ("10.0.0.0/8", True, False),
    ],
)
def test_a_route_collides_with_a_range_that_it_overlaps_unless_it_is_a_default_route(
    route: str,
    on_link: bool,  # noqa: FBT001 - a column of the table
    collides: bool,  # noqa: FBT001 - a column of the table
) -> None:
    found = Route(network=ipaddress.IPv4Network(route), device="tun0", on_link=on_link)
    assert found.collides(ipaddress.IPv4Network(WANTED)) == collides


VPN = [("0.0.0.0/1", "tun0", 0x3), ("128.0.0.0/1", "tun0", 0x3)]
ATTACHED = ("172.28.0.0/16", "eth0", 0x1)


def test_only_routes_that_are_up_count(table: Callable[..., None]) -> None:
    table(*VPN, ATTACHED, ("172.28.0.0/16", "eth1", 0x0))
    assert [(str(each.network), each.device, each.on_link) for each in machine.routes()] == [
        ("0.0.0.0/1", "tun0", False),
        ("128.0.0.0/1", "tun0", False),
        ("172.28.0.0/16", "eth0", True),
    ]


def test_routes_of_a_vpn_are_no_problem(table: Callable[..., None]) -> None:
    table(*VPN)
    assert problems(UNPUBLISHED, local=True) == []


def test_a_network_of_this_machine_is_a_problem_for_this_machine_s_engine_only(table: Callable[..., None]) -> None:
    table(ATTACHED)
    assert problems(UNPUBLISHED, local=True) == [
        "gix:network.subnet = 172.28.0.0/16: overlaps this machine's route to 172.28.0.0/16 by eth0"
    ]
    assert problems(UNPUBLISHED, local=False) == []
