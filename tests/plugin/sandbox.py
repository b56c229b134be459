"""What a test makes on the engine: names, ports, subnets and images of its own, and their removal."""

import contextlib
import io
import socket
import tarfile
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Final

import docker
from docker.errors import APIError, NotFound
from docker.models.containers import Container
from docker.types import IPAMConfig, IPAMPool

from tests.support.stack_under_test import free_ports, free_subnet

_APPLETS: Final = ("cat", "false", "httpd", "ls", "sh", "sleep", "touch", "true", "wget")


class Sandbox:
    """A corner of the engine for one test. Everything in it has a name that begins with `prefix`."""

    def __init__(self, client: docker.DockerClient, base: str) -> None:
        self.client = client
        self.base = base
        self.prefix = f"gixt-{uuid.uuid4().hex[:8]}"

    def name(self, part: str) -> str:
        return f"{self.prefix}-{part}"

    def container(self, part: str) -> Container:
        return self.client.containers.get(self.name(part))

    def container_names(self) -> set[str]:
        found = self.client.api.containers(all=True, filters={"name": self.prefix})
        return {name.removeprefix(f"/{self.prefix}-") for container in found for name in container["Names"]}

    def shown(self, part: str, *command: str) -> bytes:
        """What a command in a container prints."""
        output = self.container(part).exec_run(list(command)).output
        assert isinstance(output, bytes)
        return output

    def inspect(self, part: str) -> dict[str, Any]:
        attributes: dict[str, Any] = self.container(part).attrs
        return attributes

    def subnet(self) -> str:
        """A /24 that no network of the engine has, and which no other test is given."""
        return free_subnet(self.client)

    def write_image(self, directory: Path, *, content: str = "one", extra: str = "") -> Path:
        """A build context of one file, whose image runs until it is stopped."""
        directory.mkdir(parents=True, exist_ok=True)
        (directory / "content").write_text(content)
        lines = (f"FROM {self.base}", f"LABEL {self.prefix}=1", "COPY content /content", extra)
        (directory / "Dockerfile").write_text("\n".join(lines))
        return directory

    def remove(self) -> None:
        """Take away all that has the prefix or, if it is an image, the label."""
        api = self.client.api
        named = api.containers(all=True, filters={"name": self.prefix})
        # The first generation's builder leaves a container, with a name of its own, of a build that was cut off.
        labelled = api.containers(all=True, filters={"label": self.prefix})
        for container in named + labelled:
            _quietly(api.remove_container, container["Id"], force=True, v=True)
        for network in api.networks(names=[self.prefix]):
            _quietly(api.remove_network, network["Id"])
        for volume in api.volumes(filters={"name": self.prefix})["Volumes"] or []:
            _quietly(api.remove_volume, volume["Name"], force=True)
        for image in api.images(filters={"label": self.prefix}, all=False):
            _quietly(api.remove_image, image["Id"], force=True)


def make_base(client: docker.DockerClient, name: str, busybox: str) -> None:
    """Import an image that holds nothing but BusyBox."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as rootfs:
        rootfs.add(Path(busybox).resolve(), "bin/busybox")
        for applet in _APPLETS:
            link = tarfile.TarInfo(f"bin/{applet}")
            link.type, link.linkname = tarfile.SYMTYPE, "busybox"
            rootfs.addfile(link)
        for directory in ("tmp", "data", "other"):
            entry = tarfile.TarInfo(directory)
            entry.type, entry.mode = tarfile.DIRTYPE, 0o777
            rootfs.addfile(entry)
    client.api.import_image_from_data(
        buffer.getvalue(),
        repository=name.partition(":")[0],
        tag=name.partition(":")[2],
        changes=['CMD ["sleep","600"]'],
    )


@contextlib.contextmanager
def listening_port() -> Iterator[int]:
    """A loopback port that is taken."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen()
        yield int(listener.getsockname()[1])


def ipam(subnet: str) -> IPAMConfig:
    """Address management of a network made by hand."""
    return IPAMConfig(pool_configs=[IPAMPool(subnet=subnet)])


def free_port() -> int:
    """A loopback port that is free, and which no other test is given."""
    return free_ports(1)[0]


def _quietly(action: Callable[..., Any], *arguments: Any, **options: Any) -> None:
    with contextlib.suppress(NotFound, APIError):
        action(*arguments, **options)
