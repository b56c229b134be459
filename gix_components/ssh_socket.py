"""How the Docker SDK starts the `ssh` command for an engine at ssh://."""

import os
import subprocess
from typing import Any

from docker.transport import sshconn

# Ctrl-C is for the program, which ends its connections itself; an ignored signal stays ignored in ssh.
_IGNORE_INTERRUPTS = ("sh", "-c", 'trap "" INT && exec "$@"', "sh")
_NOT_FOR_SSH = ("LD_LIBRARY_PATH", "SSL_CERT_FILE")


class _SSHSocket(sshconn.SSHSocket):
    """The SDK's socket, without Python code between fork and exec.

    With such code, Python calls fork() instead of vfork(). A Pulumi program uses gRPC, whose fork handlers then
    now and then end the child before it is ssh: the connection breaks.
    """

    def connect(self, *_: Any, **__: Any) -> None:
        user = ("-l", self.user) if self.user else ()
        port = ("-p", self.port) if self.port else ()
        self.proc = subprocess.Popen(
            [*_IGNORE_INTERRUPTS, "ssh", *user, *port, "--", self.host, "docker system dial-stdio"],
            env={name: value for name, value in os.environ.items() if name not in _NOT_FOR_SSH},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
        )


def install() -> None:
    """Have the SDK use it, from the next connection on."""
    # The SDK finds the class by this name of its module.
    vars(sshconn)["SSHSocket"] = _SSHSocket
