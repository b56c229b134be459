"""Lines of logs for a terminal."""

import itertools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from rich.color import ColorSystem
from rich.console import Console
from rich.style import Style as Colour

from gix_ops.log_stream import Line

_COLOURS = ("cyan", "magenta", "blue", "green", "yellow")


@dataclass(frozen=True, kw_only=True)
class Style:
    """The style of lines: the prefix of each container, and whether the time is shown."""

    prefixes: Mapping[str, str]
    timestamps: bool

    @classmethod
    def choose(cls, console: Console, services: Sequence[str], *, timestamps: bool) -> "Style":
        """The style for lines of `services`. It has colors if `console` is a terminal and NO_COLOR is not set."""
        coloured = console.is_terminal and not console.no_color
        width = max(map(len, services), default=0)
        prefixes = {service: f"{service:<{width}} |" for service in services}
        return cls(
            prefixes={
                service: Colour(color=colour).render(prefix, color_system=ColorSystem.STANDARD) if coloured else prefix
                for (service, prefix), colour in zip(prefixes.items(), itertools.cycle(_COLOURS), strict=False)
            },
            timestamps=timestamps,
        )

    def text(self, line: Line) -> str:
        """A line in this style, without its line break."""
        # A service that gets more tasks has lines of which none was known.
        prefix = self.prefixes.get(line.service, f"{line.service} |")
        return " ".join((prefix, *([line.time] if self.timestamps else []), line.line))
