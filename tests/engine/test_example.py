"""The example, run with the commands of its README outside the clone. The package is installed from a wheel."""

import json
import os
import re
import secrets
import shutil
import subprocess
import sys
import sysconfig
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any
from zipfile import ZipFile

import docker
import pytest
from docker.errors import NotFound

from gix_model import __version__
from gix_model.environment import STACK_LABEL
from tests.support import built_images
from tests.support.jobs import settle_at
from tests.support.stack_under_test import PROGRAM, SERVICES, free_ports, free_subnet
from tests.unit.declared import PACKAGES

GENERATED = shutil.ignore_patterns("__pycache__", "target", "Pulumi.*.yaml", ".gix", ".venv", ".mypy_cache")


def run(directory: Path, *words: str | Path, variables: dict[str, str] | None = None) -> str:
    """Run a command that must succeed, and return its output."""
    done = subprocess.run(words, cwd=directory, env=variables, capture_output=True, text=True, check=False)
    assert done.returncode == 0, f"{words}\n{done.stdout}\n{done.stderr}"
    return done.stdout


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The package's wheel, built from a copy of its sources."""
    tree = tmp_path_factory.mktemp("tree")
    for folder in (*PACKAGES, "infra"):
        shutil.copytree(PROGRAM / folder, tree / folder, ignore=GENERATED)
    for file in ("pyproject.toml", "README.md", "LICENSE"):
        shutil.copy(PROGRAM / file, tree)
    pip(tree, "wheel", "--no-deps", "--no-build-isolation", "--no-index", ".")
    [built] = tree.glob("*.whl")
    return built


def pip(directory: Path, *words: str | Path) -> None:
    run(directory, sys.executable, "-m", "pip", "--disable-pip-version-check", *words)


@dataclass(frozen=True, kw_only=True)
class Shop:
    """A copy of the example in `root`, with its workspace and its own virtual environment."""

    root: Path
    state: Path
    stack: str

    @property
    def directory(self) -> Path:
        return self.root / "shop"

    @property
    def variables(self) -> dict[str, str]:
        own = {
            "PATH": f"{self.root / 'installed' / 'bin'}:{os.environ['PATH']}",
            "PULUMI_BACKEND_URL": f"file://{self.state}",
            "PULUMI_CONFIG_PASSPHRASE": "test",
            "MYPY_CACHE_DIR": str(self.state / "mypy"),
        }
        return {name: value for name, value in os.environ.items() if name != "PYTHONPATH"} | own

    def run(self, *words: str) -> str:
        return run(self.directory, *words, variables=self.variables)

    def name(self, base: str) -> str:
        return f"{self.stack}-{base}"

    def outputs(self) -> dict[str, Any]:
        outputs: dict[str, Any] = json.loads(self.run("pulumi", "stack", "output", "--json"))
        return outputs


def install(wheel: Path, environment: Path) -> None:
    """A new virtual environment with the wheel. Its dependencies come from this environment."""
    run(environment.parent, sys.executable, "-m", "venv", "--without-pip", environment)
    pip(environment, "--python", environment / "bin" / "python", "install", "--no-deps", "--no-index", wheel)
    [packages] = environment.glob("lib/python*/site-packages")
    (packages / "locked.pth").write_text(sysconfig.get_path("purelib"))


@pytest.fixture(scope="module")
def shop(client: docker.DockerClient, wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Shop]:
    """The example, up."""
    shop = Shop(
        root=tmp_path_factory.mktemp("checkout"),
        state=tmp_path_factory.mktemp("state"),
        stack=f"t{secrets.token_hex(4)}",
    )
    shutil.copytree(PROGRAM / "examples" / "shop", shop.directory, ignore=GENERATED)
    shutil.copytree(PROGRAM / "sample", shop.root / "sample", ignore=GENERATED)
    install(wheel, shop.root / "installed")
    shop.run("pulumi", "stack", "init", shop.stack)
    config = {"source": "../sample", "prefix": shop.stack, "subnet": free_subnet(client), "port": str(free_ports(1)[0])}
    shop.run("pulumi", "config", "set-all", *(f"--plaintext={key}={value}" for key, value in config.items()))
    try:
        shop.run("pulumi", "up", "--yes", "--skip-preview")
        yield shop
    finally:
        remove(client, shop)


def remove(client: docker.DockerClient, shop: Shop) -> None:
    """Remove everything that the example may have made."""
    for base in ("watch", *(f"gix-{service}" for service in SERVICES)):
        with suppress(NotFound):
            client.containers.get(shop.name(base)).remove(force=True)
    with suppress(NotFound):
        client.networks.get(shop.name("gix-network")).remove()
    with suppress(NotFound):
        client.volumes.get(shop.name("gcam-data")).remove()
    for service in SERVICES:
        built_images.remove_name(client, f"{shop.name(f'gix-{service}')}:latest")


def test_the_wheel_has_every_file_of_the_packages_and_the_dockerfiles(wheel: Path) -> None:
    files = [file for package in PACKAGES for file in (PROGRAM / package).rglob("*") if file.is_file()]
    wanted = {str(file.relative_to(PROGRAM)) for file in files if "__pycache__" not in file.parts}
    wanted |= {f"gix_components/docker/{file.name}" for file in (PROGRAM / "infra" / "docker").iterdir()}
    with ZipFile(wheel) as archive:
        assert {name for name in archive.namelist() if ".dist-info/" not in name} == wanted


def test_the_installed_platform_settles_jobs_and_the_program_s_own_container_reaches_it(
    client: docker.DockerClient, shop: Shop
) -> None:
    watch = client.containers.get(shop.name("watch"))
    assert watch.attrs["State"]["Health"]["Status"] == "healthy"
    host, _, port = shop.outputs()["services"]["router"]["endpoint"].rpartition(":")
    settle_at((host, int(port)), jobs=1)
    assert next(watch.logs(stream=True, follow=True), b"") == b"the router answers\n"


def test_the_installed_gixctl_knows_the_stack(shop: Shop) -> None:
    assert shop.run("gixctl", "--version").split() == ["gixctl", __version__]
    found = json.loads(shop.run("gixctl", "status", "--json"))
    assert {each["service"]: each["health"] for each in found} == dict.fromkeys(SERVICES, "healthy")
    assert "as declared" in shop.run("gixctl", "verify")


def test_the_installed_gixctl_works_from_any_directory(shop: Shop, tmp_path: Path) -> None:
    found = json.loads(run(tmp_path, "gixctl", "--cwd", shop.directory, "status", "--json", variables=shop.variables))
    assert {each["service"] for each in found} == set(SERVICES)


def test_a_second_up_from_another_checkout_and_installation_is_empty(shop: Shop, tmp_path: Path) -> None:
    other = replace(shop, root=tmp_path / "other")
    shutil.copytree(shop.root, other.root, symlinks=True, ignore=shutil.ignore_patterns(".gix"))
    other.run("pulumi", "stack", "select", shop.stack)
    other.run("pulumi", "up", "--yes", "--skip-preview", "--expect-no-changes")

    state = other.run("pulumi", "stack", "export")
    assert ".gix/docker/Dockerfile.rust-builder" in state
    assert not [root for root in (shop.root, other.root) if str(root) in state]


def test_mypy_knows_the_installed_package_s_types(shop: Shop) -> None:
    assert shop.run("python", "-m", "mypy", "--strict", "__main__.py").startswith("Success")

    wrong = shop.directory / "wrong.py"
    wrong.write_text(
        'from gix_components import configuration\n\nconfiguration.from_code(router={"rustLog": "debug"})\n'
    )
    with pytest.raises(AssertionError, match='Extra key "rustLog" for TypedDict "ServiceArgs"'):
        shop.run("python", "-m", "mypy", "--strict", wrong.name)


def test_mistakes_in_code_are_reported_all_at_once_without_a_traceback(shop: Shop) -> None:
    program = shop.directory / "__main__.py"
    right = program.read_text()
    program.write_text(right.replace('"interval": "1s"', '"interval": "soon"').replace("127.0.0.1", "localhost"))
    try:
        with pytest.raises(AssertionError) as caught:
            shop.run("pulumi", "preview")
    finally:
        program.write_text(right)
    message = str(caught.value)
    assert f"shop/{shop.stack}: 2 problems; nothing has been touched" in message
    assert 'gix:defaults.healthCheck.interval = "soon": is not a time' in message
    assert 'gix:router.bindAddress = "localhost": is not an IPv4 address' in message
    assert "Traceback" not in message


def test_another_stack_reads_the_outputs_as_the_readme_says(shop: Shop, tmp_path: Path) -> None:
    [code] = re.findall(r"```python\n(.*?)```", (shop.directory / "README.md").read_text(), re.DOTALL)
    (tmp_path / "__main__.py").write_text(code.replace("shop/dev", f"shop/{shop.stack}"))
    (tmp_path / "Pulumi.yaml").write_text("name: reader\nruntime: python\n")
    run(tmp_path, "pulumi", "stack", "init", "reader", variables=shop.variables)
    run(tmp_path, "pulumi", "up", "--yes", "--skip-preview", variables=shop.variables)
    endpoint = run(tmp_path, "pulumi", "stack", "output", "router", variables=shop.variables).strip()
    assert endpoint == shop.outputs()["services"]["router"]["endpoint"]


def test_a_destroy_leaves_only_the_ledger_and_the_next_up_uses_it(client: docker.DockerClient, shop: Shop) -> None:
    ledger = client.volumes.get(shop.name("gcam-data")).attrs
    shop.run("pulumi", "destroy", "--yes", "--skip-preview")
    mine: dict[str, str | list[str] | bool] = {"label": f"{STACK_LABEL}=shop/{shop.stack}"}
    assert client.containers.list(all=True, filters=mine) == client.networks.list(filters=mine) == []
    assert [volume.attrs for volume in client.volumes.list(filters=mine)] == [ledger]
    with pytest.raises(NotFound):
        client.containers.get(shop.name("watch"))
    shop.run("pulumi", "up", "--yes", "--skip-preview")
