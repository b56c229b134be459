"""What a restore refuses before it uses the engine, and how its watcher retries."""

import contextlib
import io
import sys
import tarfile
import time
from pathlib import Path
from typing import Any, cast

import pytest
from docker.errors import APIError

from gix_ledger import guard
from gix_ledger.auction import auction
from gix_ledger.errors import LedgerError
from gix_ledger.location import LedgerLocation
from gix_ledger.restore import restore
from gix_model.settings import EngineSettings

UNREACHABLE = EngineSettings.model_validate({"host": "unix:///nobody/listens/here.sock"})


@pytest.fixture
def ledger(tmp_path: Path) -> LedgerLocation:
    return LedgerLocation(
        engine=UNREACHABLE, directory=tmp_path, label="gix/dev", volume="data", container="auction", image="image"
    )


def archived(path: Path, **attributes: Any) -> Path:
    """An archive of an empty ledger whose directory has these attributes."""
    entry = tarfile.TarInfo(".")
    entry.type, entry.mode = tarfile.DIRTYPE, 0o755
    for name, value in attributes.items():
        setattr(entry, name, value)
    content = tarfile.GNU_FORMAT if "uid" in attributes else tarfile.PAX_FORMAT
    with tarfile.open(path, "w:gz", format=content) as tar:
        tar.addfile(entry)
        file = tarfile.TarInfo("./ledger.jsonl")
        file.size = 1
        tar.addfile(file, io.BytesIO(b"\n"))
    return path


@pytest.mark.parametrize(
    ("attributes", "named"),
    [
        ({"pax_headers": {"mtime": "nan"}}, "time nan"),
        ({"pax_headers": {"mtime": "1e400"}}, "time 1e400"),
        ({"uid": -1}, "-1:0"),
        ({"uid": 2**32 - 1}, "4294967295:0"),
        ({"uid": 2**40}, "1099511627776:0"),
    ],
)
def test_attributes_that_no_directory_can_have_are_refused_before_the_engine_is_asked(
    ledger: LedgerLocation, tmp_path: Path, attributes: dict[str, Any], named: str
) -> None:
    with pytest.raises(LedgerError) as caught:
        restore(ledger, archived(tmp_path / "a.tar.gz", **attributes))
    assert "which no file can have" in str(caught.value)
    assert named in str(caught.value)


@pytest.mark.parametrize("attributes", [{}, {"mode": 0o40755}, {"uid": 2**32 - 2}, {"pax_headers": {"mtime": "1.5"}}])
def test_attributes_that_a_directory_can_have_are_accepted(
    ledger: LedgerLocation, tmp_path: Path, attributes: dict[str, Any]
) -> None:
    with pytest.raises(LedgerError, match="the Docker engine does not answer"):
        restore(ledger, archived(tmp_path / "a.tar.gz", **attributes))


def watch(ledger: LedgerLocation, monkeypatch: pytest.MonkeyPatch, failures: int) -> list[float]:
    """Run a watcher whose first attempts fail. Returns the waiting time before each attempt."""
    waited: list[float] = []

    def recover(*_arguments: object) -> None:
        if len(waited) <= failures:
            raise LedgerError("the Docker engine does not answer")

    monkeypatch.setattr(guard, "recover", recover)
    monkeypatch.setattr(time, "sleep", waited.append)
    monkeypatch.setattr(sys, "argv", ["guard", "work", "unpause"])
    monkeypatch.setattr(sys, "stdin", io.StringIO(f"{ledger.to_json()}\n"))
    guard.main()
    return waited


def test_a_watcher_retries_until_it_succeeds(ledger: LedgerLocation, monkeypatch: pytest.MonkeyPatch) -> None:
    assert watch(ledger, monkeypatch, failures=0) == [0]
    assert len(watch(ledger, monkeypatch, failures=1000)) == 1001


def test_a_watcher_gives_up_after_a_day(ledger: LedgerLocation, monkeypatch: pytest.MonkeyPatch) -> None:
    waited = watch(ledger, monkeypatch, failures=10**9)
    assert waited[0] == 0
    assert max(waited) == 30
    assert 24 * 3600 < sum(waited) < 25 * 3600


class Freezing:
    """An engine that fails to pause a container `failures` times."""

    def __init__(self, failures: int, explanation: str) -> None:
        self.failures, self.explanation, self.asked = failures, explanation, 0
        self.status = "running"

    @property
    def api(self) -> "Freezing":
        return self

    @property
    def containers(self) -> "Freezing":
        return self

    def get(self, _name: str) -> "Freezing":
        return self

    def pause(self, _container: str) -> None:
        self.asked += 1
        if self.asked <= self.failures:
            raise APIError("refused", explanation=self.explanation)


@pytest.mark.parametrize(
    ("failures", "explanation", "asked", "is_paused"),
    [
        (0, "", 1, True),
        (4, "OCI runtime pause failed: unable to freeze: unknown", 5, True),
        (9, "OCI runtime pause failed: unable to freeze: unknown", 5, False),
        (1, "no such container", 1, False),
    ],
)
def test_a_pause_that_fails_in_the_runtime_is_retried(
    ledger: LedgerLocation,
    failures: int,
    explanation: str,
    asked: int,
    *,
    is_paused: bool,
) -> None:
    engine = Freezing(failures, explanation)
    held = auction(cast("Any", engine), ledger)
    with contextlib.nullcontext() if is_paused else pytest.raises(LedgerError, match="cannot be paused"):
        held.pause()
    assert engine.asked == asked
