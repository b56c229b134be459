"""`gixctl doctor`."""

from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from gix_ops.commands.options import JsonOption, StackOption, write_json
from gix_ops.doctor import examination, remedies
from gix_ops.doctor.facts import Facts

HEADING = "Check"

FixOption = Annotated[bool, typer.Option("--fix", help="Apply the safe fixes, report each, and check again.")]


def command(stack: StackOption = None, fix: FixOption = False, as_json: JsonOption = False) -> None:
    """Find problems, and show how to fix them.

    Checks the tools (pulumi, docker plugin, Python packages, BuildKit), the stack (configuration, locks, pending
    operations, differences from the engine), the engine (connection, clock, disk, conflicts with the next update), the
    ledger, interrupted backups and restores, the published ports, and the end of the edge's certificate. In Swarm, also
    the managers, the nodes and their engines.

    It also works without a pulumi command, an engine or a stack: checks that cannot run are skipped and say why. It
    changes nothing without --fix.

    --fix releases locks of processes on this machine that no longer run, clears pending operations, ends interrupted
    backups and restores, removes containers and networks with the stack's label that are not in its state (unless they
    use a ledger), and starts stopped or paused services. It never changes the ledger except to finish an interrupted
    restore, and never removes anything without the stack's label.

    Exits with 1 if there is a fault. A warning is not a fault.

    Examples: gixctl doctor --stack prod; gixctl doctor --fix && pulumi up
    """
    facts = Facts(Path.cwd(), stack)
    done = remedies.apply(facts) if fix else []
    diagnosis = examination.examine(Facts(Path.cwd(), stack) if fix else facts, done)
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
