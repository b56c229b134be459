"""The Cargo workspace that a peer builds: a copy of the sample or the large one, and the edits of the cases."""

import re
import shutil
from pathlib import Path
from typing import Literal

from benchmarks import large_workspace
from benchmarks.commands import BenchmarkError
from gix_model.catalog import CATALOG

WorkspaceName = Literal["sample", "large"]

_SAMPLE = Path(__file__).parents[1] / "sample"
_MAIN = re.compile(r"^(?:async )?fn main\(\).*\{\n", re.MULTILINE)
_EDIT = re.compile(r'^    eprintln!\("benchmark .*"\);\n', re.MULTILINE)
_CRATES = (
    "itoa",
    "ryu",
    "hex",
    "fnv",
    "cfg-if",
    "scopeguard",
    "lazy_static",
    "bitflags",
    "static_assertions",
    "matches",
)
"""Small crates without dependencies of their own. None of the two workspaces names one of them."""


class Workspace:
    """A workspace in a folder of its own."""

    def __init__(self, name: WorkspaceName, folder: Path) -> None:
        self.name = name
        self.folder = folder
        if name == "sample":
            shutil.copytree(_SAMPLE, folder, ignore=shutil.ignore_patterns("target"))
        else:
            large_workspace.write(folder)
        self._router = folder / "crates" / CATALOG["router"].binary
        self._added = 0

    def edit(self, token: str) -> None:
        """Make the router write a line with `token` when it starts, instead of the line of the edit before."""
        main = self._router / "src/main.rs"
        text, count = _MAIN.subn(
            lambda match: f'{match[0]}    eprintln!("benchmark {token}");\n', _EDIT.sub("", main.read_text()), count=1
        )
        if not count:
            raise BenchmarkError(f"{main} has no `fn main() {{` to edit")
        main.write_text(text)

    def add_dependency(self) -> None:
        """Add a third-party crate to the router, another one at each call."""
        if self._added == len(_CRATES):
            raise BenchmarkError(f"only {len(_CRATES)} dependencies can be added; repeat the case less often")
        manifest = self._router / "Cargo.toml"
        table = "[dependencies]\n"
        manifest.write_text(manifest.read_text().replace(table, f'{table}{_CRATES[self._added]} = "*"\n', 1))
        self._added += 1
