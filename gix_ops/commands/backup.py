"""`gixctl backup`."""

from pathlib import Path
from typing import Annotated

import typer
from rich.filesize import decimal

from gix_ledger import backup
from gix_model import __version__
from gix_ops import stack_ledger
from gix_ops.commands.options import JsonOption, StackOption, read_stack, write_json
from gix_ops.commands.progress import progress_bar

HEADING = "Ledger"

FileArgument = Annotated[
    Path | None,
    typer.Argument(help="Archive to write. Default: backups/STACK-TIME.tar.gz in the program's directory."),
]
StopOption = Annotated[
    bool, typer.Option("--stop", help="Stop the auction during the copy instead of pausing it, then start it.")
]


def command(
    file: FileArgument = None, stack: StackOption = None, stop: StopOption = False, as_json: JsonOption = False
) -> None:
    """Back up the ledger while the stack serves.

    The auction is paused while the engine copies the volume. The copy is then compressed and written to FILE. --stop
    stops the auction instead, so that it closes its store in order; jobs are refused during that time.

    In Swarm, the volume is on the engine of the ledger's node, and --stop scales the auction's service to 0 tasks.

    The archive is a gzipped tar file. Its last file, .gix-manifest.json, states the source and the content. An existing
    FILE is never overwritten. An incomplete archive is called FILE.XXXXXXXX.partial.

    Fails before the auction is held if the engine's disk has no space for a copy of the ledger, or the disk of FILE has
    less free space than the ledger takes.

    Example: gixctl backup --stack prod /mnt/safe/prod.tar.gz
    """
    read = read_stack(stack)
    target = backup.default_file(read.directory, read.name) if file is None else file
    with progress_bar("backup") as progress:
        taken = backup.take(
            stack_ledger.locate(read), target, program=__version__, how="stop" if stop else "pause", progress=progress
        )
    if as_json:
        write_json(taken)
        return
    manifest = taken.manifest
    typer.echo(
        f"{taken.file}: {manifest.files} files, {decimal(manifest.content_bytes)} "
        f"({decimal(taken.archive_bytes)} compressed); the auction was held for {taken.held_seconds:.1f} s"
    )
