"""The files that are generated from the settings are up to date and complete."""

from pathlib import Path
from typing import Any

import pytest
import yaml
from pydantic import SecretStr

from generators import reference
from generators.examples import EXAMPLES
from gix_model.catalog import CATALOG
from tests.unit.declared import PROGRAM, configured, environment


@pytest.mark.parametrize("stack", ["dev", "staging", "prod"])
def test_every_environment_has_a_file(stack: str) -> None:
    assert (PROGRAM / f"Pulumi.{stack}.yaml").is_file()


def test_the_configuration_reference_is_up_to_date() -> None:
    assert (PROGRAM / "docs/configuration.md").read_text() == reference.markdown(), "run: make generate"


def test_the_project_file_declares_the_keys_of_the_models() -> None:
    text = (PROGRAM / "Pulumi.yaml").read_text()
    assert text == reference.project_file(text), "run: make generate"


def test_a_nested_key_is_documented_by_its_whole_path_with_type_values_and_default() -> None:
    times = "a number with a unit: 10s, 1m30s, 500ms"
    assert f'| `gix:defaults.healthCheck.interval` | string | {times} | `"10s"` |' in reference.markdown()


@pytest.mark.parametrize(
    ("key", "values"),
    [
        ("gix:images.way", "`multi-stage`, `individual`, `registry`"),
        ("gix:router.hostPort", "1 to 65535"),
        ("gix:defaults.cpus", "0.01 or more"),
        ("gix:ledger.protect", "`true`, `false`"),
        ("gix:images.digests", f"names: {', '.join(CATALOG)}; sha256: and 64 hexadecimal digits"),
        ("gix:source", "any"),
    ],
)
def test_the_allowed_values_are_what_the_models_accept(key: str, values: str) -> None:
    [row] = [line for line in reference.markdown().splitlines() if line.startswith(f"| `{key}` |")]
    assert row.split(" | ")[2] == values


def test_every_section_has_an_example() -> None:
    sections = reference.markdown().split("\n## ")
    groups = {section.split("\n")[0]: section for section in sections if section.startswith("gix:")}
    assert {title.removeprefix("gix:") for title in groups} == EXAMPLES.keys() - {""}
    for title, section in groups.items():
        assert f"```yaml\n{EXAMPLES[title.removeprefix('gix:')]}```" in section
    assert f"```yaml\n{EXAMPLES['']}```" in reference.markdown()


@pytest.mark.parametrize("group", EXAMPLES)
def test_the_program_accepts_the_example(group: str) -> None:
    config = opened(yaml.safe_load(EXAMPLES[group])["config"])
    assert not group or list(config) == [f"gix:{group}"]
    environment(**configured(config))


def opened(value: Any) -> Any:
    """The values of a file, each sealed one as a SecretStr."""
    if not isinstance(value, dict):
        return value
    return SecretStr("value") if value.keys() == {"secure"} else {key: opened(each) for key, each in value.items()}


def test_an_outdated_project_file_is_rewritten(tmp_path: Path) -> None:
    project = tmp_path / "Pulumi.yaml"
    project.write_text("name: gix\nconfig:\n  source:\n    type: integer\n")
    assert reference.project_file(project.read_text()).startswith("name: gix\nconfig:\n  source:\n    type: string\n")
