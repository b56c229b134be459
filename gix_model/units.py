"""Amounts of memory (`2G`, `512MiB`) and times (`10s`, `1m30s`): from text to values, and back."""

import math
import re
from dataclasses import dataclass, field
from datetime import timedelta
from decimal import Decimal

_MEMORY = re.compile(r"(?P<number>\d+(?:\.\d+)?)\s*(?P<unit>[bkmgt]?)(?:i?b)?", re.IGNORECASE)
_MEMORY_FACTOR = {"": 1, "b": 1, "k": 2**10, "m": 2**20, "g": 2**30, "t": 2**40}
_DURATION = re.compile(r"(?:(?P<h>\d+)h)?(?:(?P<m>\d+)m(?!s))?(?:(?P<s>\d+(?:\.\d+)?)s)?(?:(?P<ms>\d+(?:\.\d+)?)ms)?")
_MICROSECONDS = {"h": 3_600_000_000, "m": 60_000_000, "s": 1_000_000, "ms": 1000}


@dataclass(frozen=True)
class Memory:
    """An amount of memory, a whole number of MiB. `2G` and `2048MiB` are equal; each is shown as it was written."""

    bytes: int
    text: str = field(compare=False)

    @classmethod
    def parse(cls, text: str) -> "Memory":
        """Read an amount as Docker reads it: `2G`, `2GB` and `2GiB` are all 2 x 2^30 bytes; no unit means bytes.

        Raises ValueError if the text is no amount of memory, or no whole number of MiB.
        """
        match = _MEMORY.fullmatch(text.strip())
        if match is None:
            raise ValueError("is not a quantity of memory such as 512MiB or 2G")
        size = float(match["number"]) * _MEMORY_FACTOR[match["unit"].lower()]
        if size % 2**20:
            raise ValueError("is not a whole number of MiB")
        return cls(int(size), text)

    @property
    def mebibytes(self) -> int:
        """The amount in MiB, the docker provider's unit."""
        return self.bytes // 2**20

    def __str__(self) -> str:
        return self.text


def parse_duration(text: str) -> timedelta:
    """Read a time as Go writes it, and so Docker: `10s`, `1m30s`, `500ms`.

    Parts of a microsecond are rounded up, and what is too long for a timedelta is the longest one.

    Raises ValueError if the text is no such time.
    """
    match = _DURATION.fullmatch(text.strip())
    if match is None or not any(match.groups()):
        raise ValueError("is not a time such as 10s, 1m30s or 500ms")
    total = sum(Decimal(match[unit] or 0) * factor for unit, factor in _MICROSECONDS.items())
    try:
        return timedelta(microseconds=math.ceil(total))
    except OverflowError:
        return timedelta.max


def format_duration(time: timedelta) -> str:
    """Write a time as Go does: 60 s are `1m0s`, 1.5 s are `1.5s`, half a second is `500ms`."""
    if timedelta(0) < time < timedelta(seconds=1):
        return f"{_plain(Decimal(time.microseconds) / 1000)}ms"
    minutes, rest = divmod(time, timedelta(minutes=1))
    hours, minutes = divmod(minutes, 60)
    seconds = _plain(rest.seconds + Decimal(rest.microseconds) / 1_000_000)
    return (f"{hours}h" if hours else "") + (f"{minutes}m" if hours or minutes else "") + f"{seconds}s"


def format_short_duration(time: timedelta) -> str:
    """Write a time as `format_duration` does, without parts that are zero at its end: 60 s are `1m`."""
    text = format_duration(time)
    for part in ("0s", "0m"):
        shorter = text.removesuffix(part)
        text = shorter if shorter.endswith(("h", "m")) else text
    return text


def _plain(number: Decimal) -> str:
    text = f"{number:f}"
    return text.rstrip("0").rstrip(".") if "." in text else text
