"""What the cases do to sources and Dockerfiles."""

from pathlib import Path

import pytest

from benchmarks.cold_cache import forget_builds
from benchmarks.compose_command import MODULE, VERSION
from benchmarks.workspace import Workspace, WorkspaceName
from tests.support.stack_under_test import PROGRAM


@pytest.mark.parametrize("name", ["sample", "large"])
def test_an_edit_takes_the_place_of_the_edit_before(name: WorkspaceName, tmp_path: Path) -> None:
    workspace = Workspace(name, tmp_path / "workspace")
    main = workspace.folder / "crates/ajr-router/src/main.rs"
    lines = main.read_text().splitlines()

    workspace.edit("one")
    workspace.edit("two")

    added = [line for line in main.read_text().splitlines() if line not in lines]
    assert added == ['    eprintln!("benchmark two");']


@pytest.mark.parametrize("name", ["sample", "large"])
def test_each_added_dependency_is_another_one_and_new(name: WorkspaceName, tmp_path: Path) -> None:
    workspace = Workspace(name, tmp_path / "workspace")
    manifest = workspace.folder / "crates/ajr-router/Cargo.toml"
    before = manifest.read_text()

    workspace.add_dependency()
    workspace.add_dependency()

    added = [line for line in manifest.read_text().splitlines() if line not in before.splitlines()]
    assert added == ['ryu = "*"', 'itoa = "*"']
    assert "[dependencies]" in manifest.read_text()


@pytest.mark.parametrize(
    "dockerfile", [*(PROGRAM / "infra/docker").glob("Dockerfile.*[!e]"), MODULE / "Dockerfile.rust-builder"], ids=str
)
def test_every_stage_on_a_base_image_gets_the_last_token(dockerfile: Path, tmp_path: Path) -> None:
    copy = tmp_path / "Dockerfile"
    copy.write_text(dockerfile.read_text())

    forget_builds(copy, "one")
    forget_builds(copy, "two")

    lines = copy.read_text().splitlines()
    stages = [number for number, line in enumerate(lines) if line.startswith("FROM ${")]
    assert len(stages) >= 2
    assert all(lines[number + 1] == "ARG BENCHMARK=two" for number in stages)
    assert [line for line in lines if line != "ARG BENCHMARK=two"] == dockerfile.read_text().splitlines()


def test_the_go_module_builds_the_version_that_the_command_states() -> None:
    assert f"github.com/docker/compose/v2 {VERSION}" in (MODULE / "go.mod").read_text()
