"""The progress bar of verbs that read or write an archive."""

from collections.abc import Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TransferSpeedColumn

from gix_ledger import archive


@contextmanager
def progress_bar(title: str, total_bytes: int | None = None) -> Iterator[archive.Progress]:
    """Show a progress bar on standard error if that is a terminal. `total_bytes` is None if the size is not known."""
    console = Console(stderr=True)
    columns = (TextColumn("{task.description}"), BarColumn(), DownloadColumn(), TransferSpeedColumn())
    with Progress(*columns, console=console, transient=True, disable=not console.is_terminal) as shown:
        task = shown.add_task(title, total=total_bytes)
        yield lambda done: shown.advance(task, done)
