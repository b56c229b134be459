"""A second, empty Docker engine on this machine, in its own network namespace."""

import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import docker
from docker.errors import DockerException

_WITHIN_SECONDS = 60


@contextmanager
def engine_of_its_own() -> Iterator[docker.DockerClient]:
    """Start an engine for the time of the block. Yields a client."""
    # Paths of sockets must be short; pytest's directories are too long.
    with tempfile.TemporaryDirectory(prefix="gix") as name:
        directory = Path(name)
        address = f"unix://{directory}/engine.sock"
        words = [
            *("unshare", "--net", "--mount", "dockerd", "--host", address, "--pidfile", str(directory / "pid")),
            *("--data-root", str(directory / "data"), "--exec-root", str(directory / "exec")),
            *("--bridge", "none", "--iptables=false"),
        ]
        with (directory / "log").open("wb") as log:
            process = subprocess.Popen(words, stdout=log, stderr=subprocess.STDOUT)
        try:
            yield _answering(address, process, directory / "log")
        finally:
            process.terminate()
            process.wait()


def _answering(address: str, process: subprocess.Popen[bytes], log: Path) -> docker.DockerClient:
    deadline = time.monotonic() + _WITHIN_SECONDS
    while True:
        try:
            return docker.DockerClient(base_url=address, version="auto")
        except DockerException:
            assert process.poll() is None, log.read_text()
            assert time.monotonic() < deadline, log.read_text()
            time.sleep(0.1)
