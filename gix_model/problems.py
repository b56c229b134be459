"""Problems of a configuration or an engine, and the errors that report them."""

from collections.abc import Iterable
from dataclasses import dataclass, fields

_LONGEST_PART = 1000
_MOST_SHOWN = 50


@dataclass(frozen=True, kw_only=True)
class Problem:
    """One problem: `subject` (a key with its value, or an object of the engine), `limit` (what is wrong) and `fix`.

    Each text is made printable and truncated, because keys and values may contain anything.
    """

    subject: str
    limit: str
    fix: str

    def __post_init__(self) -> None:
        for each in fields(self):
            object.__setattr__(self, each.name, printable(getattr(self, each.name)))

    def __str__(self) -> str:
        return f"  {self.subject}: {self.limit}\n      -> {self.fix}"


def printable(text: str) -> str:
    """`text` with escapes for characters that are not printable, truncated if it is very long."""
    cut = text if len(text) <= _LONGEST_PART else f"{text[:_LONGEST_PART]}..."
    if cut.isprintable():
        return cut
    return "".join(each if each.isprintable() else each.encode("unicode_escape").decode() for each in cut)


class ProblemsError(Exception):
    """Problems, as text with a fix for each. Nothing has been changed when it is raised."""

    def __init__(self, where: str, problems: Iterable[Problem]) -> None:
        self.where = where
        self.problems = tuple(problems)
        count = "1 problem" if len(self.problems) == 1 else f"{len(self.problems)} problems"
        lines = "\n".join(str(problem) for problem in self.problems[:_MOST_SHOWN])
        if len(self.problems) > _MOST_SHOWN:
            lines += f"\n  and {len(self.problems) - _MOST_SHOWN} more"
        super().__init__(f"{where}: {count}; nothing has been touched\n{lines}")


class ConfigurationError(ProblemsError):
    """The configuration of a stack is not valid."""


class PreflightError(ProblemsError):
    """The engine is not in a state in which the stack can be deployed."""
