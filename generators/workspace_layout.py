"""Divides the sources of a Cargo workspace, so that each binary is compiled again only if its own crates change.

Usage: python3 workspace_layout.py WORKSPACE LAYOUT BINARY...

LAYOUT/shared has the crates that several binaries need, the files that belong to no crate, and stubs of the other
crates: their manifests, so that dependencies and features stay those of the whole workspace, and empty targets.
LAYOUT/BINARY has the other crates that the binary needs. As arguments of cargo, LAYOUT/binaries.txt lists the binaries
that the workspace has, LAYOUT/sharing.txt those whose build compiles all shared crates, and LAYOUT/stubs.txt the stubs.

The Dockerfiles contain this program. It has no single quotes, because a shell prints it.
"""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

PATH = re.compile(r"\"/?([\w./-]*/[\w.-]*)")
"""The start of a string in Rust code that may be a path."""


class Workspace:
    """The crates of a workspace, by name. Cargo reads only the manifests, which needs no network."""

    def __init__(self, root: Path) -> None:
        self.root = root.resolve()
        command = ["cargo", "metadata", "--no-deps", "--format-version=1"]
        metadata = json.loads(subprocess.run(command, cwd=self.root, stdout=subprocess.PIPE, check=True).stdout)
        self.crates = {crate["name"]: crate for crate in metadata["packages"]}
        self._names = {Path(crate["manifest_path"]).parent: name for name, crate in self.crates.items()}
        self._owners = {path: self.owner(path) for path in sorted(self.root.rglob("*"))}

    def owner(self, path: Path) -> str | None:
        """The crate that a file or directory belongs to: the one with the innermost directory around it."""
        return next((self._names[each] for each in (path, *path.parents) if each in self._names), None)

    def with_binary(self, binary: str) -> set[str]:
        """The crates that have a binary of this name."""
        return {
            name
            for name, crate in self.crates.items()
            if any(target["name"] == binary and "bin" in target["kind"] for target in crate["targets"])
        }

    def without_stubs(self) -> set[str]:
        """The crates that cannot be stubs: the one at the root, and those with a target outside of their directory."""
        at_root = {name for directory, name in self._names.items() if directory == self.root}
        return at_root | {
            name for name, crate in self.crates.items() if any(self.owner(path) != name for path in targets(crate))
        }

    def needed_by(self, names: set[str]) -> set[str]:
        """These crates, and all that they need."""
        needed: set[str] = set()
        pending = set(names)
        while pending:
            name = pending.pop()
            needed.add(name)
            # By name, because a [patch] may replace a crate of a registry by one of the workspace.
            dependencies = {each["name"] for each in self.crates[name]["dependencies"]}
            pending |= (dependencies & self.crates.keys() | self._read_by(name)) - needed
        return needed

    def _read_by(self, name: str) -> set[str]:
        """The crates whose files this crate names in its code, in a link, or as a target."""
        found = set(targets(self.crates[name]))
        for path in found | {path for path, owner in self._owners.items() if owner == name}:
            if path.is_symlink():
                found = found | {path.resolve()}
            elif path.suffix == ".rs" and path.is_file():
                texts = set(PATH.findall(path.read_text(errors="replace")))
                found = found | {Path(os.path.normpath(start / text)) for start in path.parents for text in texts}
        return {owner for path in found if (owner := self._owners.get(path))}

    def copy(self, whole: set[str | None], target: Path, *, stubs: set[str]) -> None:
        """Link the files of some crates into a directory, None for those of no crate, and add stubs."""
        target.mkdir(parents=True)
        for path, owner in self._owners.items():
            copy = target / path.relative_to(self.root)
            if path.is_dir() and not path.is_symlink():
                if owner in whole:
                    copy.mkdir(parents=True, exist_ok=True)
            elif owner in whole or (owner in stubs and path.name == "Cargo.toml"):
                copy.parent.mkdir(parents=True, exist_ok=True)
                os.link(path, copy, follow_symlinks=False)
        for name in stubs:
            for path, kinds in targets(self.crates[name]).items():
                stub = target / path.relative_to(self.root)
                stub.parent.mkdir(parents=True, exist_ok=True)
                stub.write_text("//! A stub.\n" + "fn main() {}\n" * ({"bin", "custom-build"} >= kinds))


def targets(crate: dict[str, Any]) -> dict[Path, set[str]]:
    """The kinds of the targets of a crate, by the path of their source."""
    return {Path(os.path.normpath(target["src_path"])): set(target["kind"]) for target in crate["targets"]}


def main(root: Path, layout: Path, binaries: list[str]) -> None:
    """Divide the sources. Cargo reports a binary that the workspace does not have when it is built."""
    workspace = Workspace(root)
    needs = {binary: workspace.needed_by(workspace.with_binary(binary)) for binary in binaries}
    found = [binary for binary in binaries if workspace.with_binary(binary)]
    shared = {name for name in workspace.crates if sum(name in needs[binary] for binary in found) > 1}
    shared |= workspace.needed_by(workspace.without_stubs())
    stubs = workspace.crates.keys() - shared
    workspace.copy({None, *shared}, layout / "shared", stubs=stubs)
    for binary, needed in needs.items():
        workspace.copy({*needed - shared}, layout / binary, stubs=set())
    sharing: list[str] = []
    compiled: set[str] = set()
    for binary in found:
        if shared & needs[binary] - compiled:
            sharing.append(binary)
            compiled |= needs[binary]
    for file, option, names in (
        ("binaries", "--bin", found),
        ("sharing", "--bin", sharing),
        ("stubs", "--package", sorted(stubs)),
    ):
        (layout / f"{file}.txt").write_text("".join(f"{option} {name}\n" for name in names))


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]), sys.argv[3:])
