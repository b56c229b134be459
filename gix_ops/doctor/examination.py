"""`gixctl doctor`: everything that keeps a stack from working, looked at one by one, each with what mends it.

It says something in every state: no program here, no pulumi command, no engine, no stack, a stack that is down or was
cut off. What can't be looked at is skipped, and why is said. With `--json`:

    {"stack": "gix/dev", "faults": 1, "warnings": 0, "mended": [],
     "findings": [
       {"check": "locks", "level": "fault", "text": "held by a process that is gone: root@vm, process 26399, ...",
        "fix": "pulumi cancel --yes --stack dev", "by_fix": true}]}

`level` is ok, warning, fault or skipped. `by_fix` says that `--fix` does it; `mended` is what `--fix` did.
"""

import dataclasses
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass

from docker.errors import DockerException
from rich.markup import escape
from rich.table import Table

from gix_ops.doctor import engine_checks, stack_checks, tool_checks
from gix_ops.doctor.facts import Facts
from gix_ops.doctor.finding import Finding, Level, one_line
from gix_ops.errors import StackError


@dataclass(frozen=True, kw_only=True)
class Diagnosis:
    """What came of all checks; `mended` is what was done before them."""

    stack: str
    faults: int
    warnings: int
    mended: tuple[str, ...]
    findings: tuple[Finding, ...]


def examine(facts: Facts, mended: Iterable[str] = ()) -> Diagnosis:
    """Make every check. Raises nothing: what can't be looked at is a finding."""
    findings: list[Finding] = []
    for check, look in _CHECKS:
        findings += (_short(finding, findings) for finding in _findings(facts, check, look))
    try:
        name = facts.label
    except StackError:
        name = facts.wanted or "(no stack)"
    return Diagnosis(
        stack=name,
        faults=sum(each.level is Level.FAULT for each in findings),
        warnings=sum(each.level is Level.WARNING for each in findings),
        mended=tuple(mended),
        findings=tuple(findings),
    )


def _short(finding: Finding, told: Iterable[Finding]) -> Finding:
    """`finding`, or that it is skipped for what another check has told."""
    if finding.level is not Level.SKIPPED:
        return finding
    cause = next((each.check for each in told if each.level is Level.FAULT and each.text == finding.text), None)
    return finding if cause is None else dataclasses.replace(finding, text=f"for what is told at: {cause}")


Check = Callable[[Facts], Iterator[Finding]]


def _findings(facts: Facts, check: str, look: Check) -> Iterator[Finding]:
    try:
        for each in look(facts):
            yield dataclasses.replace(each, check=check)
    except StackError as error:
        yield Finding(check=check, level=Level.SKIPPED, text=str(error))
    except (DockerException, OSError) as error:
        yield Finding(check=check, level=Level.SKIPPED, text=f"the Docker engine can't be read: {one_line(error)}")
    except Exception as error:  # noqa: BLE001 - one check that fails must not hide what the others find
        yield Finding(check=check, level=Level.SKIPPED, text=f"the check itself failed: {error!r}")


_CHECKS: tuple[tuple[str, Check], ...] = (
    ("program", tool_checks.program),
    ("pulumi", tool_checks.pulumi),
    ("docker plugin", tool_checks.plugin),
    ("Python packages", tool_checks.python),
    ("stack", stack_checks.stack),
    ("configuration", stack_checks.configuration),
    ("locks", stack_checks.locks),
    ("engine", engine_checks.engine),
    ("clock", engine_checks.clock),
    ("BuildKit", tool_checks.buildkit),
    ("disk", engine_checks.disk),
    ("old images", engine_checks.old_tags),
    ("preflight", stack_checks.conflicts),
    ("resources", stack_checks.resources),
    ("backups", stack_checks.cut_off_backups),
    ("ledger", stack_checks.ledger),
    ("ports", stack_checks.ports),
)
"""The checks, in the order in which one needs what another finds."""


def summary(diagnosis: Diagnosis) -> str:
    """What came of it, in a line."""
    faults = "no fault" if not diagnosis.faults else f"{diagnosis.faults} fault{'s' * (diagnosis.faults > 1)}"
    warnings = f", {diagnosis.warnings} warning{'s' * (diagnosis.warnings > 1)}" if diagnosis.warnings else ""
    return f"{diagnosis.stack}: {faults}{warnings}"


_COLOURS = {Level.OK: "green", Level.WARNING: "yellow", Level.FAULT: "red", Level.SKIPPED: "dim"}


def table(diagnosis: Diagnosis) -> Table:
    """The findings for a terminal."""
    shown = Table()
    for heading in ("check", "result", "what was found", "what mends it"):
        shown.add_column(heading, overflow="fold")
    for each in diagnosis.findings:
        level = f"[{_COLOURS[each.level]}]{each.level}[/{_COLOURS[each.level]}]"
        fix = f"{each.fix}  (--fix does it)" if each.by_fix else each.fix
        shown.add_row(each.check, level, escape(each.text), escape(fix))
    return shown
