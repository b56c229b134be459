"""The documents: their links, the index of decisions, and the tests that docs/reliability.md names."""

import re
from pathlib import Path

import pytest

from tests.unit.declared import PROGRAM

DOCUMENTS = sorted(
    each
    for pattern in ("*.md", "docs/**/*.md", "sample/*.md", "examples/**/*.md")
    for each in PROGRAM.glob(pattern)
    if not {".venv", ".gix"} & set(each.relative_to(PROGRAM).parts)
)
DECISIONS = sorted((PROGRAM / "docs/adr").glob("[0-9]*.md"))
_FENCED = re.compile(r"^ *```.*?^ *```", re.MULTILINE | re.DOTALL)
_LINK = re.compile(r"\]\((?!https?:|mailto:)([^)#\s]*)(?:#([^)\s]*))?\)")


def anchors(document: Path) -> set[str]:
    """The anchors of a document's headings, as GitHub makes them."""
    headings = re.findall(r"^#+ (.*)$", _FENCED.sub("", document.read_text()), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda each: str(each.relative_to(PROGRAM)))
def test_every_link_leads_to_a_file_and_a_heading(document: Path) -> None:
    broken = []
    for path, anchor in _LINK.findall(_FENCED.sub("", document.read_text())):
        target = document.parent / path if path else document
        if not target.exists() or (anchor and anchor not in anchors(target)):
            broken.append(f"{path}#{anchor}" if anchor else path)
    assert broken == []


def test_the_index_of_decisions_lists_each_with_its_title() -> None:
    index = (PROGRAM / "docs/adr/README.md").read_text()
    listed = re.findall(r"^\| \[(\d{4})\]\((.+?)\) \| (.+) \|$", index, re.MULTILINE)
    titles = [re.findall(r"^# (\d{4}) (.+)$", each.read_text(), re.MULTILINE)[0] for each in DECISIONS]
    assert listed == [(number, each.name, title) for each, (number, title) in zip(DECISIONS, titles, strict=True)]


def test_the_site_lists_each_decision() -> None:
    site = (PROGRAM / "mkdocs.yml").read_text()
    assert [each.name for each in DECISIONS if f"adr/{each.name}" not in site] == []


@pytest.mark.parametrize("decision", DECISIONS, ids=lambda each: each.stem)
def test_a_decision_has_the_sections_of_the_template(decision: Path) -> None:
    def sections(document: Path) -> list[str]:
        return re.findall(r"^## (.+)$", document.read_text(), re.MULTILINE)

    assert sections(decision) == sections(PROGRAM / "docs/adr/template.md")


def test_every_test_that_the_guarantees_name_exists() -> None:
    rows = (PROGRAM / "docs/reliability.md").read_text().partition("## Guarantees")[2]
    files: dict[str, Path] = {}
    missing = []
    for name in re.findall(r"`([\w./]+)`", rows):
        if name.endswith(".py"):
            file = PROGRAM / name if "/" in name else files[name]
            files[file.name] = file
            if not file.exists():
                missing.append(name)
        elif not re.search(rf"^def {name.removesuffix('...')}", file.read_text(), re.MULTILINE):
            missing.append(name)
    assert missing == []
