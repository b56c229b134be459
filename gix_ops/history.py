"""The updates of a stack, from Pulumi's own history: what was deployed, when, from which commit, with which result.

`gixctl history --json` prints a list of `dataclasses.asdict` of `PastUpdate`, the newest first, and is stable.
"""

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from rich.text import Text

from gix_model import parsing
from gix_model.catalog import CATALOG
from gix_model.raw_values import NAMESPACE
from gix_ops import services
from gix_ops.pulumi_command import ask
from gix_ops.stack import StackReference

SUCCEEDED = "succeeded"
"""The result of an update that did all that it should."""

_COLOURS = {SUCCEEDED: "green", "failed": "red"}
_COMMIT_DIGITS = 7


@dataclass(frozen=True, kw_only=True)
class PastUpdate:
    """One entry of the history. What Pulumi has not recorded is an empty text."""

    version: int
    """Its number: the one of the Pulumi service, or its place in the history of another back end, from 1."""
    kind: str
    """What Pulumi did: update, destroy, refresh, import."""
    time: str
    """When it started, as RFC 3339."""
    author: str
    """The author of the commit. Pulumi does not record who ran the update."""
    commit: str
    has_local_changes: bool
    """Whether the clone had changes that were not committed."""
    tag: str
    """The configured tag of the images."""
    digests: Mapping[str, str]
    """The configured digests, by service. Images that were built have none."""
    result: str
    message: str


@dataclass(frozen=True, kw_only=True)
class Entry:
    """An update with its settings: by section, without the namespace."""

    update: PastUpdate
    settings: Mapping[str, Any]
    hidden: tuple[str, ...]
    """Keys with secrets that Pulumi does not show, because it was not asked to or cannot decrypt them."""


def read(stack: StackReference, *, with_secrets: bool = False) -> list[Entry]:
    """The updates of a stack, the newest first; `with_secrets` in plain text.

    Raises StackError if the history cannot be read.
    """
    # Without a page size of 0, Pulumi prints the last ten updates.
    words = ["stack", "history", "--json", "--page-size", "0", *(["--show-secrets"] if with_secrets else [])]
    entries = json.loads(ask(stack.directory, *words, stack=stack.name)) or []
    return [_entry(entry, len(entries) - index) for index, entry in enumerate(entries)]


def text(updates: Sequence[PastUpdate]) -> Text:
    """The updates for a terminal, a paragraph for each."""
    shown = Text()
    for each in updates:
        shown.append(f"{each.version}  {datetime.fromisoformat(each.time):%Y-%m-%d %H:%M} UTC  {each.kind} ", "bold")
        shown.append(each.result, _COLOURS.get(each.result, "yellow"))
        shown.append("".join(f"\n    {line}" for line in _details(each)) + "\n")
    return shown


def _details(update: PastUpdate) -> Iterator[str]:
    if update.message:
        yield update.message.partition("\n")[0]
    if update.commit:
        changed = " with local changes" if update.has_local_changes else ""
        yield f"commit {update.commit[:_COMMIT_DIGITS]}{changed}, author {update.author or '(not recorded)'}"
    digests = [f"{service} {services.short_digest(digest)}" for service, digest in update.digests.items()]
    yield ", ".join([f"images with the tag {update.tag}", *digests])


def _entry(entry: Mapping[str, Any], place: int) -> Entry:
    config = entry.get("config") or {}
    shown = {key: each["value"] for key, each in config.items() if "value" in each}
    about = entry.get("environment") or {}
    images = parsing.stated_settings(shown).images
    update = PastUpdate(
        version=entry.get("version") or place,
        kind=entry["kind"],
        time=entry["startTime"],
        author=about.get("git.author", ""),
        commit=about.get("git.head", ""),
        has_local_changes=about.get("git.dirty") == "true",
        tag=images.tag,
        # Pulumi records them by name.
        digests={service: images.digests[service] for service in CATALOG if service in images.digests},
        result=entry["result"],
        message=entry.get("message", ""),
    )
    hidden = tuple(key for key in config if key.startswith(f"{NAMESPACE}:") and key not in shown)
    return Entry(update=update, settings=parsing.sections(shown), hidden=hidden)
