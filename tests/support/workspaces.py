"""Small Cargo workspaces without third-party crates, built with the Dockerfile of all services and run."""

import os
import subprocess
import tempfile
import textwrap
from dataclasses import dataclass
from pathlib import Path

import docker

from gix_model.catalog import CATALOG, ServiceName
from tests.support import built_images
from tests.support.stack_under_test import PROGRAM

DOCKERFILE = PROGRAM / "infra/docker/Dockerfile.rust-builder"

_MANIFEST = '[package]\nname = "{name}"\nversion = "0.1.0"\nedition = "2021"\n'


class BuildError(Exception):
    """A build that failed. Its text is the build's output."""


@dataclass
class SmallWorkspace:
    """A workspace with a crate for each service, and crates that they use.

    Each service prints the texts of the crate `common`, and then its own.
    """

    client: docker.DockerClient
    directory: Path

    def create(self) -> None:
        """Write the workspace: `common` and the crates of the services."""
        self.write("Cargo.toml", '[workspace]\nresolver = "2"\nmembers = ["crates/*"]\n')
        self.crate("common", 'pub fn text() -> String { "common".into() }\n')
        for spec in CATALOG.values():
            program = f'fn main() {{ println!("{{}} {spec.name}", common::text()); }}\n'
            self.crate(spec.binary, program, "common", main=True)

    def crate(self, name: str, code: str, *dependencies: str, main: bool = False) -> None:
        """Write a crate. A dependency is the name of a crate, with its features in brackets if there are any."""
        lines = [_MANIFEST.format(name=name), "[dependencies]\n"]
        for each in dependencies:
            dependency, _, features = each.rstrip("]").partition("[")
            lines.append(f'{dependency} = {{ path = "../{dependency}", features = [{features}] }}\n')
        self.write(f"crates/{name}/Cargo.toml", "".join(lines))
        self.write(f"crates/{name}/src/{'main' if main else 'lib'}.rs", code)

    def write(self, path: str, text: str) -> None:
        """Write a file."""
        file = self.directory / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(textwrap.dedent(text))

    def run(self, service: ServiceName, **build_args: str) -> str:
        """Build the image of a service, run it, and return what it prints. Raises BuildError if it does not build."""
        image = build(self.directory, DOCKERFILE, CATALOG[service].target, **build_args)
        container = self.client.containers.run(image, detach=True)
        try:
            container.wait()
            return bytes(container.logs(stderr=False)).decode().strip()
        finally:
            # With the anonymous volume of the auction's image.
            container.remove(force=True, v=True)


def build(workspace: Path, dockerfile: Path, target: str, **build_args: str) -> str:
    """Build a stage without link-time optimization, and return the id of its image.

    The build cache keeps its layers. Raises BuildError if it does not build.
    """
    bases = {
        base: os.environ[f"GIX_{base}"] for base in ("BUILDER_BASE", "RUNTIME_BASE") if f"GIX_{base}" in os.environ
    }
    arguments = {"LTO": "off"} | bases | build_args
    with tempfile.TemporaryDirectory() as directory:
        file = Path(directory, "image-id")
        command = [os.environ.get("GIX_DOCKER") or "docker", "build", "--progress=plain", f"--iidfile={file}"]
        command += [f"--file={dockerfile}", f"--target={target}"]
        command += [f"--build-arg={key}={value}" for key, value in arguments.items()]
        done = subprocess.run(
            [*command, str(workspace)],
            env=os.environ | {"DOCKER_BUILDKIT": "1"},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            check=False,
        )
        if done.returncode:
            raise BuildError(done.stdout)
        image = file.read_text()
        built_images.note([image])
        return image


def small_workspace(client: docker.DockerClient, directory: Path) -> SmallWorkspace:
    """A new workspace."""
    workspace = SmallWorkspace(client, directory)
    workspace.create()
    return workspace


def serving_workspace(client: docker.DockerClient, directory: Path, *, starts: str = "") -> SmallWorkspace:
    """A new workspace whose services accept connections at their ports. Each runs the code `starts` before.

    A stack whose source it is builds in seconds. The services speak no gRPC.
    """
    workspace = small_workspace(client, directory)
    workspace.crate(
        "common",
        f"""\
        pub fn serve(port: u16) {{
            {starts}
            let listener = std::net::TcpListener::bind(("0.0.0.0", port)).unwrap();
            for connection in listener.incoming() {{
                drop(connection);
            }}
        }}
        """,
    )
    for spec in CATALOG.values():
        workspace.crate(spec.binary, f"fn main() {{ common::serve({spec.port}) }}\n", "common", main=True)
    return workspace
