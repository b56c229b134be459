"""Verbs that care for the ledger."""

import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.filesize import decimal
from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TransferSpeedColumn

from gix_components import __version__
from gix_components.backups import archive, backup, permissions, restore
from gix_ops import backups, ledger, pulumi_command
from gix_ops.commands.options import JsonOption, StackOption, read_stack, write_json
from gix_ops.stack import Stack, program_directory

PANEL = "Ledger"

app = typer.Typer()


@contextmanager
def _progress(what: str, total_bytes: int | None = None) -> Iterator[archive.Progress]:
    """A bar on standard error, where that is a terminal."""
    console = Console(stderr=True)
    columns = (TextColumn("{task.description}"), BarColumn(), DownloadColumn(), TransferSpeedColumn())
    with Progress(*columns, console=console, transient=True, disable=not console.is_terminal) as shown:
        task = shown.add_task(what, total=total_bytes)
        yield lambda done: shown.advance(task, done)


@app.command("backup", rich_help_panel=PANEL)
def backup_command(
    file: Annotated[
        Path | None,
        typer.Argument(help="The archive to write; without it, backups/STACK-TIME.tar.gz in the program's directory."),
    ] = None,
    stack: StackOption = None,
    stop: Annotated[
        bool, typer.Option("--stop", help="Stop the auction for the copy, so that it closes its store, and start it.")
    ] = False,
    as_json: JsonOption = False,
) -> None:
    """Take a backup of the ledger, while the stack serves.

    The auction is paused for as long as its volume is copied on the engine, then goes on; the copy is compressed and
    written here. With --stop it is stopped instead of paused: a store that keeps much in memory is then closed in
    order, and jobs are refused meanwhile.

    The archive is a gzipped tar that plain tar reads; its last file, .gix-manifest.json, says where it comes from and
    what it holds. Until it is whole, its name is FILE.XXXXXXXX.partial. An existing FILE is never overwritten.

    Fails before the auction is held if the engine's disk has no room for a copy of the ledger, or the disk of FILE has
    less free space than the ledger takes.

    Example: gixctl backup --stack prod /mnt/safe/prod.tar.gz
    """
    read = read_stack(stack)
    target = backup.default_file(read.directory, read.name) if file is None else file
    with _progress("backup") as progress:
        taken = backup.take(
            ledger.of(read), target, program=__version__, how="stop" if stop else "pause", progress=progress
        )
    if as_json:
        write_json(taken)
        return
    manifest = taken.manifest
    typer.echo(
        f"{taken.file}: {manifest.files} files, {decimal(manifest.content_bytes)} "
        f"({decimal(taken.archive_bytes)} compressed); the auction was held for {taken.held_seconds:.1f} s"
    )


@app.command("restore", rich_help_panel=PANEL)
def restore_command(
    file: Annotated[Path, typer.Argument(help="The archive: one of gixctl backup, or of tar czf FILE -C /data .")],
    stack: StackOption = None,
    replace: Annotated[
        bool, typer.Option("--replace", help="Put it in the place of a ledger that is not empty, which is gone then.")
    ] = False,
) -> None:
    """Put a backup in the place of the ledger.

    All of the archive is read and checked before anything is touched. A ledger that holds anything is refused without
    --replace. The auction is stopped, and started again at the end; any other container that can write to the volume
    must be stopped first. The old content stays on the volume until the new one is there and has been compared with
    the archive, so the volume's disk needs room for both. Owners, modes and times are those of the archive.

    Cut off at any moment, even killed, it leaves the old ledger or the new one, never a mixture.

    Example: gixctl restore --stack staging --replace backups/prod-20260102T030405Z.tar.gz
    """
    read = read_stack(stack)
    total = 2 * file.stat().st_size if file.is_file() else None
    with _progress("restore", total) as progress:
        contents = restore.restore(ledger.of(read), file, replace=replace, progress=progress)
    about = contents.manifest
    origin = f"of {about.stack}, taken {about.time}" if about else "without a manifest"
    typer.echo(
        f"{read.outputs['volume']} holds {file} ({origin}): {len(contents.digests)} files, "
        f"{decimal(contents.content_bytes)}; gixctl health --wait 60s tells when the auction serves"
    )


@app.command("backups", rich_help_panel=PANEL)
def backups_command(
    directory: Annotated[
        Path | None, typer.Argument(help="Where to look; without it, backups/ in the program's directory.")
    ] = None,
    check: Annotated[bool, typer.Option("--check", help="Read each archive whole, and say whether it is.")] = False,
    as_json: JsonOption = False,
) -> None:
    """List the backups that there are, by what their manifests say: stack, time, files, size.

    With --check each is read and compared with its manifest, and the exit code is 1 where one is not whole.
    """
    where = program_directory(Path.cwd()) / backup.DIRECTORY if directory is None else directory
    with _progress("check") as progress:
        found = backups.found(where, check=check, progress=progress)
    if as_json:
        write_json(found)
    elif found:
        Console().print(backups.table(found))
    else:
        typer.echo(f"there is no backup in {where}; gixctl backup takes one")
    if check and any(each.whole is False for each in found):
        raise typer.Exit(1)


@app.command("fix-permissions", rich_help_panel=PANEL)
def fix_permissions(
    stack: StackOption = None,
    owner: Annotated[
        str | None, typer.Option("--owner", help="UID:GID; without it, the user that the auction runs as.")
    ] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Say what would change, and change nothing.")] = False,
    as_json: JsonOption = False,
) -> None:
    """Give everything on the ledger's volume to the user that the auction runs as (1000:1000 by default).

    The way out where the auction says "permission denied" on /data, as after a copy that root made. Modes and
    times stay.
    """
    if owner is not None and re.fullmatch(r"\d+:\d+", owner) is None:
        raise typer.BadParameter(f"{owner} is no UID:GID, such as 1000:1000", param_hint="--owner")
    read = read_stack(stack)
    wanted = owner or ledger.owner(read)
    found = permissions.fix(ledger.of(read), wanted, dry_run=dry_run)
    if as_json:
        write_json(found)
        return
    for each in found:
        typer.echo(f"{each.path}: {each.owner} -> {wanted}")
    verb = "would be given" if dry_run else "given"
    typer.echo(f"{len(found)} files and directories {verb} to {wanted}")


@app.command("delete-ledger", rich_help_panel=PANEL)
def delete_ledger(
    volume: Annotated[str, typer.Argument(help="The volume's name on the engine, e.g. gcam-data.")],
    stack: StackOption = None,
    destroy: Annotated[
        bool, typer.Option("--destroy", help="Destroy the stack first, once it is clear that the volume may go.")
    ] = False,
) -> None:
    """Delete the volume of a stack's ledger, with everything in it.

    The volume is looked for on the stack's engine: the one that it runs on, or, when it is down, the one that its
    configuration names. It must be the stack's own, by its label or because the stack has adopted it, must not be
    protected (gix:ledger.protect), and must not be in use. Otherwise nothing is touched.

    Example: gixctl delete-ledger gcam-data --stack dev --destroy
    """
    read = Stack.read_or_configured(stack, program_directory(Path.cwd()))
    found = ledger.deletable(read, volume, destroyed_first=destroy)
    if destroy:
        pulumi_command.show(read.directory, "destroy", "--stack", read.name, "--yes", "--skip-preview")
    found.delete()
    typer.echo(f"deleted the volume {volume} on {found.engine}")
