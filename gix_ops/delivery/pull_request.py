"""`gixctl pull-request comment`: what a change does to every environment that it touches, as a comment.

Each environment is held against what is deployed, where the back end can be read; else against the base revision on
this machine's own engine, with placeholders for secrets. What can't be previewed or built is told in the comment, too.
"""

import json
import os
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from gix_ops import pulumi_command
from gix_ops.delivery import builds, git, release, touched
from gix_ops.delivery.builds import FailedBuild
from gix_ops.delivery.rehearsal import rehearse
from gix_ops.errors import StackError
from gix_ops.planning import plan, plan_text
from gix_ops.planning.plan import Plan

MARKER = "<!-- gixctl: the plan of this pull request -->"
"""The first line of the comment, by which it is found again."""
LONGEST = plan_text.LONGEST_COMMENT - 2_048
"""Characters of the comment, with room for what is added when it is posted."""

_CUT = "\n[cut here: `pulumi preview --diff` shows all of it]"
_SHORTEST_DIFF = 200


@dataclass(frozen=True, kw_only=True)
class Section:
    """One environment: the plan, what it is held against, what can't be built, and Pulumi's own diff."""

    plan: Plan
    against: str = ""
    placeholders: tuple[str, ...] = ()
    refused: str = ""
    """What the policy pack says, where it refuses the change."""
    failed: tuple[FailedBuild, ...] = ()
    diff: str = ""

    @property
    def is_good(self) -> bool:
        """Whether the change can be brought up, as far as can be told before."""
        return not (self.plan.errors or self.refused or self.failed)


@dataclass(frozen=True, kw_only=True)
class Comment:
    """The comment's text; `is_good` where nothing in it is a failure."""

    text: str
    is_good: bool


def comment(directory: Path, base: str, *, fork: bool, only: str | None = None) -> Comment:
    """Say what the change from `base` to HEAD does. `fork` says that it comes from one, and so without secrets.

    `only` names the one environment to look at; None means each that the change touches.

    Raises StackError where git or the engine can't be asked. A preview that fails is in the text.
    """
    parted = git.parted(directory, base)
    tracked = [path.split(".")[1] for path in git.tracked(directory, "HEAD", "Pulumi.*.yaml")]
    files = {name: _config(directory, name) for name in tracked}
    names = [each for each in touched.environments(git.changed(directory, parted), files) if only in (None, each)]
    known = _deployed(directory)
    sections = [_read(directory, name, parted, deployed=name in known) for name in names]
    return Comment(text=compose(sections, fork=fork), is_good=all(each.is_good for each in sections))


def compose(sections: Iterable[Section], *, fork: bool) -> str:
    """The comment. Plans come first; what is left of its length is shared by the diffs."""
    sections = list(sections)
    introduction = "\n\n".join(_introduction(sections, fork=fork))
    told = ["\n".join(_lines(each)).rstrip() for each in sections]
    shown = [each for each in sections if each.diff]
    left = LONGEST - len(introduction) - sum(len(each) + 2 for each in told)
    share = left // len(shown) - len(_folded("")) - 2 if shown else 0
    parts = [introduction]
    for section, text in zip(sections, told, strict=True):
        parts.append(text)
        if section.diff and share >= _SHORTEST_DIFF:
            parts.append(_folded(_fitted(section.diff, share)))
    whole = "\n\n".join(parts) + "\n"
    return whole if len(whole) <= LONGEST else whole[: LONGEST - len(_CUT)] + _CUT


def _introduction(sections: list[Section], *, fork: bool) -> Iterator[str]:
    yield MARKER
    yield "## What this change does"
    if not sections:
        yield "It touches no environment."
        return
    if fork:
        yield (
            "> This pull request comes from a fork, so it was looked at **without any secret**, "
            "on a local back end that is gone by now."
        )
    placeholders = sorted({each for section in sections for each in section.placeholders})
    if placeholders:
        yield (
            f"> **Placeholders** stand for {', '.join(map(plan_text.code, placeholders))}, "
            "whose values this run does not know."
        )


def _lines(section: Section) -> Iterator[str]:
    yield f"### {plan_text.inline(section.plan.stack)}"
    if section.against:
        yield from ("", f"*Held against {plan_text.inline(section.against)}.*")
    yield from ("", plan_text.markdown(section.plan).rstrip())
    if section.refused:
        yield from ("", ":no_entry: **The policy pack refuses it:**", "", *_shown(section.refused))
    for each in section.failed:
        yield from ("", f":x: **The image {plan_text.inline(each.image)} can't be built.** Its last words:", "")
        yield from _shown(each.words)


def _shown(text: str) -> Iterator[str]:
    # Indented, a text of any content is shown as it is.
    return (f"    {line}" for line in text.splitlines())


def _folded(diff: str) -> str:
    longest = max((len(run) for run in re.findall("`+", diff)), default=0)
    fence = "`" * max(3, longest + 1)
    return f"<details>\n<summary>Pulumi's own diff</summary>\n\n{fence}\n{diff}\n{fence}\n\n</details>"


def _fitted(diff: str, length: int) -> str:
    return diff if len(diff) <= length else diff[: length - len(_CUT)] + _CUT


def _config(directory: Path, stack: str) -> dict[str, Any]:
    try:
        return release.read_config(directory, stack)
    except StackError:
        # What is wrong with it, its own section says.
        return {}


def _deployed(directory: Path) -> frozenset[str]:
    """The stacks of the back end that PULUMI_BACKEND_URL names; of none where it is not set, as in a fork's run."""
    if not os.environ.get("PULUMI_BACKEND_URL"):
        return frozenset()
    answer = pulumi_command.ask(directory, "stack", "ls", "--json")
    if answer.returncode:
        raise StackError(f"the back end can't be read: {answer.stderr.strip()}")
    return frozenset(each["name"].rpartition("/")[2] for each in json.loads(answer.stdout))


def _read(directory: Path, stack: str, base: str, *, deployed: bool) -> Section:
    try:
        if deployed:
            with release.as_deployed(directory, stack) as head:
                return _preview(head, stack, against="what is deployed")
        with rehearse(directory, stack, base) as rehearsal:
            return _preview(rehearsal.head, stack, against=rehearsal.against, placeholders=rehearsal.placeholders)
    except StackError as error:
        return Section(plan=Plan(stack=stack, summary="it can't be previewed", errors=(str(error),)))


def _preview(head: Path, stack: str, *, against: str, placeholders: tuple[str, ...] = ()) -> Section:
    found, steps = plan.read_with_steps(head, stack)
    if found.errors:
        return Section(plan=found, against=against, placeholders=placeholders)
    pack = os.environ.get("GIX_POLICY_PACK") or str(head / "policy")
    words = ["--policy-pack", pack] if Path(pack).is_dir() else []
    answer = pulumi_command.ask(head, "preview", "--diff", *words, stack=stack)
    return Section(
        plan=found,
        against=against,
        placeholders=placeholders,
        refused=_last_section(answer.stdout + answer.stderr) if answer.returncode else "",
        failed=builds.failures(head, steps),
        # Less where the pack is on this machine.
        diff=answer.stdout.partition("\nPolicy Packs run:")[0].strip(),
    )


def _last_section(output: str) -> str:
    """What of a preview that was refused says why."""
    _, found, policies = output.partition("\nPolicies:\n")
    return policies.partition("\nOutputs:")[0].strip("\n") if found else output.strip()[-2_000:]
