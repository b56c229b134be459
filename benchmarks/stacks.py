"""One stack of each peer, by the commands that a user types."""

import os
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Protocol

import yaml

from benchmarks.cold_cache import forget_builds
from benchmarks.commands import run
from benchmarks.compose_command import MODULE, compose_command
from benchmarks.pulumi_home import new_home
from benchmarks.site import Site
from gix_model.catalog import CATALOG

_PROGRAM = Path(__file__).parents[1]
_FOLDERS = ("gix_components", "gix_engine", "gix_ledger", "gix_model", "infra")
_FILES = ("Pulumi.yaml", "__main__.py", "requirements.txt")


class Stack(Protocol):
    """The commands of one stack. Each raises BenchmarkError if it fails."""

    def build(self) -> None:
        """Build the images. The stack is down before and after."""

    def up(self, *, build: bool = False) -> None:
        """Bring the stack up and wait until it is healthy. `build` says that the sources may have changed."""

    def preview(self) -> None:
        """Show what `up` would change."""

    def down(self) -> None:
        """Remove containers and network."""

    def set_variable(self, value: str) -> None:
        """Change the environment variable BENCHMARK of the router, for the next `up`."""

    def forget_builds(self, token: str) -> None:
        """Make the next build start with an empty cache."""


class PulumiStack:
    """A Pulumi program in `directory`, with its own state and Pulumi home there."""

    def __init__(self, directory: Path, name: str, config: Mapping[str, Any] | None = None) -> None:
        self._directory = directory
        self._name = name
        self._config = dict(config or {})
        state = directory / "state"
        state.mkdir()
        self._variables = {
            "PULUMI_HOME": str(new_home(directory / "pulumi-home")),
            "PULUMI_BACKEND_URL": f"file://{state}",
            "PULUMI_CONFIG_PASSPHRASE": "benchmark",
        }
        self._run("stack", "init", name)
        self._write()

    def build(self) -> None:
        self.up()
        self.down()

    def up(self, *, build: bool = False) -> None:  # noqa: ARG002 # it builds what has changed in any case
        self._run("up", "--yes", "--skip-preview", "--stack", self._name)

    def preview(self) -> None:
        self._run("preview", "--stack", self._name)

    def down(self) -> None:
        self._run("destroy", "--yes", "--skip-preview", "--exclude-protected", "--stack", self._name)

    def set_variable(self, value: str) -> None:
        self._config["gix:router"] = self._config["gix:router"] | {"environment": {"BENCHMARK": value}}
        self._write()

    def forget_builds(self, token: str) -> None:
        for service in CATALOG.values():
            forget_builds(self._directory / "infra/docker" / service.dockerfile, token)
        forget_builds(self._directory / "infra/docker/Dockerfile.rust-builder", token)

    def _run(self, *words: str) -> None:
        run("pulumi", *words, "--non-interactive", directory=self._directory, variables=self._variables)

    def _write(self) -> None:
        file = self._directory / f"Pulumi.{self._name}.yaml"
        # Pulumi keeps the salt of the passphrase in this file.
        known = yaml.safe_load(file.read_text()) if file.exists() else {}
        file.write_text(yaml.safe_dump(known | {"config": self._config}))


def program_stack(site: Site, source: Path, directory: Path, images: Mapping[str, Any]) -> PulumiStack:
    """A stack of a copy of this program, with the health checks of its environment `dev`."""
    _copy_program(directory)
    config: dict[str, Any] = {
        "gix:prefix": site.prefix,
        "gix:source": str(source),
        "gix:images": dict(images),
        "gix:network": {"subnet": site.subnet},
        "gix:ledger": {"protect": False},
        "gix:defaults": {"bindAddress": "127.0.0.1", "healthCheck": {"interval": "1s"}},
    }
    config |= {f"gix:{service}": {"hostPort": port} for service, port in site.ports.items()}
    return PulumiStack(directory, site.prefix, config)


def _copy_program(directory: Path) -> None:
    directory.mkdir()
    for folder in _FOLDERS:
        shutil.copytree(_PROGRAM / folder, directory / folder, ignore=shutil.ignore_patterns("__pycache__"))
    for file in _FILES:
        shutil.copy(_PROGRAM / file, directory)
    if (_PROGRAM / ".venv").exists():
        (directory / ".venv").symlink_to(_PROGRAM / ".venv")


def empty_stack(directory: Path) -> PulumiStack:
    """A stack of a Pulumi program that does nothing: the least that any Pulumi program takes."""
    directory.mkdir()
    (directory / "__main__.py").write_text("import pulumi\n\npulumi.export('done', True)\n")
    shutil.copy(_PROGRAM / "requirements.txt", directory)
    project = yaml.safe_load((_PROGRAM / "Pulumi.yaml").read_text())
    (directory / "Pulumi.yaml").write_text(yaml.safe_dump({"name": "empty", "runtime": project["runtime"]}))
    if (_PROGRAM / ".venv").exists():
        (directory / ".venv").symlink_to(_PROGRAM / ".venv")
    return PulumiStack(directory, "empty")


class ComposeStack:
    """The original Docker set-up as a Compose project."""

    def __init__(self, site: Site, source: Path, directory: Path, *, health_interval: str = "10s") -> None:
        directory.mkdir()
        self._directory = directory
        self._dockerfile = directory / "Dockerfile.rust-builder"
        for file in ("compose.yaml", self._dockerfile.name):
            shutil.copy(MODULE / file, directory)
        self._command = str(compose_command())
        self._variables = {
            "COMPOSE_PROJECT_NAME": site.prefix,
            "BUILDER_BASE": os.environ.get("GIX_BUILDER_BASE", "rust:1.75-bookworm"),
            "RUNTIME_BASE": os.environ.get("GIX_RUNTIME_BASE", "debian:bookworm-slim"),
            "DOCKERFILE": str(self._dockerfile),
            "SOURCE": str(source),
            "SUBNET": site.subnet,
            "HEALTH_INTERVAL": health_interval,
            "BENCHMARK": "",
        }
        self._variables |= {f"{service.upper()}_PORT": str(port) for service, port in site.ports.items()}

    def build(self) -> None:
        self._run("build")

    def up(self, *, build: bool = False) -> None:
        self._run("up", "--detach", "--wait", *(("--build",) if build else ()))

    def preview(self) -> None:
        self._run("--dry-run", "up", "--detach")

    def down(self) -> None:
        self._run("down")

    def set_variable(self, value: str) -> None:
        self._variables["BENCHMARK"] = value

    def forget_builds(self, token: str) -> None:
        forget_builds(self._dockerfile, token)

    def _run(self, *words: str) -> None:
        run(self._command, *words, directory=self._directory, variables=self._variables)
