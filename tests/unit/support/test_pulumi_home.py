"""The Pulumi home of the tests has the plugins of the provided one, and none of its logs."""

import os
from pathlib import Path

import pytest

from tests.support.pulumi_home import PLUGIN, own_home, provided_home


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The provided home, with a log and without a docker plugin."""
    home = tmp_path / "home"
    (home / "logs").mkdir(parents=True)
    (home / "logs/pulumi.log").touch()
    monkeypatch.setenv("PULUMI_HOME", str(home))
    monkeypatch.delenv("PULUMI_LOG_ROTATION_MAX_TOTAL_MB", raising=False)
    return home


def provide(home: Path, plugin: str) -> None:
    (home / PLUGIN).parent.mkdir(parents=True)
    (home / PLUGIN).write_text(plugin)


def test_given_the_official_plugin_a_new_home_has_it_and_no_logs_and_is_removed(home: Path) -> None:
    provide(home, "official")
    with own_home():
        new = Path(os.environ["PULUMI_HOME"])
        assert provided_home() == new != home
        assert (new / PLUGIN).read_text() == "official"
        assert [each.name for each in new.iterdir()] == ["plugins"]
        assert "PULUMI_LOG_ROTATION_MAX_TOTAL_MB" in os.environ
    assert not new.exists()
    assert (home / PLUGIN).exists()
    assert os.environ["PULUMI_HOME"] == str(home)
    assert "PULUMI_LOG_ROTATION_MAX_TOTAL_MB" not in os.environ


@pytest.mark.parametrize("plugin", ["exec python -m offline.docker_plugin", None])
def test_given_another_plugin_or_none_the_provided_home_is_used(home: Path, plugin: str | None) -> None:
    if plugin:
        provide(home, plugin)
    with own_home():
        assert os.environ["PULUMI_HOME"] == str(home)
        assert "PULUMI_LOG_ROTATION_MAX_TOTAL_MB" not in os.environ
