"""Docker Compose, built from its Go module: the same version on every machine, also without a download of it."""

import fcntl
import hashlib
import os
import platform
import shutil
from pathlib import Path

from benchmarks.commands import BenchmarkError, run

VERSION = "v2.40.3"
MODULE = Path(__file__).parent / "compose"
"""The Go module that names the version of Compose and of all that it needs."""
_PACKAGE = "github.com/docker/compose/v2"


def compose_command() -> Path:
    """The path of docker-compose in the user's cache. The first call builds it, which takes about two minutes."""
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "gix"
    content = b"".join((MODULE / name).read_bytes() for name in ("go.mod", "go.sum"))
    command = cache / f"compose-{hashlib.sha256(content).hexdigest()[:12]}-{platform.machine()}" / "docker-compose"
    command.parent.mkdir(parents=True, exist_ok=True)
    with (command.parent / "lock").open("w") as lock:
        fcntl.lockf(lock, fcntl.LOCK_EX)
        if not command.exists():
            _build(command)
    return command


def version() -> str:
    """The version that docker-compose reports. Raises BenchmarkError if it cannot be built."""
    return run(str(compose_command()), "version", "--short", directory=MODULE).strip()


def _build(command: Path) -> None:
    if shutil.which("go") is None:
        raise BenchmarkError("there is no go command to build Docker Compose with; install Go 1.25 or later")
    unfinished = command.with_suffix(".part")
    flags = f"-s -w -X {_PACKAGE}/internal.Version={VERSION}"
    run(
        *("go", "build", "-buildvcs=false", "-trimpath", "-ldflags", flags, "-o", str(unfinished), f"{_PACKAGE}/cmd"),
        directory=MODULE,
        variables={"CGO_ENABLED": "0", "GOWORK": "off"},
    )
    unfinished.rename(command)
