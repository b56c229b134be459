"""The doctor's check of the certificate that the edge serves."""

import dataclasses
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace
from typing import cast

import pytest
from docker.errors import DockerException

from gix_engine import haproxy_runtime
from gix_engine.haproxy_runtime import LoadedFile
from gix_model.settings import EngineSettings
from gix_ops.doctor import certificate_check
from gix_ops.doctor.facts import Facts
from gix_ops.doctor.finding import Finding, Level
from tests.unit.outputs import stack_outputs


def findings(
    monkeypatch: pytest.MonkeyPatch, *loaded: LoadedFile, edge: str | None = "gix-edge", error: Exception | None = None
) -> list[Finding]:
    def read(_: object) -> list[LoadedFile]:
        if error is not None:
            raise error
        return list(loaded)

    monkeypatch.setattr(haproxy_runtime, "loaded_files", read)
    outputs = stack_outputs().model_copy(update={"edge": edge})
    client = SimpleNamespace(containers=SimpleNamespace(get=lambda name: name))
    facts = SimpleNamespace(up=SimpleNamespace(outputs=outputs), client=client, engine_settings=EngineSettings())
    return list(certificate_check.certificate(cast("Facts", facts)))


def ending(*after: timedelta) -> LoadedFile:
    # A moment more, for the time that the test takes.
    now = datetime.now(UTC) + timedelta(minutes=1)
    return LoadedFile(kind="cert", path="/edge.pem", ends=tuple(now + each for each in after))


@pytest.mark.parametrize(
    ("after", "level", "text"),
    [
        (timedelta(days=31), Level.OK, "is valid until"),
        (timedelta(days=29), Level.WARNING, "ends in 29 days, on "),
        (timedelta(days=1), Level.WARNING, "ends in 1 day, on "),
        (timedelta(hours=5), Level.WARNING, "ends in less than a day, on "),
        (timedelta(hours=-5), Level.FAULT, "ended on "),
    ],
)
def test_the_end_of_the_certificate_is_reported_30_days_before(
    monkeypatch: pytest.MonkeyPatch, after: timedelta, level: Level, text: str
) -> None:
    [found] = findings(monkeypatch, ending(after))
    assert found.level is level
    assert f"the certificate of the edge {text}" in found.text
    assert ("set gix:edge.certificate and gix:edge.key to a renewed one" in found.fix) == (level is not Level.OK)


def test_the_first_authority_that_ends_counts(monkeypatch: pytest.MonkeyPatch) -> None:
    authorities = dataclasses.replace(ending(timedelta(days=300), timedelta(days=3)), kind="ca-file")
    [found] = findings(monkeypatch, authorities)
    assert "a certificate of the authorities of the clients ends in 3 days" in found.text
    assert "gix:edge.clientCa" in found.fix


@pytest.mark.parametrize(
    ("edge", "error", "level", "text"),
    [
        (None, None, Level.OK, "there is no edge that serves one"),
        ("gix-edge", None, Level.OK, "serves no certificate"),
        ("gix-edge", DockerException("paused"), Level.SKIPPED, "does not say what it serves: paused"),
    ],
)
def test_without_a_certificate_the_check_says_so(
    monkeypatch: pytest.MonkeyPatch, edge: str | None, error: Exception | None, level: Level, text: str
) -> None:
    [found] = findings(monkeypatch, edge=edge, error=error)
    assert found.level is level
    assert text in found.text
