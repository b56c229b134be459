"""The `gixctl` command: the table of its verbs, and how it reports errors.

Exit codes: 0: success; 1: a check failed, or the command could not do its work; 2: invalid usage.
"""

import os
from pathlib import Path
from typing import Annotated

import typer

from gix_ledger.errors import LedgerError
from gix_model import __version__
from gix_model.stack_file import StackFileError
from gix_ops.commands import (
    address,
    audit,
    backup,
    backups,
    delete_ledger,
    doctor,
    drift,
    fix_permissions,
    graph,
    health,
    logs,
    plan,
    pull_request,
    release,
    restore,
    review,
    scan,
    shell,
    status,
    verify,
)
from gix_ops.errors import StackError

VERBS = {
    "Inspect": (status, health, logs, shell, graph, address),
    "Check": (plan, verify, doctor, audit, scan, drift),
    "Ledger": (backup, restore, backups, fix_permissions, delete_ledger),
}
"""The verbs, by their heading in `gixctl --help`. A verb has the name of its module, with `-` for `_`."""
GROUPS = (review, pull_request, release)
"""The verbs that have verbs of their own."""

_EXIT_CODES = "Exit codes: 0: success; 1: a check failed, or the command could not do its work; 2: invalid usage."

app = typer.Typer(
    name="gixctl", no_args_is_help=True, pretty_exceptions_enable=False, rich_markup_mode="markdown", epilog=_EXIT_CODES
)
for heading, modules in VERBS.items():
    for module in modules:
        app.command(module.__name__.rpartition(".")[2].replace("_", "-"), rich_help_panel=heading)(module.command)
for group in GROUPS:
    app.add_typer(group.app, name=group.__name__.rpartition(".")[2].replace("_", "-"), rich_help_panel="Delivery")


def _show_version(wanted: bool) -> None:  # noqa: FBT001 - typer calls it so
    if wanted:
        typer.echo(f"gixctl {__version__}")
        raise typer.Exit


@app.callback()
def gixctl(
    cwd: Annotated[
        Path | None,
        typer.Option("--cwd", "-C", help="Run as if gixctl was started in this directory.", exists=True),
    ] = None,
    _version: Annotated[
        bool, typer.Option("--version", help="Print the version.", callback=_show_version, is_eager=True)
    ] = False,
) -> None:
    """Operate a GIX stack: the day-two work that Pulumi itself does not do.

    Runs in any directory of a clone. A verb uses the stack of --stack, or the stack that Pulumi has selected, and the
    Docker engine that this stack names.
    """
    if cwd is not None:
        os.chdir(cwd)


def main() -> None:
    """Run the command. An error that a user can fix is printed as one line, without a traceback."""
    try:
        app(prog_name="gixctl")
    except (StackError, StackFileError, LedgerError) as error:
        typer.secho(f"gixctl: {error}", fg=typer.colors.RED, err=True)
        raise SystemExit(1) from None


if __name__ == "__main__":
    main()
