"""What the official plugin recorded of the programs in `test_record.py` and `test_swarm.py`."""

import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

_FILE: Final = Path(__file__).with_name("official_record.json")

WRITE: Final = "GIX_WRITE_RECORD"
"""The variable of the environment with which a test of the official plugin writes the record, and compares nothing."""

_OF_THIS_RUN: Final = {
    "volume": {"id", "name", "mountpoint"},
    "image": {"imageName", "baseImageName", "repoDigest", "__inputs"},
    "network": {"id", "name"},
    "container": {"id", "name", "image", "command", "hostname"},
    "secret": {"id", "name", "data"},
    "serviceConfig": {"id", "name"},
    "service": {"id", "name"},
}
"""Properties whose values no two runs share."""

_VARYING: Final = {
    *("subnet", "networkName", "volumeName", "contextDigest", "external", "tests"),
    *("configId", "configName", "id", "image", "secretId", "secretName", "source"),
    "com.docker.network.driver.overlay.vxlanid_list",
}
"""The same, inside a property: their values are left out, not their presence."""

_ADDRESSES: Final = {"gateway", "ipAddress", "macAddress"}

_DERIVED: Final = "__pulumi_raw_state_delta"
"""An output that the official plugin makes of the others wherever it is missing."""


def require_as_official(state: Mapping[str, Mapping[str, Any]]) -> None:
    """Require of each resource the inputs after Check and the outputs that the official plugin 5.2.0 recorded.

    Args:
        state: the resources after one `pulumi up`, by name in the program.

    """
    record: dict[str, Any] = json.loads(_FILE.read_text())
    if os.environ.get(WRITE):
        _FILE.write_text(json.dumps(record | {name: _written(each) for name, each in state.items()}, indent=1) + "\n")
        return
    assert state.keys() <= record.keys()
    for name, resource in state.items():
        kind = resource["type"].split("/")[-1].split(":")[0]
        for side in ("inputs", "outputs"):
            ours, theirs = resource[side], record[name][side]
            assert sorted(set(ours) - {_DERIVED}) == sorted(theirs), f"{name} {side}"
            for key in set(theirs) - _OF_THIS_RUN[kind]:
                assert _comparable(ours[key]) == _comparable(theirs[key]), f"{name} {side} {key}"


def _written(resource: Mapping[str, Any]) -> dict[str, Any]:
    outputs = {key: value for key, value in resource["outputs"].items() if key != _DERIVED}
    return {"type": resource["type"], "id": resource["id"], "inputs": resource["inputs"], "outputs": outputs}


def _comparable(value: Any) -> Any:
    if isinstance(value, list):
        items = [_comparable(item) for item in value]
        # The official plugin orders a set of objects by numbers that it derives from all values, also of this run.
        return sorted(items, key=json.dumps) if any(isinstance(item, dict) for item in items) else items
    if not isinstance(value, dict):
        return value
    hidden = {
        key: "..."
        for key, item in value.items()
        if key in _VARYING or (key in _ADDRESSES and item) or (key == "name" and "aliases" in value)
    }
    return {key: hidden.get(key, _comparable(item)) for key, item in value.items()}
