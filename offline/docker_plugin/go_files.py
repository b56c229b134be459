"""File modes and links in the form of Go's standard library."""

import os
import stat
from pathlib import Path
from typing import Final

_TYPES: Final = {
    stat.S_IFDIR: "d",
    stat.S_IFLNK: "L",
    stat.S_IFBLK: "D",
    stat.S_IFCHR: "Dc",
    stat.S_IFIFO: "p",
    stat.S_IFSOCK: "S",
}
_FLAGS: Final = {stat.S_ISUID: "u", stat.S_ISGID: "g", stat.S_ISVTX: "t"}


def file_mode(mode: int) -> str:
    """Write `st_mode` as Go's `FileMode.String` does: `-rw-r--r--`, `Lrwxrwxrwx`, `ugrwxr-xr-x`."""
    kind = _TYPES.get(stat.S_IFMT(mode), "")
    letters = kind + "".join(letter for flag, letter in _FLAGS.items() if mode & flag)
    permissions = "".join(letter if mode & 0o400 >> place else "-" for place, letter in enumerate("rwxrwxrwx"))
    return (letters or "-") + permissions


def link_target(path: Path) -> str:
    """Follow every symbolic link in a path, as Go's `filepath.EvalSymlinks` does.

    The result is relative where the path and all links in it are.

    Raises:
        OSError: the file does not exist, or the links form a loop.

    """
    target = os.path.realpath(path, strict=True)
    return target if path.is_absolute() or _is_anywhere_absolute(path) else os.path.relpath(target)


def _is_anywhere_absolute(path: Path) -> bool:
    """Return whether an absolute link is on the way from a relative path to its target."""
    steps = list(reversed(path.parts))
    at = Path()
    while steps:
        at = at / steps.pop()
        if at.is_symlink():
            link = at.readlink()
            if link.is_absolute():
                return True
            at = at.parent
            steps.extend(reversed(link.parts))
    return False
