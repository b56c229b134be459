"""Every feature of the original Docker set-up: the feature, its configuration, and what `docker inspect` shows."""

import base64
import io
import struct
import tarfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import docker
import pytest

from tests.support.jobs import ledger, settle
from tests.support.stack_under_test import StackUnderTest, free_ports, temporary_stack

MIB = 2**20


@dataclass(frozen=True, kw_only=True)
class Row:
    """`shown` reads a value from the engine, which must equal `expected`. `config` changes the stack's file."""

    feature: str
    shown: Callable[[StackUnderTest], Any]
    expected: Any
    config: dict[str, Any] | None = None


def host(service: str, key: str) -> Callable[[StackUnderTest], Any]:
    return lambda stack: stack.container(service)["HostConfig"][key]


def image(service: str) -> Callable[[StackUnderTest], dict[str, Any]]:
    return lambda stack: dict(stack.client.images.get(stack.container(service)["Image"]).attrs)


def within(service: str, *command: str) -> Callable[[StackUnderTest], str]:
    def run(stack: StackUnderTest) -> str:
        result = stack.client.containers.get(f"{stack.prefix}-gix-{service}").exec_run(list(command))
        assert isinstance(result.output, bytes)
        return result.output.decode().strip()

    return run


def variable(service: str, name: str) -> Callable[[StackUnderTest], str | None]:
    return lambda stack: dict(each.split("=", 1) for each in stack.container(service)["Config"]["Env"]).get(name)


ORIGINAL = ("router", "auction", "enclave")
"""The services of the original Docker set-up, whose features the rows describe."""


def all_services(read: Callable[[str], Callable[[StackUnderTest], Any]]) -> Callable[[StackUnderTest], list[Any]]:
    return lambda stack: [read(service)(stack) for service in ORIGINAL]


def published(service: str) -> Callable[[StackUnderTest], Any]:
    return lambda stack: {
        inside: [(each["HostIp"], int(each["HostPort"])) for each in bindings]
        for inside, bindings in (stack.container(service)["HostConfig"]["PortBindings"] or {}).items()
    }


def probe(service: str) -> Callable[[StackUnderTest], str]:
    return lambda stack: str(stack.container(service)["Config"]["Healthcheck"]["Test"][1])


def sections(stack: StackUnderTest, service: str, path: str) -> set[str]:
    """The names of the sections of a 64-bit ELF file in a container."""
    chunks, _ = stack.client.containers.get(f"{stack.prefix}-gix-{service}").get_archive(path)
    with tarfile.open(fileobj=io.BytesIO(b"".join(chunks))) as archive:
        file = archive.extractfile(archive.getmembers()[0])
        assert file
        elf = file.read()
    (table,) = struct.unpack_from("<Q", elf, 40)
    size, count, names_at = struct.unpack_from("<HHH", elf, 58)
    headers = [struct.unpack_from("<IIQQQQ", elf, table + number * size) for number in range(count)]
    names = elf[headers[names_at][4] :]
    return {names[header[0] : names.index(b"\0", header[0])].decode() for header in headers}


METRICS_PORT = free_ports(1)[0]
SECOND = 10**9

ROWS = [
    Row(
        feature="multi-stage build: a runtime image for each service, with its binary",
        shown=all_services(lambda service: within(service, "ls", "/usr/local/bin")),
        expected=["ajr-router", "gcam-node", "gsee-runtime"],
    ),
    Row(
        feature="runtime base: no compiler, under 150 MB",
        shown=all_services(lambda service: lambda stack: image(service)(stack)["Size"] < 150 * MIB),
        expected=[True, True, True],
    ),
    Row(
        feature="binaries are stripped",
        shown=lambda stack: {".symtab", ".debug_info"} & sections(stack, "router", "/usr/local/bin/ajr-router"),
        expected=set(),
    ),
    Row(
        feature="CA certificates are included",
        shown=within("router", "sh", "-c", "test -s /etc/ssl/certs/ca-certificates.crt && echo there"),
        expected="there",
    ),
    Row(
        feature="all services run as user gix, UID 1000",
        shown=all_services(lambda service: within(service, "id")),
        expected=["uid=1000(gix) gid=1000(gix) groups=1000(gix)"] * 3,
    ),
    Row(
        feature="the images have the user, too",
        shown=all_services(lambda service: lambda stack: image(service)(stack)["Config"]["User"]),
        expected=["1000:1000"] * 3,
    ),
    Row(
        feature="the images have a health check of their own",
        shown=all_services(lambda service: lambda stack: image(service)(stack)["Config"]["Healthcheck"]["Interval"]),
        expected=[10 * SECOND] * 3,
    ),
    Row(
        feature="health check: the port, from inside",
        shown=all_services(probe),
        expected=[f"timeout 2 bash -c '</dev/tcp/localhost/{port}' || exit 1" for port in (50051, 50052, 50053)],
    ),
    Row(
        feature="health check: interval 10s, timeout 3s, start period 5s, 3 retries",
        config={"enclave": {"healthCheck": {"interval": "10s", "timeout": "3s", "startPeriod": "5s", "retries": 3}}},
        shown=lambda stack: {
            key: value for key, value in stack.container("enclave")["Config"]["Healthcheck"].items() if key != "Test"
        },
        expected={"Interval": 10 * SECOND, "Timeout": 3 * SECOND, "StartPeriod": 5 * SECOND, "Retries": 3},
    ),
    Row(
        feature="RUST_LOG",
        config={"router": {"rustLog": "debug"}},
        shown=variable("router", "RUST_LOG"),
        expected="debug",
    ),
    Row(
        feature="RUST_BACKTRACE",
        config={"router": {"rustBacktrace": "full"}},
        shown=variable("router", "RUST_BACKTRACE"),
        expected="full",
    ),
    Row(feature="GIX_DATA_DIR", shown=variable("auction", "GIX_DATA_DIR"), expected="/data"),
    Row(
        feature="further variables",
        config={"router": {"environment": {"REGION": "eu"}}},
        shown=variable("router", "REGION"),
        expected="eu",
    ),
    Row(
        feature="persistent volume at /data",
        shown=lambda stack: [
            (mount["Type"], mount["Name"].removeprefix(f"{stack.prefix}-"), mount["Destination"], mount["RW"])
            for mount in stack.container("auction")["Mounts"]
        ],
        expected=[("volume", "gcam-data", "/data", True)],
    ),
    Row(
        feature="the volume belongs to UID 1000",
        shown=within("auction", "stat", "-c", "%u:%g", "/data"),
        expected="1000:1000",
    ),
    Row(
        feature="a bridge network of its own",
        shown=lambda stack: stack.client.networks.get(f"{stack.prefix}-gix-network").attrs["Driver"],
        expected="bridge",
    ),
    Row(
        feature="host names router, auction, enclave",
        shown=within("router", "sh", "-c", "getent hosts router auction enclave | awk '{print $2}'"),
        expected="router\nauction\nenclave",
    ),
    Row(
        feature="read-only root file system",
        config={"enclave": {"readOnlyRoot": True}},
        shown=within("enclave", "sh", "-c", "touch /x 2>/dev/null || echo refused; touch /tmp/x && echo written"),
        expected="refused\nwritten",
    ),
    Row(
        feature="all capabilities dropped, no new privileges",
        config={"enclave": {"dropCapabilities": ["ALL"], "noNewPrivileges": True}},
        shown=within("enclave", "sh", "-c", "grep -E 'CapEff|NoNewPrivs' /proc/1/status | tr -d '\\t'"),
        expected="CapEff:0000000000000000\nNoNewPrivs:1",
    ),
    Row(
        feature="limit on processors",
        config={"enclave": {"cpus": "2.0"}},
        shown=host("enclave", "NanoCpus"),
        expected=2 * 10**9,
    ),
    Row(
        feature="limit on memory, with swap",
        config={"enclave": {"memory": "2G", "memorySwap": "2G"}},
        shown=lambda stack: [host("enclave", key)(stack) for key in ("Memory", "MemorySwap")],
        expected=[2048 * MIB, 2048 * MIB],
    ),
    Row(
        feature="restart policy",
        config={"enclave": {"restart": "on-failure:3"}},
        shown=host("enclave", "RestartPolicy"),
        expected={"Name": "on-failure", "MaximumRetryCount": 3},
    ),
    Row(
        feature="metrics port",
        config={"auction": {"metricsPort": METRICS_PORT}},
        shown=lambda stack: published("auction")(stack).get("9002/tcp"),
        expected=[("127.0.0.1", METRICS_PORT)],
    ),
    Row(
        feature="a service that is not published",
        config={"enclave": {"publish": False}},
        shown=published("enclave"),
        expected={},
    ),
    Row(
        feature="logs are limited",
        shown=host("router", "LogConfig"),
        expected={"Type": "json-file", "Config": {"max-file": "3", "max-size": "10m"}},
    ),
    Row(
        feature="labels",
        config={"router": {"labels": {"team": "gix"}}},
        shown=lambda stack: stack.container("router")["Config"]["Labels"].get("team"),
        expected="gix",
    ),
    Row(
        feature="ulimits",
        config={"router": {"ulimits": {"nofile": {"soft": 1024, "hard": 2048}}}},
        # Read the limit of process 1: a process started by exec can have another soft limit.
        shown=within("router", "awk", "/Max open files/ { print $4, $5 }", "/proc/1/limits"),
        expected="1024 2048",
    ),
    Row(
        feature="extra hosts",
        config={"router": {"extraHosts": {"ledger.test": "192.0.2.7"}}},
        shown=within("router", "getent", "hosts", "ledger.test"),
        expected="192.0.2.7       ledger.test",
    ),
    Row(
        feature="stop signal, init, working directory",
        shown=lambda stack: (
            stack.container("auction")["Config"]["StopSignal"],
            host("auction", "Init")(stack),
            stack.container("auction")["Config"]["WorkingDir"],
        ),
        expected=("SIGINT", True, "/"),
    ),
]


@pytest.fixture(scope="module")
def described(client: docker.DockerClient, tmp_path_factory: pytest.TempPathFactory) -> Iterator[StackUnderTest]:
    """One stack with the configuration of every row."""
    with temporary_stack(client, tmp_path_factory.mktemp("described") / "gix") as stack:
        for row in ROWS:
            stack.change(**(row.config or {}))
        stack.up()
        yield stack


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.feature)
def test_the_engine_shows(described: StackUnderTest, row: Row) -> None:
    assert row.shown(described) == row.expected


def test_given_every_row_configured_a_second_up_is_empty_also_after_a_refresh(described: StackUnderTest) -> None:
    assert described.up().is_empty
    described.pulumi.refresh()
    assert described.up().is_empty


def test_the_ledger_can_be_backed_up_with_tar(described: StackUnderTest) -> None:
    settle(described, jobs=2)
    archive = described.client.containers.run(
        described.container("auction")["Image"],
        ["sh", "-c", "tar cz -C /data . | base64"],
        volumes=[f"{described.prefix}-gcam-data:/data"],
        remove=True,
    )
    assert isinstance(archive, bytes)
    with tarfile.open(fileobj=io.BytesIO(base64.b64decode(archive))) as backup:
        kept = backup.extractfile("./ledger.jsonl")
        assert kept
        assert kept.read().decode().splitlines() == ledger(described)


def test_given_individual_images_each_service_is_built_by_its_own_dockerfile(fresh: StackUnderTest) -> None:
    fresh.change(images={"way": "individual"})
    fresh.up()
    settle(fresh, jobs=1)


def test_given_one_service_it_starts_alone(fresh: StackUnderTest) -> None:
    fresh.change(services=["auction"])
    fresh.up()
    assert fresh.leavings()["containers"] == [f"{fresh.prefix}-gix-auction"]


def test_two_stacks_run_on_one_engine_at_the_same_time(platform: StackUnderTest, fresh: StackUnderTest) -> None:
    fresh.up()
    settle(fresh, jobs=3)
    lines = ledger(platform)
    settle(platform, jobs=1)
    assert len(ledger(platform)) == len(lines) + 1
    assert len(ledger(fresh)) == 3
    assert platform.up().is_empty
    assert fresh.up().is_empty
