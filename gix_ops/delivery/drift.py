"""`gixctl drift`: compares a stack with its engine, and reports differences on GitHub."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from gix_model.stack_file import StackFileError
from gix_ops import pulumi_command, verify
from gix_ops.delivery import github, release
from gix_ops.differences import Difference
from gix_ops.errors import StackError
from gix_ops.planning import plan_text
from gix_ops.stack import Stack

_AS_DEPLOYED = "The environment is as it was deployed again."
_LONGEST_OUTPUT = 12_000


@dataclass(frozen=True, kw_only=True)
class Drift:
    """The result for one stack.

    `changes` is Pulumi's output if an update would change something. `differences` are the fields in which the engine
    differs from what is declared. `error` says why the stack cannot be checked.
    """

    stack: str
    changes: str = ""
    differences: tuple[Difference, ...] = ()
    error: str = ""

    @property
    def is_there(self) -> bool:
        """Whether the stack differs from what was deployed, or cannot be checked."""
        return bool(self.changes or self.differences or self.error)


def detect(directory: Path, stack: str) -> Drift:
    """Compare the stack with its engine, by a refresh and field by field."""
    try:
        with release.as_deployed(directory, stack) as copy:
            done = pulumi_command.answer(copy, "preview", "--refresh", "--expect-no-changes", "--diff", stack=stack)
            differences = verify.verify(Stack.read(stack, copy)).differences
    except (StackError, StackFileError) as error:
        return Drift(stack=stack, error=str(error))
    output = (done.stdout + done.stderr).strip()
    return Drift(stack=stack, changes=output if done.returncode else "", differences=tuple(differences))


def report(drifts: Iterable[Drift]) -> str:
    """The results as Markdown."""
    return "\n".join(line for drift in drifts for line in _lines(drift)) + "\n"


def marker(stack: str) -> str:
    """The first line of a stack's issue, which identifies it."""
    return f"<!-- gixctl: drift of {stack} -->"


def title(stack: str) -> str:
    """The title of a stack's issue."""
    return f"Drift: {stack} is not as it was deployed"


def tell(drift: Drift) -> str:
    """Open the stack's issue on GitHub, update it, or close it if there is no drift any more; return what was done."""
    mark = marker(drift.stack)
    if drift.is_there:
        body = f"{mark}\n{report([drift])}"[: plan_text.LONGEST_COMMENT]
        return f"{drift.stack}: reported in issue {github.report(mark, title(drift.stack), body)}"
    closed = github.close(mark, _AS_DEPLOYED)
    return f"{drift.stack}: no drift" if closed is None else f"{drift.stack}: no drift any more, issue {closed} closed"


def _lines(drift: Drift) -> Iterator[str]:
    yield f"### {plan_text.inline(drift.stack)}"
    yield ""
    if not drift.is_there:
        yield "As it was deployed."
    if drift.error:
        yield "It cannot be checked:"
        yield ""
        yield from _shown(drift.error)
    if drift.differences:
        yield from ("| what | field | declared | on the engine | fix |", "|---|---|---|---|---|")
        for each in drift.differences:
            cells = (each.subject, each.field, each.declared or "(none)", each.found or "(none)", each.fix)
            yield f"| {' | '.join(map(plan_text.code, cells))} |"
        yield ""
    if drift.changes:
        yield "`pulumi preview --refresh --expect-no-changes` says:"
        yield ""
        yield from _shown(drift.changes[-_LONGEST_OUTPUT:])
    yield ""


def _shown(text: str) -> Iterator[str]:
    # Markdown shows indented text of any content as it is.
    return (f"    {line}" for line in text.splitlines())
