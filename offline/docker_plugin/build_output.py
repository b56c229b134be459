"""What of a build's output a person needs to see why it failed: the words of the step that did."""

import re
from collections import defaultdict, deque
from typing import Final

_LINES: Final = 30
_WIDTH: Final = 160
_PROGRESS: Final = re.compile(r"(sha256:|DONE|CACHED|transferring |extracting |resolve )")
_STEP: Final = re.compile(r"#(\d+) (?:\d+\.\d+ ?)?(.*)")
_RULER: Final = re.compile(r"-+| > \[.*")


class BuildTail:
    """Collects a build's output, of which it keeps the end of every step, without progress and with long lines cut.

    Of a step that another build of the same moment shares, BuildKit may tell only one of them.
    """

    def __init__(self) -> None:
        self._steps: defaultdict[str, deque[str]] = defaultdict(lambda: deque(maxlen=_LINES))
        self._unnumbered: deque[str] = deque(maxlen=_LINES)
        self._failed: str | None = None

    def add(self, line: str) -> None:
        """Take the next line."""
        line = line.rstrip()
        numbered = _STEP.fullmatch(line)
        if numbered is None:
            if line and not _RULER.fullmatch(line):
                self._unnumbered.append(_cut(line))
            return
        step, words = numbered.groups()
        if words.startswith("ERROR"):
            self._failed = step
        elif words and not _PROGRESS.match(words):
            self._steps[step].append(_cut(words))

    @property
    def words(self) -> tuple[str, ...]:
        """What the step that failed said; empty where this build was not told."""
        return tuple(self._steps[self._failed]) if self._failed else ()

    @property
    def text(self) -> str:
        """What the step that failed said, if it is known, and how the build ended."""
        return "\n".join((*self.words, *list(self._unnumbered)[-1 if self._failed else 0 :]))


def _cut(line: str) -> str:
    return line if len(line) <= _WIDTH else f"{line[:_WIDTH]}..."
