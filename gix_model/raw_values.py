"""Refuses values that no key can have, before the models validate them.

These are text with a NUL character or a lone surrogate, very long text, numbers beyond 64 bits, and very deep nesting.
"""

import json
import math
from collections.abc import Mapping
from typing import Any

from pydantic import SecretStr

from gix_model.problems import Problem

NAMESPACE = "gix"
DEEPEST = 16
"""Levels of nesting. The settings need three."""
LONGEST_TEXT_BYTES = 2**17 - 2**8
"""The kernel's limit for a variable with its name is 128 KiB."""
LONGEST_KEY = 1000
"""Number of characters of a key."""

_LARGEST_NUMBER = 2**63
_MOST_DIGITS = 4000
_LEFT_OUT = object()


def key_of(steps: tuple[int | str, ...]) -> str:
    """The name of a value as in a file: gix:router.environment.NAME, gix:services[0]."""
    return NAMESPACE + ":" + "".join(f"[{step}]" if isinstance(step, int) else f".{step}" for step in steps)[1:]


def decode(text: str) -> Any:
    """Decode JSON. Raises json.JSONDecodeError if it is not valid, RecursionError if it is nested very deeply."""
    return json.loads(text, parse_int=lambda digits: int(digits) if len(digits) <= _MOST_DIGITS else math.inf)


def fit(raw: Mapping[str, Any]) -> tuple[dict[str, Any], list[Problem]]:
    """`raw` without the values that no key can have, or their whole list, and a problem for each of them."""
    problems: list[Problem] = []
    kept = _fit(raw, (), problems)
    return ({} if kept is _LEFT_OUT else kept), problems


def too_deep(steps: tuple[int | str, ...]) -> Problem:
    """The problem of a value that is nested too deeply."""
    return Problem(
        subject=key_of(steps), limit=f"is nested more than {DEEPEST} levels deep", fix="see docs/configuration.md"
    )


def _fit(value: Any, steps: tuple[int | str, ...], problems: list[Problem]) -> Any:
    if len(steps) > DEEPEST:
        problems.append(too_deep(steps[:2]))
        return _LEFT_OUT
    if isinstance(value, Mapping):
        return _fit_mapping(value, steps, problems)
    if isinstance(value, list | tuple):
        items = [_fit(item, (*steps, index), problems) for index, item in enumerate(value)]
        return _LEFT_OUT if any(item is _LEFT_OUT for item in items) else items
    wrong = _wrong(value)
    if wrong is None:
        return value
    problems.append(Problem(subject=key_of(steps), limit=wrong[0], fix=wrong[1]))
    return _LEFT_OUT


def _fit_mapping(value: Mapping[Any, Any], steps: tuple[int | str, ...], problems: list[Problem]) -> dict[Any, Any]:
    result = {}
    for key, item in value.items():
        if isinstance(key, str) and not (key.isprintable() and len(key) <= LONGEST_KEY):
            problems.append(
                Problem(
                    subject=key_of((*steps, key)),
                    limit=f"is not a key: it has characters that are not printable, or more than {LONGEST_KEY}",
                    fix="write a shorter key of printable characters",
                )
            )
            continue
        kept = _fit(item, (*steps, key), problems)
        if kept is not _LEFT_OUT:
            result[key] = kept
    return result


def _wrong(value: object) -> tuple[str, str] | None:
    """Why no key can have this single value, and the fix."""
    if isinstance(value, SecretStr):
        return _wrong(value.get_secret_value())
    if isinstance(value, str):
        if "\0" in value:
            return "has a NUL character, which the kernel and the engine do not allow", "leave it out"
        try:
            size = len(value.encode())
        except UnicodeEncodeError:
            return "is not valid Unicode text", "write it in UTF-8"
        if size > LONGEST_TEXT_BYTES:
            return f"is {size} bytes long, and the limit is {LONGEST_TEXT_BYTES}", "shorten it"
    elif isinstance(value, int | float) and not (math.isfinite(value) and abs(value) < _LARGEST_NUMBER):
        return "is not a number of 64 bits", "write a smaller number"
    return None
