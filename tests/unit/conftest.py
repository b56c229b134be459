"""What unit tests share."""

from pathlib import Path

import pytest


@pytest.fixture
def own_source(tmp_path: Path) -> str:
    """A workspace that is not the bundled sample, as far as its configuration is looked at."""
    workspace = tmp_path / "own"
    workspace.mkdir()
    (workspace / "Cargo.toml").write_text("[workspace]\n")
    return str(workspace)
