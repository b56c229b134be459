"""Durations in the form that Go writes and reads, such as `1m30s`."""

import re
from typing import Final

from offline.docker_plugin.errors import PluginError

_NANOSECONDS: Final = {
    "h": 3_600_000_000_000,
    "m": 60_000_000_000,
    "s": 1_000_000_000,
    "ms": 1_000_000,
    "us": 1_000,
    "ns": 1,
}
_PART: Final = re.compile(r"(\d+(?:\.\d+)?)(h|ms|m|s|us|ns)")


def nanoseconds(duration: str) -> int:
    """Read a duration, such as `1m30s` or `500ms`.

    Raises:
        PluginError: the text is no duration.

    """
    parts = _PART.findall(duration)
    if "".join(number + unit for number, unit in parts) != duration or not parts:
        raise PluginError(f"{duration!r} is not a duration: write it like '10s', '500ms' or '1m30s'")
    return round(sum(float(number) * _NANOSECONDS[unit] for number, unit in parts))


def text(duration: int) -> str:
    """Write a duration in nanoseconds as Go does: `1m0s`, not `60s`."""
    if duration < _NANOSECONDS["s"]:
        for unit in ("ms", "us", "ns"):
            if duration >= _NANOSECONDS[unit]:
                return f"{_decimal(duration, _NANOSECONDS[unit])}{unit}"
        return "0s"
    minutes, rest = divmod(duration, _NANOSECONDS["m"])
    hours, minutes = divmod(minutes, 60)
    seconds = f"{_decimal(rest, _NANOSECONDS['s'])}s"
    if hours:
        return f"{hours}h{minutes}m{seconds}"
    return f"{minutes}m{seconds}" if minutes else seconds


def _decimal(amount: int, unit: int) -> str:
    whole, rest = divmod(amount, unit)
    if not rest:
        return str(whole)
    return f"{whole}.{str(rest).rjust(len(str(unit)) - 1, '0').rstrip('0')}"
