"""A build context: its digest, whose change causes a new build, and the archive that is sent to the engine."""

import contextlib
import hashlib
import io
import os
import secrets
import stat
import tarfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import IO, Final

from offline.docker_plugin.errors import PluginError
from offline.docker_plugin.go_files import file_mode, link_target
from offline.docker_plugin.ignore_file import IgnoreFile

DOCKERFILE: Final = "Dockerfile"
_CHUNK_BYTES: Final = 1024 * 1024
_NO_MODE: Final = stat.S_IFREG
_IGNORE_FILE: Final = ".dockerignore"


def context_digest(context: str, dockerfile: str) -> str:
    """Compute the digest of the names, modes and contents of the files in the context, and of the Dockerfile.

    Modification times do not count. Files that `<dockerfile>.dockerignore` ignores do not count either; without such a
    file, the context's own `.dockerignore` applies. The official plugin computes the same digest, so a stack that
    changes plugins builds no image again.

    Args:
        context: the context's directory, relative to the working directory.
        dockerfile: the Dockerfile, also relative to the working directory.

    Raises:
        PluginError: the context or something in it cannot be read.

    """
    root = Path(context)
    with _readable(f"unable to hash build context {context!r}"):
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
                # A broken link. The official plugin skips the rest of its directory.
                passed_over += (name[: name.rfind("/") + 1],)
    return digest.hexdigest()


def write_archive(context: str, dockerfile: str, file: IO[bytes]) -> str:
    """Write the archive for the engine, and return the Dockerfile's name in it.

    A Dockerfile outside of the context is added under a random name, and that name is added to `.dockerignore`. The
    Docker CLI's library, which the official plugin uses, does the same.

    Args:
        context: the context's directory, relative to the working directory.
        dockerfile: the Dockerfile, also relative to the working directory.
        file: the tar archive is written to it.

    Raises:
        PluginError: something in the context cannot be read.

    """
    root = Path(context)
    with _readable(f"unable to archive build context {context!r}"):
        relative = os.path.relpath(Path(dockerfile).resolve(), root.resolve())
        inside = not relative.startswith(f"..{os.sep}")
        ignore_file = _ignore_file(root, Path(dockerfile), *([f"!{_IGNORE_FILE}", f"!{relative}"] if inside else []))
        # PAX headers are written only where they are needed, as in Go: the engine takes an archive that begins with one
        # for a Dockerfile.
        with tarfile.open(fileobj=file, mode="w", format=tarfile.PAX_FORMAT) as archive:
            for name in ignore_file.kept(root, directories=True):
                if inside or name != _IGNORE_FILE:
                    _add(archive, root, name)
            return relative if inside else _add_dockerfile(archive, root, Path(dockerfile))


def dockerfile_problem(context: str, dockerfile: str) -> str | None:
    """Return why a build's Dockerfile cannot be opened, or None."""
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
    """Return why a build context cannot be read, or None."""
    path = Path(context)
    if not path.exists():
        return f"names a directory that does not exist: {path.absolute()}"
    if not path.is_dir():
        return f"is not a directory: {path.absolute()}"
    if not os.access(path, os.R_OK | os.X_OK):
        return f"names a directory without read permission: {path.absolute()}"
    return None


@contextlib.contextmanager
def _readable(problem: str) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        where = os.fsencode(error.filename or "").decode(errors="replace")
        raise PluginError(f"{problem}: {where}: {error.strerror or error}") from error


def _ignore_file(root: Path, dockerfile: Path, *last: str) -> IgnoreFile:
    """The ignore file of the Dockerfile, else of the context, with the patterns `last` added at its end."""
    own = dockerfile.with_name(f"{dockerfile.name}{_IGNORE_FILE}")
    return IgnoreFile(next((file for file in (own, root / _IGNORE_FILE) if file.exists()), None), *last)


def _entry(name: str, mode: int, content: bytes) -> bytes:
    return os.fsencode(name) + file_mode(mode).encode() + content + b"\0"


def _content_digest(path: Path, mode: int) -> bytes:
    if stat.S_ISLNK(mode):
        return hashlib.sha256(os.fsencode(link_target(path))).digest()
    # Opening a named pipe would block. A socket cannot be opened, so it is refused.
    return _file_digest(path) if stat.S_ISREG(mode) or stat.S_ISSOCK(mode) else hashlib.sha256().digest()


def _file_digest(path: Path) -> bytes:
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while chunk := file.read(_CHUNK_BYTES):
            digest.update(chunk)
    return digest.digest()


def _add(archive: tarfile.TarFile, root: Path, name: str) -> None:
    entry = archive.gettarinfo(root / name, arcname=name)
    entry.uid = entry.gid = 0
    entry.uname = entry.gname = ""
    entry.mtime = int(entry.mtime)
    if entry.isreg():
        with (root / name).open("rb") as content:
            archive.addfile(entry, content)
    else:
        archive.addfile(entry)


def _add_dockerfile(archive: tarfile.TarFile, root: Path, dockerfile: Path) -> str:
    name = f".dockerfile.{secrets.token_hex(10)}"
    ignore_file = root / _IGNORE_FILE
    ignored = ignore_file.read_bytes() if ignore_file.is_file() else _IGNORE_FILE.encode()
    for added, content in ((name, dockerfile.read_bytes()), (_IGNORE_FILE, ignored + f"\n{name}\n".encode())):
        entry = tarfile.TarInfo(added)
        entry.size, entry.mode, entry.mtime = len(content), 0o600, int(time.time())
        archive.addfile(entry, io.BytesIO(content))
    return name
