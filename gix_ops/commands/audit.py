"""`gixctl audit`."""

from typing import Annotated

import typer
from rich.console import Console

from gix_ops.commands.options import JsonOption, StackOption, read_stack, write_json
from gix_ops.security import audit

HEADING = "Check"

MinimumOption = Annotated[
    int, typer.Option("--minimum", metavar="SCORE", help="Lowest score that passes, out of 100.", min=0, max=100)
]


def command(stack: StackOption = None, minimum: MinimumOption = 100, as_json: JsonOption = False) -> None:
    """Check containers and images against the CIS Benchmark.

    The benchmark is the CIS Docker Benchmark. Checks the items of sections 4 and 5 about containers and images,
    numbered as in versions 1.6 and 1.7, for everything on the engine that has the stack's label. --json also lists the
    items that are left out, with the reason. For the items about the host and the engine, use docker-bench-security.

    An item passes, fails, does not apply, or is waived with a reason. A failed item names the key or command that fixes
    it. The score is the percentage of passed items among those that passed or failed.

    Exits with 1 if the score is below --minimum, or a container of the stack is missing.

    Example: gixctl audit --stack prod --minimum 80
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
