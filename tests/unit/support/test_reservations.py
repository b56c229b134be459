"""Processes never reserve the same number at the same time, and a reservation ends with its process."""

import itertools
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest

from tests.support.reservations import Reservations
from tests.unit.declared import PROGRAM

TAKE = """
import sys
from pathlib import Path
from tests.support.reservations import Reservations
numbers = Reservations(Path(sys.argv[1]))
print(*(numbers.first_free(iter(range(100)), usable=lambda _: True) for _ in range(int(sys.argv[2]))), flush=True)
sys.stdin.read()
"""


@contextmanager
def another_process(file: Path, count: int) -> Iterator[Callable[[], list[int]]]:
    """Start a process that reserves numbers for the time of the block. Yields a function that reads them."""
    command = [sys.executable, "-c", TAKE, str(file), str(count)]
    environment = os.environ | {"PYTHONPATH": str(PROGRAM)}
    with subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=environment
    ) as process:
        assert process.stdin
        output = process.stdout
        assert output
        yield lambda: list(map(int, output.readline().split()))
        process.stdin.close()


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "numbers"


def take(numbers: Reservations, among: int = 100) -> int:
    return numbers.first_free(iter(range(among)), usable=lambda _: True)


def test_processes_that_reserve_at_the_same_time_get_different_numbers(file: Path) -> None:
    with ExitStack() as stack:
        readers = [stack.enter_context(another_process(file, 20)) for _ in range(4)]
        taken = [number for read in readers for number in read()]
    assert sorted(taken) == list(range(80))


def test_a_reserved_number_is_taken_until_its_process_ends(file: Path) -> None:
    mine = Reservations(file)
    with another_process(file, 3) as read:
        assert read() == [0, 1, 2]
        assert take(mine) == 3
    assert take(mine) == 0


def test_a_process_never_gets_a_number_twice_from_any_thread(file: Path) -> None:
    mine = Reservations(file)
    with ThreadPoolExecutor(8) as pool:
        taken = list(pool.map(lambda _: take(mine), range(50)))
    assert sorted(taken) == list(range(50))


def test_numbers_that_are_not_usable_stay_free_for_others(file: Path) -> None:
    mine = Reservations(file)
    assert mine.first_free(itertools.count(), usable=lambda number: number > 1) == 2
    with another_process(file, 3) as read:
        assert read() == [0, 1, 3]


def test_given_no_free_number_it_raises(file: Path) -> None:
    mine = Reservations(file)
    take(mine, among=1)
    with pytest.raises(LookupError):
        take(mine, among=1)
