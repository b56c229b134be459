"""What a check of `gixctl doctor` found."""

from dataclasses import dataclass
from enum import StrEnum


class Level(StrEnum):
    """How a check ended."""

    OK = "ok"
    WARNING = "warning"
    FAULT = "fault"
    SKIPPED = "skipped"


@dataclass(frozen=True, kw_only=True)
class Finding:
    """What a check found. `fix` is the line that mends it, `by_fix` says that `--fix` runs it."""

    check: str = ""
    level: Level
    text: str
    fix: str = ""
    by_fix: bool = False


def ok(text: str) -> Finding:
    """All is well."""
    return Finding(level=Level.OK, text=text)


def warning(text: str, fix: str, *, by_fix: bool = False) -> Finding:
    """What works, and may not for long, or not as it is meant to."""
    return Finding(level=Level.WARNING, text=text, fix=fix, by_fix=by_fix)


def fault(text: str, fix: str, *, by_fix: bool = False) -> Finding:
    """What keeps the stack from working."""
    return Finding(level=Level.FAULT, text=text, fix=fix, by_fix=by_fix)


def skipped(text: str) -> Finding:
    """What can't be looked at, and why."""
    return Finding(level=Level.SKIPPED, text=text)


def one_line(error: Exception) -> str:
    """An error's words on one line."""
    return " ".join(str(error).split())[:200]
