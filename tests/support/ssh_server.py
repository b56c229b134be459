"""Debian's SSH server on a loopback port with its own keys and settings, for an engine at ssh://.

The SSH settings of the machine and the user are neither read nor changed.
"""

import getpass
import os
import shutil
import subprocess
import tempfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from tests.support.stack_under_test import free_ports

SERVER_CONFIG = """
Port {port}
ListenAddress 127.0.0.1
HostKey {directory}/host_key
AuthorizedKeysFile {directory}/user_key.pub
PidFile none
UsePAM no
StrictModes no
PasswordAuthentication no
KbdInteractiveAuthentication no
PermitRootLogin prohibit-password
UseDNS no
MaxStartups 100
MaxSessions 100
SetEnv {variables}
"""
CLIENT_CONFIG = """
IdentityFile {directory}/user_key
IdentitiesOnly yes
UserKnownHostsFile {directory}/known_hosts
StrictHostKeyChecking yes
BatchMode yes
LogLevel ERROR
ControlMaster auto
ControlPath {sockets}/%C
ControlPersist yes
"""
# As root, the server needs a user for privilege separation, and an unlocked root account.
AS_ROOT = """
for file in passwd shadow; do mount --bind "$1/$file" "/etc/$file"; done
shift
exec "$@"
"""
PRIVILEGE_SEPARATION = Path("/run/sshd")


@dataclass(frozen=True, kw_only=True)
class SshServer:
    """A running server. With `path` first on PATH, `ssh` knows the server."""

    port: int
    path: Path
    log: list[str] = field(default_factory=list)

    @property
    def engine(self) -> str:
        """The address of this machine's engine through the server."""
        return f"ssh://{getpass.getuser()}@127.0.0.1:{self.port}"

    @property
    def logins(self) -> int:
        """The number of log-ins."""
        return sum("Accepted publickey" in line for line in self.log)


@contextmanager
def ssh_server(directory: Path) -> Iterator[SshServer]:
    """Run a server with its files in `directory` for the time of the block.

    The client keeps one connection open for all commands, as Docker recommends.
    """
    sshd, ssh = shutil.which("sshd"), shutil.which("ssh")
    assert sshd, "these tests need an SSH server and client: make setup SETUP=--tests provides them"
    assert ssh, "these tests need an SSH server and client: make setup SETUP=--tests provides them"
    server = SshServer(port=free_ports(1)[0], path=directory / "bin")
    # A socket's path may have 108 characters; paths of tests are often longer.
    with tempfile.TemporaryDirectory(prefix="gix-ssh-") as sockets:
        _write_files(directory, server, ssh=ssh, sockets=sockets)
        with _running(directory, server, sshd):
            try:
                yield server
            finally:
                leave = [str(server.path / "ssh"), "-O", "exit", server.engine]
                subprocess.run(leave, capture_output=True, check=False)


@contextmanager
def _running(directory: Path, server: SshServer, sshd: str) -> Iterator[None]:
    command = [sshd, "-D", "-e", "-f", str(directory / "sshd_config")]
    is_root, made = os.geteuid() == 0, False
    if is_root:
        command = ["unshare", "--mount", "sh", "-euc", AS_ROOT, "sh", str(directory), *command]
        made = not PRIVILEGE_SEPARATION.exists()
        PRIVILEGE_SEPARATION.mkdir(mode=0o755, exist_ok=True)
    # The server may be unpacked instead of installed; its libraries are then beside it.
    environment = os.environ | {"LD_LIBRARY_PATH": str(Path(sshd).parent)}
    try:
        with subprocess.Popen(command, stderr=subprocess.PIPE, text=True, env=environment) as process:
            assert process.stderr
            for line in process.stderr:
                server.log.append(line)
                if line.startswith("Server listening"):
                    break
            assert process.poll() is None, server.log
            reader = threading.Thread(target=server.log.extend, args=(process.stderr,), daemon=True)
            reader.start()
            try:
                yield
            finally:
                process.terminate()
                process.wait()
                reader.join()
    finally:
        if made:
            PRIVILEGE_SEPARATION.rmdir()


def _write_files(directory: Path, server: SshServer, *, ssh: str, sockets: str) -> None:
    server.path.mkdir(parents=True)
    for key in ("host_key", "user_key"):
        command = ["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(directory / key)]
        subprocess.run(command, check=True)
    names = ("PATH", "DOCKER_HOST")
    variables = " ".join(f'"{name}={os.environ[name]}"' for name in names if os.environ.get(name))
    config = SERVER_CONFIG.format(port=server.port, directory=directory, variables=variables)
    (directory / "sshd_config").write_text(config)
    (directory / "known_hosts").write_text(f"[127.0.0.1]:{server.port} {(directory / 'host_key.pub').read_text()}")
    (directory / "ssh_config").write_text(CLIENT_CONFIG.format(directory=directory, sockets=sockets))
    client = server.path / "ssh"
    client.write_text(f'#!/bin/sh\nexec {ssh} -F {directory}/ssh_config "$@"\n')
    client.chmod(0o755)
    if os.geteuid() == 0:
        (directory / "passwd").write_text(
            _with_user(Path("/etc/passwd"), "sshd:x:65533:65534::/run/sshd:/usr/sbin/nologin")
        )
        (directory / "shadow").touch(mode=0o600)
        (directory / "shadow").write_text("root:*:19000:0:99999:7:::\nsshd:*:19000:0:99999:7:::\n")


def _with_user(file: Path, line: str) -> str:
    others = [each for each in file.read_text().splitlines() if not each.startswith("sshd:")]
    return "\n".join([*others, line]) + "\n"
