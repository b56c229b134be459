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
    """What a check found. `fix` is the command or action that fixes it; `by_fix` says that `--fix` does it."""

    check: str = ""
    level: Level
    text: str
    fix: str = ""
    by_fix: bool = False


def ok(text: str) -> Finding:
    """Nothing is wrong."""
    return Finding(level=Level.OK, text=text)


def warning(text: str, fix: str, *, by_fix: bool = False) -> Finding:
    """The stack works, but something is not as it should be or will fail later."""
    return Finding(level=Level.WARNING, text=text, fix=fix, by_fix=by_fix)


def fault(text: str, fix: str, *, by_fix: bool = False) -> Finding:
    """Something keeps the stack from working."""
    return Finding(level=Level.FAULT, text=text, fix=fix, by_fix=by_fix)


def skipped(text: str) -> Finding:
    """The check cannot run; `text` says why."""
    return Finding(level=Level.SKIPPED, text=text)


def one_line(error: Exception) -> str:
    """The text of an error on one line."""
    return " ".join(str(error).split())[:200]
