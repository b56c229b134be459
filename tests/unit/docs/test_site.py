"""The documentation site."""

import subprocess
from pathlib import Path

from tests.unit.declared import PROGRAM


def test_the_site_is_built_without_a_warning(tmp_path: Path) -> None:
    command = ["mkdocs", "build", "--quiet", "--strict", "--site-dir", str(tmp_path / "site")]
    done = subprocess.run(command, cwd=PROGRAM, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "site/operations/index.html").exists()
