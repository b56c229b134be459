"""The services in the README are those of the catalog, and nothing else of it is rewritten."""

import pytest

from generators import readme
from gix_model.catalog import CATALOG, ServiceSpec
from tests.unit.declared import PROGRAM

OUTDATED = """\
before
| service | port | what it does |
|---|---|---|
| broker | 1 | gone |
between
```mermaid
gone
```
| service | kept |
|---|---|
```mermaid
kept
```
"""


def test_the_readme_is_up_to_date() -> None:
    text = (PROGRAM / "README.md").read_text()
    assert text == readme.updated(text), "run: make generate"


@pytest.mark.parametrize("spec", CATALOG.values(), ids=lambda spec: spec.name)
def test_an_outdated_readme_gets_every_service_in_its_table_and_flowchart(spec: ServiceSpec) -> None:
    text = readme.updated(OUTDATED)
    assert f"| {spec.name} | {spec.port} | {spec.title}: {spec.purpose} |\n" in text
    assert f'    {spec.name}["{spec.title}<br>{spec.container}<br>{spec.hostname}:{spec.port}<br>healthy"]' in text


def test_all_but_the_table_and_the_flowchart_stays() -> None:
    text = readme.updated(OUTDATED)
    assert "gone" not in text
    assert text.startswith("before\n| service | port |")
    assert "|\nbetween\n```mermaid\n---\n" in text
    assert text.endswith("```\n| service | kept |\n|---|---|\n```mermaid\nkept\n```\n")
