"""Writes docs/benchmarks.md and its diagram from the file of measurements."""

import string
from collections.abc import Iterator
from pathlib import Path

from benchmarks import measurements, svg
from benchmarks.cases import CASES
from benchmarks.measurements import BYTES, Row, Run
from benchmarks.subjects import PEERS, RATED, REFERENCE

DOCS = Path(__file__).parents[1] / "docs"
MEASUREMENTS = DOCS / "benchmarks.json"
DOCUMENT = DOCS / "benchmarks.md"
DIAGRAM = DOCS / "benchmarks.svg"

_DECIMALS_BELOW = 100
"""Seconds. Three digits are enough for greater figures."""
_PAGE = string.Template((Path(__file__).parent / "page.template").read_text())


def write() -> None:
    """Write page and diagram from the file of measurements."""
    runs = measurements.read(MEASUREMENTS)
    DOCUMENT.write_text(document(runs))
    DIAGRAM.write_text(svg.diagram(runs))


def document(runs: list[Run]) -> str:
    """The page, in Markdown."""
    cases = (f"| {letter} | {case.title} |" for letter, case in sorted(CASES.items()))
    return _PAGE.substitute(cases="\n".join(cases), results="".join(_results(runs)))


def table(rows: list[Row]) -> Iterator[str]:
    """A table of figures, line by line."""
    peers = [key for key in PEERS if any(key in row.values for row in rows)]
    rated = [key for key in RATED if key in peers] if REFERENCE in peers else []
    titles = [PEERS[key].title for key in peers] + [_ratio_title(key, rated) for key in rated]
    yield f"| case | | {' | '.join(titles)} |\n"
    yield f"|---|---|{'---:|' * len(titles)}\n"
    for row in rows:
        figures = [_figure(row, key) for key in peers]
        figures += [f"{ratio:.2f}" if (ratio := row.ratio(key, REFERENCE)) is not None else "" for key in rated]
        yield f"| {row.case} | {row.quantity} | {' | '.join(figures)} |\n"


def _results(runs: list[Run]) -> Iterator[str]:
    if not runs:
        yield "\nNothing is measured yet.\n"
        return
    yield "\n![medians of this program divided by those of Docker Compose, for each case](benchmarks.svg)\n"
    for workspace, rows in measurements.rows_by_workspace(runs).items():
        yield f"\n## Workspace: {workspace}\n\n"
        yield from table(rows)
    yield "\n## Machine and versions\n"
    for run in runs:
        heading = f"{'Case' if len(run.cases) == 1 else 'Cases'} {', '.join(sorted(run.cases))}"
        yield f"\n{heading} on the workspace {run.workspace}:\n\n| | |\n|---|---|\n"
        yield from (f"| {title} | {fact} |\n" for title, fact in run.facts.items())


def _ratio_title(key: str, rated: list[str]) -> str:
    return "ratio" if len(rated) == 1 else f"ratio, {PEERS[key].title}"


def _figure(row: Row, key: str) -> str:
    values = row.values.get(key)
    median = row.median(key)
    if not values or median is None:
        return ""
    spread = f" ({_shown(min(values), row.unit)} to {_shown(max(values), row.unit)})" if len(values) > 1 else ""
    return f"{_shown(median, row.unit)} {'MB' if row.unit == BYTES else 's'}{spread}"


def _shown(value: float, unit: str) -> str:
    if unit == BYTES:
        return f"{value / 1e6:.1f}"
    return f"{value:.2f}" if value < _DECIMALS_BELOW else f"{value:.0f}"
