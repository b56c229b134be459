"""Every command in the console blocks of the documents works as it is shown."""

import dataclasses
import shutil
import tarfile
from collections.abc import Iterator
from dataclasses import dataclass

import docker
import pytest

from tests.engine.documents import PICTURE, Clone, commands
from tests.support import jobs
from tests.support.compose_project import FILES, compose_project
from tests.support.stack_under_test import PROGRAM, SERVICES

ELSEWHERE = {
    "make test": "is what runs this test",
    "make check": "runs before this test in make test",
    "make test-unit": "is a part of make test",
    "make docs": "is what tests/unit/docs/test_site.py does",
    "make bench": "takes hours; tests/engine/test_benchmarks.py runs its cases once, without Compose",
    "make cluster": "is what tests/engine/test_cluster.py does",
}
"""Commands that are not run here, and why."""


@pytest.fixture(scope="module")
def clone(client: docker.DockerClient, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Clone]:
    clone = Clone.make(client, tmp_path_factory.mktemp("documents"))
    try:
        yield clone
    finally:
        clone.stack.remove()


def commands_to_type(document: str) -> list[str]:
    return [command for command in commands(PROGRAM / document) if command not in ELSEWHERE]


def test_the_commands_of_the_readme_work_and_leave_nothing_behind(clone: Clone) -> None:
    shown = clone.run(commands_to_type("README.md"))
    assert "as declared" in shown
    assert "ledger: 0 settlements, 0 paid -> 5, " in shown
    assert clone.stack.leavings() == {"containers": [], "networks": [], "volumes": []}


def test_the_commands_of_operations_work_on_a_stack_that_is_up(clone: Clone) -> None:
    clone.run(["make up", ". .offline/env", *commands_to_type("docs/operations.md")])
    assert (clone.stack.directory / "closed.tar.gz").exists()
    assert "flowchart TB" in (clone.stack.directory / "stack.mmd").read_text()


GUIDE = PROGRAM / "docs/migrating-from-compose.md"


@dataclass(frozen=True, kw_only=True)
class Installation:
    """A running Compose project and a clone with an empty stack. `lines` are the lines of the project's ledger."""

    clone: Clone
    containers: dict[str, str]
    router: tuple[str, int]
    lines: list[str]

    def type(self, image: str, *sections: str) -> str:
        """Run the commands of the guide's sections."""
        script = [each.replace("busybox", image) for section in sections for each in commands(GUIDE, section)]
        # Without names in its file, Compose chooses them.
        clone = dataclasses.replace(self.clone, names={**self.clone.names, **self.containers})
        return clone.run([". .offline/env", *script])


@pytest.fixture(params=["named", "unnamed"])
def installation(
    request: pytest.FixtureRequest, client: docker.DockerClient, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Installation]:
    """A Compose project that is up, with images that were built from the user's own workspace."""
    clone = Clone.make(client, tmp_path_factory.mktemp("installation"))
    stack = clone.stack
    shutil.copytree(PROGRAM / "sample", stack.directory.parent / "workspace", ignore=shutil.ignore_patterns("target"))
    ports = {f"{each.upper()}_PORT": str(stack.config[f"gix:{each}"]["hostPort"]) for each in SERVICES}
    variables = {"NAME": stack.prefix, "SUBNET": stack.config["gix:network"]["subnet"]} | ports
    project = f"{stack.prefix}-market"
    del stack.config["gix:source"]
    stack.write()
    try:
        # The Compose project uses the images that this builds.
        clone.run(["make up", f"make down LEDGER={stack.prefix}-gcam-data"])
        with compose_project(client, FILES / f"{request.param}.yaml", project, variables) as containers:
            router = ("127.0.0.1", int(ports["ROUTER_PORT"]))
            jobs.until_it_settles(router)
            jobs.settle_at(router, 3)
            auction = client.containers.get(containers["gix-auction"])
            ledger = jobs.file_in(auction, "/data/ledger.jsonl")
            names = {"live": stack.name, "market": project, "market_gcam-data": f"{project}_gcam-data"}
            yield Installation(
                clone=dataclasses.replace(clone, names={**clone.names, **names}),
                containers=containers,
                router=router,
                lines=ledger.decode().splitlines(),
            )
            # The stack's auction uses the project's volume, so that it must go first.
            stack.remove()
    finally:
        stack.remove()


def test_the_migration_guide_moves_a_compose_project_to_the_stack(installation: Installation, image: str) -> None:
    stack, volume = installation.clone.stack, f"{installation.clone.names['market']}_gcam-data"
    before = {service: stack.client.containers.get(name).id for service, name in installation.containers.items()}
    shown = installation.type(image, "1. Describe", "2. Back up")
    with tarfile.open(stack.directory / "gcam-backup.tar.gz") as tar:
        content = tar.extractfile("./ledger.jsonl")
        assert content is not None
        assert content.read().decode().splitlines() == installation.lines
    assert {
        service: stack.client.containers.get(name).id for service, name in installation.containers.items()
    } == before
    named = installation.containers["gix-auction"] == f"{stack.prefix}-gix-auction"
    shown = installation.type(image, "If the containers are" if named else "If they have other names")
    assert ("stopped and removed in this update" in shown) == named
    assert "as declared" in installation.type(image, "4. Check")
    assert jobs.ledger(stack) == installation.lines
    jobs.settle_at(installation.router, 1)
    [mount] = stack.container("auction")["Mounts"]
    assert mount["Name"] == volume
    assert not set(before.values()) & set(stack.ids().values())
    assert stack.client.volumes.get(volume).attrs["Labels"]["com.docker.compose.volume"] == "gcam-data"


def test_every_document_with_commands_is_run_here() -> None:
    documents = [*PROGRAM.glob("*.md"), *(PROGRAM / "docs").rglob("*.md")]
    with_commands = {str(each.relative_to(PROGRAM)) for each in documents if set(commands(each)) - set(ELSEWHERE)}
    assert with_commands == {"README.md", "docs/operations.md", "docs/migrating-from-compose.md"}


def test_the_picture_of_make_up_shows_the_services_of_this_version() -> None:
    picture = PICTURE.read_text()
    for word in (*(f"gix-{service}" for service in SERVICES), "healthy"):
        assert word in picture, "run: python -m tests.engine.documents --write"
