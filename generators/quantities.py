"""How the generated files show the settings whose values are quantities: as the text that people write."""

from datetime import timedelta
from typing import Any

from gix_model import units


def written_type(annotation: Any) -> Any:
    """The type of a value as a file or a program writes it."""
    return str if annotation in (timedelta, units.Memory) else annotation


def written(value: Any) -> Any:
    """A value as a file or a program writes it."""
    return units.format_duration(value) if isinstance(value, timedelta) else value
