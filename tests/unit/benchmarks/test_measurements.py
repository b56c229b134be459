"""Figures of a run: rows, medians, ratios, and what a later run replaces."""

from pathlib import Path

from benchmarks import measurements
from benchmarks.measurements import SECONDS, Measurement, Run


def run_of(case: str, **values: float) -> Run:
    run = Run("sample", {"date": case}, [])
    for peer, value in values.items():
        run.add(case, peer, Measurement("up", SECONDS, value))
    return run


def test_a_ratio_is_the_quotient_of_two_medians() -> None:
    run = Run("sample", {}, [])
    for value in (1.0, 2.0, 9.0):
        run.add("b", "gix", Measurement("up", SECONDS, value))
        run.add("b", "compose", Measurement("up", SECONDS, value * 4))

    [row] = run.rows

    assert row.values == {"gix": [1, 2, 9], "compose": [4, 8, 36]}
    assert row.median("gix") == 2
    assert row.ratio("gix", "compose") == 0.25


def test_a_peer_that_takes_no_part_has_no_ratio() -> None:
    [row] = run_of("b", gix=1).rows

    assert row.median("compose") is None
    assert row.ratio("gix", "compose") is None


def test_a_later_run_replaces_the_same_cases_only() -> None:
    first = run_of("b", gix=1)
    first.rows += run_of("c", gix=2).rows

    runs = measurements.with_run([first], run_of("c", gix=3))

    assert [(run.cases, [row.values["gix"] for row in run.rows]) for run in runs] == [(["b"], [[1]]), (["c"], [[3]])]
    assert measurements.with_run(runs, run_of("b", gix=4)) == [run_of("b", gix=4), run_of("c", gix=3)]


def test_cases_of_one_run_stay_together() -> None:
    first, second = Run("sample", {}, run_of("b", gix=1).rows), Run("sample", {}, run_of("c", gix=2).rows)

    assert measurements.with_run([first], second) == [Run("sample", {}, [*first.rows, *second.rows])]


def test_a_run_on_another_workspace_replaces_nothing() -> None:
    large = Run("large", {}, run_of("b", gix=5).rows)

    assert measurements.with_run([run_of("b", gix=1)], large) == [run_of("b", gix=1), large]


def test_a_file_keeps_all_figures(tmp_path: Path) -> None:
    file = tmp_path / "benchmarks.json"
    runs = [run_of("b", gix=1.25, compose=2), run_of("c", gix=3)]

    measurements.write(file, runs)

    assert measurements.read(file) == runs
    assert measurements.read(tmp_path / "none.json") == []
