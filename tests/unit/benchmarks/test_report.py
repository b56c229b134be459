"""The page of the benchmark and its diagram."""

import xml.etree.ElementTree as ET

from benchmarks import measurements, report, svg
from benchmarks.cases import CASES
from benchmarks.measurements import BYTES, SECONDS, Measurement, Run

SVG = "{http://www.w3.org/2000/svg}"


def example() -> Run:
    run = Run("sample", {"Docker Engine": "28.0"}, [])
    for seconds in (1.0, 2.0, 3.0):
        run.add("c", "gix", Measurement("nothing changed", SECONDS, seconds))
        run.add("c", "compose", Measurement("nothing changed", SECONDS, 4 * seconds))
        run.add("c", "empty", Measurement("nothing changed", SECONDS, seconds / 2))
    run.add("j", "gix", Measurement("image of router", BYTES, 80_000_000))
    run.add("j", "compose", Measurement("image of router", BYTES, 100_000_000))
    return run


def test_a_table_shows_medians_spread_and_ratios() -> None:
    assert list(report.table(example().rows)) == [
        "| case | | this program | Docker Compose | empty Pulumi program | ratio |\n",
        "|---|---|---:|---:|---:|---:|\n",
        "| c | nothing changed | 2.00 s (1.00 to 3.00) | 8.00 s (4.00 to 12.00) | 1.00 s (0.50 to 1.50) | 0.25 |\n",
        "| j | image of router | 80.0 MB | 100.0 MB |  | 0.80 |\n",
    ]


def test_the_page_names_the_cases_the_versions_and_what_is_measured() -> None:
    page = report.document([example()])

    assert "| Docker Engine | 28.0 |" in page
    assert "## Workspace: sample" in page
    assert all(f"| {letter} | {case.title} |" in page for letter, case in CASES.items())


def test_the_page_without_a_run_says_so() -> None:
    assert "Nothing is measured yet." in report.document([])


def test_the_diagram_has_a_bar_for_each_ratio() -> None:
    image = ET.fromstring(svg.diagram([example()]))  # noqa: S314 # it is our own
    texts = [text.text for text in image.iter(f"{SVG}text")]

    assert "sample, c: nothing changed" in texts
    assert [text for text in texts if text in {"0.25", "0.80"}] == ["0.25", "0.80"]


def test_page_and_diagram_are_those_of_the_stored_figures() -> None:
    runs = measurements.read(report.MEASUREMENTS)

    assert report.DOCUMENT.read_text() == report.document(runs), "run: python -m benchmarks --render"
    assert report.DIAGRAM.read_text() == svg.diagram(runs), "run: python -m benchmarks --render"
