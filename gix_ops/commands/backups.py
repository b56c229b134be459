"""`gixctl backups`."""

from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from gix_ledger import backup
from gix_ops import backups
from gix_ops.commands.options import JsonOption, write_json
from gix_ops.commands.progress import progress_bar
from gix_ops.stack import program_directory

HEADING = "Ledger"

DirectoryArgument = Annotated[
    Path | None, typer.Argument(help="Directory to search. Default: backups/ in the program's directory.")
]
CheckOption = Annotated[bool, typer.Option("--check", help="Read each archive completely and verify its content.")]


def command(directory: DirectoryArgument = None, check: CheckOption = False, as_json: JsonOption = False) -> None:
    """List backups with their source, time and size.

    The figures come from the manifests. --check compares each archive with its manifest, and exits with 1 if one is
    incomplete or damaged.
    """
    where = program_directory(Path.cwd()) / backup.DIRECTORY if directory is None else directory
    with progress_bar("check") as progress:
        found = backups.found(where, check=check, progress=progress)
    if as_json:
        write_json(found)
    elif found:
        Console().print(backups.table(found))
    else:
        typer.echo(f"{where} has no backups; to take one: gixctl backup")
    if check and any(each.whole is False for each in found):
        raise typer.Exit(1)
