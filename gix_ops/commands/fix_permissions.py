"""`gixctl fix-permissions`."""

import re
from typing import Annotated

import typer

from gix_ledger import permissions
from gix_ops import stack_ledger
from gix_ops.commands.options import JsonOption, StackOption, read_stack, write_json

HEADING = "Ledger"

OwnerOption = Annotated[
    str | None, typer.Option("--owner", metavar="UID:GID", help="Owner to set. Default: the auction's user.")
]
DryRunOption = Annotated[bool, typer.Option("--dry-run", help="Show what would change, and change nothing.")]


def command(
    stack: StackOption = None, owner: OwnerOption = None, dry_run: DryRunOption = False, as_json: JsonOption = False
) -> None:
    """Change the owner of the ledger's files.

    Gives all files and directories on the volume to the auction's user, or to --owner. Use it if the auction logs
    "permission denied" on /data, for example after root copied files there. Modes and times do not change.
    """
    if owner is not None and re.fullmatch(r"\d+:\d+", owner) is None:
        raise typer.BadParameter(f"{owner} is not UID:GID, for example 1000:1000", param_hint="--owner")
    read = read_stack(stack)
    wanted = owner or stack_ledger.owner(read)
    found = permissions.fix(stack_ledger.locate(read), wanted, dry_run=dry_run)
    if as_json:
        write_json(found)
        return
    for each in found:
        typer.echo(f"{each.path}: {each.owner} -> {wanted}")
    typer.echo(f"{len(found)} files and directories {'would change' if dry_run else 'changed'} to {wanted}")
