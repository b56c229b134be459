"""Reads and writes YAML so that a file keeps its comments, order and quotes, and each plain value its text.

YAML 1.1 and YAML 1.2 differ in what they read as a number or a boolean: `1000:50`, `on`, `017`. The Pulumi CLI reads a
mixture of both. A value that stays text is never changed by the difference.
"""

import io
import re
import warnings
from collections.abc import Iterator
from typing import Any

from ruamel.yaml import YAML
from ruamel.yaml.error import YAMLError, YAMLWarning
from ruamel.yaml.resolver import VersionedResolver
from ruamel.yaml.scalarstring import DoubleQuotedScalarString

ERRORS = (YAMLError, ValueError, RecursionError, AssertionError)
"""What `load` raises for text that is not YAML. The library asserts some of its rules, for example on directives."""

_ENDLESS = 2**20
"""Characters of a line, so that no long value is broken."""
_NOT_TEXT = {
    "<": [("tag:yaml.org,2002:merge", re.compile("^<<$"))],
    "": [("tag:yaml.org,2002:null", re.compile("^$"))],
}


class _PlainText(VersionedResolver):
    """Reads every value as text, except for the merge key `<<` and an empty value, which is None."""

    @property
    def versioned_resolver(self) -> dict[str, list[tuple[str, re.Pattern[str]]]]:
        return _NOT_TEXT


def load(text: str) -> Any:
    """The content of a YAML document: mappings and lists that keep their comments, and text.

    Raises one of ERRORS if the text is not a YAML document.
    """
    return _document().load(text)


def dump(content: Any) -> str:
    """The document as text. Indentation is Pulumi's: two spaces, also before the dash of a list item."""
    stream = io.StringIO()
    _document().dump(content, stream)
    return stream.getvalue()


def scalar(value: object) -> str:
    """A value as `dump` writes it: a text in quotes if YAML 1.1 or YAML 1.2 reads it as something else."""
    if not isinstance(value, str):
        return str(value).lower()
    return value if all(meaning == value for meaning in meanings(value)) else DoubleQuotedScalarString(value)


def meanings(text: str) -> Iterator[Any]:
    """What a value without quotes means in YAML 1.1 and in YAML 1.2; None if it is not one."""
    for version in ((1, 1), (1, 2)):
        yaml = YAML(typ="safe", pure=True)
        yaml.version = version
        with warnings.catch_warnings():
            # The library warns about numbers that have another form in YAML 1.1.
            warnings.simplefilter("ignore", YAMLWarning)
            try:
                meaning = yaml.load(text)
            except ERRORS:
                meaning = None
        yield meaning


def _document() -> YAML:
    yaml = YAML()
    yaml.Resolver = _PlainText
    yaml.preserve_quotes = True
    yaml.width = _ENDLESS
    yaml.indent(mapping=2, sequence=4, offset=2)
    return yaml
