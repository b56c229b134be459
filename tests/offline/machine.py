"""A machine to set up: a clone of its own, and a PATH on which every command that matters is a stand-in."""

from __future__ import annotations

import os
import shutil
import subprocess
import textwrap
from dataclasses import dataclass, field
from pathlib import Path

OFFLINE = Path(__file__).parents[2] / "offline"
REAL = (
    "dockerd",
    "docker",
    "docker-registry",
    "pulumi",
    "pulumi-language-python",
    "pulumi-language-yaml",
    "actionlint",
    "ssh",
    "go",
    "apt-get",
    "debootstrap",
    "systemctl",
)

DOCKER = """
    # Stands in for the docker command of an engine whose state are the files in $ENGINE.
    echo "$0 $*" >>"$ENGINE/calls"
    case $1 in
        version)
            [ -e "$ENGINE/up" ] && echo 20.10.24 && exit
            cat "$ENGINE/refusal" 2>/dev/null || echo "Cannot connect"
            exit 1
            ;;
        context) echo unix:///var/run/docker.sock ;;
        build)
            cat >/dev/null
            case $* in
                *type=tar*) [ -e "$ENGINE/buildkit-$(basename "$(dirname "$0")")" ] ;;
                *) while [ $# -gt 0 ]; do [ "$1" = -t ] && echo "$2" >>"$ENGINE/images"; shift; done ;;
            esac ;;
        image) shift 2; for name; do grep -qx "$name" "$ENGINE/images" || exit 1; done ;;
        images) grep '^gix-offline/' "$ENGINE/images" || true ;;
        rmi)
            shift
            for name; do
                grep -vx "$name" "$ENGINE/images" >"$ENGINE/left" || true
                mv "$ENGINE/left" "$ENGINE/images"
            done
            ;;
        pull) cat "$ENGINE/registry" 2>/dev/null || { echo "no such host"; exit 1; } ;;
        import) cat >/dev/null; for name; do :; done; echo "$name" >>"$ENGINE/images" ;;
        save) shift; file=$2; shift 2; printf '%s\\n' "$@" >"$file" ;;
        load) cat "$3" >>"$ENGINE/images" ;;
    esac
"""


def bare_system(folder: Path) -> Path:
    """Fill a folder with the commands of this system, less those that matter here."""
    for home in ("/usr/bin", "/usr/sbin", "/bin"):
        for command in Path(home).iterdir():
            link = folder / command.name
            if command.name not in REAL and not link.is_symlink():
                link.symlink_to(command)
    return folder


@dataclass
class Machine:
    """One throw-away machine under a folder; ends what it started when it is closed."""

    root: Path
    system_bin: Path
    environment: dict[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        for folder in (self.engine, self.home, self.run_dir, self.own_bin):
            folder.mkdir(parents=True)
        (self.engine / "images").touch()
        self.clone = self.new_clone("clone")
        self.environment = {
            "HOME": str(self.home),
            "PATH": f"{self.own_bin}:{self.system_bin}",
            "ENGINE": str(self.engine),
            "GIX_RUN": str(self.run_dir),
            "GIX_DOCKERD_LOG": str(self.root / "dockerd.log"),
            "GIX_PULUMI_RELEASES": "none",
            "GIX_PULUMI_PLUGINS": "http://127.0.0.1:9",
        }
        self.command("id", 'case $1 in -u) echo "${FAKE_UID:-0}" ;; *) echo tester ;; esac')
        self.command("python3", "exit 0")

    @property
    def engine(self) -> Path:
        return self.root / "engine"

    @property
    def home(self) -> Path:
        return self.root / "home"

    @property
    def run_dir(self) -> Path:
        return self.root / "run"

    @property
    def own_bin(self) -> Path:
        return self.root / "own"

    @property
    def cache(self) -> Path:
        return self.home / ".cache" / "gix"

    def new_clone(self, name: str) -> Path:
        """Clone the set-up into a folder of that name."""
        clone = self.root / name
        shutil.copytree(OFFLINE, clone / "offline", ignore=shutil.ignore_patterns("docker_plugin", "__pycache__"))
        return clone

    def command(self, name: str, script: str, *, folder: Path | None = None) -> Path:
        """Put a stand-in for a command on PATH."""
        path = (folder or self.own_bin) / name
        path.parent.mkdir(exist_ok=True)
        path.unlink(missing_ok=True)
        path.write_text("#!/bin/sh\n" + textwrap.dedent(script).strip() + "\n")
        path.chmod(0o755)
        return path

    def docker(self, *, up: bool = True, buildkit: bool = True) -> None:
        """Install the stand-in docker command, with an engine that answers or not."""
        self.command("docker", DOCKER)
        if up:
            (self.engine / "up").touch()
        if buildkit:
            (self.engine / "buildkit-own").touch()

    def pulumi(self, version: str = "v3.250.0") -> None:
        """Install a stand-in Pulumi with its language host."""
        self.command("pulumi", f"echo {version}")
        self.command("pulumi-language-python", "exit 0")

    def official_images(self) -> None:
        """Put the official base images onto the engine."""
        (self.engine / "images").write_text("debian:bookworm-slim\nrust:1.75-bookworm\n")

    def run(self, *command: str, clone: Path | None = None, **environment: str) -> subprocess.CompletedProcess[str]:
        """Run a command of the clone's offline/ folder to its end; both outputs in stdout."""
        clone = clone or self.clone
        return subprocess.run(
            [str(clone / "offline" / command[0]), *command[1:]],
            cwd=clone,
            env=self.environment | environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            stdin=subprocess.DEVNULL,
            text=True,
            timeout=60,
            check=False,
        )

    def shell(self, script: str, **environment: str) -> str:
        """Run a POSIX shell script in the clone, and return what it prints."""
        done = subprocess.run(
            ["/bin/sh", "-euc", script],
            cwd=self.clone,
            env=self.environment | environment,
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
        assert done.returncode == 0, done.stderr
        return done.stdout.strip()

    def published(self, part: str) -> str:
        """What a part handed on."""
        return (self.clone / ".offline" / "parts" / part).read_text()

    def publish(self, part: str, lines: str) -> None:
        """Hand on what a part would."""
        path = self.clone / ".offline" / "parts" / part
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(lines)

    def files(self) -> dict[str, tuple[int, int, bytes]]:
        """Every file that the set-up may write, with its time, mode and content."""
        found = {}
        for folder in (self.clone, self.home):
            for path in sorted(folder.rglob("*")):
                if path.is_file():
                    status = path.stat()
                    found[os.fspath(path)] = (status.st_mtime_ns, status.st_mode, path.read_bytes())
        return found
