"""`gixctl pull-request comment`: what a change does to each stack that it affects, as a comment.

HEAD is compared with what is deployed if the back end can be read, otherwise with the base revision on this machine's
own engine, with placeholders for secrets. A preview or build that fails is part of the comment.
"""

import json
import os
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from gix_model import parsing, stack_file
from gix_model.stack_file import StackFileError
from gix_ops import pulumi_command
from gix_ops.delivery import builds, git, release, touched
from gix_ops.delivery.builds import FailedBuild
from gix_ops.delivery.rehearsal import rehearse
from gix_ops.errors import StackError
from gix_ops.planning import plan, plan_text
from gix_ops.planning.plan import Plan

MARKER = "<!-- gixctl: the plan of this pull request -->"
"""The first line of the comment, which identifies it."""
LONGEST = plan_text.LONGEST_COMMENT - 2_048
"""Characters of the comment; `post` adds a few."""

_CUT = "\n[cut here: `pulumi preview --diff` shows all of it]"
_SHORTEST_DIFF = 200


@dataclass(frozen=True, kw_only=True)
class Section:
    """One stack: the plan, what HEAD is compared with, the images that cannot be built, and Pulumi's own diff."""

    plan: Plan
    against: str = ""
    placeholders: tuple[str, ...] = ()
    refused: str = ""
    """Output of the policy pack if it refuses the change."""
    failed: tuple[FailedBuild, ...] = ()
    diff: str = ""

    @property
    def is_good(self) -> bool:
        """Whether the preview found nothing that makes the update fail."""
        return not (self.plan.errors or self.refused or self.failed)


@dataclass(frozen=True, kw_only=True)
class Comment:
    """The comment's text; `is_good` if it reports no failure."""

    text: str
    is_good: bool


def comment(directory: Path, base: str, *, fork: bool, only: str | None = None) -> Comment:
    """Describe what the change from `base` to HEAD does.

    `fork` is whether the change comes from a fork, which has no secrets. `only` is the stack to describe; None means
    each that the change affects.

    Raises StackError if git fails or the back end cannot be read. A preview that fails is in the text.
    """
    ancestor = git.common_ancestor(directory, base)
    tracked = [path.split(".")[1] for path in git.tracked(directory, "HEAD", stack_file.name("*"))]
    # A file that cannot be read counts as empty here; the stack's own section reports it.
    stacks = {name: parsing.stated_settings(stack_file.read(directory, name)) for name in tracked}
    names = [each for each in touched.environments(git.changed(directory, ancestor), stacks) if only in (None, each)]
    deployed = _deployed(directory)
    sections = [_read(directory, name, ancestor, deployed=name in deployed) for name in names]
    return Comment(text=compose(sections, fork=fork), is_good=all(each.is_good for each in sections))


def compose(sections: Iterable[Section], *, fork: bool) -> str:
    """The comment's text. Plans are complete; the diffs share the rest of the length."""
    sections = list(sections)
    introduction = "\n\n".join(_introduction(sections, fork=fork))
    plans = ["\n".join(_lines(each)).rstrip() for each in sections]
    shown = [each for each in sections if each.diff]
    left = LONGEST - len(introduction) - sum(len(each) + 2 for each in plans)
    share = left // len(shown) - len(_folded("")) - 2 if shown else 0
    parts = [introduction]
    for section, text in zip(sections, plans, strict=True):
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
            "> This pull request comes from a fork, so it was previewed **without any secret**, "
            "on a local back end that has been removed."
        )
    placeholders = sorted({each for section in sections for each in section.placeholders})
    if placeholders:
        yield (
            f"> **Placeholders** stand for {', '.join(map(plan_text.code, placeholders))}, "
            "whose values this run does not have."
        )


def _lines(section: Section) -> Iterator[str]:
    yield f"### {plan_text.inline(section.plan.stack)}"
    if section.against:
        yield from ("", f"*Compared with {plan_text.inline(section.against)}.*")
    yield from ("", plan_text.markdown(section.plan).rstrip())
    if section.refused:
        yield from ("", ":no_entry: **The policy pack refuses it:**", "", *_shown(section.refused))
    for each in section.failed:
        yield from ("", f":x: **The image {plan_text.inline(each.image)} cannot be built.** The end of the output:", "")
        yield from _shown(each.output)


def _shown(text: str) -> Iterator[str]:
    # Markdown shows indented text of any content as it is.
    return (f"    {line}" for line in text.splitlines())


def _folded(diff: str) -> str:
    longest = max((len(run) for run in re.findall("`+", diff)), default=0)
    fence = "`" * max(3, longest + 1)
    return f"<details>\n<summary>Pulumi's own diff</summary>\n\n{fence}\n{diff}\n{fence}\n\n</details>"


def _fitted(diff: str, length: int) -> str:
    return diff if len(diff) <= length else diff[: length - len(_CUT)] + _CUT


def _deployed(directory: Path) -> frozenset[str]:
    """The stacks of the back end that PULUMI_BACKEND_URL names. It is not set in the run of a fork, which has none."""
    if not os.environ.get("PULUMI_BACKEND_URL"):
        return frozenset()
    stacks = json.loads(pulumi_command.ask(directory, "stack", "ls", "--json"))
    return frozenset(each["name"].rpartition("/")[2] for each in stacks)


def _read(directory: Path, stack: str, base: str, *, deployed: bool) -> Section:
    try:
        if deployed:
            with release.as_deployed(directory, stack) as head:
                return _preview(head, stack, against="what is deployed")
        with rehearse(directory, stack, base) as rehearsal:
            return _preview(
                rehearsal.head,
                stack,
                against=rehearsal.against,
                placeholders=rehearsal.placeholders,
                variables=rehearsal.variables,
            )
    except (StackError, StackFileError) as error:
        return Section(plan=Plan(stack=stack, summary="it can't be previewed", errors=(str(error),)))


def _preview(
    head: Path,
    stack: str,
    *,
    against: str,
    placeholders: tuple[str, ...] = (),
    variables: pulumi_command.Variables | None = None,
) -> Section:
    found, steps = plan.read_with_steps(head, stack, variables=variables)
    if found.errors:
        return Section(plan=found, against=against, placeholders=placeholders)
    pack = os.environ.get("GIX_POLICY_PACK") or str(head / "policy")
    words = ["--policy-pack", pack] if Path(pack).is_dir() else []
    done = pulumi_command.answer(head, "preview", "--diff", *words, stack=stack, variables=variables)
    return Section(
        plan=found,
        against=against,
        placeholders=placeholders,
        refused=_last_section(done.stdout + done.stderr) if done.returncode else "",
        failed=builds.failures(head, steps),
        # The rest of the output has the pack's path on this machine.
        diff=done.stdout.partition("\nPolicy Packs run:")[0].strip(),
    )


def _last_section(output: str) -> str:
    """The part of a refused preview that says why."""
    _, found, policies = output.partition("\nPolicies:\n")
    return policies.partition("\nOutputs:")[0].strip("\n") if found else output.strip()[-2_000:]
