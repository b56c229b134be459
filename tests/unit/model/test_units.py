from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gix_model.units import Memory, format_duration, parse_duration


@pytest.mark.parametrize(
    ("text", "mebibytes"),
    [("2G", 2048), ("2GiB", 2048), ("2gb", 2048), ("512MiB", 512), ("512m", 512), ("1048576", 1), ("0.5g", 512)],
)
def test_memory_is_parsed_as_docker_does(text: str, mebibytes: int) -> None:
    memory = Memory.parse(text)
    assert (memory.mebibytes, memory.bytes) == (mebibytes, mebibytes * 2**20)


def test_equal_amounts_of_memory_are_equal_and_each_is_shown_as_it_was_written() -> None:
    assert Memory.parse("2G") == Memory.parse("2048MiB")
    assert (str(Memory.parse("2G")), str(Memory.parse("2048MiB"))) == ("2G", "2048MiB")


@pytest.mark.parametrize("text", ["", "G", "2 apples", "-1G", "1.5", "100k"])
def test_memory_that_is_no_whole_number_of_mebibytes_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="is not a"):
        Memory.parse(text)


@pytest.mark.parametrize(
    ("text", "seconds"), [("10s", 10), ("1m30s", 90), ("500ms", 0.5), ("1h", 3600), ("0s", 0), ("1.5s", 1.5)]
)
def test_a_duration_is_parsed_as_docker_does(text: str, seconds: float) -> None:
    assert parse_duration(text) == timedelta(seconds=seconds)


@pytest.mark.parametrize("text", ["", "10", "s", "-1s", "1 s", "1d"])
def test_what_is_no_time_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="is not a time"):
        parse_duration(text)


def test_a_time_below_a_microsecond_is_not_zero_and_a_very_long_one_is_the_longest() -> None:
    assert parse_duration("0.0000001s") == timedelta(microseconds=1)
    assert parse_duration("9" * 400 + "h") == timedelta.max


@pytest.mark.parametrize(
    ("text", "written"),
    [
        ("60s", "1m0s"),
        ("90s", "1m30s"),
        ("1500ms", "1.5s"),
        ("500ms", "500ms"),
        ("0.0015s", "1.5ms"),
        ("1h", "1h0m0s"),
        ("10s", "10s"),
        ("100s", "1m40s"),
        ("61.25s", "1m1.25s"),
        ("0s", "0s"),
    ],
)
def test_a_duration_is_written_as_the_engine_returns_it(text: str, written: str) -> None:
    assert format_duration(parse_duration(text)) == written


@given(st.integers(0, 23), st.integers(0, 59), st.integers(0, 59))
def test_hours_minutes_and_seconds_are_added(hours: int, minutes: int, whole: int) -> None:
    time = timedelta(hours=hours, minutes=minutes, seconds=whole)
    assert parse_duration(f"{hours}h{minutes}m{whole}s") == time


@given(st.integers(1000, 1000 * 3600 * 10**6))
def test_a_time_that_is_written_is_read_as_the_same_time(microseconds: int) -> None:
    time = timedelta(microseconds=microseconds)
    assert parse_duration(format_duration(time)) == time
