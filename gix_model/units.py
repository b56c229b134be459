"""Quantities as people write them: memory (`2G`, `512MiB`) and time (`10s`, `1m30s`)."""

import re
from decimal import ROUND_HALF_UP, Decimal

_MEMORY = re.compile(r"(?P<number>\d+(?:\.\d+)?)\s*(?P<unit>[bkmgt]?)(?:i?b)?", re.IGNORECASE)
_MEMORY_FACTOR = {"": 1, "b": 1, "k": 2**10, "m": 2**20, "g": 2**30, "t": 2**40}
_DURATION = re.compile(r"(?:(?P<h>\d+)h)?(?:(?P<m>\d+)m(?!s))?(?:(?P<s>\d+(?:\.\d+)?)s)?(?:(?P<ms>\d+)ms)?")


def mebibytes(text: str) -> int:
    """Memory in MiB, read as Docker reads it: `2G`, `2GB` and `2GiB` are all 2 x 2^30 bytes; no unit means bytes.

    Raises ValueError where the text is no quantity, or no whole number of MiB.
    """
    match = _MEMORY.fullmatch(text.strip())
    if match is None:
        raise ValueError("is not a quantity of memory such as 512MiB or 2G")
    size = float(match["number"]) * _MEMORY_FACTOR[match["unit"].lower()]
    if size % 2**20:
        raise ValueError("is not a whole number of MiB")
    return int(size // 2**20)


def seconds(text: str) -> float:
    """Time in seconds, from Go's way to write it, which is Docker's: `10s`, `1m30s`, `500ms`.

    Raises ValueError where the text is no such time.
    """
    match = _DURATION.fullmatch(text.strip())
    if match is None or not any(match.groups()):
        raise ValueError("is not a time such as 10s, 1m30s or 500ms")
    hours, minutes, whole, milli = (float(match[unit] or 0) for unit in ("h", "m", "s", "ms"))
    return hours * 3600 + minutes * 60 + whole + milli / 1000


def go_duration(text: str) -> str:
    """A time as the engine gives it back: `60s` is `1m0s`, `1500ms` is `1.5s`. Raises ValueError as `seconds` does.

    Written in another way, each refresh would find a difference.
    """
    total = seconds(text)
    if 0 < total < 1:
        return f"{total * 1000:g}ms"
    minutes, rest = divmod(total, 60)
    hours, minutes = divmod(int(minutes), 60)
    return (f"{hours}h" if hours else "") + (f"{minutes}m" if hours or minutes else "") + f"{rest:g}s"


def recorded_processors(count: float) -> str:
    """Processors as the docker provider records them: 2 is `2.0`, 1.5 is `1.5`, 10 is `10.`.

    Stated in another form, each update would replace the container.

    Raises ValueError where the provider records another number, as it does for 0.05; the text names it.
    """
    exact = Decimal(str(count))
    digits = f"{exact:.9f}"
    # The provider takes a number with nine zeros among its digits for a round one.
    is_round = digits.count("0") == 9  # noqa: PLR2004
    recorded = f"{exact.quantize(Decimal('0.1'), ROUND_HALF_UP)}" if is_round else digits.rstrip("0")
    if Decimal(recorded) != exact:
        raise ValueError(recorded)
    return recorded
