"""What one run of the change matrix uses: a stack, a registry, an engine behind TLS, another base image and source."""

import os
import shutil
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import docker
import yaml

from tests.engine.changes import put
from tests.support import built_images
from tests.support.engine_at_port import certificates, proxy, server_context
from tests.support.registry import PASSWORD, USERNAME, running_registry
from tests.support.stack_under_test import StackUnderTest, free_ports, free_subnet, new_stack

EDITED_LINE = "edited and ready"


@dataclass(frozen=True, kw_only=True)
class Site:
    """What one run of the matrix uses. `prefixes` and `subnets` hold the first, the changed and the default value."""

    prefixes: tuple[str, str, str]
    subnets: tuple[str, str, str]
    metrics_ports: tuple[int, int]
    sealed: Mapping[str, Any]
    base: str
    registry: str
    engine: str
    certificates: str

    def log_in(self) -> dict[str, Any]:
        """The value of the key `registry` for this site's registry."""
        return {"address": self.registry, "username": USERNAME, "password": self.sealed["password"]}


@contextmanager
def new_site(client: docker.DockerClient, directory: Path) -> Iterator[tuple[StackUnderTest, Site]]:
    """A new stack for the matrix. Everything that it has made is removed at the end of the block.

    Where other stacks may use the real default of a key, this copy of the program has another default.
    """
    stack = new_stack(client, directory / "gix")
    name = stack.name
    subnets = {stack.config["gix:network"]["subnet"]}
    while len(subnets) < 3:
        subnets.add(free_subnet(client))
    one, two, three = sorted(subnets)
    _replace(stack.directory / "gix_model/settings.py", '"172.28.0.0/16", desc', f'"{three}", desc')
    project = yaml.safe_load((stack.directory / "Pulumi.yaml").read_text())
    project["config"]["prefix"]["default"] = f"{name}c"
    (stack.directory / "Pulumi.yaml").write_text(yaml.safe_dump(project))
    keys = certificates(directory / "certificates")
    (directory / "registry").mkdir()
    with ExitStack() as stop:
        registry = stop.enter_context(running_registry(directory / "registry")).address
        port = stop.enter_context(proxy(client, server_context(keys, verify_clients=False)))
        first, second = free_ports(2)
        try:
            yield (
                stack,
                Site(
                    prefixes=(name, f"{name}b", f"{name}c"),
                    subnets=(one, two, three),
                    metrics_ports=(first, second),
                    sealed=_seal(stack, {"first": "one", "second": "two", "password": PASSWORD}),
                    base=_other_base(client, f"{name}-base:1.0"),
                    registry=registry,
                    engine=f"tcp://127.0.0.1:{port}",
                    certificates=str(keys),
                ),
            )
        finally:
            put(stack.config, "prefix", name)
            stack.remove()
            for image in client.api.images():
                for tag in (*(image["RepoTags"] or []), *(image["RepoDigests"] or [])):
                    # Removing the last tag of an image removes its digests.
                    if tag.startswith((name, f"{registry}/")):
                        built_images.remove_name(client, tag)


def _replace(file: Path, old: str, new: str) -> None:
    text = file.read_text()
    assert text.count(old) == 1, f"{file} has {text.count(old)} times {old}"
    file.write_text(text.replace(old, new))


def _seal(stack: StackUnderTest, plain: Mapping[str, str]) -> dict[str, Any]:
    stack.pulumi.set_secrets({f"gix:{name}": value for name, value in plain.items()})
    config = yaml.safe_load((stack.directory / f"Pulumi.{stack.name}.yaml").read_text())["config"]
    return {name: config[f"gix:{name}"] for name in plain}


def runtime_base() -> str:
    """The base image of the services on this machine."""
    return os.environ.get("GIX_RUNTIME_BASE", "debian:bookworm-slim")


def edited_source(stack: StackUnderTest) -> None:
    """Make a second workspace, `edited`, whose router prints another line."""
    shutil.copytree(stack.directory / "sample", stack.directory / "edited")
    _replace(stack.directory / "edited/crates/ajr-router/src/main.rs", '"ready on port', f'"{EDITED_LINE} on port')


def _other_base(client: docker.DockerClient, name: str) -> str:
    """A runtime base that differs from the machine's by a label."""
    base = client.containers.create(runtime_base())
    try:
        base.commit(*name.split(":"), changes="LABEL base=other")
    finally:
        base.remove()
    return name
