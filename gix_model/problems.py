"""How a wrong setting is told: the key, its value, the limit and the fix, all of them at once."""

from collections.abc import Iterable
from dataclasses import dataclass, fields

_LONGEST_PART = 1000
_MOST_SHOWN = 50


@dataclass(frozen=True, kw_only=True)
class Problem:
    """One thing that stands in the way: `subject` (a key with its value, or what was found), `limit` and `fix`.

    Each is made printable and cut off where it is very long: keys and values may hold anything.
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
    """`text` with what a terminal would not show as escapes, cut off where it is very long."""
    cut = text if len(text) <= _LONGEST_PART else f"{text[:_LONGEST_PART]}..."
    if cut.isprintable():
        return cut
    return "".join(each if each.isprintable() else each.encode("unicode_escape").decode() for each in cut)


class ProblemsError(Exception):
    """What was found wrong, as text that a person can act on. Nothing has been touched when it is raised."""

    def __init__(self, where: str, problems: Iterable[Problem]) -> None:
        self.where = where
        self.problems = tuple(problems)
        count = "1 problem" if len(self.problems) == 1 else f"{len(self.problems)} problems"
        lines = "\n".join(str(problem) for problem in self.problems[:_MOST_SHOWN])
        if len(self.problems) > _MOST_SHOWN:
            lines += f"\n  and {len(self.problems) - _MOST_SHOWN} more"
        super().__init__(f"{where}: {count}; nothing has been touched\n{lines}")


class ConfigurationError(ProblemsError):
    """The configuration of a stack breaks rules."""


class PreflightError(ProblemsError):
    """The engine is not in a state in which the stack can be brought up."""
