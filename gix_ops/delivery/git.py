"""What git says of the clone that the program is in."""

import fnmatch
import io
import subprocess
import tarfile
from pathlib import Path

from gix_ops.errors import StackError


def changed(directory: Path, base: str) -> tuple[str, ...]:
    """The files that differ between the revision `base` and HEAD, by their paths from `directory`."""
    return _listed(directory, "diff", "--name-only", "--no-renames", "--relative", "-z", base, "HEAD")


def tracked(directory: Path, revision: str, pattern: str) -> tuple[str, ...]:
    """The files in `directory` itself, as `revision` has it, that match `pattern`."""
    return tuple(
        path for path in _listed(directory, "ls-tree", "--name-only", "-z", revision) if fnmatch.fnmatch(path, pattern)
    )


def parted(directory: Path, base: str) -> str:
    """The commit at which HEAD parted from `base`."""
    return _run(directory, "merge-base", base, "HEAD").decode().strip()


def copy(directory: Path, revision: str, into: Path) -> Path:
    """The program as `revision` has it, in the new directory `into`, with the virtual environment of `directory`.

    Raises StackError where a file of it can't be: a link that leads out of it, say.
    """
    archive = _run(directory, "archive", "--format=tar", f"{revision}:./")
    into.mkdir(parents=True)
    try:
        with tarfile.open(fileobj=io.BytesIO(archive)) as files:
            files.extractall(into, filter="data")
        if (directory / ".venv").exists():
            (into / ".venv").symlink_to(directory / ".venv")
    except (tarfile.TarError, OSError) as error:
        raise StackError(f"{revision} has a file that can't be copied: {error}") from None
    return into


def _listed(directory: Path, *words: str) -> tuple[str, ...]:
    return tuple(_run(directory, *words).decode(errors="replace").split("\0")[:-1])


def _run(directory: Path, *words: str) -> bytes:
    done = subprocess.run(["git", *words], cwd=directory, capture_output=True, check=False)
    if done.returncode:
        raise StackError(f"git {' '.join(words)} failed: {done.stderr.decode(errors='replace').strip()}")
    return done.stdout
