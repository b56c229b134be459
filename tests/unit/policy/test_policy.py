"""Rules of the policy pack with inputs that not every docker plugin accepts."""

import runpy
from types import SimpleNamespace
from typing import Any

import pulumi_policy
import pytest

from tests.unit.declared import PROGRAM


@pytest.fixture
def rules(monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """The rules of the pack, without its server."""
    monkeypatch.setattr(pulumi_policy, "PolicyPack", lambda *_, **__: None)
    return runpy.run_path(str(PROGRAM / "policy/__main__.py"))


@pytest.mark.parametrize(
    ("props", "refused"),
    [
        ({"mounts": [{"type": "bind", "source": "/run", "target": "/r"}]}, True),
        ({"mounts": [{"type": "bind", "source": "/var/run/docker.sock", "target": "/s"}]}, True),
        ({"mounts": [{"type": "bind", "source": "/", "target": "/host"}]}, True),
        ({"mounts": [{"type": "bind", "source": "/run/docker.sock.d", "target": "/r"}]}, False),
        ({"mounts": [{"type": "volume", "source": "run", "target": "/r"}]}, False),
        ({"volumes": [{"volumeName": "run", "containerPath": "/run"}]}, False),
        ({"volumes": [{"hostPath": "/run/containerd/", "containerPath": "/c"}]}, True),
        ({}, False),
    ],
)
def test_a_mount_that_contains_the_engine_s_socket_is_refused(
    rules: dict[str, Any],
    props: dict[str, Any],
    refused: bool,  # noqa: FBT001 - a parameter
) -> None:
    assert bool(list(rules["no_engine_socket"](SimpleNamespace(props=props)))) is refused


@pytest.mark.parametrize("user", ["", "root", "0", "00:1000", "root:root"])
def test_every_name_of_root_is_refused(rules: dict[str, Any], user: str) -> None:
    assert list(rules["no_root"](SimpleNamespace(props={"user": user})))


@pytest.mark.parametrize("user", ["1000", "1000:0", "gix", "10"])
def test_every_other_user_is_accepted(rules: dict[str, Any], user: str) -> None:
    assert not list(rules["no_root"](SimpleNamespace(props={"user": user})))


@pytest.mark.parametrize(
    ("labels", "is_protected", "refused"),
    [
        ([], False, True),
        ([], True, False),
        # The edge's volume has only what the configuration has.
        ([{"label": "io.gix.edge", "value": "certificates"}], False, False),
    ],
)
def test_in_production_the_volume_of_the_ledger_must_be_protected(
    rules: dict[str, Any],
    monkeypatch: pytest.MonkeyPatch,
    labels: list[dict[str, str]],
    is_protected: bool,  # noqa: FBT001 - a parameter
    refused: bool,  # noqa: FBT001 - a parameter
) -> None:
    monkeypatch.setitem(rules["protected"].__globals__, "PRODUCTION", True)
    volume = SimpleNamespace(props={"labels": labels}, opts=SimpleNamespace(protect=is_protected))
    assert bool(list(rules["protected"](volume))) is refused
