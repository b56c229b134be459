"""A build context's digest: what makes an image be built again."""

import hashlib
import os
import stat
from pathlib import Path
from typing import Final

from offline.docker_plugin.errors import PluginError
from offline.docker_plugin.go_files import file_mode, link_target
from offline.docker_plugin.ignore_file import IgnoreFile

DOCKERFILE: Final = "Dockerfile"
_CHUNK_BYTES: Final = 1024 * 1024
_NO_MODE: Final = stat.S_IFREG


def context_digest(context: str, dockerfile: str) -> str:
    """Digest the names, modes and contents of the files that a build sees, and of its Dockerfile.

    Modification times do not count, nor does what is ignored by `<dockerfile>.dockerignore` or, where there is none, by
    the context's own `.dockerignore`. The official plugin makes the same digest, so that a stack that changes plugins
    builds no image.

    Args:
        context: the context's directory, relative to the working directory.
        dockerfile: the Dockerfile, relative to the working directory too.

    Raises:
        PluginError: the context or something in it cannot be read.

    """
    root = Path(context)
    try:
        digest = hashlib.sha256(_entry(DOCKERFILE, _NO_MODE, _file_digest(Path(dockerfile))))
        passed_over: tuple[str, ...] = ()
        for name in _ignore_file(root, Path(dockerfile)).kept(root):
            if name.startswith(passed_over):
                continue
            path = root / name
            mode = path.lstat().st_mode
            try:
                digest.update(_entry(name, mode, _content_digest(path, mode)))
            except FileNotFoundError:
                # A link leads nowhere. The official plugin goes on with the next directory.
                passed_over += (name[: name.rfind("/") + 1],)
    except OSError as error:
        raise PluginError(f"unable to hash build context {context!r}: {error.filename}: {error.strerror}") from error
    return digest.hexdigest()


def dockerfile_problem(context: str, dockerfile: str) -> str | None:
    """Say why a build's Dockerfile cannot be opened; None if it can."""
    path = Path(dockerfile)
    if path.is_file():
        return None
    kind = "absolute" if path.is_absolute() else "relative"
    problem = f'could not open dockerfile at {kind} path "{dockerfile}": no such file'
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


def _ignore_file(root: Path, dockerfile: Path) -> IgnoreFile:
    own = dockerfile.with_name(f"{dockerfile.name}.dockerignore")
    return IgnoreFile(next((file for file in (own, root / ".dockerignore") if file.is_file()), None))


def _entry(name: str, mode: int, content: bytes) -> bytes:
    return os.fsencode(name) + file_mode(mode).encode() + content + b"\0"


def _content_digest(path: Path, mode: int) -> bytes:
    if stat.S_ISLNK(mode):
        return hashlib.sha256(os.fsencode(link_target(path))).digest()
    # Whoever opens a named pipe waits for its other end.
    return _file_digest(path) if stat.S_ISREG(mode) else hashlib.sha256().digest()


def _file_digest(path: Path) -> bytes:
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while chunk := file.read(_CHUNK_BYTES):
            digest.update(chunk)
    return digest.digest()
