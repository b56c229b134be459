"""Fixtures of the unit tests."""

from pathlib import Path

import pytest


@pytest.fixture
def own_source(tmp_path: Path) -> str:
    """A workspace that the configuration accepts and that is not the bundled sample."""
    workspace = tmp_path / "own"
    workspace.mkdir()
    (workspace / "Cargo.toml").write_text("[workspace]\n")
    return str(workspace)
