"""Unusual values are recorded as they are stated, so that a second update is empty."""

from typing import Any

from tests.engine.change_matrix_trials import tried_keys
from tests.support.stack_under_test import StackUnderTest, free_ports

ROUTER: dict[str, Any] = tried_keys() | {
    "publish": True,
    "bindAddress": "127.0.0.2",
    "rustBacktrace": 1,
    "environment": {"Z": "", "A": "b=c", "NUMBER": 1.0},
    "user": "4242:4343",
    "cpus": 1.0,
    "memory": "0.125G",
    "memorySwap": "256MiB",
    "restart": "on-failure:3",
    "readOnlyRoot": True,
    "tmpfs": {"/z": "", "/a": "size=1m,rw,mode=1777"},
    "dropCapabilities": ["CAP_SETUID", "CAP_NET_RAW", "CAP_CHOWN", "CAP_SETUID"],
    "noNewPrivileges": True,
    "healthCheck": {"interval": "1500ms", "timeout": "90s", "startPeriod": "3600s", "retries": 2},
    "init": False,
    "stopSignal": "SIGTERM",
    "stopGrace": "90s",
    "logging": {"options": {"max-size": "64k", "labels": "z"}},
    "labels": {"z": "", "a": True},
    "ulimits": {"nofile": {"soft": 512, "hard": 512}, "core": {"soft": 0, "hard": 0}},
    "extraHosts": {"z.test": "192.0.2.1", "a.test": "host-gateway"},
}
AUCTION: dict[str, Any] = {
    "cpus": 0.50,
    "restart": "always",
    "dropCapabilities": ["ALL"],
    "healthCheck": {"interval": "1s", "timeout": "0.5s", "startPeriod": "0s", "retries": 20},
    "stopGrace": "0s",
    "logging": {"driver": "local", "options": {}},
}
ENCLAVE: dict[str, Any] = {
    "publish": False,
    "cpus": 0.75,
    "memory": 64 * 2**20,
    "restart": "no",
    "logging": {"driver": "none"},
}


def test_given_every_key_at_an_unusual_value_a_second_up_is_empty_also_after_a_refresh(fresh: StackUnderTest) -> None:
    fresh.change(
        network={"labels": {"z": "", "a": 1}},
        router=ROUTER | {"metricsPort": free_ports(1)[0]},
        auction=AUCTION,
        enclave=ENCLAVE,
    )
    fresh.secrets = {"gix:router.secretEnvironment.TOKEN": "open=sesame"}
    fresh.up()
    before = fresh.ids()
    second = fresh.up()
    assert second.is_empty, second.output
    fresh.pulumi.refresh()
    third = fresh.up()
    assert third.is_empty, third.output
    assert fresh.ids() == before
