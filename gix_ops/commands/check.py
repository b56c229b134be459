"""Verbs that hold a stack against what it should be."""

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from gix_ops import verify
from gix_ops.commands.options import JsonOption, StackOption, read_stack, write_json
from gix_ops.planning import plan, plan_text
from gix_ops.security import audit, scan
from gix_ops.stack import program_directory

PANEL = "Check"


class Severity(StrEnum):
    """The words of --severity."""

    LOW = "low"
    MEDIUM = "medium"
    HIGH = "high"
    CRITICAL = "critical"


MarkdownOption = Annotated[
    bool, typer.Option("--markdown", help="Write Markdown, for the comment of a pull request, instead of a table.")
]
RefreshOption = Annotated[
    bool, typer.Option("--refresh", help="Look at the engine first, as pulumi up --refresh does.")
]
FixOption = Annotated[bool, typer.Option("--fix", help="Do the safe ones of what mends it, say each, and look again.")]
MinimumOption = Annotated[
    int, typer.Option("--minimum", metavar="SCORE", help="The score that is enough, of 100.", min=0, max=100)
]
SbomOption = Annotated[
    Path | None,
    typer.Option(
        "--sbom", metavar="DIRECTORY", help="Where the SBOMs go; without it, sbom/ in the program's directory."
    ),
]
SeverityOption = Annotated[
    Severity | None, typer.Option("--severity", help="Fail from here on; without it, as gix:images.failOn says.")
]
RequireOption = Annotated[bool, typer.Option("--require", help="Exit with 1 where there is no scanner.")]

app = typer.Typer()


@app.command("plan", rich_help_panel=PANEL)
def plan_command(
    stack: StackOption = None,
    as_json: JsonOption = False,
    as_markdown: MarkdownOption = False,
    refresh: RefreshOption = False,
) -> None:
    """Say what `pulumi up` would do to each service, and why. Exits with 1 only where the preview fails."""
    if as_json and as_markdown:
        raise typer.BadParameter("give --json or --markdown, not both")
    found = plan.read(program_directory(Path.cwd()), stack, refresh=refresh)
    if as_json:
        write_json(found)
    elif as_markdown:
        typer.echo(plan_text.markdown(found))
    else:
        Console().print(plan_text.terminal(found), highlight=False)
    if found.errors:
        raise typer.Exit(1)


@app.command("verify", rich_help_panel=PANEL)
def verify_command(stack: StackOption = None, as_json: JsonOption = False) -> None:
    """Compare what the stack declares with what the engine has, field by field. Exits with 1 on a difference."""
    report = verify.verify(read_stack(stack))
    if as_json:
        write_json(report)
    else:
        console = Console()
        console.print(verify.summary(report), highlight=False, markup=False)
        if report.differences:
            console.print(verify.table(report))
    if report.differences:
        raise typer.Exit(1)


@app.command("doctor", rich_help_panel=PANEL)
def doctor_command(stack: StackOption = None, fix: FixOption = False, as_json: JsonOption = False) -> None:
    """Look for everything that keeps the stack from working, and say what mends each.

    Looks at the tools (pulumi, docker plugin, Python packages, BuildKit), the stack (configuration, locks, what a
    cut-off update was at, every difference that verify finds), the engine (whether it answers, clock, disk, what
    collides with the next update), the ledger, backups that were cut off, and the published ports.

    It works in every state: without a pulumi command, an engine or a stack, what can't be looked at is skipped, and why
    is said. It changes nothing without --fix.

    With --fix it releases locks of processes of this machine that are gone, clears what a cut-off update was at,
    ends a backup or restore that was cut off (or is at work), removes containers and networks that bear the stack's
    label and that the stack does not know, unless they use a ledger, and lets stopped or paused services go on. It
    never touches what is on a ledger otherwise, nor removes what does not bear the stack's label. It says each thing
    that it did, and looks again.

    Exits with 0 where there is no fault, and with 1 otherwise; a warning is no fault.

    gixctl doctor --stack prod

    gixctl doctor --fix && pulumi up
    """
    # Loads Pulumi's SDK, for the rules of a configuration; the other verbs start twice as fast without.
    from gix_ops.doctor import examination, remedies  # noqa: PLC0415
    from gix_ops.doctor.patient import Patient  # noqa: PLC0415

    done = remedies.mend(Patient(Path.cwd(), stack)) if fix else []
    diagnosis = examination.examine(Patient(Path.cwd(), stack), done)
    if as_json:
        write_json(diagnosis)
    else:
        console = Console()
        for each in done:
            console.print(each, highlight=False, markup=False)
        console.print(examination.table(diagnosis))
        console.print(examination.summary(diagnosis), highlight=False, markup=False)
    if diagnosis.faults:
        raise typer.Exit(1)


@app.command("audit", rich_help_panel=PANEL)
def audit_command(stack: StackOption = None, minimum: MinimumOption = 100, as_json: JsonOption = False) -> None:
    """Hold the stack's containers and images against the CIS Docker Benchmark, and give a score.

    The items of sections 4 and 5 that containers and images decide, numbered as versions 1.6 and 1.7 of the benchmark
    have them; --json says which are left out, and why. Looked at is what the engine has, not what is declared: all that
    bears the stack's label, whoever made it. Items about the host and the engine are for docker-bench-security.

    An item passes, fails, does not apply (an AppArmor profile where the engine has no AppArmor), or is waived, for a
    reason that is shown. A fail has its way out: the key to set, or the command. The score is what passed, in per cent
    of what passed or failed; 100 means no fail.

    Exits with 1 where the score is less than --minimum, so without it on any fail, and where a container of the stack
    is missing.

    gixctl audit --stack prod

    gixctl audit --minimum 80
    """
    card = audit.audit(read_stack(stack))
    if as_json:
        write_json(card)
    else:
        console = Console()
        console.print(audit.table(card))
        console.print(audit.summary(card), highlight=False, markup=False)
    if card.score < minimum or card.missing:
        raise typer.Exit(1)


@app.command("scan", rich_help_panel=PANEL)
def scan_command(
    stack: StackOption = None,
    sbom: SbomOption = None,
    severity: SeverityOption = None,
    require: RequireOption = False,
    as_json: JsonOption = False,
) -> None:
    """Look for known vulnerabilities in the stack's images, and write an SBOM of each.

    Runs trivy, or else grype, where one is on PATH, on every image that the stack runs. It fails where a vulnerability
    is of the severity that gix:images.failOn names, or worse; --severity goes before that.

    Where there is no scanner, it says that it did not scan; that is no failure unless --require is given.

    The SBOMs are STACK-SERVICE.cdx.json, in CycloneDX's JSON format. Trivy writes them, or syft beside grype. Where
    neither does, gixctl writes its own: the image's Debian packages and the digest of the service's program, without
    the Rust crates compiled into it. Each says which tool made it.

    Exits with 1 where a vulnerability is severe enough, a scanner fails, or --require finds none; with 0 otherwise.

    gixctl scan --severity high --require --sbom release/sbom
    """
    read = read_stack(stack)
    found = scan.scan(read, sbom or read.directory / scan.DIRECTORY, severity)
    if as_json:
        write_json(found)
    else:
        console = Console()
        console.print(scan.table(found.images))
        if found.over:
            console.print(scan.vulnerability_table(found))
        console.print(scan.summary(found), highlight=False, markup=False)
    if found.over or (require and found.scanner is None):
        raise typer.Exit(1)
