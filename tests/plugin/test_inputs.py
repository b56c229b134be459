"""Every input reaches the engine, and what is read back asks for no change."""

from pathlib import Path
from typing import Any

import pulumi
import pulumi_docker as docker

from tests.plugin.programs import HEALTHCHECK, container, image
from tests.plugin.sandbox import Sandbox
from tests.plugin.scenario import Scenario

_MEBIBYTE = 1024 * 1024

CONFIG = {
    "Entrypoint": ["sh", "-c"],
    "Cmd": ["sleep 600"],
    "Hostname": "auction",
    "Domainname": "gix.test",
    "User": "1000:1000",
    "WorkingDir": "/tmp",
    "StopSignal": "SIGINT",
    "StopTimeout": 5,
    "Tty": True,
    "OpenStdin": True,
}
HOST_CONFIG = {
    "PortBindings": {
        "80/tcp": [{"HostIp": "127.0.0.1", "HostPort": "0"}],
        "81/udp": [{"HostIp": "127.0.0.1", "HostPort": "0"}],
        "82/tcp": [{"HostIp": "0.0.0.0", "HostPort": "0"}],
    },
    "RestartPolicy": {"Name": "on-failure", "MaximumRetryCount": 2},
    "Memory": 64 * _MEBIBYTE,
    "MemorySwap": 96 * _MEBIBYTE,
    "MemoryReservation": 32 * _MEBIBYTE,
    "ShmSize": 8 * _MEBIBYTE,
    "NanoCpus": 250_000_000,
    "CpuShares": 512,
    "CpusetCpus": "0",
    "CapAdd": ["CAP_NET_BIND_SERVICE"],
    "CapDrop": ["ALL"],
    "SecurityOpt": ["no-new-privileges:true"],
    "Ulimits": [{"Name": "nofile", "Soft": 1024, "Hard": 2048}],
    "ExtraHosts": ["router:10.9.8.7"],
    "Dns": ["10.9.8.6"],
    "DnsOptions": ["ndots:1"],
    "DnsSearch": ["gix.test"],
    "LogConfig": {"Type": "json-file", "Config": {"max-size": "1m"}},
    "Sysctls": {"net.ipv4.ip_unprivileged_port_start": "0"},
    "GroupAdd": ["1234"],
    "ReadonlyRootfs": True,
    "Init": True,
    "Tmpfs": {"/tmp": "rw,size=1m"},
}
CREATED_HOST_CONFIG = {
    "CpuPeriod": 100000,
    "CpuQuota": 50000,
    "Privileged": True,
    "PublishAllPorts": True,
    "PidMode": "host",
    "UsernsMode": "host",
}


def chosen(found: dict[str, Any], wanted: dict[str, Any]) -> dict[str, Any]:
    return {name: found[name] for name in wanted}


def test_every_container_input_reaches_the_engine_and_reads_back_unchanged(
    scenario: Scenario, sandbox: Sandbox, tmp_path: Path
) -> None:
    subnet = sandbox.subnet()
    address = subnet.replace(".0/24", ".77")

    def program() -> None:
        docker.Volume("vol", name=sandbox.name("vol"))
        subnets = [docker.NetworkIpamConfigArgs(subnet=subnet)]
        network = docker.Network("net", name=sandbox.name("net"), ipam_configs=subnets)
        container(
            sandbox,
            "full",
            entrypoints=["sh", "-c"],
            command=["sleep 600"],
            envs=["B=2", "A=1"],
            labels=[{"label": "b", "value": "2"}, {"label": "a.b/c", "value": "1"}],
            ports=[
                {"internal": 80, "ip": "127.0.0.1"},
                {"internal": 81, "ip": "127.0.0.1", "protocol": "udp"},
                {"internal": 82},
            ],
            volumes=[
                {"volume_name": sandbox.name("vol"), "container_path": "/data"},
                {"host_path": str(tmp_path), "container_path": "/other", "read_only": True},
            ],
            networks_advanced=[{"name": network.id, "aliases": ["b", "a"], "ipv4_address": address}],
            hostname="auction",
            domainname="gix.test",
            user="1000:1000",
            working_dir="/tmp",
            read_only=True,
            tmpfs={"/tmp": "rw,size=1m"},
            init=True,
            restart="on-failure",
            max_retry_count=2,
            healthcheck=HEALTHCHECK,
            memory=64,
            memory_swap=96,
            memory_reservation=32,
            cpus="0.25",
            cpu_shares=512,
            cpu_set="0",
            capabilities={"adds": ["CAP_NET_BIND_SERVICE"], "drops": ["ALL"]},
            security_opts=["no-new-privileges:true"],
            ulimits=[{"name": "nofile", "soft": 1024, "hard": 2048}],
            hosts=[{"host": "router", "ip": "10.9.8.7"}],
            dns=["10.9.8.6"],
            dns_opts=["ndots:1"],
            dns_searches=["gix.test"],
            log_driver="json-file",
            log_opts={"max-size": "1m"},
            stop_signal="SIGINT",
            stop_timeout=5,
            destroy_grace_seconds=5,
            shm_size=8,
            sysctls={"net.ipv4.ip_unprivileged_port_start": "0"},
            group_adds=["1234"],
            ipc_mode="private",
            runtime="runc",
            stdin_open=True,
            tty=True,
            remove_volumes=False,
            wait=True,
            wait_timeout=30,
        )
        container(sandbox, "done", command=["true"], must_run=False)
        container(
            sandbox,
            "created",
            start=False,
            must_run=False,
            cpu_period=100000,
            cpu_quota=50000,
            privileged=True,
            publish_all_ports=True,
            pid_mode="host",
            userns_mode="host",
        )

    update = scenario.up(program)
    assert not update.failed, update.messages
    full = sandbox.inspect("full")
    config, host = full["Config"], full["HostConfig"]
    assert {"A=1", "B=2"} <= set(config["Env"])
    assert config["Labels"].items() >= {"a.b/c": "1", "b": "2"}.items()
    assert chosen(config, CONFIG) == CONFIG
    assert chosen(host, HOST_CONFIG) == HOST_CONFIG
    assert set(host["Binds"]) == {f"{sandbox.name('vol')}:/data:rw", f"{tmp_path}:/other:ro"}
    endpoint = full["NetworkSettings"]["Networks"][sandbox.name("net")]
    assert endpoint["IPAddress"] == address
    assert {"a", "b"} <= set(endpoint["Aliases"])
    created = sandbox.inspect("created")
    assert created["State"]["Status"] == "created"
    assert chosen(created["HostConfig"], CREATED_HOST_CONFIG) == CREATED_HOST_CONFIG

    assert scenario.preview().changed == {name: {} for name in scenario.state()}
    scenario.refresh()
    assert scenario.preview().changed == {name: {} for name in scenario.state()}
    assert not scenario.destroy().failed


def test_every_option_of_a_build_reaches_the_builder(scenario: Scenario, sandbox: Sandbox) -> None:
    stages = """
FROM scratch AS unwanted
COPY missing /missing
FROM {base} AS wanted
LABEL {label}=1
ARG PLAIN
ARG SECRET
RUN cat /etc/hosts > /hosts && echo "$PLAIN ${{#SECRET}}" > /args
FROM wanted AS last
COPY missing /missing
"""

    def program() -> None:
        build: dict[str, Any] = {
            "context": "app",
            "dockerfile": "infra/Some.Dockerfile",
            "target": "wanted",
            "args": {"PLAIN": "plain", "SECRET": pulumi.Output.secret("s3cret")},
            "add_hosts": ["gix:10.9.8.7"],
            "network": "none",
            "builder_version": "BuilderBuildKit",
            "platform": "linux/amd64",
        }
        built = image("img", f"{sandbox.prefix}:one", build=build, build_on_preview=True)
        container(sandbox, "ctr", image=built.repo_digest)

    (scenario.directory / "app").mkdir()
    (scenario.directory / "infra").mkdir()
    dockerfile = stages.format(base=sandbox.base, label=sandbox.prefix)
    (scenario.directory / "infra" / "Some.Dockerfile").write_text(dockerfile)

    previewed = scenario.preview(program)
    assert not previewed.failed, previewed.messages
    assert sandbox.client.images.get(f"{sandbox.prefix}:one").id
    update = scenario.up()
    assert not update.failed, update.messages
    assert b"10.9.8.7\tgix" in sandbox.shown("ctr", "cat", "/hosts")
    assert sandbox.shown("ctr", "cat", "/args") == b"plain 6\n"
    assert "s3cret" not in scenario.raw_state()


def test_an_input_that_is_not_implemented_or_allowed_is_named(scenario: Scenario, sandbox: Sandbox) -> None:
    preview = scenario.preview(lambda: container(sandbox, "ctr", restart="sometimes"))
    assert preview.failed
    assert "restart" in preview.messages
    assert "unless-stopped" in preview.messages or "sometimes" in preview.messages
