"""Counts the hostile inputs that the tests try, and writes them into docs/reliability.md.

A test calls `tried(KIND)` for each hostile input, before it passes the input to the code. The count is part of the
test's report, which also works with parallel workers. `python -m tests.reliability --write` runs the tests of every
kind and writes the table, unless one of them fails. Further arguments go to pytest and replace the list of files:
`python -m tests.reliability --write --numprocesses 3 --dist loadfile tests` runs every test.
"""

import sys
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import pytest

DOCUMENT = Path(__file__).parents[1] / "docs/reliability.md"
PROPERTY = "hostile inputs: "
"""The prefix of the properties of a test's report that hold a count."""


@dataclass(frozen=True, kw_only=True)
class Kind:
    """A kind of hostile input: its row in the document, and the test files that try it."""

    row: str
    files: tuple[str, ...]


KINDS = {
    "archives": Kind(row="archives and tars", files=("tests/unit/ledger/test_archive.py",)),
    "streams": Kind(
        row="streams and archives that are cut off, at each 512-byte boundary and at each byte",
        files=("tests/unit/ledger/test_archive.py",),
    ),
    "names": Kind(row="names on the volume", files=("tests/unit/ledger/test_swap.py",)),
    "interruptions": Kind(
        row="interruptions of the swap, before each of its commands", files=("tests/unit/ledger/test_swap.py",)
    ),
    "engine": Kind(
        row="backups and restores on the engine: killed, cut off, or with an auction that is started in between",
        files=("tests/engine/test_backup.py", "tests/engine/test_restore.py"),
    ),
    "configurations": Kind(row="configurations", files=("tests/unit/model/test_parsing.py",)),
    "engines": Kind(row="states of an engine", files=("tests/unit/engine/test_collisions.py",)),
    "contexts": Kind(
        row="build contexts", files=("tests/plugin/test_build_context.py", "tests/plugin/test_hostile_contexts.py")
    ),
}
"""Every kind of hostile input, in the order of the document."""

_counts: Counter[str] = Counter()


def tried(kind: str, count: int = 1) -> None:
    """Count hostile inputs of a kind of KINDS; raises KeyError for any other kind."""
    assert KINDS[kind]
    _counts[kind] += count


@contextmanager
def counted(item: pytest.Item) -> Iterator[None]:
    """Record what the block tries in the properties of a test's report."""
    _counts.clear()
    yield
    item.user_properties += [(f"{PROPERTY}{kind}", count) for kind, count in _counts.items()]
    _counts.clear()


@dataclass(eq=False)  # pytest keeps its plugins in sets
class Tally:
    """Adds up the reports of a run: inputs tried, and tests that failed, by kind. A pytest plugin."""

    inputs: Counter[str] = field(default_factory=Counter)
    failed: list[str] = field(default_factory=list)

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        if report.failed:
            self.failed.append(report.nodeid)
        if report.when != "call":
            return
        for name, count in report.user_properties:
            if name.startswith(PROPERTY):
                self.inputs[name.removeprefix(PROPERTY)] += int(str(count))

    def shortfall(self) -> list[str]:
        """The kinds of which a run tried fewer inputs than the document says. Empty unless the run had every kind."""
        if not KINDS or self.inputs.keys() != KINDS.keys():
            return []
        return [
            f"{kind}: {self.inputs[kind]} hostile inputs tried, and docs/reliability.md says {count}; "
            "update it: python -m tests.reliability --write"
            for kind, count in documented().items()
            if self.inputs[kind] < count
        ]


def documented() -> dict[str, int]:
    """The number of inputs in the document, by kind."""
    cells = [[cell.strip() for cell in line.split("|")] for line in DOCUMENT.read_text().splitlines() if "|" in line]
    rows = {cell[1]: cell[2] for cell in cells if len(cell) > 2}
    return {kind: int(rows[KINDS[kind].row].replace(",", "")) for kind in KINDS if KINDS[kind].row in rows}


_BEGIN = "<!-- table: python -m tests.reliability --write -->\n"
_END = "<!-- end of the table -->\n"


def _table(inputs: Counter[str]) -> str:
    rows = [
        f"| {kind.row} | {_at_least(inputs[name]):,} | 0 | 0 | {', '.join(f'`{file}`' for file in kind.files)} |"
        for name, kind in KINDS.items()
    ]
    head = ["| hostile input | tried, at least | unhandled | ledger lines lost | tests |", "|---|---:|---:|---:|---|"]
    return "\n".join([*head, *rows]) + "\n"


def _at_least(count: int) -> int:
    """A number that every run reaches: two thirds of this run, in two digits, since generated inputs vary."""
    shown = str(count * 2 // 3)
    return int(shown[:2] + "0" * (len(shown) - 2))


def main() -> int:
    """Run the tests of every kind, and write the document's table from what they tried."""
    tally = Tally()
    files = sorted({file for kind in KINDS.values() for file in kind.files})
    given = [argument for argument in sys.argv[1:] if argument != "--write"]
    code = pytest.main(given or ["-q", *files], plugins=[tally])
    if code or tally.failed or tally.inputs.keys() != KINDS.keys():
        return 1
    before, _, rest = DOCUMENT.read_text().partition(_BEGIN)
    after = rest.partition(_END)[2]
    if "--write" in sys.argv:
        DOCUMENT.write_text(before + _BEGIN + "\n" + _table(tally.inputs) + "\n" + _END + after)
    return 0


if __name__ == "__main__":
    sys.exit(main())
