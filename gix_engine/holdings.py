"""What a Docker engine holds, read from the records of its API.

An engine may leave out any field or list null for it. Each field is read here once and gets a default, so that
nothing else has to ask whether it is there.
"""

import ipaddress
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import docker
from docker.errors import NotFound

Labels = Mapping[str, str]


@dataclass(frozen=True, kw_only=True)
class EngineInfo:
    """The engine and its machine. `memory` is in bytes; `cpus` and `memory` are None where the engine does not say."""

    name: str = ""
    version: str = ""
    cpus: int | None = None
    memory: int | None = None
    directory: str = ""

    @property
    def release(self) -> tuple[int, ...] | None:
        """Major and minor version; None where the version has no such numbers."""
        match = re.match(r"(\d{1,4})\.(\d{1,4})", self.version, re.ASCII)
        return None if match is None else tuple(map(int, match.groups()))


@dataclass(frozen=True, kw_only=True)
class PublishedPort:
    """A port that a container publishes on the host. `address` is empty where the engine does not say."""

    address: str
    port: int
    protocol: str


@dataclass(frozen=True, kw_only=True)
class HeldContainer:
    """One container. `names` may be empty: a container that is being removed has none.

    `written_volumes` are the names of the volumes that it has mounted for writing.
    """

    id: str = ""
    names: tuple[str, ...] = ()
    state: str = ""
    labels: Labels = field(default_factory=dict)
    published: tuple[PublishedPort, ...] = ()
    written_volumes: frozenset[str] = frozenset()


@dataclass(frozen=True, kw_only=True)
class HeldNetwork:
    """One network. `subnets` are its IPv4 ranges; `device` is its bridge on the engine's machine."""

    name: str
    device: str
    labels: Labels = field(default_factory=dict)
    subnets: tuple[ipaddress.IPv4Network, ...] = ()


@dataclass(frozen=True, kw_only=True)
class Holdings:
    """What the engine holds. `local` says that it is this machine's; `volume_labels` is None without that volume.

    `own_volumes` are the names of the volumes with the stack's label.
    """

    local: bool
    info: EngineInfo
    containers: tuple[HeldContainer, ...] = ()
    networks: tuple[HeldNetwork, ...] = ()
    volume_labels: Labels | None = None
    own_volumes: tuple[str, ...] = ()

    @classmethod
    def observe(cls, client: docker.DockerClient, *, local: bool, volume: str, label: str) -> "Holdings":
        """Ask the engine; `label` is the stack's, with its value.

        Raises docker.errors.DockerException or OSError where it does not answer.
        """
        try:
            found = client.api.inspect_volume(volume)
        except NotFound:
            found = None
        return read(
            local=local,
            info=client.info(),
            containers=client.api.containers(all=True),
            networks=client.api.networks(),
            volume=found,
            own_volumes=client.api.volumes(filters={"label": label}).get("Volumes"),
        )


def read(
    *, local: bool, info: object, containers: object, networks: object, volume: object, own_volumes: object = None
) -> Holdings:
    """Make Holdings of the engine's records, whatever they are; what has no meaning is left out."""
    about = _record(info)
    return Holdings(
        local=local,
        info=EngineInfo(
            name=_text(about, "Name"),
            version=_text(about, "ServerVersion"),
            cpus=_count(about, "NCPU"),
            memory=_count(about, "MemTotal"),
            directory=_text(about, "DockerRootDir"),
        ),
        containers=tuple(map(_container, _records(containers))),
        networks=tuple(map(_network, _records(networks))),
        volume_labels=None if volume is None else _labels(_record(volume)),
        own_volumes=tuple(name for each in _records(own_volumes) if (name := _text(each, "Name"))),
    )


def _container(record: Mapping[str, Any]) -> HeldContainer:
    return HeldContainer(
        id=_text(record, "Id"),
        names=tuple(name.removeprefix("/") for name in _list(record.get("Names")) if isinstance(name, str) and name),
        state=_text(record, "State"),
        labels=_labels(record),
        published=tuple(
            PublishedPort(address=_text(each, "IP"), port=port, protocol=_text(each, "Type") or "tcp")
            for each in _records(record.get("Ports"))
            if (port := _count(each, "PublicPort")) is not None
        ),
        written_volumes=frozenset(_text(each, "Name") for each in _records(record.get("Mounts")) if each.get("RW")),
    )


def _network(record: Mapping[str, Any]) -> HeldNetwork:
    bridge = _text(_record(record.get("Options")), "com.docker.network.bridge.name")
    return HeldNetwork(
        name=_text(record, "Name"),
        device=bridge or f"br-{_text(record, 'Id')[:12]}",
        labels=_labels(record),
        subnets=tuple(_subnets(_record(record.get("IPAM")))),
    )


def _subnets(ipam: Mapping[str, Any]) -> Iterator[ipaddress.IPv4Network]:
    for pool in _records(ipam.get("Config")):
        try:
            # An engine lists the range as it was given, which may be the address of a host in it.
            yield ipaddress.IPv4Network(_text(pool, "Subnet"), strict=False)
        except ValueError:
            continue


def _record(value: object) -> Mapping[str, Any]:
    return value if isinstance(value, dict) else {}


def _list(value: object) -> list[Any]:
    return value if isinstance(value, list) else []


def _records(value: object) -> list[Mapping[str, Any]]:
    return [each for each in _list(value) if isinstance(each, dict)]


def _text(record: Mapping[str, Any], key: str) -> str:
    value = record.get(key)
    return value if isinstance(value, str) else ""


def _count(record: Mapping[str, Any], key: str) -> int | None:
    value = record.get(key)
    return value if isinstance(value, int) and not isinstance(value, bool) and value > 0 else None


def _labels(record: Mapping[str, Any]) -> dict[str, str]:
    return {
        key: value
        for key, value in _record(record.get("Labels")).items()
        if isinstance(key, str) and isinstance(value, str)
    }
