"""The examples in error texts: each value that an error proposes is accepted instead of the refused one."""

import re
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gix_model.problems import ConfigurationError, Problem
from gix_ops import logs
from tests.unit.declared import configured, environment

DIGEST = "sha256:" + 64 * "0"


def nested(path: str, value: Any) -> Any:
    """The value under the keys of the path."""
    for key in reversed(path.split(".")):
        value = {key: value}
    return value


def problem(config: Mapping[str, Any]) -> Problem | None:
    """The only problem of a stack file, or none."""
    try:
        environment(**configured(config))
    except ConfigurationError as error:
        [found] = error.problems
        return found
    return None


@pytest.mark.parametrize(
    ("path", "refused", "examples"),
    [
        ("router.memory", "2Q", ["512MiB", "2G"]),
        ("router.memory", "1M", ["64MiB"]),
        ("router.memory", "9000000T", ["2G"]),
        ("router.healthCheck.interval", "soon", ["10s", "1m30s", "500ms"]),
        ("router.healthCheck.interval", "0.0001s", ["500ms"]),
        ("router.healthCheck.interval", "0s", ["1s"]),
        ("router.stopGrace", "100000h", ["10s"]),
        ("router.stopGrace", "500ms", ["10s"]),
        ("network.subnet", "here", ["172.28.0.0/16"]),
        ("network.subnet", "8.8.8.0/24", ["10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16"]),
        ("router.bindAddress", "here", ["0.0.0.0", "127.0.0.1"]),
        ("router.user", "root", ["1000:1000"]),
        ("router.restart", "sometimes", ["no", "always", "unless-stopped", "on-failure", "on-failure:3"]),
        ("router.stopSignal", "stop", ["SIGINT", "SIGTERM"]),
        ("router.dropCapabilities", ["what"], ["ALL", "CAP_NET_RAW"]),
        ("router.tmpfs./cache", "what", ["rw,noexec,nosuid,size=64m"]),
        ("router.extraHosts.peer", "nowhere", ["host-gateway"]),
        ("engine.host", "here", ["unix:///var/run/docker.sock"]),
        ("router.logging.options.max-size", "much", ["10m"]),
        ("router.cpus", 0.05, ["0.051"]),
        ("images.profile", "a b", ["release", "dev"]),
        ("images.cacheFrom", ["rust"], ["ghcr.io/gix-network/rust-builder"]),
        ("images.builderBase", "rust", ["rust:1.75.0-bookworm"]),
        ("images.runtimeBase", "debian", ["debian:bookworm-20231218-slim"]),
        ("images.grpcProbeImage", "probe", ["ghcr.io/grpc-ecosystem/grpc-health-probe:v0.4.57"]),
    ],
)
def test_the_examples_of_a_refused_value_are_accepted(
    path: str, refused: Any, examples: list[str], own_source: str
) -> None:
    def stack(value: Any) -> dict[str, Any]:
        config: dict[str, Any] = nested(path, value)
        if path.startswith("images."):
            pinned = {"builderBase": f"rust@{DIGEST}", "runtimeBase": f"debian@{DIGEST}", "tag": "1.0"}
            config = {"production": "true", "source": own_source, "images": pinned | config["images"]}
            config["router"] = {"healthCheck": {"probe": "grpc"}}
        return config

    found = problem(stack(refused))
    assert found is not None
    for example in examples:
        assert example in f"{found.limit} {found.fix}"
        accepted = [example] if isinstance(refused, list) else example
        assert problem(stack(float(example) if path.endswith("cpus") else accepted)) is None


@settings(deadline=None)
@given(st.floats(min_value=0.01, max_value=2000).map(lambda count: round(count, 3)))
def test_the_number_of_processors_that_an_error_proposes_is_accepted(cpus: float) -> None:
    found = problem({"router": {"cpus": cpus}})
    if found is not None:
        [near] = re.findall(r"[\d.]+$", found.fix)
        assert problem({"router": {"cpus": float(near)}}) is None


@pytest.mark.parametrize("example", ["10m", "1h30m", "2026-01-02", "2026-01-02T15:04:05Z"])
def test_the_examples_of_a_refused_since_are_accepted(example: str) -> None:
    now = datetime(2026, 1, 3, tzinfo=UTC)
    with pytest.raises(ValueError, match=re.escape(example)):
        logs.moment("10m ago", now)
    assert logs.moment(example, now) < now.timestamp()
