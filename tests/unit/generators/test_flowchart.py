"""The flowchart in the README is up to date, and only it is rewritten."""

from generators import flowchart
from tests.unit.declared import PROGRAM


def test_the_flowchart_in_the_readme_is_up_to_date() -> None:
    text = (PROGRAM / "README.md").read_text()
    assert text == flowchart.readme(text), "run: make generate"


def test_only_the_flowchart_is_rewritten() -> None:
    written = flowchart.readme("before\n```mermaid\nold\n```\nbetween\n```mermaid\nkept\n```\n")
    before, _, rest = written.partition("```mermaid\n")
    drawn, _, after = rest.partition("```\n")
    assert (before, after) == ("before\n", "between\n```mermaid\nkept\n```\n")
    assert drawn.startswith('---\ntitle: "gix/dev, ')
    assert "old" not in drawn
