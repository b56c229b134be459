"""Files that a `.dockerignore` file excludes from a build context, by the rules of Docker's own client."""

import os
import posixpath
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from offline.docker_plugin.errors import PluginError

_ESCAPED: Final = ".+()|{}$"
_MAX_PATTERN_BYTES: Final = 64 * 1024
_CHARACTER: Final = r"(?:\\.|[^\]\\-])"
_VALID: Final = re.compile(rf"(?:\\.|[^\[\\]|\[\^?(?:{_CHARACTER}(?:-{_CHARACTER})?)+\])+", re.DOTALL)
"""As in Go's filepath.Match: brackets are closed and contain characters and ranges, and no backslash is last."""


@dataclass(frozen=True)
class _Pattern:
    excepts: bool
    """Whether it includes files again that an earlier pattern excludes."""
    matcher: re.Pattern[str]

    def matches(self, name: str) -> bool:
        return self.matcher.match(name) is not None


class IgnoreFile:
    """The patterns of an ignore file. Without a file, nothing is excluded."""

    def __init__(self, file: Path | None, *last: str) -> None:
        """Read `file`, and add the patterns `last` at its end.

        Raises:
            OSError: the file cannot be read.
            PluginError: a pattern is invalid.

        """
        lines = [] if file is None else _lines(file)
        self._patterns = tuple(_patterns([*lines, *last]))
        self._has_exceptions = any(pattern.excepts for pattern in self._patterns)

    def kept(self, root: Path, *, directories: bool = False) -> Iterator[str]:
        """Yield the files under `root` that are not excluded, as relative paths, sorted by name in each directory.

        With `directories`, also yield the directories that are not excluded, each before its content. Links are not
        followed.

        Raises:
            OSError: a directory cannot be read.

        """
        yield from self._kept(root, "", [False] * len(self._patterns), directories=directories)

    def _kept(self, root: Path, directory: str, above: Sequence[bool], *, directories: bool) -> Iterator[str]:
        with os.scandir(root / directory) as entries:
            found = sorted(entries, key=lambda entry: os.fsencode(entry.name))
        for entry in found:
            name = posixpath.join(directory, entry.name)
            ignored, matched = self._judge(name, above)
            if entry.is_dir(follow_symlinks=False):
                if directories and not ignored:
                    yield name
                if not ignored or self._has_exceptions:
                    yield from self._kept(root, name, matched, directories=directories)
            elif not ignored:
                yield name

    def _judge(self, name: str, above: Sequence[bool]) -> tuple[bool, list[bool]]:
        """Return whether a file is excluded, and which patterns match it or the directory `above` it."""
        ignored, matched = False, []
        for pattern, matched_above in zip(self._patterns, above, strict=True):
            # A pattern that would not change the result is not matched.
            matches = matched_above or (pattern.excepts == ignored and pattern.matches(name))
            matched.append(matches)
            if matches:
                ignored = not pattern.excepts
        return ignored, matched


def _lines(file: Path) -> list[str]:
    # Opening a named pipe would block.
    if not file.is_file():
        raise PluginError(f"unable to parse {str(file)!r}: it is not a regular file")
    lines = file.read_bytes().removeprefix(b"\xef\xbb\xbf").split(b"\n")
    if max(map(len, lines)) >= _MAX_PATTERN_BYTES:
        raise PluginError(f"unable to parse {str(file)!r}: a line is longer than {_MAX_PATTERN_BYTES} bytes")
    return [os.fsdecode(line) for line in lines]


def _patterns(lines: Sequence[str]) -> Iterator[_Pattern]:
    for line in lines:
        words = "" if line.startswith("#") else line.strip()
        excepts = words.startswith("!")
        path = words.removeprefix("!").strip()
        if words and not _VALID.fullmatch(path):
            shown = os.fsencode(words).decode(errors="replace")
            raise PluginError(f"unable to parse the ignore file: syntax error in pattern {shown!r}")
        if path:
            path = re.sub(r"^/+(?=.)", "", posixpath.normpath(path))
            try:
                yield _Pattern(excepts, _compiled(path))
            except re.error as error:
                shown = os.fsencode(words).decode(errors="replace")
                raise PluginError(f"unable to parse the ignore file: syntax error in pattern {shown!r}") from error


def _compiled(path: str) -> re.Pattern[str]:
    """Translate a pattern: `*` and `?` match within a directory, `**` matches any number of directories."""
    if plain := re.fullmatch(r"\*\*([^*?\[\]\\]*)", path):
        suffix = re.escape(plain[1])
        return re.compile(rf"(?:.*{suffix}|{suffix.removeprefix('/')})\Z", re.DOTALL)
    expression, at = "", 0
    while at < len(path):
        letter = path[at]
        at += 1
        if path.startswith("*", at) and letter == "*":
            at += 2 if path.startswith("/", at + 1) else 1
            expression += "(?:.*/)?" if at < len(path) else ".*"
        elif letter == "*":
            expression += "[^/]*"
        elif letter == "?":
            expression += "[^/]"
        elif letter == "\\" and at < len(path):
            expression += re.escape(path[at])
            at += 1
        else:
            expression += f"\\{letter}" if letter in _ESCAPED else letter
    return re.compile(rf"{expression}\Z", re.DOTALL)
