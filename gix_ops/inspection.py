"""The engine's records of containers and networks, as the fields of `gix_ops.fields`."""

import re
from collections.abc import Callable
from typing import Any

from gix_model import container_inputs, input_texts
from gix_model.container_inputs import INPUTS, Record, as_list
from gix_ops import fields
from gix_ops.fields import Fields, Sealed, Value

SHOWN = frozenset(row.name for row in INPUTS.values() if row.observed is not None)
"""The inputs of a container that the engine's record shows."""
_NETWORK: dict[str, Callable[[Record], Any]] = {
    "name": lambda found: found["Name"],
    "driver": lambda found: found["Driver"],
    "ipamDriver": lambda found: (found.get("IPAM") or {}).get("Driver"),
    "ipamConfigs": lambda found: [
        {name.lower(): value for name, value in pool.items()} for pool in (found.get("IPAM") or {}).get("Config") or []
    ],
    "internal": lambda found: found.get("Internal") or None,
    "attachable": lambda found: found.get("Attachable") or None,
    "ipv6": lambda found: found.get("EnableIPv6") or None,
    "labels": lambda found: as_list(found.get("Labels"), "label", "value"),
}
SHOWN_OF_NETWORK = frozenset(_NETWORK)
"""The inputs of a network that the engine's record shows."""

_LIMITS_WITHOUT_INPUT = {"PidsLimit": "limit on processes", "BlkioWeight": "weight of input and output"}
"""Limits in the engine's record that no input sets."""


def container(found: Record, image: Record) -> Fields:
    """The fields of a container. Anonymous volumes that its image declares are left out.

    `found` and `image` are the engine's records of both; `image` is empty if the image no longer exists. Each
    environment variable counts as a secret: the engine does not say which ones are.
    """
    volumes = (image.get("Config") or {}).get("Volumes") or {}
    mounts = [
        each
        for each in found["Mounts"]
        if each["Destination"] not in volumes
        or each["Type"] != "volume"
        or not re.fullmatch("[0-9a-f]{64}", each.get("Name") or "")
    ]
    limits = ((key, found["HostConfig"].get(key)) for key in _LIMITS_WITHOUT_INPUT)
    return _read({**found, "Mounts": mounts}) | {
        key: {_LIMITS_WITHOUT_INPUT[key]: Value(input_texts.plain(limit))} for key, limit in limits if limit
    }


def inherited(image: Record) -> dict[str, Value]:
    """The fields that a container has from its image if it does not set them itself."""
    return fields.flat(_read({"Config": image.get("Config")}))


def network(found: Record) -> Fields:
    """The fields of a network."""
    return fields.read({name: read(found) for name, read in _NETWORK.items()})


def _read(record: Record) -> Fields:
    observed = container_inputs.observed(record)
    return fields.read(observed | {"envs": [Sealed(variable) for variable in observed["envs"] or []]})
