"""Reads the git repository that the program is in."""

import fnmatch
import io
import subprocess
import tarfile
from pathlib import Path

from gix_ops.errors import StackError


def changed(directory: Path, base: str) -> tuple[str, ...]:
    """The files that differ between the revision `base` and HEAD, as paths relative to `directory`."""
    return _listed(directory, "diff", "--name-only", "--no-renames", "--relative", "-z", base, "HEAD")


def tracked(directory: Path, revision: str, pattern: str) -> tuple[str, ...]:
    """The names of the files in `directory` itself that `revision` has and that match `pattern`."""
    return tuple(
        path for path in _listed(directory, "ls-tree", "--name-only", "-z", revision) if fnmatch.fnmatch(path, pattern)
    )


def common_ancestor(directory: Path, base: str) -> str:
    """The commit at which HEAD and `base` diverged."""
    return _run(directory, "merge-base", base, "HEAD").decode().strip()


def copy(directory: Path, revision: str, into: Path) -> Path:
    """Copy the program, as `revision` has it, into the new directory `into`, with a link to the virtual environment.

    Raises StackError if a file cannot be copied, for example a link to a file outside of the repository.
    """
    archive = _run(directory, "archive", "--format=tar", f"{revision}:./")
    into.mkdir(parents=True)
    try:
        with tarfile.open(fileobj=io.BytesIO(archive)) as files:
            files.extractall(into, filter="data")
        if (directory / ".venv").exists():
            (into / ".venv").symlink_to(directory / ".venv")
    except (tarfile.TarError, OSError) as error:
        raise StackError(f"{revision} has a file that cannot be copied: {error}") from None
    return into


def _listed(directory: Path, *words: str) -> tuple[str, ...]:
    return tuple(_run(directory, *words).decode(errors="replace").split("\0")[:-1])


def _run(directory: Path, *words: str) -> bytes:
    done = subprocess.run(["git", *words], cwd=directory, capture_output=True, check=False)
    if done.returncode:
        raise StackError(f"git {' '.join(words)} failed: {done.stderr.decode(errors='replace').strip()}")
    return done.stdout
