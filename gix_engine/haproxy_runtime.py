"""The runtime API of HAProxy, in the container of the edge. Commands run in the container, whose image has bash."""

import re
import time
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Literal

from docker.errors import DockerException
from docker.models.containers import Container

RUNTIME_API_PORT = 9999
"""Port of HAProxy's runtime API, on the loopback address of the edge's container."""
COMMAND = f"""
exec 3<>/dev/tcp/127.0.0.1/{RUNTIME_API_PORT}
printf '%s\\n' "$1" >&3
answer=$(cat <&3)
LC_ALL=C
printf '%s\\n%s' "${{#answer}}" "$answer"
"""
"""A script of bash that runs a command, and prints the length of the answer in bytes and the answer."""

# The container reads the file itself: what a command line has, `docker events` shows.
_LOAD = f"""
exec 3<>/dev/tcp/127.0.0.1/{RUNTIME_API_PORT}
{{ printf 'set ssl cert %s <<\\n' "$1"; cat "$1"; printf '\\n'; }} >&3
cat <&3
"""
_ATTEMPTS = 10
_PAUSE_SECONDS = 0.2
_DATE = "%b %d %H:%M:%S %Y GMT"

FileKind = Literal["cert", "ca-file"]
"""What the runtime API calls a certificate with its key, and a file of authorities."""


@dataclass(frozen=True, kw_only=True)
class LoadedFile:
    """A file of certificates that HAProxy has loaded. `ends` are the times at which its certificates end."""

    kind: FileKind
    path: str
    ends: tuple[datetime, ...]


def command(edge: Container, text: str) -> str:
    """Run a command and return its answer. Raises docker.errors.DockerException if the edge does not run.

    A busy engine may lose the beginning of what a container prints. A command is run again until its answer is
    complete, since a server that is left out would not be drained. To run a command twice does no harm.
    """
    for _ in range(_ATTEMPTS):
        length, _, answer = _answer(edge, COMMAND, text).partition(b"\n")
        if length == str(len(answer)).encode():
            return answer.decode(errors="replace")
        time.sleep(_PAUSE_SECONDS)
    raise DockerException(f"the edge's answer to `{text}` is not complete: {answer[-100:]!r}")


def certificates(edge: Container) -> list[str]:
    """The paths of the certificates that HAProxy serves. Raises docker.errors.DockerException."""
    return _paths(edge, "cert")


def loaded_files(edge: Container) -> list[LoadedFile]:
    """The files of certificates that HAProxy serves and checks by. Raises docker.errors.DockerException."""
    found: list[LoadedFile] = []
    kinds: tuple[FileKind, ...] = ("cert", "ca-file")
    for kind in kinds:
        for path in _paths(edge, kind):
            ends = re.findall(r"^notAfter: (.*)$", command(edge, f"show ssl {kind} {path}"), re.MULTILINE)
            times = tuple(datetime.strptime(each.strip(), _DATE).replace(tzinfo=UTC) for each in ends)
            found.append(LoadedFile(kind=kind, path=path, ends=times))
    return found


def _paths(edge: Container, kind: FileKind) -> list[str]:
    # Names such as @system-ca are no files.
    return re.findall(r"^(/\S+)", command(edge, f"show ssl {kind}"), re.MULTILINE)


def reload_certificate(edge: Container, path: str) -> None:
    """Let HAProxy read a certificate and its key again. New connections use it, and those that are open stay.

    HAProxy 2.6 crashes if it reads a file of authorities (`commit ssl ca-file`) after that:
    https://github.com/haproxy/haproxy/issues/3165

    Raises docker.errors.DockerException if HAProxy refuses the file. It then uses what it has used before.
    """
    said = _answer(edge, _LOAD, path).decode(errors="replace") + command(edge, f"commit ssl cert {path}")
    if "Success!" not in said:
        command(edge, f"abort ssl cert {path}")
        raise DockerException(f"HAProxy refused {path}: {' '.join(said.split())}")


def _answer(edge: Container, script: str, *words: str) -> bytes:
    code, output = edge.exec_run(["bash", "-c", script, "command", *words])
    # Without `stream`, the output is not an iterator.
    answer = output if isinstance(output, bytes) else b""
    if code:
        raise DockerException(f"the edge does not answer: {answer.decode(errors='replace').strip()}")
    return answer
