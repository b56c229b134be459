"""A build context: its digest, which makes an image be built again, and the archive of it that the engine is sent."""

import contextlib
import hashlib
import io
import os
import re
import secrets
import stat
import tarfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import IO, TYPE_CHECKING, Final

from offline.docker_plugin.errors import PluginError

if TYPE_CHECKING:
    from docker.utils.build import PatternMatcher

DOCKERFILE: Final = "Dockerfile"
_CHUNK_BYTES: Final = 1024 * 1024
_MAX_PATTERN_BYTES: Final = 64 * 1024
_IGNORE_FILE: Final = ".dockerignore"
_CHARACTER: Final = r"(?:\\.|[^\]\\-])"
# As Go's filepath.Match: brackets are closed and hold characters and ranges, and a backslash is before something.
_PATTERN: Final = re.compile(rf"(?!!\Z)!?(?:\\.|[^\[\\]|\[\^?(?:{_CHARACTER}(?:-{_CHARACTER})?)+\])+", re.DOTALL)


def context_digest(context: str, dockerfile: str) -> str:
    """Digest the names, modes and contents of the files that a build sees, and of its Dockerfile.

    Modification times do not count, nor does what is ignored by `<dockerfile>.dockerignore` or, where there is none, by
    the context's own `.dockerignore`. Of named pipes and devices the name and mode count.

    Args:
        context: the context's directory, relative to the working directory.
        dockerfile: the Dockerfile, relative to the working directory too.

    Raises:
        PluginError: the context or something in it cannot be read, or a pattern to ignore is not valid.

    """
    root = Path(context)
    with _readable(f"unable to hash build context {context!r}"):
        digest = hashlib.sha256(_file_digest(Path(dockerfile)))
        for name in sorted(_matcher(root, Path(dockerfile)).walk(str(root))):
            path = root / name
            mode = path.lstat().st_mode
            if not stat.S_ISDIR(mode):
                digest.update(os.fsencode(name) + f"\0{mode:o}\0".encode())
                digest.update(_content_digest(path, mode))
        return digest.hexdigest()


def write_archive(context: str, dockerfile: str, file: IO[bytes]) -> str:
    """Write the archive that the engine is sent, and give the Dockerfile's name in it.

    As in the Docker CLI's library, which the official plugin uses, a Dockerfile from outside of the context is added
    under a random name, and that name is added to `.dockerignore`.

    Args:
        context: the context's directory, relative to the working directory.
        dockerfile: the Dockerfile, relative to the working directory too.
        file: takes the tar archive.

    Raises:
        PluginError: something in the context cannot be read.

    """
    root = Path(context)
    with _readable(f"unable to archive build context {context!r}"):
        relative = os.path.relpath(Path(dockerfile).resolve(), root.resolve())
        inside = not relative.startswith(f"..{os.sep}")
        matcher = _matcher(root, Path(dockerfile), *([f"!{relative}"] if inside else []))
        # Like Go, keep to plain headers where they do: the engine takes an archive that begins with a PAX header for a
        # Dockerfile.
        with tarfile.open(fileobj=file, mode="w", format=tarfile.PAX_FORMAT) as archive:
            for name in sorted(matcher.walk(str(root))):
                if inside or name != _IGNORE_FILE:
                    _add(archive, root, name)
            return relative if inside else _add_dockerfile(archive, root, Path(dockerfile))


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


@contextlib.contextmanager
def _readable(problem: str) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        where = os.fsencode(error.filename or "").decode(errors="replace")
        raise PluginError(f"{problem}: {where}: {error.strerror or error}") from error


def _matcher(root: Path, dockerfile: Path, *last: str) -> "PatternMatcher":
    from docker.utils.build import PatternMatcher

    own = dockerfile.with_name(f"{dockerfile.name}{_IGNORE_FILE}")
    return PatternMatcher([*_patterns(own if own.exists() else root / _IGNORE_FILE), *last])


def _patterns(ignore_file: Path) -> list[str]:
    if not ignore_file.exists():
        return []
    if not ignore_file.is_file():
        raise PluginError(f"unable to parse {str(ignore_file)!r}: it is not a regular file")
    lines = ignore_file.read_bytes().removeprefix(b"\xef\xbb\xbf").splitlines()
    if max(map(len, lines), default=0) >= _MAX_PATTERN_BYTES:
        raise PluginError(f"unable to parse {str(ignore_file)!r}: a line is longer than {_MAX_PATTERN_BYTES} bytes")
    patterns = [os.fsdecode(line).strip() for line in lines if not line.startswith(b"#")]
    for pattern in filter(None, patterns):
        if not _PATTERN.fullmatch(pattern):
            shown = os.fsencode(pattern).decode(errors="replace")
            raise PluginError(f"unable to parse {str(ignore_file)!r}: syntax error in pattern {shown!r}")
    return list(filter(None, patterns))


def _content_digest(path: Path, mode: int) -> bytes:
    if stat.S_ISLNK(mode):
        # A link that leads nowhere is sent as it is; one that leads in a circle is refused.
        with contextlib.suppress(FileNotFoundError):
            path.stat()
        return hashlib.sha256(os.fsencode(path.readlink())).digest()
    # A named pipe or device must not be opened, and a socket cannot be.
    if stat.S_ISFIFO(mode) or stat.S_ISCHR(mode) or stat.S_ISBLK(mode):
        return b""
    return _file_digest(path)


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
