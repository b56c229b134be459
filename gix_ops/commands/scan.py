"""`gixctl scan`."""

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from gix_ops import swarm
from gix_ops.commands.options import JsonOption, StackOption, read_stack, write_json
from gix_ops.errors import StackError
from gix_ops.security import scan

HEADING = "Check"


class Severity(StrEnum):
    """The values of --severity."""

    LOW = "low"
    MEDIUM = "medium"
    HIGH = "high"
    CRITICAL = "critical"


SbomOption = Annotated[
    Path | None,
    typer.Option(
        "--sbom", metavar="DIRECTORY", help="Directory for the SBOMs. Default: sbom/ in the program's directory."
    ),
]
SeverityOption = Annotated[
    Severity | None,
    typer.Option("--severity", help="Lowest severity that fails the scan. Default: gix:images.failOn."),
]
RequireOption = Annotated[bool, typer.Option("--require", help="Exit with 1 if no scanner is installed.")]


def command(
    stack: StackOption = None,
    sbom: SbomOption = None,
    severity: SeverityOption = None,
    require: RequireOption = False,
    as_json: JsonOption = False,
) -> None:
    """Scan the images for vulnerabilities, and write SBOMs.

    Runs the first of trivy and grype that is on PATH. Without a scanner, the command reports that it did not scan, and
    succeeds unless --require is given.

    The SBOMs are STACK-SERVICE.cdx.json in CycloneDX JSON. trivy writes them, or syft if the scanner is grype. Without
    these, gixctl lists the Debian packages, the digest of the service's program, and the Rust crates of a program that
    was built with cargo auditable.

    Exits with 1 if a vulnerability reaches the severity, a scanner fails, or --require finds no scanner.

    Example: gixctl scan --severity high --require --sbom release/sbom
    """
    read = read_stack(stack)
    if swarm.is_swarm(read):
        raise StackError(
            "gixctl scan does not know Swarm (gix:engine.mode: swarm), where no engine needs all images; give the "
            "digests that gixctl status shows to a scanner"
        )
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
