"""How a wrong setting is told: the key, its value, the limit and the way out, all of them at once."""

from collections.abc import Iterable
from dataclasses import dataclass

import pulumi


@dataclass(frozen=True, kw_only=True)
class Problem:
    """One thing that stands in the way: `subject` (a key with its value, or what was found), `limit` and `way_out`."""

    subject: str
    limit: str
    way_out: str

    def __str__(self) -> str:
        return f"  {self.subject}: {self.limit}\n      -> {self.way_out}"


class ProblemsError(pulumi.RunError):
    """What was found wrong, as text that a person can act on. Nothing has been touched when it is raised.

    Pulumi shows the text of such an error, and no traceback.
    """

    def __init__(self, where: str, problems: Iterable[Problem]) -> None:
        self.problems = tuple(problems)
        count = "1 problem" if len(self.problems) == 1 else f"{len(self.problems)} problems"
        lines = "\n".join(str(problem) for problem in self.problems)
        super().__init__(f"{where}: {count}; nothing has been touched\n{lines}")


class ConfigurationError(ProblemsError):
    """The configuration of a stack breaks rules."""


class PreflightError(ProblemsError):
    """The engine is not in a state in which the stack can be brought up."""
