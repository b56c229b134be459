"""How the Docker SDK starts the `ssh` command, mended: its own way breaks where gRPC runs in the same process.

The SDK runs Python code in the forked child. The handlers that gRPC has for a fork then run, too, and take the
connection down with them, now and then. A start without such code does not call them.
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
        # As with the SDK, Ctrl-C ends what uses the connection, not the connection.
        self.proc = subprocess.Popen(
            ["sh", "-c", _IGNORE_INTERRUPT, "ssh", *user, *port, "--", self.host, "docker system dial-stdio"],
            env={name: value for name, value in os.environ.items() if name not in ("LD_LIBRARY_PATH", "SSL_CERT_FILE")},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
        )

    def close(self) -> None:
        # What is left to say can't be said to a command that has ended.
        with contextlib.suppress(OSError):
            super().close()


def mend() -> None:
    """Let every client of this process that is made from now on start `ssh` in this way."""
    # The SDK's connection takes its socket by this name, and has no other place to say which.
    vars(sshconn)["SSHSocket"] = _Socket
