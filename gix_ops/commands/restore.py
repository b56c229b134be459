"""`gixctl restore`."""

from pathlib import Path
from typing import Annotated

import typer
from rich.filesize import decimal

from gix_ledger import restore
from gix_ops import stack_ledger
from gix_ops.commands.options import StackOption, read_stack
from gix_ops.commands.progress import progress_bar

HEADING = "Ledger"

FileArgument = Annotated[
    Path, typer.Argument(help="Archive to restore, from gixctl backup or from tar czf FILE -C /data .")
]
ReplaceOption = Annotated[bool, typer.Option("--replace", help="Overwrite a non-empty ledger. Its content is lost.")]


def command(file: FileArgument, stack: StackOption = None, replace: ReplaceOption = False) -> None:
    """Restore the ledger from a backup.

    The archive is read and checked completely before anything changes. A non-empty ledger is refused without --replace.
    The auction is stopped during the restore; stop every other container that can write to the volume first. The old
    content stays on the volume until the new content is complete and compared with the archive, so the disk needs space
    for both. Owners, modes and times come from the archive.

    In Swarm, the auction's service is scaled to 0 tasks and back to 1.

    If the restore is interrupted at any moment, the volume holds either the old ledger or the new one.

    Example: gixctl restore --stack staging --replace backups/prod-20260102T030405Z.tar.gz
    """
    read = read_stack(stack)
    total = 2 * file.stat().st_size if file.is_file() else None
    with progress_bar("restore", total) as progress:
        contents = restore.restore(stack_ledger.locate(read), file, replace=replace, progress=progress)
    about = contents.manifest
    origin = f"of {about.stack}, taken {about.time}" if about else "without a manifest"
    typer.echo(
        f"{read.outputs.volume} holds {file} ({origin}): {len(contents.digests)} files, "
        f"{decimal(contents.content_bytes)}; to wait for the auction: gixctl health --wait 60s"
    )
