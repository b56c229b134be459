"""The observed state of a Docker engine: what it has, typed and with ids. Everything else reads it from here.

`observe` lists the containers, networks and volumes once, `observe_images` the images. The `inspect_...` functions
return the engine's whole record of one object, for code that compares every field.

An engine may leave out any field of a record, or send null for it. Each field is read here once and has a default, so
that no other code checks whether it is present.
"""

import ipaddress
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import docker
from docker.errors import NotFound

from gix_model.environment import EDGE_LABEL, HELPER_LABEL, SERVICE_LABEL, STACK_LABEL

Labels = Mapping[str, str]
Record = Mapping[str, Any]
"""An object as the engine's API returns it."""

TASK_LABEL = "com.docker.swarm.task.id"
"""Label of a container that Swarm runs: the id of its task."""
_ANYWHERE = frozenset({"0.0.0.0", "::", ""})  # noqa: S104 - compared, not bound
_SHORT_ID = 12


@dataclass(frozen=True, kw_only=True)
class EngineInfo:
    """The engine and its machine. `memory` is in bytes; `cpus` and `memory` are None if the engine does not say."""

    id: str = ""
    name: str = ""
    version: str = ""
    cpus: int | None = None
    memory: int | None = None
    directory: str = ""
    """The engine's data directory on its machine."""
    is_manager: bool = False
    """Whether it manages a Swarm."""

    @property
    def release(self) -> tuple[int, ...] | None:
        """Major and minor version; None if the version has no such numbers."""
        match = re.match(r"(\d{1,4})\.(\d{1,4})", self.version, re.ASCII)
        return None if match is None else tuple(map(int, match.groups()))


@dataclass(frozen=True, kw_only=True)
class PublishedPort:
    """A port that a container publishes on the host. `address` is empty if the engine does not say."""

    address: str
    port: int
    protocol: str

    def collides(self, address: str, port: int) -> bool:
        """Whether a TCP port at this address of the host is the same one, or one on all addresses."""
        same_address = self.address == address or not _ANYWHERE.isdisjoint((self.address, address))
        return self.protocol == "tcp" and self.port == port and same_address


@dataclass(frozen=True, kw_only=True)
class _Labelled:
    labels: Labels = field(default_factory=dict)

    @property
    def stack(self) -> str | None:
        """PROJECT/STACK of the stack that created it; None if no stack did."""
        return self.labels.get(STACK_LABEL)


@dataclass(frozen=True, kw_only=True)
class ObservedContainer(_Labelled):
    """A container. `names` may be empty: a container that is being removed has none."""

    id: str = ""
    names: tuple[str, ...] = ()
    state: str = ""
    """created, running, paused, restarting, removing, exited or dead."""
    image_id: str = ""
    published: tuple[PublishedPort, ...] = ()
    volumes: frozenset[str] = frozenset()
    """Names of the volumes that it mounts."""
    written_volumes: frozenset[str] = frozenset()
    """Names of the volumes that it mounts for writing."""

    @property
    def name(self) -> str:
        """Its first name, or its short id if it has none."""
        return next(iter(self.names), self.id[:_SHORT_ID]) or "(no name)"

    @property
    def is_running(self) -> bool:
        """Whether it has processes. They may be paused."""
        return self.state in ("running", "paused", "restarting")

    @property
    def service(self) -> str | None:
        """The service that it runs; None if its stack runs no service in it."""
        return self.labels.get(SERVICE_LABEL)

    @property
    def is_task(self) -> bool:
        """Whether Swarm runs it."""
        return TASK_LABEL in self.labels

    @property
    def helper(self) -> str | None:
        """What it is for (backup, restore, look, trial); None if it is no helper."""
        return self.labels.get(HELPER_LABEL)


@dataclass(frozen=True, kw_only=True)
class ObservedNetwork(_Labelled):
    """A network. `subnets` are its IPv4 ranges; `device` is its bridge on the engine's machine."""

    id: str = ""
    name: str = ""
    device: str = ""
    subnets: tuple[ipaddress.IPv4Network, ...] = ()


@dataclass(frozen=True, kw_only=True)
class ObservedVolume(_Labelled):
    """A volume. A volume has no id: its name and its time of creation identify it."""

    name: str
    created: str = ""

    @property
    def keeps_ledger(self) -> bool:
        """Whether it is, or was, the volume of a ledger. The edge has a volume for its certificate."""
        return EDGE_LABEL not in self.labels


@dataclass(frozen=True, kw_only=True)
class ObservedImage:
    """An image with its tags, REPOSITORY:TAG."""

    id: str
    tags: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True)
class ObservedState:
    """What an engine had when it was observed. `local` says that the engine runs on this machine."""

    local: bool = False
    info: EngineInfo = field(default_factory=EngineInfo)
    containers: tuple[ObservedContainer, ...] = ()
    networks: tuple[ObservedNetwork, ...] = ()
    volumes: tuple[ObservedVolume, ...] = ()

    def created_by(self, stack: str) -> "ObservedState":
        """The part that carries the label of `stack`, PROJECT/STACK; all of it, also what Pulumi does not record."""
        return ObservedState(
            local=self.local,
            info=self.info,
            containers=tuple(each for each in self.containers if each.stack == stack),
            networks=tuple(each for each in self.networks if each.stack == stack),
            volumes=tuple(each for each in self.volumes if each.stack == stack),
        )

    def container(self, *keys: str) -> ObservedContainer | None:
        """The container that has the first of `keys` for which there is one, as its id or as a name."""
        return next((each for key in keys for each in self.containers if key in (each.id, *each.names)), None)

    def network(self, *keys: str) -> ObservedNetwork | None:
        """The network that has the first of `keys` for which there is one, as its id or as its name."""
        return next((each for key in keys for each in self.networks if key in (each.id, each.name)), None)

    def volume(self, name: str) -> ObservedVolume | None:
        """The volume `name`; None if the engine does not have it."""
        return next((each for each in self.volumes if each.name == name), None)


def observe(client: docker.DockerClient, *, local: bool = False) -> ObservedState:
    """List what the engine has, whoever made it.

    Raises docker.errors.DockerException or OSError if the engine does not answer.
    """
    return read(
        local=local,
        info=client.info(),
        containers=client.api.containers(all=True),
        networks=client.api.networks(),
        volumes=client.api.volumes().get("Volumes"),
    )


def name(client: docker.DockerClient) -> str:
    """The host name of the engine's machine; raises as `observe` does."""
    return _text(client.info(), "Name")


def observe_images(client: docker.DockerClient) -> tuple[ObservedImage, ...]:
    """List the images that the engine has; raises as `observe` does."""
    return tuple(
        ObservedImage(id=_text(each, "Id"), tags=tuple(_texts(each.get("RepoTags"))))
        for each in _records(client.api.images())
    )


def inspect_container(client: docker.DockerClient, key: str) -> Record | None:
    """The engine's record of the container with this id or name; None if there is none. Raises as `observe` does."""
    return _inspected(client.api.inspect_container, key)


def inspect_network(client: docker.DockerClient, key: str) -> Record | None:
    """The engine's record of the network with this id or name; None if there is none. Raises as `observe` does."""
    return _inspected(client.api.inspect_network, key)


def inspect_volume(client: docker.DockerClient, name: str) -> Record | None:
    """The engine's record of a volume; None if there is none. Raises as `observe` does."""
    return _inspected(client.api.inspect_volume, name)


def inspect_image(client: docker.DockerClient, reference: str) -> Record | None:
    """The engine's record of the image with this id, tag or digest; None if there is none. Raises as `observe` does."""
    return _inspected(client.api.inspect_image, reference)


def _inspected(inspect: Callable[[str], Any], key: str) -> Record | None:
    try:
        record: Record = inspect(key)
    except NotFound:
        return None
    return record


def read(*, local: bool, info: object, containers: object, networks: object, volumes: object) -> ObservedState:
    """Make the observed state of the engine's records, whatever they hold; what has no meaning is left out."""
    about = _record(info)
    return ObservedState(
        local=local,
        info=EngineInfo(
            id=_text(about, "ID"),
            name=_text(about, "Name"),
            version=_text(about, "ServerVersion"),
            cpus=_count(about, "NCPU"),
            memory=_count(about, "MemTotal"),
            directory=_text(about, "DockerRootDir"),
            is_manager=_record(about.get("Swarm")).get("ControlAvailable") is True,
        ),
        containers=tuple(map(container, _records(containers))),
        networks=tuple(map(network, _records(networks))),
        volumes=tuple(map(volume, _records(volumes))),
    )


def container(record: Record) -> ObservedContainer:
    """Read a container from its record in a list of containers."""
    mounts = [each for each in _records(record.get("Mounts")) if _text(each, "Name")]
    return ObservedContainer(
        id=_text(record, "Id"),
        names=tuple(name.removeprefix("/") for name in _texts(record.get("Names"))),
        state=_text(record, "State"),
        labels=_labels(record),
        image_id=_text(record, "ImageID"),
        published=tuple(
            PublishedPort(address=_text(each, "IP"), port=port, protocol=_text(each, "Type") or "tcp")
            for each in _records(record.get("Ports"))
            if (port := _count(each, "PublicPort")) is not None
        ),
        volumes=frozenset(_text(each, "Name") for each in mounts),
        written_volumes=frozenset(_text(each, "Name") for each in mounts if each.get("RW")),
    )


def network(record: Record) -> ObservedNetwork:
    """Read a network from its record."""
    bridge = _text(_record(record.get("Options")), "com.docker.network.bridge.name")
    return ObservedNetwork(
        id=_text(record, "Id"),
        name=_text(record, "Name"),
        device=bridge or f"br-{_text(record, 'Id')[:_SHORT_ID]}",
        labels=_labels(record),
        subnets=tuple(_subnets(_record(record.get("IPAM")))),
    )


def volume(record: Record) -> ObservedVolume:
    """Read a volume from its record."""
    return ObservedVolume(name=_text(record, "Name"), created=_text(record, "CreatedAt"), labels=_labels(record))


def _subnets(ipam: Record) -> Iterator[ipaddress.IPv4Network]:
    for pool in _records(ipam.get("Config")):
        try:
            # An engine lists the range as it was given, which may be the address of a host in it.
            yield ipaddress.IPv4Network(_text(pool, "Subnet"), strict=False)
        except ValueError:
            continue


def _record(value: object) -> Record:
    return value if isinstance(value, dict) else {}


def _list(value: object) -> list[Any]:
    return value if isinstance(value, list) else []


def _records(value: object) -> list[Record]:
    return [each for each in _list(value) if isinstance(each, dict)]


def _texts(value: object) -> list[str]:
    return [each for each in _list(value) if isinstance(each, str) and each]


def _text(record: Record, key: str) -> str:
    value = record.get(key)
    return value if isinstance(value, str) else ""


def _count(record: Record, key: str) -> int | None:
    value = record.get(key)
    return value if isinstance(value, int) and not isinstance(value, bool) and value > 0 else None


def _labels(record: Record) -> dict[str, str]:
    return {
        key: value
        for key, value in _record(record.get("Labels")).items()
        if isinstance(key, str) and isinstance(value, str)
    }
