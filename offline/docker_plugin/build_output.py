"""The end of a build's output, cut to what a person needs to see why it failed."""

import re
from collections import deque
from typing import Final

_LINES: Final = 40
_WIDTH: Final = 160
_ESSENCE_LINES: Final = 8
_PROGRESS: Final = re.compile(r"#\d+ (sha256:|DONE|CACHED|transferring |extracting |resolve )")
_PREFIX: Final = re.compile(r"#\d+ (\d+\.\d+ ?)?")


class BuildTail:
    """Collects a build's output and keeps its end, without progress and with long lines cut."""

    def __init__(self) -> None:
        self._lines: deque[str] = deque(maxlen=_LINES)

    def add(self, line: str) -> None:
        """Take the next line."""
        line = line.rstrip()
        if line and not _PROGRESS.match(line):
            self._lines.append(line if len(line) <= _WIDTH else f"{line[:_WIDTH]}...")

    @property
    def text(self) -> str:
        """The end of the output, some forty lines."""
        return "\n".join(self._lines)

    @property
    def essence(self) -> tuple[str, ...]:
        """The very last lines without step numbers and times: equal for builds that fail in a step they share."""
        return tuple(_PREFIX.sub("", line, count=1) for line in list(self._lines)[-_ESSENCE_LINES:])
