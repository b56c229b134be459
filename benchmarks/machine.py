"""What a run ran on: machine and versions."""

import datetime as dt
import importlib.metadata
import os
import platform
from pathlib import Path

import docker

from benchmarks.commands import run
from benchmarks.pulumi_home import provided_home
from gix_model import __version__

_ROOT = Path(__file__).parents[1]


def facts(client: docker.DockerClient) -> dict[str, str]:
    """Date, machine and versions, by title."""
    engine = client.version()
    storage = client.info()["Driver"]
    return {
        "date": dt.datetime.now(tz=dt.UTC).date().isoformat(),
        "processor": f"{_processor()}, {os.cpu_count()} cores, load {os.getloadavg()[0]:.1f} at the start",
        "memory": f"{_memory() / 2**30:.0f} GiB",
        "system": f"{platform.freedesktop_os_release()['PRETTY_NAME']}, {platform.release()}, {platform.machine()}",
        "Docker Engine": f"{engine['Version']}, {storage}",
        "this program": _program(),
        "Pulumi": run("pulumi", "version", directory=_ROOT).strip(),
        "docker plugin": _plugin(),
        "Python": platform.python_version(),
    }


def _processor() -> str:
    for line in Path("/proc/cpuinfo").read_text().splitlines():
        if line.startswith("model name"):
            return line.partition(":")[2].strip()
    return platform.machine()


def _memory() -> int:
    return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")


def _program() -> str:
    if not (_ROOT / ".git").exists():
        return __version__
    return f"{__version__}, commit {run('git', 'rev-parse', '--short', 'HEAD', directory=_ROOT).strip()}"


def _plugin() -> str:
    version = importlib.metadata.version("pulumi-docker")
    plugin = provided_home() / f"plugins/resource-docker-v{version}/pulumi-resource-docker"
    if not plugin.exists():
        return f"{version}, found on PATH"
    return f"{version}, {'offline' if b'offline.docker_plugin' in plugin.read_bytes() else 'official'}"
