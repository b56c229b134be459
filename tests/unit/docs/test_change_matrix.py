"""docs/change-matrix.md has a row for each input that the program sets."""

import ast
from collections.abc import Iterator

import pytest
from pydantic.alias_generators import to_camel

from gix_model import container_inputs
from tests.unit.declared import PROGRAM

RESOURCES = {"Container", "Network", "Volume", "Image", "RemoteImage", "Provider"}


def calls() -> Iterator[tuple[str, ast.Call]]:
    """Every call of a class of pulumi_docker in the program, with the class's name."""
    for file in (PROGRAM / "gix_components").glob("*.py"):
        for node in ast.walk(ast.parse(file.read_text())):
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute):
                yield node.func.attr, node


def names(call: ast.Call) -> set[str]:
    """The inputs that a call names, and those that follow from the settings."""
    named = {to_camel(each.arg) for each in call.keywords if each.arg}
    if any(ast.unparse(each.value).startswith("container_inputs.declared(") for each in call.keywords if not each.arg):
        named |= {row.name for row in container_inputs.INPUTS.values() if row.declared is not None}
    return named


def set_by_the_program() -> set[tuple[str, str]]:
    """Inputs by type of resource. The inputs of an image's build count one by one."""
    inputs = {(name, each) for name, call in calls() if name in RESOURCES for each in names(call) - {"opts"}}
    build = {("Image", f"build.{each}") for name, call in calls() if name == "DockerBuildArgs" for each in names(call)}
    return inputs - {("Image", "build")} | build


def written() -> dict[tuple[str, str], set[str]]:
    """The acts in the document, by type of resource and input."""
    rows: dict[tuple[str, str], set[str]] = {}
    resource = ""
    for line in (PROGRAM / "docs/change-matrix.md").read_text().splitlines():
        if line.startswith("## "):
            resource = line.removeprefix("## ")
        if line.startswith("| `"):
            name, act = (cell.strip(" `") for cell in line.split("|")[1:3])
            rows.setdefault((resource, name), set()).add(act)
    return rows


def test_every_input_that_the_program_sets_has_its_rows_and_no_other_has() -> None:
    assert written().keys() == set_by_the_program(), "run: python -m tests.engine.change_matrix --write"


@pytest.mark.parametrize("resource", sorted(RESOURCES))
def test_an_input_is_changed_and_removed_or_else_fixed_by_the_program(resource: str) -> None:
    acts = {name: found for (kind, name), found in written().items() if kind == resource}
    assert acts
    assert [name for name, found in acts.items() if found not in ({"change", "remove"}, {"-"})] == []


def test_no_cell_is_wrong() -> None:
    assert "**wrong**" not in (PROGRAM / "docs/change-matrix.md").read_text()
