"""A key for the compiled dependencies of a workspace: it stays the same as long as they do."""

import hashlib
import json
import os
import tomllib
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

LENGTH = 16
"""Number of hexadecimal digits of a key."""

_NOT_SOURCES = {".git", "target"}
_RAW = ("rust-toolchain", "rust-toolchain.toml", ".cargo/config", ".cargo/config.toml")


def dependency_key(source: Path, dockerfile: str, arguments: Mapping[str, str]) -> str:
    """The key of the dependencies of the workspace `source`, built by the instructions `dockerfile` with `arguments`.

    It depends on the manifests and the lock file, apart from the versions of the workspace's own crates, which each
    release changes. The key only names an image: BuildKit takes a layer from it only if it is the one to build.
    """
    parts = [dockerfile, json.dumps(dict(arguments), sort_keys=True)]
    parts += (f"{path.relative_to(source)} {_content(path)}" for path in _files(source))
    return hashlib.sha256("\0".join(parts).encode()).hexdigest()[:LENGTH]


def _files(source: Path) -> Iterator[Path]:
    yield from (path for name in (*_RAW, "Cargo.lock") if (path := source / name).is_file())
    for directory, subdirectories, names in os.walk(source):
        subdirectories[:] = sorted(set(subdirectories) - _NOT_SOURCES)
        if "Cargo.toml" in names:
            yield Path(directory, "Cargo.toml")


def _content(path: Path) -> str:
    read = _READERS.get(path.name)
    text = path.read_text(errors="replace")
    try:
        return json.dumps(read(tomllib.loads(text)), sort_keys=True, default=str) if read else text
    except tomllib.TOMLDecodeError:
        # Cargo reports it in the build.
        return text


def _third_party(lock: dict[str, Any]) -> Any:
    return [package for package in lock.get("package", []) if "source" in package]


def _without_versions(manifest: dict[str, Any]) -> Any:
    for package in (manifest.get("package"), manifest.get("workspace", {}).get("package")):
        if isinstance(package, dict):
            package.pop("version", None)
    return _without_versions_of_paths(manifest)


def _without_versions_of_paths(value: Any) -> Any:
    """The same value, where dependencies on crates of the workspace have no version."""
    if isinstance(value, list):
        return [_without_versions_of_paths(each) for each in value]
    if not isinstance(value, dict):
        return value
    return {
        key: _without_versions_of_paths(each) for key, each in value.items() if key != "version" or "path" not in value
    }


_READERS: dict[str, Callable[[dict[str, Any]], Any]] = {"Cargo.lock": _third_party, "Cargo.toml": _without_versions}
