"""For every input that the program sets, `up` does what `preview` says."""

import dataclasses
import re
import sys

import docker
import pytest

from gix_model.container_inputs import RECORDED_ONLY
from tests.engine.change_matrix import DOCUMENT, Matrix, whole
from tests.engine.change_matrix_trials import INIT, MEMORY, MEMORY_SWAP, TMPFS, health_check
from tests.engine.changes import Effect, put, run
from tests.support.stack_under_test import StackUnderTest


@pytest.fixture(scope="module")
def matrix(client: docker.DockerClient, tmp_path_factory: pytest.TempPathFactory) -> Matrix:
    matrix = whole(client, tmp_path_factory.mktemp("matrix"))
    sys.stdout.write(matrix.table())
    return matrix


def test_every_change_and_removal_is_previewed_and_applied_and_a_second_up_is_empty(matrix: Matrix) -> None:
    assert not matrix.wrong, matrix.complaints()


def test_the_document_is_what_a_run_shows(matrix: Matrix) -> None:
    assert DOCUMENT.read_text() == matrix.document(), "run: python -m tests.engine.change_matrix --write"


def test_given_a_program_that_does_not_replace_for_recorded_inputs_the_matrix_fails(
    fresh: StackUnderTest,
) -> None:
    program = fresh.directory / "gix_model/container_inputs.py"
    mutant, dropped = re.subn(r"return \[\*RECORDED_ONLY, \*removed\]", "return []", program.read_text())
    assert dropped == 1
    program.write_text(mutant)
    probe = health_check("auction")[0]
    for trial in (INIT, TMPFS, probe, MEMORY, MEMORY_SWAP):
        put(fresh.config, f"{trial.service}.{trial.key}", trial.before)
    fresh.up()

    removed = [dataclasses.replace(each.remove(), effect=Effect.REPLACE, expected=0) for each in (MEMORY, MEMORY_SWAP)]
    outcomes = run(fresh, [INIT.change(), TMPFS.change(), probe.change(), *removed])

    assert {outcome.cell.input for outcome in outcomes} == {*RECORDED_ONLY, "memory", "memorySwap"}
    for outcome in outcomes:
        faults = "; ".join(outcome.faults)
        assert "preview says update" in faults
        assert "was not recreated" in faults
        assert "not applied" in faults
        assert "up --refresh is not empty" in faults
        assert "a second up is not empty" not in faults
