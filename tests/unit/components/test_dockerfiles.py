"""The Dockerfiles that a program uses: those of the clone, or copies of those in the package."""

from pathlib import Path

import pulumi
import pytest

from gix_components import dockerfiles
from tests.unit.declared import PROGRAM


def test_the_clone_s_own_program_builds_from_its_own_dockerfiles(tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to(PROGRAM)
    assert dockerfiles.provide(PROGRAM) == dockerfiles.provide(tmp_path / "link") == Path("infra/docker")
    assert not (PROGRAM / ".gix").exists()


def test_a_program_elsewhere_gets_copies_that_follow_the_package_and_stay_out_of_git(tmp_path: Path) -> None:
    copies = tmp_path / dockerfiles.provide(tmp_path)
    originals = {file.name: file.read_bytes() for file in (PROGRAM / "infra" / "docker").iterdir()}
    assert {file.name: file.read_bytes() for file in copies.iterdir()} == originals
    assert (copies.parent / ".gitignore").read_text() == "*\n"

    edited, kept = copies / "Dockerfile.router", copies / "Dockerfile.auction"
    edited.write_text("FROM scratch\n")
    before = kept.stat()
    dockerfiles.provide(tmp_path)
    assert {file.name: file.read_bytes() for file in copies.iterdir()} == originals
    assert kept.stat() == before


def test_a_directory_that_is_not_writable_is_reported_without_a_traceback(tmp_path: Path) -> None:
    (tmp_path / ".gix").write_text("")
    with pytest.raises(pulumi.RunError, match="let this user write there"):
        dockerfiles.provide(tmp_path)
