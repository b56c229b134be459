"""A copy of the program with its own stack on the real engine: free names, ports and subnet."""

import contextlib
import ipaddress
import itertools
import json
import secrets
import shutil
import socket
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

import docker
import yaml
from docker.errors import ImageNotFound

from gix_model.catalog import CATALOG
from gix_model.environment import STACK_LABEL
from gix_model.merging import merged
from tests.support import built_images, key_service
from tests.support.pulumi_cli import PulumiCli, Update
from tests.support.reservations import shared_reservations

PROGRAM = Path(__file__).parents[2]
LIBRARY = ("gix_components", "gix_engine", "gix_ledger", "gix_model")
"""The packages that the program imports."""
SERVICES: tuple[str, ...] = tuple(CATALOG)
QUICK_HEALTH = {"interval": "2s", "timeout": "2s", "startPeriod": "2s", "retries": 3}
QUICK_IMAGES = {"lto": "off", "pushBuilder": False}
"""Images that are built quickly. Tests of builds and registries set the keys that they are about."""


@dataclass
class StackUnderTest:
    """One stack. `config` is the content of its file, which `change` rewrites. `secrets` are encrypted in the file.

    Without a `passphrase`, a key service encrypts secrets: see tests.support.key_service.

    Only objects with this stack's label belong to it.
    """

    client: docker.DockerClient
    directory: Path
    name: str
    config: dict[str, Any]
    secrets: dict[str, str] = field(default_factory=dict)
    passphrase: str = ""
    _written: tuple[str, str] | None = None

    @property
    def prefix(self) -> str:
        return str(self.config["gix:prefix"])

    def write(self) -> None:
        """Write the stack's file. Secrets are encrypted only after a change, since each encryption takes a second."""
        file = self.directory / f"Pulumi.{self.name}.yaml"
        wanted = yaml.safe_dump([self.config, self.secrets])
        if self.secrets and file.exists() and self._written == (wanted, file.read_text()):
            return
        known = yaml.safe_load(file.read_text()) if file.exists() else {}
        file.write_text(yaml.safe_dump(known | {"config": self.config}))
        if self.secrets:
            self.pulumi.set_secrets(self.secrets)
        self._written = (wanted, file.read_text())

    def change(self, **sections: Any) -> None:
        """Change configuration keys: `change(router={"rustLog": "warn"})`."""
        self.config = merged(self.config, {f"gix:{section}": value for section, value in sections.items()})
        self.write()

    def take_own_source(self) -> None:
        """Build from a workspace that is not the bundled sample, which a takeover or adoption requires."""
        shutil.copytree(self.directory / "sample", self.directory / "workspace")
        self.change(source="workspace")

    @cached_property
    def pulumi(self) -> PulumiCli:
        (self.directory / "state").mkdir()
        variables = {"PULUMI_BACKEND_URL": f"file://{self.directory}/state"}
        if self.passphrase:
            variables["PULUMI_CONFIG_PASSPHRASE"] = self.passphrase
        else:
            variables |= key_service.VARIABLES
        pulumi = PulumiCli(directory=self.directory, stack=self.name, variables=variables)
        pulumi.initialize("passphrase" if self.passphrase else key_service.secrets_provider())
        return pulumi

    @property
    def variables(self) -> dict[str, str]:
        """The environment variables of the stack's commands, in addition to those of this process."""
        return self.pulumi.variables

    def up(self, *options: str) -> Update:
        self.write()
        self._note_images()
        try:
            return self.pulumi.up(*options)
        finally:
            self._note_images()

    def preview(self) -> Update:
        self.write()
        return self.pulumi.preview()

    def destroy(self) -> None:
        self.pulumi.destroy("--exclude-protected")

    def resources(self) -> list[dict[str, Any]]:
        """The resources in Pulumi's state."""
        file = self.directory / f"state/.pulumi/stacks/gix/{self.name}.json"
        recorded: list[dict[str, Any]] = json.loads(file.read_text())["checkpoint"]["latest"]["resources"]
        return recorded

    def recorded(self) -> str:
        """The back end's files of this stack as one text: state, history and backups."""
        files = (self.directory / "state").rglob("*")
        return "\n".join(file.read_text(errors="replace") for file in files if file.is_file())

    def outputs(self) -> dict[str, Any]:
        """The outputs of the stack. Those that are secret are encrypted."""
        [stack] = [each for each in self.resources() if each["type"] == "pulumi:pulumi:Stack"]
        outputs: dict[str, Any] = stack["outputs"]
        return outputs

    def container(self, service: str) -> dict[str, Any]:
        """What `docker inspect` shows of a service's container."""
        attrs: dict[str, Any] = self.client.containers.get(f"{self.prefix}-gix-{service}").attrs
        return attrs

    def ids(self) -> dict[str, str]:
        return {service: self.container(service)["Id"] for service in SERVICES}

    def endpoint(self, service: str) -> tuple[str, int]:
        host, _, port = self.outputs()["services"][service]["endpoint"].rpartition(":")
        return host, int(port)

    def leavings(self) -> dict[str, list[str]]:
        """The objects on the engine with this stack's label."""
        mine: dict[str, str | list[str] | bool] = {"label": f"{STACK_LABEL}=gix/{self.name}"}
        return {
            "containers": [str(each.name) for each in self.client.containers.list(all=True, filters=mine)],
            "networks": [str(each.name) for each in self.client.networks.list(filters=mine)],
            "volumes": [each.name for each in self.client.volumes.list(filters=mine)],
        }

    def remove(self) -> None:
        """Remove everything that this stack may have made, whatever its state."""
        for name in self.leavings()["containers"]:
            self.client.containers.get(name).remove(force=True)
        for name in self.leavings()["networks"]:
            self.client.networks.get(name).remove()
        for name in self.leavings()["volumes"]:
            self.client.volumes.get(name).remove()
        self._note_images()
        for tag in self._tags():
            built_images.remove_name(self.client, tag)

    def _tags(self) -> list[str]:
        """The tags of this stack's images. Without a prefix there are none, since other stacks could use them."""
        prefix = self.config.get("gix:prefix")
        return [f"{prefix}-gix-{service}:latest" for service in SERVICES] if prefix else []

    def _note_images(self) -> None:
        """Remember the ids of this stack's images, so that they can be removed after their tags have moved."""
        for tag in self._tags():
            with contextlib.suppress(ImageNotFound):
                built_images.note([str(self.client.images.get(tag).id)])


def program_copy(directory: Path) -> Path:
    """Copy the program to `directory`, where tests may edit it."""
    # With their modification times, the compiled files of Python stay valid.
    ignore = shutil.ignore_patterns("target")
    directory.mkdir(parents=True)
    for folder in (*LIBRARY, "infra", "sample"):
        shutil.copytree(PROGRAM / folder, directory / folder, ignore=ignore)
    for file in ("Pulumi.yaml", "__main__.py", "requirements.txt"):
        shutil.copy(PROGRAM / file, directory)
    if (PROGRAM / ".venv").exists():
        (directory / ".venv").symlink_to(PROGRAM / ".venv")
    return directory


_PORTS = range(12_000, 32_000)
"""Below the ephemeral ports of the kernel."""
_SUBNETS = range(200 * 256, 250 * 256)
"""The /24 networks from 10.200.0.0 to 10.249.255.0, by their second and third byte."""
_reserved_ports = shared_reservations("ports")
_reserved_subnets = shared_reservations("subnets")


def free_ports(count: int) -> list[int]:
    """Free loopback ports that no other test gets."""
    return [_reserved_ports.first_free(_from_anywhere(_PORTS), usable=is_free) for _ in range(count)]


def is_free(port: int) -> bool:
    """Whether a loopback port is free."""
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) != 0


def free_subnet(client: docker.DockerClient) -> str:
    """A /24 network that is free on the engine and that no other test gets."""
    taken = [
        ipaddress.ip_network(pool["Subnet"])
        for network in client.networks.list()
        for pool in (network.attrs["IPAM"]["Config"] or [])
        if "Subnet" in pool
    ]

    def usable(number: int) -> bool:
        return not any(_subnet(number).overlaps(other) for other in taken)

    return str(_subnet(_reserved_subnets.first_free(_from_anywhere(_SUBNETS), usable=usable)))


def _subnet(number: int) -> ipaddress.IPv4Network:
    return ipaddress.IPv4Network(f"10.{number // 256}.{number % 256}.0/24")


def _from_anywhere(numbers: range) -> Iterator[int]:
    """All of `numbers` from a random start, so that users without common reservations rarely collide."""
    start = secrets.randbelow(len(numbers))
    return itertools.chain(numbers[start:], numbers[:start])


def new_stack(client: docker.DockerClient, directory: Path, *, passphrase: str = "") -> StackUnderTest:
    """A stack that is not up yet, with quick builds and health checks, and its own names, ports and subnet."""
    ports = dict(zip(SERVICES, free_ports(len(SERVICES)), strict=True))
    name = f"t{secrets.token_hex(4)}"
    config: dict[str, Any] = {
        "gix:prefix": name,
        # The compiled dependencies are half a gigabyte to push.
        "gix:images": dict(QUICK_IMAGES),
        "gix:network": {"subnet": free_subnet(client)},
        "gix:ledger": {"protect": False},
        # Only the tests of rollouts need it: it takes a few seconds for each container that is replaced.
        "gix:rollout": {"trial": False},
        "gix:defaults": {"bindAddress": "127.0.0.1", "healthCheck": QUICK_HEALTH},
    } | {f"gix:{service}": {"hostPort": port} for service, port in ports.items()}
    stack = StackUnderTest(
        client=client, directory=program_copy(directory), name=name, config=config, passphrase=passphrase
    )
    stack.write()
    return stack


@contextlib.contextmanager
def temporary_stack(client: docker.DockerClient, directory: Path) -> Iterator[StackUnderTest]:
    """A stack from `new_stack`. The end of the block removes everything that it has made."""
    stack = new_stack(client, directory)
    try:
        yield stack
    finally:
        stack.remove()
