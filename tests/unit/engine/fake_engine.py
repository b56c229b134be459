"""An engine in memory: the calls of the API that observe and remove objects."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, cast

import docker
from docker.errors import NotFound

Records = dict[str, dict[str, Any]]


@dataclass
class FakeEngine:
    """Objects by id, a volume by its name. `calls` are the changes that were asked for, in order."""

    all_containers: Records = field(default_factory=dict)
    all_networks: Records = field(default_factory=dict)
    all_volumes: Records = field(default_factory=dict)
    calls: list[tuple[str, str]] = field(default_factory=list)

    @property
    def client(self) -> docker.DockerClient:
        """A client of this engine."""
        return cast("docker.DockerClient", self)

    @property
    def api(self) -> "FakeEngine":
        return self

    def add_container(self, id_: str, name: str, *volumes: str, state: str = "running", **labels: str) -> None:
        self.all_containers[id_] = {
            "Id": id_,
            "Names": [f"/{name}"],
            "State": state,
            "Labels": _labels(labels),
            "Mounts": [{"Type": "volume", "Name": volume, "RW": True} for volume in volumes],
        }

    def add_network(self, id_: str, name: str, **labels: str) -> None:
        self.all_networks[id_] = {"Id": id_, "Name": name, "Labels": _labels(labels)}

    def add_volume(self, name: str, created: str = "2026-01-02T03:04:05Z", **labels: str) -> None:
        self.all_volumes[name] = {"Name": name, "CreatedAt": created, "Labels": _labels(labels)}

    def info(self) -> dict[str, Any]:
        return {"ID": "fake", "ServerVersion": "28.0.0"}

    def containers(self, *, all: bool) -> list[dict[str, Any]]:  # noqa: A002 - the SDK's name
        assert all
        return list(self.all_containers.values())

    def networks(self) -> list[dict[str, Any]]:
        return list(self.all_networks.values())

    def volumes(self) -> dict[str, Any]:
        return {"Volumes": list(self.all_volumes.values())}

    def inspect_container(self, key: str) -> dict[str, Any]:
        record = _found(self.all_containers, key)
        return {"Id": record["Id"], "Name": record["Names"][0], "Labels": record["Labels"]}

    def inspect_volume(self, name: str) -> dict[str, Any]:
        return _found(self.all_volumes, name)

    def stop(self, id_: str, timeout: int) -> None:
        _found(self.all_containers, id_)
        self.calls.append((f"stop within {timeout} s", id_))

    def remove_container(self, id_: str, *, force: bool) -> None:
        _remove(self.all_containers, id_)
        self.calls.append(("kill and remove" if force else "remove", id_))

    def remove_network(self, id_: str) -> None:
        _remove(self.all_networks, id_)
        self.calls.append(("remove", id_))

    def remove_volume(self, name: str) -> None:
        _remove(self.all_volumes, name)
        self.calls.append(("remove", name))


def _labels(labels: Mapping[str, str]) -> dict[str, str]:
    return {f"io.gix.{name}": value for name, value in labels.items()}


def _found(records: Records, key: str) -> dict[str, Any]:
    if key not in records:
        raise NotFound(f"no such object: {key}")
    return records[key]


def _remove(records: Records, key: str) -> None:
    _found(records, key)
    del records[key]
