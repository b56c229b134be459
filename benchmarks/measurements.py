"""What a run measured, as data, and its file."""

import json
import statistics
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import NamedTuple

from benchmarks.workspace import WorkspaceName

SECONDS = "s"
BYTES = "B"


class Measurement(NamedTuple):
    """One figure of one peer."""

    quantity: str
    unit: str
    value: float


@dataclass
class Row:
    """All figures of one quantity. `values` has those of each peer by its key, in the order of the measurements."""

    case: str
    quantity: str
    unit: str
    values: dict[str, list[float]]

    def median(self, peer: str) -> float | None:
        """The median of a peer's figures; None if it does not take part."""
        return statistics.median(self.values[peer]) if self.values.get(peer) else None

    def ratio(self, peer: str, reference: str) -> float | None:
        """The median of a peer divided by that of `reference`; None if one of them does not take part."""
        own, other = self.median(peer), self.median(reference)
        return own / other if own is not None and other else None


@dataclass
class Run:
    """One run on one workspace. `facts` describe machine and versions."""

    workspace: WorkspaceName
    facts: dict[str, str]
    rows: list[Row]

    def add(self, case: str, peer: str, measurement: Measurement) -> None:
        """Add a figure to its row."""
        for row in self.rows:
            if (row.case, row.quantity) == (case, measurement.quantity):
                break
        else:
            row = Row(case, measurement.quantity, measurement.unit, {})
            self.rows.append(row)
        row.values.setdefault(peer, []).append(round(measurement.value, 4))

    @property
    def cases(self) -> list[str]:
        """The letters of the measured cases, each once."""
        return list(dict.fromkeys(row.case for row in self.rows))


def read(file: Path) -> list[Run]:
    """The runs in a file of measurements; none if there is no file."""
    if not file.exists():
        return []
    return [
        Run(run["workspace"], run["facts"], [Row(**row) for row in run["rows"]]) for run in json.loads(file.read_text())
    ]


def write(file: Path, runs: list[Run]) -> None:
    """Write the runs to a file of measurements."""
    file.write_text(json.dumps([asdict(run) for run in runs], indent=1) + "\n")


def with_run(runs: list[Run], new: Run) -> list[Run]:
    """The runs, with the figures of `new` in place of older ones of the same cases and workspace."""
    kept = [
        Run(
            run.workspace,
            run.facts,
            [row for row in run.rows if run.workspace != new.workspace or row.case not in new.cases],
        )
        for run in runs
    ]
    for run in kept:
        if (run.workspace, run.facts) == (new.workspace, new.facts):
            run.rows += new.rows
            return [run for run in kept if run.rows]
    return [*(run for run in kept if run.rows), new]


def rows_by_workspace(runs: list[Run]) -> Mapping[WorkspaceName, list[Row]]:
    """The rows of each workspace, in the order of the cases."""
    found: dict[WorkspaceName, list[Row]] = {}
    for run in runs:
        found.setdefault(run.workspace, []).extend(run.rows)
    return {workspace: sorted(rows, key=lambda row: row.case) for workspace, rows in found.items()}
