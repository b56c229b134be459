import pytest
from hypothesis import given
from hypothesis import strategies as st

from gix_model import units


@pytest.mark.parametrize(
    ("text", "size"),
    [("2G", 2048), ("2GiB", 2048), ("2gb", 2048), ("512MiB", 512), ("512m", 512), ("1048576", 1), ("0.5g", 512)],
)
def test_memory_is_parsed_as_docker_does(text: str, size: int) -> None:
    assert units.mebibytes(text) == size


@pytest.mark.parametrize("text", ["", "G", "2 apples", "-1G", "1.5", "100k"])
def test_memory_that_is_no_whole_number_of_mebibytes_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="is not a"):
        units.mebibytes(text)


@pytest.mark.parametrize(
    ("text", "length"), [("10s", 10), ("1m30s", 90), ("500ms", 0.5), ("1h", 3600), ("0s", 0), ("1.5s", 1.5)]
)
def test_a_duration_is_parsed_as_docker_does(text: str, length: float) -> None:
    assert units.seconds(text) == length


@pytest.mark.parametrize("text", ["", "10", "s", "-1s", "1 s", "1d"])
def test_what_is_no_time_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="is not a time"):
        units.seconds(text)


@pytest.mark.parametrize(
    ("text", "given_back"),
    [
        ("60s", "1m0s"),
        ("90s", "1m30s"),
        ("1500ms", "1.5s"),
        ("500ms", "500ms"),
        ("1h", "1h0m0s"),
        ("10s", "10s"),
        ("0s", "0s"),
    ],
)
def test_a_duration_is_written_as_the_engine_returns_it(text: str, given_back: str) -> None:
    assert units.go_duration(text) == given_back


@given(st.integers(0, 23), st.integers(0, 59), st.integers(0, 59))
def test_hours_minutes_and_seconds_are_added(hours: int, minutes: int, whole: int) -> None:
    assert units.seconds(f"{hours}h{minutes}m{whole}s") == hours * 3600 + minutes * 60 + whole


@pytest.mark.parametrize(
    ("count", "recorded"),
    [
        (2, "2.0"),
        (2.0, "2.0"),
        (1.5, "1.5"),
        (0.5, "0.5"),
        (0.25, "0.25"),
        (10, "10."),
        (10.25, "10.25"),
        (0.015, "0.015"),
        (0.051, "0.051"),
    ],
)
def test_processors_are_written_as_the_provider_records_them(count: float, recorded: str) -> None:
    assert units.recorded_processors(count) == recorded


@pytest.mark.parametrize(("count", "recorded"), [(0.05, "0.1"), (0.01, "0.0"), (20.05, "20.1"), (1.0000000001, "1.0")])
def test_processors_that_the_provider_records_as_another_number_are_refused(count: float, recorded: str) -> None:
    with pytest.raises(ValueError, match=recorded):
        units.recorded_processors(count)
