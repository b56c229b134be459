"""Build contexts with what no workspace should have in it: built or refused, the same by both docker plugins."""

import os
import socket
import stat
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import pytest

from tests.plugin.programs import image
from tests.plugin.sandbox import Sandbox
from tests.plugin.scenario import Scenario
from tests.reliability import tried


def a_named_pipe(context: Path) -> None:
    os.mkfifo(context / "pipe")


def a_device(context: Path) -> None:
    os.mknod(context / "null", stat.S_IFCHR | 0o666, os.makedev(1, 3))


def a_socket(context: Path) -> None:
    with socket.socket(socket.AF_UNIX) as bound:
        bound.bind(str(context / "socket"))


def links_in_a_circle(context: Path) -> None:
    (context / "a").symlink_to("b")
    (context / "b").symlink_to("a")


def ignored_links_in_a_circle(context: Path) -> None:
    links_in_a_circle(context)
    (context / ".dockerignore").write_text("a\nb\n")


def a_link_to_nowhere(context: Path) -> None:
    (context / "broken").symlink_to("nowhere")


def links_out_of_the_context(context: Path) -> None:
    (context / "file").symlink_to("/etc/hostname")
    (context / "directory").symlink_to("/etc")
    (context / "parent").symlink_to("..")


def a_link_to_a_directory(context: Path) -> None:
    (context / "directory").mkdir()
    (context / "link").symlink_to("directory")


def names_that_are_not_utf_8(context: Path) -> None:
    directory = context / os.fsdecode(b"d\xffr")
    directory.mkdir()
    (directory / os.fsdecode(b"na\xffme")).write_text("x")
    (context / os.fsdecode(b"l\xffnk")).symlink_to("content")


def a_first_name_that_is_not_ascii(context: Path) -> None:
    (context / ".été").write_text("x")


def a_first_name_that_is_long(context: Path) -> None:
    (context / f".{'n' * 200}").write_text("x")


def a_name_with_a_line_break(context: Path) -> None:
    (context / "new\nline").write_text("x")


def a_name_as_long_as_can_be(context: Path) -> None:
    (context / ("n" * 255)).write_text("x")


def a_path_longer_than_the_system_opens(context: Path) -> None:
    directory = os.open(context, os.O_RDONLY)
    for _ in range(25):
        os.mkdir("d" * 200, dir_fd=directory)
        inner = os.open("d" * 200, os.O_RDONLY, dir_fd=directory)
        os.close(directory)
        directory = inner
    os.close(directory)


def an_ignore_file_that_is_not_utf_8(context: Path) -> None:
    (context / ".dockerignore").write_bytes(b"na\xffme\n")
    (context / os.fsdecode(b"na\xffme")).write_text("x")


def an_ignore_file_with_a_byte_order_mark(context: Path) -> None:
    (context / ".dockerignore").write_bytes(b"\xef\xbb\xbfjunk\n")


def an_ignore_file_with_a_zero_byte(context: Path) -> None:
    (context / ".dockerignore").write_bytes(b"a\0b\n")


def an_ignore_file_that_is_a_directory(context: Path) -> None:
    (context / ".dockerignore").mkdir()


def an_ignored_pattern_without_its_bracket(context: Path) -> None:
    (context / ".dockerignore").write_text("[a-\n")


def an_exception_of_nothing(context: Path) -> None:
    (context / ".dockerignore").write_text("!\n")


def an_ignored_pattern_too_long_to_read(context: Path) -> None:
    (context / ".dockerignore").write_text("x" * 70_000 + "\n")


def everything_ignored(context: Path) -> None:
    (context / ".dockerignore").write_text("*\n")


def an_empty_context(context: Path) -> None:
    (context / "content").unlink()


def an_ignored_file_of_a_tebibyte(context: Path) -> None:
    with (context / "huge").open("wb") as file:
        file.truncate(1 << 40)
    (context / ".dockerignore").write_text("huge\n")


def times_before_1970_and_after_9999(context: Path) -> None:
    for name, seconds in (("old", -1e9), ("far", 4e11)):
        (context / name).write_text("x")
        os.utime(context / name, (seconds, seconds))


def a_hard_link_and_a_file_that_sets_its_user(context: Path) -> None:
    os.link(context / "content", context / "hard")
    (context / "content").chmod(0o6755)


class Case(NamedTuple):
    """What makes a context hostile, and what its refusal says; None where it is built."""

    make: Callable[[Path], None]
    refusal: str | None = None


CASES = (
    Case(a_named_pipe),
    Case(a_device),
    Case(a_socket, "socket"),
    Case(links_in_a_circle, "unable to hash build context"),
    Case(ignored_links_in_a_circle),
    Case(a_link_to_nowhere),
    Case(links_out_of_the_context),
    Case(a_link_to_a_directory),
    Case(names_that_are_not_utf_8),
    Case(a_first_name_that_is_not_ascii, "ockerfile"),
    Case(a_first_name_that_is_long, "ockerfile"),
    Case(a_name_with_a_line_break),
    Case(a_name_as_long_as_can_be),
    Case(a_path_longer_than_the_system_opens, "unable to hash build context"),
    Case(an_ignore_file_that_is_not_utf_8),
    Case(an_ignore_file_with_a_byte_order_mark),
    Case(an_ignore_file_with_a_zero_byte),
    Case(an_ignore_file_that_is_a_directory, "unable to parse"),
    Case(an_ignored_pattern_without_its_bracket, "syntax error in pattern"),
    Case(an_exception_of_nothing, "pattern"),
    Case(an_ignored_pattern_too_long_to_read, "unable to parse"),
    Case(everything_ignored),
    Case(an_empty_context),
    Case(an_ignored_file_of_a_tebibyte),
    Case(times_before_1970_and_after_9999),
    Case(a_hard_link_and_a_file_that_sets_its_user),
)


@pytest.mark.parametrize("case", CASES, ids=[case.make.__name__ for case in CASES])
def test_a_hostile_context_is_built_or_refused(case: Case, scenario: Scenario, sandbox: Sandbox) -> None:
    context = sandbox.write_image(scenario.directory / "app")
    dockerfile = (context / "Dockerfile").rename(scenario.directory / "Dockerfile")
    dockerfile.write_text(f"FROM {sandbox.base}\nLABEL {sandbox.prefix}=1\nCOPY . /context/\n")
    case.make(context)
    tried("contexts")
    build = {"context": str(context), "dockerfile": str(dockerfile)}
    update = scenario.up(lambda: image("img", sandbox.name("img"), build=build))
    assert "Traceback" not in update.messages
    assert update.failed == bool(case.refusal), update.errors
    assert (case.refusal or "") in update.errors
    assert len(update.errors.splitlines()) < 10
