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
from tests.reliability import tried


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


def test_content_mode_name_and_dockerfile_change_the_digest(context: Path) -> None:
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


def test_times_and_ignored_files_do_not_change_the_digest(context: Path) -> None:
    before = digest(context)
    os.utime(context / "src" / "main.rs", (1, 1))
    (context / "target" / "release").mkdir(parents=True)
    (context / "target" / "release" / "gix").write_bytes(b"binary")
    (context / "build.log").write_text("noise")
    assert digest(context) == before


def test_the_dockerfile_s_own_ignore_file_comes_first(context: Path) -> None:
    (context / "Dockerfile.dockerignore").write_text("src\n")
    before = digest(context)
    (context / "src" / "main.rs").write_text("changed")
    assert digest(context) == before
    (context / "build.log").write_text("no longer ignored")
    assert digest(context) != before


def test_an_ignore_file_can_exclude_everything_but_named_files(context: Path) -> None:
    (context / ".dockerignore").write_text("# all\n*\n!src\n!Cargo.toml\n")
    before = digest(context)
    (context / "notes").write_text("ignored")
    assert digest(context) == before
    (context / "src" / "lib.rs").write_text("seen")
    assert digest(context) != before


def test_a_dockerfile_outside_of_its_context_changes_the_digest(context: Path, tmp_path: Path) -> None:
    outside = tmp_path / "infra.Dockerfile"
    outside.write_text("FROM scratch\n")
    before = context_digest(str(context), str(outside))
    outside.write_text("FROM scratch\nUSER 1000\n")
    assert context_digest(str(context), str(outside)) != before


@pytest.mark.parametrize(
    ("ignored", "official"),
    [
        (None, "893ab4dd84eae42babac48f0a46b0d5935d82ba18048a13d4ccaf6a78a38f248"),
        ("# all\n*\n!src/**\n!a*\n", "bb597fc0e4a740837eef46fba9f9d8e16956bf32c892f294e24ccffc0606025a"),
        (
            "/target\n**/*~\nb?\n[a]\n  src/./lib//\n",
            "507887f362c45aa87c8a3e8a94801e8c58e2513ed7dd0dc19d15249989e24223",
        ),
        ("**\n", "28ae90bda2f6ea069332c326ad65581be0fd9501aa6f27af89f3d014367144ff"),
    ],
)
def test_the_digest_equals_the_official_plugin_s(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, ignored: str | None, official: str
) -> None:
    monkeypatch.chdir(tmp_path)
    contents = ("a/x", "a.txt", "a-b", "B", "ba", "src/lib/one.rs", "src/main.rs", "src/main.rs~", "target/gix", "ü")
    for number, name in enumerate(contents):
        file = Path("app") / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(str(number))
        file.chmod(0o644)
    Path("app/B").chmod(0o4755)
    Path("app/link").symlink_to("src/main.rs")
    Path("app/src/up").symlink_to("../a")
    Path("Dockerfile.app").write_text("FROM scratch\n")
    if ignored is not None:
        Path("Dockerfile.app.dockerignore").write_text(ignored)
    assert context_digest("app", "Dockerfile.app") == official


def test_only_name_and_mode_of_special_files_change_the_digest(tmp_path: Path) -> None:
    (tmp_path / "app").mkdir()
    (tmp_path / "Dockerfile").write_text("FROM scratch\n")
    os.mkfifo(tmp_path / "app/pipe")
    (tmp_path / "app/pipe").chmod(0o644)
    (tmp_path / "app" / os.fsdecode(b"\xff")).write_text("a name that is no text")
    (tmp_path / "app" / os.fsdecode(b"\xff")).chmod(0o644)
    assert (
        context_digest(str(tmp_path / "app"), str(tmp_path / "Dockerfile"))
        == "a6c32f8a3ec7111b5a439d184799a681b736f2cca6002b1ffb1ff52c6ea26dec"
    )


def test_an_invalid_ignore_pattern_is_named(context: Path) -> None:
    (context / ".dockerignore").write_text("src/[\n")
    with pytest.raises(PluginError, match=r"src/\["):
        digest(context)


def test_files_after_a_broken_link_in_its_directory_do_not_change_the_digest(context: Path) -> None:
    names = ("a", "src/a", "src/z", "z")
    for name in names:
        (context / name).write_text("before")
    (context / "src/link").symlink_to("nowhere")
    before, seen = digest(context), set()
    for name in names:
        (context / name).write_text("after")
        if digest(context) != before:
            seen.add(name)
        (context / name).write_text("before")
    assert seen == {"a", "src/a", "z"}


def test_an_unreadable_context_is_named(context: Path, tmp_path: Path) -> None:
    assert context_problem(str(context)) is None
    assert str(tmp_path / "missing") in (context_problem(str(tmp_path / "missing")) or "")
    assert "is not a directory" in (context_problem(str(context / "Dockerfile")) or "")


def test_a_missing_dockerfile_gets_a_hint_if_it_is_in_the_context(
    context: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
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


def test_a_dockerfile_inside_of_its_context_is_sent_under_its_own_path(context: Path) -> None:
    (context / ".dockerignore").write_text("*\n!src\n")
    name, files = sent(context, context / "Dockerfile")
    assert name == "Dockerfile"
    assert set(files) == {".dockerignore", "Dockerfile", "src/main.rs"}


def test_a_dockerfile_outside_of_its_context_is_sent_under_a_new_name_each_time(context: Path) -> None:
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
    tried("contexts")
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
def test_a_file_of_any_name_changes_the_digest_and_is_sent(
    names: set[bytes], tmp_path_factory: pytest.TempPathFactory
) -> None:
    tried("contexts")
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
