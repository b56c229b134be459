"""`gixctl doctor`: all checks of a stack, each with its findings and the fixes.

A result exists in every state: without a program, a pulumi command, an engine or a stack, and for a stack that is down
or whose update was interrupted. A check that cannot run is skipped and says why. `--json` prints:

    {"stack": "gix/dev", "faults": 1, "warnings": 0, "fixed": [],
     "findings": [
       {"check": "locks", "level": "fault", "text": "held by a process that has ended: root@vm, process 26399, ...",
        "fix": "pulumi cancel --yes --stack dev", "by_fix": true}]}

`level` is ok, warning, fault or skipped. `by_fix` says that `--fix` applies the fix; `fixed` lists what `--fix` did.
"""

import dataclasses
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass

from docker.errors import DockerException
from rich.markup import escape
from rich.table import Table

from gix_ops.doctor import certificate_check, engine_checks, stack_checks, swarm_checks, tool_checks
from gix_ops.doctor.facts import Facts
from gix_ops.doctor.finding import Finding, Level, one_line
from gix_ops.errors import StackError


@dataclass(frozen=True, kw_only=True)
class Diagnosis:
    """The result of all checks; `fixed` is what was done before them."""

    stack: str
    faults: int
    warnings: int
    fixed: tuple[str, ...]
    findings: tuple[Finding, ...]


Check = Callable[[Facts], Iterator[Finding]]


def examine(facts: Facts, fixed: Iterable[str] = ()) -> Diagnosis:
    """Run every check. Raises nothing: a check that cannot run is a finding."""
    findings = [finding for name, check in _checks(facts) for finding in _findings(facts, name, check)]
    try:
        stack = facts.label
    except StackError:
        stack = facts.wanted or "(no stack)"
    return Diagnosis(
        stack=stack,
        faults=sum(each.level is Level.FAULT for each in findings),
        warnings=sum(each.level is Level.WARNING for each in findings),
        fixed=tuple(fixed),
        findings=tuple(findings),
    )


def _checks(facts: Facts) -> Iterator[tuple[str, Check]]:
    for name, check in _CHECKS:
        yield name, check
        if name == "engine" and facts.engine_settings.mode == "swarm":
            yield from _CHECKS_OF_A_SWARM


def _findings(facts: Facts, name: str, check: Check) -> Iterator[Finding]:
    try:
        for each in check(facts):
            yield dataclasses.replace(each, check=name)
    except StackError as error:
        yield Finding(check=name, level=Level.SKIPPED, text=_reason(facts, error))
    except (DockerException, OSError) as error:
        yield Finding(check=name, level=Level.SKIPPED, text=f"the Docker engine cannot be read: {one_line(error)}")
    except Exception as error:  # noqa: BLE001 - one check that fails must not hide what the others find
        yield Finding(check=name, level=Level.SKIPPED, text=f"the check itself failed: {error!r}")


def _reason(facts: Facts, error: StackError) -> str:
    """Why a check is skipped: the check that reports the error, or the error itself if no check reports it."""
    reporting = next((check for check, fact in _REPORTED_FACTS.items() if facts.error(fact) is error), None)
    return str(error) if reporting is None else f"see the check: {reporting}"


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
    ("backups", stack_checks.interrupted_backups),
    ("ledger", stack_checks.ledger),
    ("ports", stack_checks.ports),
    ("certificate", certificate_check.certificate),
)
"""The checks, in this order: a check comes after those whose facts it needs."""
_CHECKS_OF_A_SWARM: tuple[tuple[str, Check], ...] = (("swarm", swarm_checks.swarm), ("nodes", swarm_checks.nodes))
"""The checks that follow that of the engine if the stack is in Swarm."""

_REPORTED_FACTS = {
    "program": "directory",
    "pulumi": "pulumi",
    "Python packages": "packages",
    "stack": "name",
    "configuration": "configuration",
    "engine": "client",
    "swarm": "swarm",
}
"""The fact that a check reports as a fault if it cannot be read. Other checks that need the fact refer to it."""


def summary(diagnosis: Diagnosis) -> str:
    """The result on one line."""
    faults = "no fault" if not diagnosis.faults else f"{diagnosis.faults} fault{'s' * (diagnosis.faults > 1)}"
    warnings = f", {diagnosis.warnings} warning{'s' * (diagnosis.warnings > 1)}" if diagnosis.warnings else ""
    return f"{diagnosis.stack}: {faults}{warnings}"


_COLOURS = {Level.OK: "green", Level.WARNING: "yellow", Level.FAULT: "red", Level.SKIPPED: "dim"}


def table(diagnosis: Diagnosis) -> Table:
    """The findings for a terminal."""
    shown = Table()
    for heading in ("check", "result", "what was found", "fix"):
        shown.add_column(heading, overflow="fold")
    for each in diagnosis.findings:
        level = f"[{_COLOURS[each.level]}]{each.level}[/{_COLOURS[each.level]}]"
        fix = f"{each.fix}  (--fix applies it)" if each.by_fix else each.fix
        shown.add_row(each.check, level, escape(each.text), escape(fix))
    return shown
