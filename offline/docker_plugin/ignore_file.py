"""What a `.dockerignore` file leaves out of a build context, by the rules of Docker's own client."""

import os
import posixpath
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from offline.docker_plugin.errors import PluginError

_ESCAPED: Final = ".+()|{}$"


@dataclass(frozen=True)
class _Pattern:
    excepts: bool
    """Whether it takes files back in that a pattern before it left out."""
    matcher: re.Pattern[str]

    def matches(self, name: str) -> bool:
        return self.matcher.match(name) is not None


class IgnoreFile:
    """The patterns of an ignore file; without a file, nothing is left out."""

    def __init__(self, file: Path | None) -> None:
        """Read `file`.

        Raises:
            OSError: it cannot be read.
            PluginError: a pattern in it is not valid.

        """
        text = "" if file is None else file.read_text(encoding="utf-8-sig", errors="surrogateescape")
        self._patterns = tuple(_patterns(text))
        self._has_exceptions = any(pattern.excepts for pattern in self._patterns)

    def kept(self, root: Path) -> Iterator[str]:
        """Name the files under `root`, relative to it, that are not left out: each directory by name.

        Links are named, not followed.

        Raises:
            OSError: a directory cannot be read.

        """
        yield from self._kept(root, "", [False] * len(self._patterns))

    def _kept(self, root: Path, directory: str, above: Sequence[bool]) -> Iterator[str]:
        with os.scandir(root / directory) as entries:
            found = sorted(entries, key=lambda entry: os.fsencode(entry.name))
        for entry in found:
            name = posixpath.join(directory, entry.name)
            ignored, matched = self._judge(name, above)
            if entry.is_dir(follow_symlinks=False):
                if not ignored or self._has_exceptions:
                    yield from self._kept(root, name, matched)
            elif not ignored:
                yield name

    def _judge(self, name: str, above: Sequence[bool]) -> tuple[bool, list[bool]]:
        """Tell whether a file is left out, and which patterns match it, or matched the directory `above` it."""
        ignored, matched = False, []
        for pattern, matched_above in zip(self._patterns, above, strict=True):
            # A pattern that could change nothing is not asked.
            matches = matched_above or (pattern.excepts == ignored and pattern.matches(name))
            matched.append(matches)
            if matches:
                ignored = not pattern.excepts
        return ignored, matched


def _patterns(text: str) -> Iterator[_Pattern]:
    for line in text.split("\n"):
        words = "" if line.startswith("#") else line.strip()
        excepts = words.startswith("!")
        path = words.removeprefix("!").strip()
        if path:
            path = re.sub(r"^/+(?=.)", "", posixpath.normpath(path))
            try:
                yield _Pattern(excepts, _compiled(path))
            except re.error as error:
                raise PluginError(f"a pattern of the ignore file is not valid: {words!r}: {error}") from error


def _compiled(path: str) -> re.Pattern[str]:
    """Translate a pattern: `*` and `?` stay within a directory, `**` goes through any number of them."""
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
