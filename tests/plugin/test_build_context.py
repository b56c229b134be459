"""What makes an image be built again, and what of a context the engine is sent, without an engine."""

import io
import os
import re
import tarfile
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from offline.docker_plugin.build_context import context_digest, context_problem, dockerfile_problem, write_archive
from offline.docker_plugin.errors import PluginError


@pytest.fixture
def context(tmp_path: Path) -> Path:
    root = tmp_path / "app"
    (root / "src").mkdir(parents=True)
    (root / "Dockerfile").write_text("FROM scratch\nCOPY . /\n")
    (root / "src" / "main.rs").write_text("fn main() {}\n")
    (root / ".dockerignore").write_text("target\n*.log\n!keep.log\n")
    return root


def digest(context: Path, dockerfile: str = "Dockerfile") -> str:
    return context_digest(str(context), str(context / dockerfile))


def test_content_mode_name_and_dockerfile_count(context: Path) -> None:
    seen = {digest(context)}
    (context / "src" / "main.rs").write_text("fn main() { }\n")
    seen.add(digest(context))
    (context / "src" / "main.rs").chmod(0o755)
    seen.add(digest(context))
    (context / "src" / "main.rs").rename(context / "src" / "lib.rs")
    seen.add(digest(context))
    (context / "Dockerfile").write_text("FROM scratch\n")
    seen.add(digest(context))
    (context / "link").symlink_to("src/lib.rs")
    seen.add(digest(context))
    (context / "keep.log").write_text("kept")
    seen.add(digest(context))
    assert len(seen) == 7


def test_times_and_ignored_files_do_not_count(context: Path) -> None:
    before = digest(context)
    os.utime(context / "src" / "main.rs", (1, 1))
    (context / "target" / "release").mkdir(parents=True)
    (context / "target" / "release" / "gix").write_bytes(b"binary")
    (context / "build.log").write_text("noise")
    assert digest(context) == before


def test_the_dockerfiles_own_ignore_file_comes_first(context: Path) -> None:
    (context / "Dockerfile.dockerignore").write_text("src\n")
    before = digest(context)
    (context / "src" / "main.rs").write_text("changed")
    assert digest(context) == before
    (context / "build.log").write_text("no longer ignored")
    assert digest(context) != before


def test_all_but_what_is_named_can_be_ignored(context: Path) -> None:
    (context / ".dockerignore").write_text("# all\n*\n!src\n!Cargo.toml\n")
    before = digest(context)
    (context / "notes").write_text("ignored")
    assert digest(context) == before
    (context / "src" / "lib.rs").write_text("seen")
    assert digest(context) != before


def test_a_dockerfile_outside_of_its_context_counts(context: Path, tmp_path: Path) -> None:
    outside = tmp_path / "infra.Dockerfile"
    outside.write_text("FROM scratch\n")
    before = context_digest(str(context), str(outside))
    outside.write_text("FROM scratch\nUSER 1000\n")
    assert context_digest(str(context), str(outside)) != before


def test_a_link_that_leads_nowhere_counts_as_it_is(context: Path) -> None:
    before = digest(context)
    (context / "broken").symlink_to("nowhere")
    assert digest(context) != before


def test_a_context_that_cannot_be_read_is_named(context: Path, tmp_path: Path) -> None:
    assert context_problem(str(context)) is None
    assert str(tmp_path / "missing") in (context_problem(str(tmp_path / "missing")) or "")
    assert "is not a directory" in (context_problem(str(context / "Dockerfile")) or "")


def test_a_missing_dockerfile_gets_a_hint_where_there_is_one(context: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(context.parent)
    assert dockerfile_problem("app", "app/Dockerfile") is None
    assert "'app/Dockerfile'" in (dockerfile_problem("app", "Dockerfile") or "")
    assert "try setting" not in (dockerfile_problem("app", "Other") or "")


def sent(context: Path, dockerfile: Path) -> tuple[str, dict[str, bytes]]:
    """The Dockerfile's name in the archive that the engine is sent, and the archive's files."""
    file = io.BytesIO()
    name = write_archive(str(context), str(dockerfile), file)
    file.seek(0)
    with tarfile.open(fileobj=file) as archive:
        contents = {entry.name: archive.extractfile(entry) for entry in archive if entry.isreg()}
        return name, {each: content.read() for each, content in contents.items() if content}


def test_a_dockerfile_inside_of_its_context_is_sent_where_it_is(context: Path) -> None:
    (context / ".dockerignore").write_text("*\n!src\n")
    name, files = sent(context, context / "Dockerfile")
    assert name == "Dockerfile"
    assert set(files) == {".dockerignore", "Dockerfile", "src/main.rs"}


def test_a_dockerfile_outside_of_its_context_is_sent_under_a_name_that_is_new_each_time(context: Path) -> None:
    outside = (context / "Dockerfile").rename(context.parent / "infra.Dockerfile")
    names = set()
    for _ in range(2):
        name, files = sent(context, outside)
        assert re.fullmatch(r"\.dockerfile\.[0-9a-f]{20}", name)
        assert files[name] == outside.read_bytes()
        assert files[".dockerignore"].decode() == f"target\n*.log\n!keep.log\n\n{name}\n"
        names.add(name)
    assert len(names) == 2


@given(lines=st.lists(st.binary(max_size=20), max_size=5))
def test_any_ignore_file_is_read_or_refused(lines: list[bytes], tmp_path_factory: pytest.TempPathFactory) -> None:
    root = tmp_path_factory.mktemp("context")
    (root / "Dockerfile").write_text("FROM scratch\n")
    (root / ".dockerignore").write_bytes(b"\n".join(lines))
    refused = 0
    for use in (digest, lambda context: sent(context, context / "Dockerfile")):
        try:
            use(root)
        except PluginError as error:
            str(error).encode()
            refused += 1
    assert refused in (0, 2)


_NAMES = st.binary(min_size=1, max_size=60).filter(lambda name: not {0, 47} & set(name) and name not in (b".", b".."))


@given(names=st.sets(_NAMES, min_size=1, max_size=5))
def test_any_name_counts_and_is_sent(names: set[bytes], tmp_path_factory: pytest.TempPathFactory) -> None:
    root = tmp_path_factory.mktemp("context")
    outside = root.parent / f"{root.name}.Dockerfile"
    outside.write_text("FROM scratch\n")
    for name in names:
        (root / os.fsdecode(name)).write_bytes(name)
    before = context_digest(str(root), str(outside))
    for name in names - {b".dockerignore"}:
        assert sent(root, outside)[1][os.fsdecode(name)] == name
        (root / os.fsdecode(name)).unlink()
        assert context_digest(str(root), str(outside)) != before
