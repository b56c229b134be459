"""Every command in the console blocks of the documents, run as it stands."""

import contextlib
from collections.abc import Iterator

import docker
import pytest
from docker.errors import NotFound

from tests.engine.documents import PICTURE, Clone, commands
from tests.engine.stack_under_test import PROGRAM

ELSEWHERE = {
    "make test": "is what runs this test",
    "make check": "runs before this test in make test",
    "make test-unit": "is a part of make test",
}
"""Commands that are not run here, and why."""


@pytest.fixture(scope="module")
def clone(client: docker.DockerClient, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Clone]:
    clone = Clone.make(client, tmp_path_factory.mktemp("documents"))
    try:
        yield clone
    finally:
        clone.stack.remove()
        with contextlib.suppress(NotFound):
            # Taken over, a volume does not bear the stack's label.
            client.volumes.get(clone.names["gcam-data"]).remove()


def of(document: str) -> list[str]:
    return [command for command in commands(PROGRAM / document) if command not in ELSEWHERE]


def test_the_readme_s_commands_lead_from_nothing_to_nothing(clone: Clone) -> None:
    shown = clone.run(of("README.md"))
    assert "as declared" in shown
    assert "ledger: 0 settlements, 0 paid -> 5, " in shown
    assert clone.stack.leavings() == {"containers": [], "networks": [], "volumes": []}


def test_the_operations_commands_work_on_a_stack_that_is_up(clone: Clone) -> None:
    clone.run(["make up", ". .offline/env", *of("docs/operations.md")])
    assert (clone.stack.directory / "closed.tar.gz").exists()
    assert "flowchart TB" in (clone.stack.directory / "stack.mmd").read_text()


def test_the_way_from_compose_is_gone_with_what_ran_before(clone: Clone, image: str) -> None:
    by_hand = [
        "docker network create gix-network",
        "docker run -d --name gix-auction --network gix-network -v gcam-data:/data gix-auction:latest",
        "docker run -d --name gix-router --network gix-network gix-router:latest",
    ]
    # The images that ran before are there, as their stack's destroy leaves them.
    clone.run(["make up", "make down LEDGER=gcam-data", *by_hand])
    commands = [each.replace("busybox", image) for each in of("docs/migrating-from-compose.md")]
    shown = clone.run([". .offline/env", *commands, "pulumi config rm gix:takeOver", "gixctl verify"])
    assert "stopped and removed in this update" in shown
    assert (clone.stack.directory / "gcam-backup.tar.gz").exists()
    assert clone.stack.client.volumes.get(clone.names["gcam-data"]).attrs["Labels"] is None


def test_every_document_with_commands_is_run_or_accounted_for() -> None:
    documents = [*PROGRAM.glob("*.md"), *(PROGRAM / "docs").rglob("*.md")]
    with_commands = {str(each.relative_to(PROGRAM)) for each in documents if set(commands(each)) - set(ELSEWHERE)}
    assert with_commands == {"README.md", "docs/operations.md", "docs/migrating-from-compose.md"}


def test_the_picture_of_make_up_shows_the_services_of_this_version() -> None:
    picture = PICTURE.read_text()
    for word in ("gix-router", "gix-auction", "gix-enclave", "healthy"):
        assert word in picture
