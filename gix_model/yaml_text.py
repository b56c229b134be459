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
from ruamel.yaml.comments import CommentedMap, CommentedSeq
from ruamel.yaml.error import CommentMark, YAMLError, YAMLWarning
from ruamel.yaml.resolver import VersionedResolver
from ruamel.yaml.scalarstring import DoubleQuotedScalarString
from ruamel.yaml.tokens import CommentToken

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


def append(mapping: CommentedMap, key: str, value: Any) -> None:
    """Add a key at the end of a mapping, before the comments that follow the mapping."""
    following = _cut_comments(mapping, next(reversed(mapping))) if mapping else ""
    mapping[key] = value
    _paste_comments(mapping, key, following)


def remove(mapping: CommentedMap, key: str) -> None:
    """Remove a key of a mapping. Comments between it and the next key stay, unless it is the first key."""
    keys = list(mapping)
    following = _cut_comments(mapping, key)
    del mapping[key]
    if keys[0] != key:
        _paste_comments(mapping, keys[keys.index(key) - 1], following)


def scalar(value: object) -> str:
    """A value as `dump` writes it: a text in quotes if YAML 1.1 or YAML 1.2 reads it as something else.

    Raises TypeError if the value is not a text, a number or a boolean.
    """
    if not isinstance(value, str | int | float):
        raise TypeError(f"{type(value).__name__} has no form in a stack file")
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


def _cut_comments(container: Any, key: str | int) -> str:
    """Take away the comment lines and empty lines that follow a value. The library keeps them with its last line."""
    container, key = _last_line(container, key)
    comments = container.ca.items.get(key)
    token = comments and comments[_place(container)]
    if not token:
        return ""
    on_the_line, _, following = token.value.partition("\n")
    token.value = on_the_line + "\n"
    if not on_the_line:
        del container.ca.items[key]
    return str(following)


def _paste_comments(container: Any, key: str | int, following: str) -> None:
    if not following:
        return
    container, key = _last_line(container, key)
    comments = container.ca.items.setdefault(key, [None] * 4)
    token = comments[_place(container)]
    if token:
        token.value += following
    else:
        comments[_place(container)] = CommentToken(f"\n{following}", CommentMark(0))


def _last_line(container: Any, key: str | int) -> tuple[Any, str | int]:
    """The mapping or list, and its key or index, whose value ends the value of `key`."""
    value = container[key]
    if isinstance(value, CommentedMap | CommentedSeq) and value and not value.fa.flow_style():
        return _last_line(value, next(reversed(value)) if isinstance(value, CommentedMap) else len(value) - 1)
    return container, key


def _place(container: Any) -> int:
    """Where the library keeps the comment after a value, among the comments of its key."""
    return 2 if isinstance(container, CommentedMap) else 0


def _document() -> YAML:
    yaml = YAML()
    yaml.Resolver = _PlainText
    yaml.preserve_quotes = True
    yaml.width = _ENDLESS
    yaml.indent(mapping=2, sequence=4, offset=2)
    return yaml
