"""The key of compiled dependencies: what changes it, and what does not."""

from pathlib import Path

import pytest

from gix_components.dependency_key import dependency_key

ROOT = """\
[workspace]
members = ["crates/*"]
[workspace.package]
version = "0.1.0"
[workspace.dependencies]
common = { path = "crates/common", version = "0.1.0" }
tokio = { version = "1", features = ["rt"] }
"""
SERVICE = """\
[package]
name = "service"
version = "0.1.0"
[dependencies]
common = { workspace = true }
tokio = { workspace = true }
"""
LOCK = """\
version = 3
[[package]]
name = "service"
version = "0.1.0"
dependencies = ["common", "tokio"]
[[package]]
name = "tokio"
version = "1.35.0"
source = "registry+https://github.com/rust-lang/crates.io-index"
"""


@pytest.fixture
def source(tmp_path: Path) -> Path:
    for path, text in {
        "Cargo.toml": ROOT,
        "Cargo.lock": LOCK,
        "crates/service/Cargo.toml": SERVICE,
        "crates/service/src/main.rs": "fn main() {}",
    }.items():
        file = tmp_path / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)
    return tmp_path


def key(source: Path, dockerfile: str = "FROM rust", **arguments: str) -> str:
    return dependency_key(source, dockerfile, {"LTO": "fat"} | arguments)


def test_the_key_is_part_of_a_tag_and_stays_the_same(source: Path) -> None:
    assert len(key(source)) == 16
    assert key(source) == key(source)


@pytest.mark.parametrize(
    ("path", "before", "after"),
    [
        ("Cargo.toml", 'features = ["rt"]', 'features = ["rt", "net"]'),
        ("Cargo.toml", 'version = "1", features', 'version = "2", features'),
        ("Cargo.lock", 'version = "1.35.0"', 'version = "1.36.0"'),
        ("crates/service/Cargo.toml", "tokio = { workspace = true }\n", ""),
    ],
)
def test_a_dependency_changes_the_key(source: Path, path: str, before: str, after: str) -> None:
    assert key(source) != changed(source, path, before, after)


@pytest.mark.parametrize(
    ("path", "before", "after"),
    [
        ("crates/service/src/main.rs", "{}", "{ }"),
        ("Cargo.toml", '[workspace.package]\nversion = "0.1.0"', '[workspace.package]\nversion = "0.2.0"'),
        ("Cargo.toml", '"crates/common", version = "0.1.0"', '"crates/common", version = "0.2.0"'),
        ("crates/service/Cargo.toml", 'version = "0.1.0"', 'version = "0.2.0"'),
        ("Cargo.lock", 'name = "service"\nversion = "0.1.0"', 'name = "service"\nversion = "0.2.0"'),
    ],
)
def test_the_code_and_version_of_the_workspace_do_not_change_the_key(
    source: Path, path: str, before: str, after: str
) -> None:
    assert key(source) == changed(source, path, before, after)


def test_instructions_arguments_and_settings_of_cargo_change_the_key(source: Path) -> None:
    keys = {key(source), key(source, "FROM rust AS other"), key(source, LTO="off")}
    for name in ("rust-toolchain.toml", ".cargo/config.toml"):
        (source / name).parent.mkdir(exist_ok=True)
        (source / name).write_text("[build]")
        keys.add(key(source))
    assert len(keys) == 5


def test_a_manifest_that_cargo_cannot_read_has_a_key_too(source: Path) -> None:
    assert key(source) != changed(source, "Cargo.toml", "[workspace]", "[workspace")


def changed(source: Path, path: str, before: str, after: str) -> str:
    """The key after a change of a file."""
    file = source / path
    text = file.read_text()
    assert before in text
    file.write_text(text.replace(before, after))
    return key(source)
