"""The locks that Pulumi's file back end keeps on a stack, and which of them are stale."""

import json
import os
import socket
from dataclasses import dataclass
from pathlib import Path

_SCHEME = "file://"


@dataclass(frozen=True, kw_only=True)
class Lock:
    """One lock, as the process that holds it wrote it."""

    file: Path
    pid: int
    user: str
    host: str
    since: str

    @property
    def is_stale(self) -> bool:
        """Whether its process has certainly ended: it ran on this machine, and no pulumi process has its id now."""
        if self.host != socket.gethostname():
            return False
        try:
            return "pulumi" not in Path(f"/proc/{self.pid}/comm").read_text()
        except FileNotFoundError:
            return not _is_alive(self.pid)
        except OSError:
            return False

    def __str__(self) -> str:
        return f"{self.user}@{self.host}, process {self.pid}, since {self.since[:19]}"


def directory(back_end: str, project: str, stack: str, start: Path) -> Path | None:
    """The directory in which a back end keeps the stack's locks; None if it is not a file back end.

    `back_end` is its address. A relative address starts at `start`.
    """
    if not back_end.startswith(_SCHEME):
        return None
    root = start / Path(back_end.removeprefix(_SCHEME).partition("?")[0]).expanduser()
    return root / ".pulumi" / "locks" / "organization" / project / stack


def found(where: Path) -> list[Lock]:
    """The locks in a directory, without those that are released meanwhile or not completely written yet."""
    locks = []
    for file in sorted(where.glob("*.json")):
        try:
            held = json.loads(file.read_text())
            locks.append(
                Lock(
                    file=file,
                    pid=int(held["pid"]),
                    user=str(held["username"]),
                    host=str(held["hostname"]),
                    since=str(held["timestamp"]),
                )
            )
        except (FileNotFoundError, ValueError, KeyError, TypeError):
            continue
    return locks


def _is_alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True
