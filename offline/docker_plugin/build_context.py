"""A build context's digest: what makes an image be built again."""

import hashlib
import os
import stat
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Final

from offline.docker_plugin.errors import PluginError

if TYPE_CHECKING:
    from docker.utils.build import PatternMatcher

DOCKERFILE: Final = "Dockerfile"
_CHUNK_BYTES: Final = 1024 * 1024


def context_digest(context: str, dockerfile: str) -> str:
    """Digest the names, modes and contents of the files that a build sees, and of its Dockerfile.

    Modification times do not count, nor does what is ignored by `<dockerfile>.dockerignore` or, where there is none, by
    the context's own `.dockerignore`.

    Args:
        context: the context's directory, relative to the working directory.
        dockerfile: the Dockerfile, relative to the working directory too.

    Raises:
        PluginError: the context or something in it cannot be read.

    """
    root = Path(context)
    try:
        digest = hashlib.sha256(_file_digest(Path(dockerfile)))
        for name in sorted(_seen(root, _matcher(root, Path(dockerfile)))):
            path = root / name
            mode = path.lstat().st_mode
            digest.update(f"{name}\0{mode:o}\0".encode())
            digest.update(_link_digest(path) if stat.S_ISLNK(mode) else _file_digest(path))
    except OSError as error:
        raise PluginError(f"unable to hash build context {context!r}: {error.filename}: {error.strerror}") from error
    return digest.hexdigest()


def dockerfile_problem(context: str, dockerfile: str) -> str | None:
    """Say why a build's Dockerfile cannot be opened; None if it can."""
    path = Path(dockerfile)
    if path.is_file():
        return None
    kind = "absolute" if path.is_absolute() else "relative"
    problem = f"could not open dockerfile at {kind} path {dockerfile}: no such file"
    if not path.is_absolute() and (Path(context) / path).is_file():
        meant = str(Path(context) / path)
        return f"{problem}. It is relative to the program's directory: try setting 'dockerfile' to {meant!r}"
    return problem


def context_problem(context: str) -> str | None:
    """Say why a build context cannot be read; None if it can."""
    path = Path(context)
    if not path.exists():
        return f"names a directory that does not exist: {path.absolute()}"
    if not path.is_dir():
        return f"is not a directory: {path.absolute()}"
    if not os.access(path, os.R_OK | os.X_OK):
        return f"names a directory that may not be read: {path.absolute()}"
    return None


def _matcher(root: Path, dockerfile: Path) -> "PatternMatcher":
    from docker.utils.build import PatternMatcher

    own = dockerfile.with_name(f"{dockerfile.name}.dockerignore")
    ignore_file = own if own.is_file() else root / ".dockerignore"
    lines = ignore_file.read_text().splitlines() if ignore_file.is_file() else []
    patterns = [line.strip() for line in lines if line.strip() and not line.startswith("#")]
    return PatternMatcher(patterns)


def _seen(root: Path, matcher: "PatternMatcher") -> Iterator[str]:
    for name in matcher.walk(str(root)):
        path = root / name
        if path.is_symlink() or not path.is_dir():
            yield name


def _link_digest(path: Path) -> bytes:
    path.resolve(strict=True)
    return hashlib.sha256(str(path.readlink()).encode()).digest()


def _file_digest(path: Path) -> bytes:
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while chunk := file.read(_CHUNK_BYTES):
            digest.update(chunk)
    return digest.digest()
