from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread

import pytest

from .machine import Machine, bare_system


@pytest.fixture(scope="session")
def system_bin(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return bare_system(tmp_path_factory.mktemp("system"))


@pytest.fixture
def machine(tmp_path: Path, system_bin: Path) -> Iterator[Machine]:
    made = Machine(tmp_path, system_bin)
    yield made
    started = tmp_path / "engine" / "pid"
    if started.exists():
        os.kill(int(started.read_text()), signal.SIGTERM)


class _Quiet(SimpleHTTPRequestHandler):
    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def vendor(tmp_path: Path) -> Iterator[tuple[str, Path]]:
    """A loopback server in the vendor's place: its address, and the folder that it serves."""
    folder = tmp_path / "vendor"
    folder.mkdir()
    server = ThreadingHTTPServer(("127.0.0.1", 0), partial(_Quiet, directory=str(folder)))
    thread = Thread(target=server.serve_forever)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}", folder
    server.shutdown()
    thread.join()
    server.server_close()
