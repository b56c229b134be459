"""The platform in a program of another language: the example in YAML, with the package's provider on PATH."""

import json
import os
import secrets
import shutil
import subprocess
import sysconfig
import tarfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import docker
import pytest
import yaml

from gix_model.environment import STACK_LABEL
from tests.support import built_images
from tests.support.jobs import settle_at
from tests.support.stack_under_test import PROGRAM, SERVICES, free_ports, free_subnet

SECRET = "hunter2-of-yaml"  # noqa: S105 - what must show nowhere


@dataclass(frozen=True, kw_only=True)
class Program:
    """A copy of the example, and a stack of it; `edit` changes the platform's properties."""

    client: docker.DockerClient
    directory: Path
    stack: str

    def command(self, *words: str) -> subprocess.CompletedProcess[str]:
        own = {
            "PATH": f"{sysconfig.get_path('scripts')}:{os.environ['PATH']}",
            "PULUMI_BACKEND_URL": f"file://{self.directory.parent}",
            "PULUMI_CONFIG_PASSPHRASE": "test",
        }
        return subprocess.run(
            words, cwd=self.directory, env=os.environ | own, capture_output=True, text=True, check=False
        )

    def run(self, *words: str) -> str:
        """Run a command that must succeed, and give back what it printed."""
        done = self.command(*words)
        assert done.returncode == 0, f"{words}\n{done.stdout}\n{done.stderr}"
        return done.stdout

    def up(self, *options: str) -> str:
        return self.run("pulumi", "up", "--yes", "--skip-preview", "--color=never", *options)

    def failure(self, *words: str) -> str:
        """What a command prints that must fail."""
        done = self.command("pulumi", *words, "--color=never")
        assert done.returncode != 0, done.stdout
        return done.stdout

    def edit(self, resources: dict[str, Any] | None = None, **properties: Any) -> None:
        """Write the example with these properties of the platform, and these resources beside it."""
        program = yaml.safe_load((PROGRAM / "examples/yaml/Pulumi.yaml").read_text())
        program["resources"]["gix"]["properties"] |= properties
        program["resources"] |= resources or {}
        (self.directory / "Pulumi.yaml").write_text(yaml.safe_dump(program, sort_keys=False))

    def outputs(self) -> dict[str, Any]:
        outputs: dict[str, Any] = json.loads(self.run("pulumi", "stack", "output", "--json"))
        return outputs

    def containers(self) -> dict[str, str]:
        return {each: self.client.containers.get(f"{self.stack}-gix-{each}").id or "" for each in SERVICES}

    def remove(self) -> None:
        """Take away everything that the program may have made, whatever state it is in."""
        mine: dict[str, str | list[str] | bool] = {"label": f"{STACK_LABEL}=shop/{self.stack}"}
        for container in self.client.containers.list(all=True, filters=mine):
            container.remove(force=True)
        for network in self.client.networks.list(filters=mine):
            network.remove()
        for volume in self.client.volumes.list(filters=mine):
            volume.remove()
        for image in self.client.images.list(filters={"reference": f"{self.stack}-gix-*"}):
            # Other stacks can have the same image under tags of their own.
            for tag in (tag for tag in image.tags if tag.startswith(self.stack)):
                built_images.remove_name(self.client, tag)


@pytest.fixture(scope="module")
def program(client: docker.DockerClient, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Program]:
    """The example, brought up. Each test leaves it up, with its properties as they were."""
    directory = tmp_path_factory.mktemp("yaml") / "shop"
    shutil.copytree(PROGRAM / "examples/yaml", directory, ignore=shutil.ignore_patterns("Pulumi.*.yaml", ".gix"))
    program = Program(client=client, directory=directory, stack=f"t{secrets.token_hex(4)}")
    program.run("pulumi", "stack", "init", program.stack)
    config = {
        "source": os.path.relpath(PROGRAM / "sample", directory),
        "prefix": program.stack,
        "subnet": free_subnet(client),
        "port": str(free_ports(1)[0]),
    }
    program.run("pulumi", "config", "set-all", *(f"--plaintext={key}={value}" for key, value in config.items()))
    try:
        program.up()
        yield program
    finally:
        program.run("pulumi", "destroy", "--yes", "--skip-preview", "--exclude-protected")
        program.remove()


@pytest.fixture(autouse=True)
def as_before(program: Program) -> Iterator[None]:
    """Give the program the properties of the example back."""
    yield
    program.edit()


def test_a_program_in_yaml_brings_the_platform_up_and_gixctl_knows_it(program: Program) -> None:
    host, _, port = program.outputs()["services"]["router"]["endpoint"].rpartition(":")
    settle_at((host, int(port)), jobs=1)
    assert {each["health"] for each in json.loads(program.run("gixctl", "status", "--json"))} == {"healthy"}
    assert "as declared" in program.run("gixctl", "verify")
    assert "untouched" in program.run("gixctl", "plan")
    assert "unchanged" in program.up("--expect-no-changes")


def test_a_secret_of_another_resource_is_passed_on_and_shown_nowhere(program: Program) -> None:
    other = {"other": {"type": "docker:Volume", "properties": {"name": f"{program.stack}-other"}}}
    sealed = {"TOKEN": {"fn::secret": f"{SECRET}-${{other.mountpoint}}"}}
    router = {"publish": False, "secretEnvironment": sealed}
    program.edit(other, router=router)

    shown = program.run("pulumi", "preview", "--diff", "--color=never") + program.up()

    environment = program.client.containers.get(f"{program.stack}-gix-router").attrs["Config"]["Env"]
    assert [each for each in environment if each.startswith(f"TOKEN={SECRET}-/")]
    assert SECRET not in shown + program.run("pulumi", "stack", "export")
    program.edit()
    program.up()


def test_problems_are_reported_all_at_once_and_without_a_traceback(program: Program) -> None:
    other = {"other": {"type": "docker:Volume", "properties": {"name": f"{program.stack}-other"}}}
    program.edit(
        other,
        network={"subnet": "${other.mountpoint}"},
        router={"bindAddress": "localhost", "rustLog": {"fn::secret": "debug"}, "secretEnvironment": {"A": SECRET}},
    )
    before = program.containers()

    shown = program.failure("preview")

    assert f"shop/{program.stack}: 4 problems; nothing has been touched" in shown
    assert "gix:network.subnet: is an Output, which has no value yet" in shown
    assert 'gix:router.bindAddress = "localhost": is not an IPv4 address' in shown
    assert "gix:router.rustLog: is a secret, but this key takes no secrets" in shown
    assert "gix:router.secretEnvironment.A: is in plain text" in shown
    assert "Traceback" not in shown
    assert SECRET not in shown
    assert program.containers() == before


def test_a_second_platform_in_a_stack_is_refused(program: Program) -> None:
    gix = yaml.safe_load((program.directory / "Pulumi.yaml").read_text())["resources"]["gix"]
    program.edit({"second": gix})
    assert "this stack already has a platform" in program.failure("preview")


def test_a_protected_ledger_is_not_given_up(program: Program) -> None:
    program.edit(ledger={"volume": "third"})
    before = program.containers()
    shown = program.failure("up", "--yes", "--skip-preview")
    assert "gix:ledger.protect = true: the stack would no longer have its ledger" in shown
    assert program.containers() == before
    program.edit()
    program.up()


def test_a_ledger_that_gives_way_to_another_is_saved_first(program: Program) -> None:
    volume = program.outputs()["volume"]
    program.edit(ledger={"volume": "second", "protect": False})

    program.up()

    assert program.outputs()["volume"] == f"{program.stack}-second"
    [archive] = (program.directory / "backups").glob("*.tar.gz")
    with tarfile.open(archive) as saved:
        assert [name for name in saved.getnames() if name.endswith("ledger.jsonl")]
    assert program.client.volumes.get(volume)


def test_a_container_that_fails_shows_the_end_of_its_log(program: Program) -> None:
    volume = program.outputs()["volume"].removeprefix(f"{program.stack}-")
    ledger = {"volume": volume, "protect": False}
    # A tmpfs in the place of the program hides it.
    program.edit(ledger=ledger, enclave={"tmpfs": {"/usr/local/bin": "size=1m"}})
    shown = program.failure("up", "--yes", "--skip-preview")
    assert "The last lines of its log" in shown
    program.edit(ledger=ledger)
    program.up()
