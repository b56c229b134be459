"""A clean clone of the checkout with its own environments, in which the steps of a workflow run."""

import os
import secrets
import shutil
import subprocess
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import docker
import yaml

from gix_engine.observed_state import observe_images
from gix_model.environment import STACK_LABEL
from gix_model.merging import merged
from tests.support import built_images
from tests.support.stack_under_test import PROGRAM, QUICK_HEALTH, QUICK_IMAGES, SERVICES, free_ports, free_subnet

ENVIRONMENTS = ("dev", "staging", "prod")


@dataclass
class Clone:
    """A git repository with the checkout's files. Its project has a unique name, and so has everything that it makes.

    `ports` and `subnets` are free, by environment.
    """

    client: docker.DockerClient
    directory: Path
    project: str
    ports: dict[str, dict[str, int]]
    subnets: dict[str, str]
    variables: dict[str, str] = field(default_factory=dict)

    def make(self, *words: str, **variables: str) -> subprocess.CompletedProcess[str]:
        """Run `make WORDS`, as a workflow's step does."""
        return self.step("make", "--no-print-directory", *words, **variables)

    def step(self, *words: str, **variables: str) -> subprocess.CompletedProcess[str]:
        """Run a command, as a workflow's step does."""
        done = subprocess.run(
            words,
            cwd=self.directory,
            env=self.environment | variables,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            check=False,
        )
        assert "Traceback" not in done.stdout, done.stdout
        return done

    @property
    def environment(self) -> dict[str, str]:
        # Use the clone's gixctl, not the one that is installed in the shared virtual environment.
        return os.environ | {"PYTHONPATH": str(self.directory), "COLUMNS": "200", "NO_COLOR": "1"} | self.variables

    def run(self, *command: str, stdin: str | None = None) -> str:
        """Run a command with the set-up's tools on PATH. Fails if the command fails."""
        script = '. .offline/env && exec "$@"' if (self.directory / ".offline/env").exists() else 'exec "$@"'
        done = subprocess.run(
            ["sh", "-c", script, "sh", *command],
            cwd=self.directory,
            env=self.environment,
            input=stdin,
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    def config(self, environment: str) -> dict[str, Any]:
        read: dict[str, Any] = yaml.safe_load(self._file(environment).read_text())["config"]
        return read

    def change(self, environment: str, **sections: Any) -> None:
        """Change keys of an environment's file."""
        known = yaml.safe_load(self._file(environment).read_text())
        given = {f"gix:{section}": value for section, value in sections.items()}
        known["config"] = merged(known["config"], given)
        self._file(environment).write_text(yaml.safe_dump(known))

    def _file(self, environment: str) -> Path:
        return self.directory / f"Pulumi.{environment}.yaml"

    def git(self, *words: str) -> str:
        identity = ("-c", "user.name=A", "-c", "user.email=a@example.org", "-c", "commit.gpgsign=false")
        done = subprocess.run(
            ["git", *identity, *words], cwd=self.directory, capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, done.stderr
        return done.stdout

    def commit(self, message: str) -> None:
        self.git("add", "--all")
        self.git("commit", "--quiet", "--message", message)

    def leavings(self) -> list[str]:
        """The objects of the project's stacks on the engine, and the tags of their images."""
        labelled: dict[str, str | list[str] | bool] = {"label": STACK_LABEL}
        containers = self.client.containers.list(all=True, filters=labelled, ignore_removed=True)
        found = [str(each.name) for each in containers]
        found += [str(each.name) for each in self.client.networks.list(filters=labelled)]
        found += [each.name for each in self.client.volumes.list(filters=labelled)]
        found += [tag for image in observe_images(self.client) for tag in image.tags]
        return [name for name in found if name.startswith(self.project)]

    def remove(self) -> None:
        """Remove everything that the clone's stacks may have made."""
        for container in self.client.containers.list(all=True, filters={"label": STACK_LABEL}, ignore_removed=True):
            if str(container.name).startswith(self.project):
                container.remove(force=True)
        for network in self.client.networks.list(filters={"label": STACK_LABEL}):
            if str(network.name).startswith(self.project):
                network.remove()
        for volume in self.client.volumes.list(filters={"label": STACK_LABEL}):
            if volume.name.startswith(self.project):
                volume.remove()
        for name in self.leavings():
            built_images.remove_name(self.client, name)


def new_clone(client: docker.DockerClient, directory: Path) -> Clone:
    """A clone with one commit. Its environments have free names, ports and subnets, and quick health checks."""
    clone = Clone(
        client=client,
        directory=directory,
        project=f"t{secrets.token_hex(4)}",
        ports={name: dict(zip(SERVICES, free_ports(len(SERVICES)), strict=True)) for name in ENVIRONMENTS},
        subnets={name: free_subnet(client) for name in ENVIRONMENTS},
    )
    listed = subprocess.run(
        ["git", "ls-files", "--cached", "--others", "--exclude-standard", "-z"],
        cwd=PROGRAM,
        capture_output=True,
        text=True,
        check=True,
    ).stdout
    for path in filter(None, listed.split("\0")):
        if (PROGRAM / path).exists():
            (directory / path).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(PROGRAM / path, directory / path)
    (directory / ".venv").symlink_to(PROGRAM / ".venv")
    for locked in ("requirements.txt", "pyproject.toml"):
        # Older than the shared virtual environment, so that `make` does not install the clone into it.
        os.utime(directory / locked, (0, 0))
    project = directory / "Pulumi.yaml"
    project.write_text(project.read_text().replace("name: gix\n", f"name: {clone.project}\n"))
    for name in ENVIRONMENTS:
        own = {
            "prefix": f"{clone.project}-{name}",
            "network": {"subnet": clone.subnets[name]},
            "defaults": {"bindAddress": "127.0.0.1", "healthCheck": QUICK_HEALTH},
            "images": QUICK_IMAGES,
        }
        clone.change(name, **own, **{service: {"hostPort": port} for service, port in clone.ports[name].items()})
    with (directory / ".gitignore").open("a") as ignored:
        ignored.write(".venv\ncomment/\n")
    clone.git("init", "--quiet", "--initial-branch=main")
    clone.commit("base")
    return clone
