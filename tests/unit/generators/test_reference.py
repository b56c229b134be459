"""The files that are generated from the settings are up to date and complete."""

from pathlib import Path

import pytest

from generators import reference
from tests.unit.declared import PROGRAM


@pytest.mark.parametrize("stack", ["dev", "staging", "prod"])
def test_every_environment_has_a_file(stack: str) -> None:
    assert (PROGRAM / f"Pulumi.{stack}.yaml").is_file()


def test_the_configuration_reference_is_up_to_date() -> None:
    assert (PROGRAM / "docs/configuration.md").read_text() == reference.markdown(), "run: make generate"


def test_the_project_file_declares_the_keys_of_the_models() -> None:
    text = (PROGRAM / "Pulumi.yaml").read_text()
    assert text == reference.project_file(text), "run: make generate"


def test_a_nested_key_is_documented_by_its_whole_path() -> None:
    assert '| `gix:defaults.healthCheck.interval` | string | `"10s"` |' in reference.markdown()


def test_an_outdated_project_file_is_rewritten(tmp_path: Path) -> None:
    project = tmp_path / "Pulumi.yaml"
    project.write_text("name: gix\nconfig:\n  source:\n    type: integer\n")
    assert reference.project_file(project.read_text()).startswith("name: gix\nconfig:\n  source:\n    type: string\n")
