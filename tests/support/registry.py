"""A registry that requires a log-in."""

import base64
import json
import shutil
import subprocess
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import docker

from tests.support import built_images
from tests.support.stack_under_test import StackUnderTest, free_ports

USERNAME: Final = "gix"
PASSWORD: Final = "right-password"  # noqa: S105 - of a registry that lives as long as a test
_HASHED: Final = "$2y$05$Z/lKzriCDhzxi14kQa9xru0EoFQV0XpIqaPZAnjCs1xPWUFBfMayK"
_PASSWORD_FILE: Final = f"{USERNAME}:{_HASHED}\n"
_START_SECONDS: Final = 20.0


@dataclass(frozen=True)
class Registry:
    """A running registry."""

    address: str
    log: Path

    def requests(self) -> int:
        """The number of requests that it has answered."""
        return self.log.read_text(errors="replace").count('"http.request.method"') + self.log.read_text(
            errors="replace"
        ).count("http.request.method=")

    def login(self, directory: Path) -> Path:
        """Write the file that `docker login` would write."""
        directory.mkdir(exist_ok=True)
        token = base64.b64encode(f"{USERNAME}:{PASSWORD}".encode()).decode()
        file = directory / "config.json"
        file.write_text(json.dumps({"auths": {self.address: {"auth": token}}}))
        return file


def registry_command(directory: Path, address: str, data: Path, *, login: bool = True) -> list[str]:
    """The command that runs Debian's docker-registry. Writes its configuration to `directory`."""
    command = shutil.which("docker-registry")
    if command is None:
        raise AssertionError("these tests need a registry: install Debian's docker-registry")
    (directory / "htpasswd").write_text(_PASSWORD_FILE)
    (directory / "config.yml").write_text(
        "\n".join(
            (
                "version: 0.1",
                "log: {level: info}",
                f"storage: {{filesystem: {{rootdirectory: {data}}}}}",
                f"http: {{addr: '{address}'}}",
                *([f"auth: {{htpasswd: {{realm: test, path: {directory}/htpasswd}}}}"] if login else []),
            )
        )
    )
    return [command, "serve", str(directory / "config.yml")]


@contextmanager
def running_registry(directory: Path) -> Iterator[Registry]:
    """Run a registry on loopback for the time of the block."""
    address = f"127.0.0.1:{free_ports(1)[0]}"
    log = directory / "log"
    with log.open("w") as output:
        process = subprocess.Popen(
            registry_command(directory, address, directory / "data"), stdout=output, stderr=output
        )
    try:
        _wait_until_it_answers(f"http://{address}/v2/", process)
        yield Registry(address, log)
    finally:
        process.terminate()
        process.wait(10)


def _wait_until_it_answers(url: str, process: "subprocess.Popen[bytes]") -> None:
    deadline = time.monotonic() + _START_SECONDS
    while time.monotonic() < deadline and process.poll() is None:
        try:
            urllib.request.urlopen(url, timeout=1)  # noqa: S310 - loopback, http
        except urllib.error.HTTPError:
            return
        except OSError:
            time.sleep(0.05)
    raise AssertionError(f"the registry did not answer at {url}")


def log_in(stack: StackUnderTest, registry: Registry, password: str = PASSWORD) -> None:
    """Configure the stack to use the registry."""
    stack.change(registry={"address": registry.address, "username": USERNAME})
    stack.secrets["gix:registry.password"] = password


def remove_pulled(client: docker.DockerClient, registry: Registry) -> None:
    """Remove the names that the registry's images have on the engine."""
    for image in client.api.images():
        for name in (*(image["RepoTags"] or []), *(image["RepoDigests"] or [])):
            if name.startswith(f"{registry.address}/"):
                built_images.remove_name(client, name)


def digests(stack: StackUnderTest) -> dict[str, str]:
    """The digest of each service's image, from the stack's outputs."""
    return {service: each["digest"] for service, each in stack.outputs()["services"].items()}
