"""The policy pack with the real CLI and a program that breaks each rule once."""

import os
import re
import secrets
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import docker
import pytest
import yaml

from gix_model.catalog import CATALOG
from tests.support.stack_under_test import PROGRAM, program_copy

PACK = os.environ.get("GIX_POLICY_PACK") or str(PROGRAM / "policy")
DIGEST = "sha256:" + "1" * 64

GOOD: dict[str, Any] = {
    "image": DIGEST,
    "user": "1000:1000",
    "memory": 64,
    "healthcheck": {"tests": ["CMD", "true"]},
    "networksAdvanced": [{"name": "gix-network"}],
    "volumes": [{"hostPath": "/srv/data", "containerPath": "/data"}],
}
BROKEN: dict[str, tuple[str, dict[str, Any]]] = {
    "root-by-name": ("no-root", {"user": "root"}),
    "root-by-number": ("no-root", {"user": "0:1000"}),
    "user-of-the-image": ("no-root", {"user": None}),
    "privileged": ("no-privileged", {"privileged": True}),
    "host-network": ("no-host-network", {"networkMode": "host"}),
    "host-network-by-name": ("no-host-network", {"networksAdvanced": [{"name": "host"}]}),
    "socket": ("no-engine-socket", {"volumes": [{"hostPath": "/var/run/docker.sock", "containerPath": "/s"}]}),
    "directory-of-the-socket": ("no-engine-socket", {"volumes": [{"hostPath": "/run", "containerPath": "/r"}]}),
    "no-health-check": ("health-check", {"healthcheck": None}),
    "health-check-switched-off": ("health-check", {"healthcheck": {"tests": ["NONE"]}}),
    "no-limit": ("limits", {"memory": None}),
    "image-by-tag": ("pinned-images", {"image": "debian:bookworm"}),
}
"""Containers by name: the rule that each breaks, and how."""
IN_PRODUCTION = {"limits", "pinned-images", "protected-ledger"}

PREAMBLE = """\
import pulumi
from pulumi_docker import RemoteImage, Volume


def container(name, inputs):
    pulumi.CustomResource("docker:index/container:Container", name, inputs, pulumi.ResourceOptions(version="5.2.0"))


"""


@dataclass
class Program:
    """A Pulumi program with a few plain resources, and its own stack."""

    directory: Path
    name: str

    @property
    def variables(self) -> dict[str, str]:
        state = {"PULUMI_BACKEND_URL": f"file://{self.directory.parent}", "PULUMI_CONFIG_PASSPHRASE": "test"}
        return os.environ | state

    def pulumi(self, *words: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            ["pulumi", *words, "--non-interactive", "--color=never"],
            cwd=self.directory,
            env=self.variables,
            capture_output=True,
            text=True,
            check=False,
        )

    def complaints(self, *words: str, production: bool, level: str = "mandatory") -> dict[str, set[str]]:
        """The violations of `level` that a command reports, by resource. The command fails if they are mandatory."""
        config = ("--config", f"gix:production={str(production).lower()}")
        done = self.pulumi(*words, "--policy-pack", PACK, "--stack", self.name, *config)
        found: dict[str, set[str]] = {}
        for said, rule, resource in re.findall(r"- \[(\w+)\]\s+(\S+)\s+\(\S+ (\S+)\)", done.stdout + done.stderr):
            assert said == level, done.stdout
            found.setdefault(resource, set()).add(rule)
        assert (done.returncode != 0) == (bool(found) and level == "mandatory"), done.stdout + done.stderr
        return found

    def all_complaints(self, *, production: bool) -> dict[str, set[str]]:
        """All violations. The rules are advisory here, since a mandatory one ends the preview."""
        advise = self.directory / "advise.json"
        advise.write_text('{"all": "advisory"}')
        words = ("preview", "--policy-pack-config", str(advise))
        return self.complaints(*words, production=production, level="advisory")

    def declare(self, *lines: str) -> None:
        """Replace the program's declarations."""
        (self.directory / "__main__.py").write_text("\n".join([PREAMBLE, *lines, ""]))


@pytest.fixture(scope="module")
def program(tmp_path_factory: pytest.TempPathFactory) -> Program:
    directory = tmp_path_factory.mktemp("policy") / "program"
    directory.mkdir()
    (directory / ".venv").symlink_to(PROGRAM / ".venv")
    runtime = {"name": "python", "options": {"toolchain": "pip", "virtualenv": ".venv"}}
    (directory / "Pulumi.yaml").write_text(yaml.safe_dump({"name": "broken", "runtime": runtime}))
    made = Program(directory=directory, name=f"t{secrets.token_hex(4)}")
    made.declare()
    done = made.pulumi("stack", "init", made.name)
    assert done.returncode == 0, done.stderr
    return made


def container(name: str, change: dict[str, Any]) -> str:
    inputs = {key: value for key, value in (GOOD | {"name": name} | change).items() if value is not None}
    return f"container({name!r}, {inputs!r})"


OTHERS = {
    "pulled-by-tag": ("pinned-images", "RemoteImage('pulled-by-tag', name='ghcr.io/gix-network/router:v1')"),
    "unprotected": ("protected-ledger", "Volume('unprotected')"),
}
"""Resources other than containers that break a rule: the rule and the declaration."""
ONE_OF_EACH = {rule: (name, container(name, change)) for name, (rule, change) in BROKEN.items()} | {
    rule: (name, line) for name, (rule, line) in OTHERS.items()
}


@pytest.mark.parametrize("rule", ONE_OF_EACH)
def test_each_rule_broken_once_is_refused(program: Program, rule: str) -> None:
    name, line = ONE_OF_EACH[rule]
    program.declare(line)
    assert program.complaints("preview", production=True) == {name: {rule}}


def declare_all(program: Program) -> None:
    program.declare(
        container("good", {}),
        *(container(name, change) for name, (_, change) in BROKEN.items()),
        *(line for _, line in OTHERS.values()),
        f"RemoteImage('pulled-by-digest', name='ghcr.io/gix-network/router@{DIGEST}')",
        "Volume('protected', opts=pulumi.ResourceOptions(protect=True))",
    )


def test_in_production_each_violation_of_a_rule_is_reported_for_its_resource_only(program: Program) -> None:
    declare_all(program)
    assert program.all_complaints(production=True) == {name: {rule} for name, (rule, _) in (BROKEN | OTHERS).items()}


def test_outside_production_the_rules_of_production_do_not_apply(program: Program) -> None:
    declare_all(program)
    expected = {name: {rule} for name, (rule, _) in BROKEN.items() if rule not in IN_PRODUCTION}
    assert program.all_complaints(production=False) == expected


def test_an_update_that_breaks_a_rule_creates_nothing(client: docker.DockerClient, program: Program) -> None:
    name = f"{program.name}-privileged"
    program.declare(container(name, {"privileged": True}))
    refused = program.complaints("up", "--yes", "--skip-preview", production=False)
    assert refused == {name: {"no-privileged"}}
    assert client.containers.list(all=True, filters={"name": name}) == []


@pytest.mark.parametrize("environment", ["dev", "staging", "prod"])
def test_the_stack_files_of_the_project_break_no_rule(
    client: docker.DockerClient, tmp_path: Path, environment: str
) -> None:
    file = yaml.safe_load((PROGRAM / f"Pulumi.{environment}.yaml").read_text())["config"]
    # Unused names avoid collisions with other stacks. The digests stand for those of a release.
    file |= {"gix:prefix": f"t{secrets.token_hex(4)}", "gix:network": {"subnet": "10.127.254.0/24"}}
    for port, service in enumerate(CATALOG, start=31_000 + secrets.randbelow(900)):
        file[f"gix:{service}"] = (file.get(f"gix:{service}") or {}) | {"hostPort": port}
    if environment == "prod":
        file["gix:images"]["digests"] = dict.fromkeys(CATALOG, DIGEST)
        file["gix:defaults"]["cpus"] = min(2, client.info()["NCPU"])
    directory = program_copy(tmp_path / "gix")
    program = Program(directory=directory, name=environment)
    (directory / f"Pulumi.{environment}.yaml").write_text(yaml.safe_dump({"config": file}))
    assert program.pulumi("stack", "init", environment).returncode == 0

    done = program.pulumi("preview", "--policy-pack", PACK, "--stack", environment)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "[mandatory]" not in done.stdout
    assert re.search(r"gix@v\d", done.stdout), done.stdout
