"""Starts the Docker SDK's `ssh` command in a way that works in a process that uses gRPC.

The SDK runs Python code in the forked child. That also runs gRPC's fork handlers, which sometimes close the connection.
This module starts the command without such code.
"""

import contextlib
import os
import subprocess
from typing import Any

from docker.transport import sshconn

_IGNORE_INTERRUPT = 'trap "" INT; exec ssh "$@"'


class _Socket(sshconn.SSHSocket):
    def connect(self, _address: Any = None, /, **_options: Any) -> None:
        if os.name != "posix":
            super().connect()
            return
        user = ["-l", self.user] if self.user else []
        port = ["-p", self.port] if self.port else []
        # As in the SDK, Ctrl-C ends the program that uses the connection, not the connection.
        self.proc = subprocess.Popen(
            ["sh", "-c", _IGNORE_INTERRUPT, "ssh", *user, *port, "--", self.host, "docker system dial-stdio"],
            env={name: value for name, value in os.environ.items() if name not in ("LD_LIBRARY_PATH", "SSL_CERT_FILE")},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
        )

    def close(self) -> None:
        # Closing flushes what is not sent yet, which fails if the command has ended.
        with contextlib.suppress(OSError):
            super().close()


def install() -> None:
    """Make every client that this process creates from now on start `ssh` in this way."""
    # The SDK looks the class up by this name; there is no option for it.
    vars(sshconn)["SSHSocket"] = _Socket
