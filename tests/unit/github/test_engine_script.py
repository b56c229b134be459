"""`.github/engine.sh` writes an engine's credentials to files, runs a command, and removes the files."""

import os
import signal
import subprocess
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from tests.unit.declared import PROGRAM

SCRIPT = PROGRAM / ".github/engine.sh"
PEM = {name: f"-----BEGIN {name}-----\nc2VjcmV0\n-----END {name}-----" for name in ("CA", "CERT", "KEY")}
TLS = {f"ENGINE_{name}": text for name, text in PEM.items()}


@dataclass
class Runner:
    """A machine on which the script runs, with its own home and temporary directory."""

    root: Path
    variables: dict[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        for folder in (self.home, self.temporary):
            folder.mkdir()

    @property
    def home(self) -> Path:
        return self.root / "home"

    @property
    def temporary(self) -> Path:
        return self.root / "temporary"

    def engine(self, host: str, **settings: str) -> None:
        """Set the engine of prod, as `pulumi config set` writes it."""
        lines = [f"    {key}: {value}" for key, value in {"host": host, **settings}.items()]
        (self.root / "Pulumi.prod.yaml").write_text("\n".join(["config:", "  gix:engine:", *lines, ""]))

    def start(self, *words: str) -> subprocess.Popen[str]:
        given = {"PATH": os.environ["PATH"], "HOME": str(self.home), "TMPDIR": str(self.temporary)}
        return subprocess.Popen(
            [str(SCRIPT), *words],
            cwd=self.root,
            env=given | {"PULUMI_BACKEND_URL": "s3://state"} | self.variables,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def run(self, *words: str) -> tuple[int, str, str]:
        process = self.start(*words)
        output, errors = process.communicate(timeout=20)
        return process.returncode, output, errors


@pytest.fixture
def runner(tmp_path: Path) -> Runner:
    return Runner(tmp_path)


def key(folder: Path, passphrase: str = "") -> str:
    """A private key, as a secret of the workflow holds it."""
    file = folder / "made"
    words = ("ssh-keygen", "-q", "-t", "ed25519", "-N", passphrase, "-f", str(file))
    subprocess.run(words, check=True, stdin=subprocess.DEVNULL)
    return file.read_text()


def known_host(folder: Path, name: str) -> str:
    return f"{name} {(folder / 'made.pub').read_text()}"


@pytest.fixture
def ssh(runner: Runner) -> Runner:
    """A runner with all variables for an engine at ssh://."""
    runner.engine("ssh://deploy@prod.example.org")
    private = key(runner.root)
    hosts = known_host(runner.root, "prod.example.org")
    runner.variables |= {"ENGINE_SSH_KEY": private.rstrip("\n"), "ENGINE_KNOWN_HOSTS": hosts}
    return runner


@pytest.fixture
def tls(runner: Runner) -> Runner:
    """A runner with all variables for an engine at tcp://."""
    runner.engine("tcp://prod.example.org:2376", certPath="~/.docker")
    runner.variables |= TLS
    return runner


SHOW = """
    config=$(ssh -T -G deploy@prod.example.org)
    echo "$config" | grep -E '^(identitiesonly|stricthostkeychecking|batchmode|globalknownhostsfile) '
    for name in identityfile userknownhostsfile; do
        file=$(echo "$config" | sed -n "s/^$name //p")
        stat -c '%a' "$file" "$(dirname "$file")"
    done
    ssh-keygen -y -f "$(echo "$config" | sed -n 's/^identityfile //p')"
"""


def test_ssh_uses_only_the_given_key_and_known_hosts(ssh: Runner) -> None:
    code, output, errors = ssh.run("prod", "sh", "-euc", SHOW)

    assert (code, errors) == (0, "")
    assert sorted(output.splitlines()[:4]) == [
        "batchmode yes",
        "globalknownhostsfile /dev/null",
        "identitiesonly yes",
        "stricthostkeychecking true",
    ]
    assert output.splitlines()[4:8] == ["600", "700", "600", "700"]
    assert output.splitlines()[8].split()[1] == (ssh.root / "made.pub").read_text().split()[1]


def test_the_certificates_are_written_where_the_stack_file_says(tls: Runner) -> None:
    (tls.home / ".docker").mkdir()
    (tls.home / ".docker/config.json").write_text("{}")

    code, output, errors = tls.run(
        "prod", "sh", "-euc", "cd ~/.docker; stat -c '%a %n' *.pem; cat ca.pem cert.pem key.pem"
    )

    assert (code, errors) == (0, "")
    assert output == "600 ca.pem\n600 cert.pem\n600 key.pem\n" + "".join(f"{text}\n" for text in PEM.values())
    assert [path.name for path in (tls.home / ".docker").iterdir()] == ["config.json"]


@pytest.mark.parametrize("kind", ["ssh", "tls"])
@pytest.mark.parametrize("code", [0, 7])
def test_the_files_are_removed_after_the_command_and_its_exit_code_is_kept(
    request: pytest.FixtureRequest, kind: str, code: int
) -> None:
    runner: Runner = request.getfixturevalue(kind)

    done, output, _ = runner.run("prod", "sh", "-c", f"find {runner.temporary} {runner.home} -type f; exit {code}")

    assert done == code
    assert len(output.splitlines()) >= len(PEM)
    assert not list(runner.temporary.iterdir())
    assert not list(runner.home.rglob("*.pem"))


def test_given_a_signal_the_command_ends_and_then_the_files_are_removed(ssh: Runner) -> None:
    process = ssh.start("prod", "sh", "-c", "echo started; read -r line; echo $line")
    assert process.stdout
    assert process.stdout.readline() == "started\n"

    process.send_signal(signal.SIGTERM)
    during = list(ssh.temporary.iterdir())
    output, _ = process.communicate("ended", timeout=20)

    assert (process.returncode, output) == (0, "ended\n")
    assert during
    assert not list(ssh.temporary.iterdir())


@pytest.mark.parametrize("kind", ["ssh", "tls"])
def test_the_command_does_not_have_the_secrets_in_its_environment(request: pytest.FixtureRequest, kind: str) -> None:
    runner: Runner = request.getfixturevalue(kind)

    code, output, _ = runner.run("prod", "env")

    assert code == 0
    assert "PULUMI_BACKEND_URL=s3://state" in output
    assert "ENGINE_" not in output


def test_a_key_with_the_line_endings_of_a_web_form_is_accepted(ssh: Runner) -> None:
    ssh.variables["ENGINE_SSH_KEY"] = ssh.variables["ENGINE_SSH_KEY"].replace("\n", "\r\n")

    assert ssh.run("prod", "true")[0] == 0


def test_an_engine_at_another_port_has_its_known_host_with_that_port(ssh: Runner) -> None:
    ssh.engine("ssh://deploy@prod.example.org:2222")

    refused = ssh.run("prod", "true")
    ssh.variables["ENGINE_KNOWN_HOSTS"] = known_host(ssh.root, "[prod.example.org]:2222")

    assert refused[0] == 1
    assert "ENGINE_KNOWN_HOSTS has no key of [prod.example.org]:2222" in refused[2]
    assert ssh.run("prod", "true")[0] == 0


def test_every_missing_variable_is_named_at_once_and_the_command_does_not_run(runner: Runner) -> None:
    runner.engine("ssh://deploy@prod.example.org")
    runner.variables |= {"PULUMI_BACKEND_URL": "", "ENGINE_SSH_KEY": ""}

    code, output, errors = runner.run("prod", "echo", "ran")

    assert (code, output) == (1, "")
    for name in ("PULUMI_BACKEND_URL", "ENGINE_SSH_KEY", "ENGINE_KNOWN_HOSTS"):
        assert f"engine.sh: {name} is not set" in errors


@pytest.mark.parametrize("passphrase", ["secret word", None])
def test_a_locked_key_and_an_unknown_host_are_reported_without_showing_them(
    ssh: Runner, passphrase: str | None
) -> None:
    (ssh.root / "made").unlink()
    ssh.variables["ENGINE_SSH_KEY"] = key(ssh.root, passphrase) if passphrase else "c2VjcmV0"
    ssh.variables["ENGINE_KNOWN_HOSTS"] = known_host(ssh.root, "other.example.org")

    code, output, errors = ssh.run("prod", "echo", "ran")

    assert (code, output) == (1, "")
    assert "ENGINE_SSH_KEY is no private key that opens without a passphrase" in errors
    assert "ENGINE_KNOWN_HOSTS has no key of prod.example.org" in errors
    assert ssh.variables["ENGINE_SSH_KEY"].splitlines()[-1] not in errors
    assert not list(ssh.temporary.iterdir())


@pytest.mark.parametrize("content", ["config: {}\n", "config:\n  gix:router:\n    rustLog: host\n", None])
def test_a_stack_file_without_an_engine_is_refused(runner: Runner, content: str | None) -> None:
    if content is not None:
        (runner.root / "Pulumi.prod.yaml").write_text(content)

    code, output, errors = runner.run("prod", "echo", "ran")

    assert (code, output) == (1, "")
    assert "pulumi config set --stack prod --path gix:engine.host ssh://USER@HOST" in errors


def test_certificates_that_the_stack_file_does_not_read_are_refused(tls: Runner) -> None:
    tls.engine("tcp://prod.example.org:2376")

    code, _, errors = tls.run("prod", "true")

    assert code == 1
    assert "pulumi config set --stack prod --path gix:engine.certPath '~/.docker'" in errors


def test_existing_certificates_are_neither_overwritten_nor_removed(tls: Runner) -> None:
    (tls.home / ".docker").mkdir()
    mine = tls.home / ".docker/key.pem"
    mine.write_text("mine")

    code, _, errors = tls.run("prod", "true")

    assert code == 1
    assert f"{mine} exists" in errors
    assert mine.read_text() == "mine"


def test_the_runner_s_own_engine_needs_no_files(runner: Runner) -> None:
    runner.engine("unix:///var/run/docker.sock")

    assert runner.run("prod", "echo", "ran") == (0, "ran\n", "")


def test_a_stand_in_is_this_machine_s_own_engine_whatever_the_arguments_of_ssh(runner: Runner) -> None:
    runner.engine("'ssh://deploy@prod.example.org'")
    docker = runner.root / "bin/docker"
    docker.parent.mkdir()
    docker.write_text('#!/bin/sh\necho "${DOCKER_HOST-none} $*"\n')
    docker.chmod(0o755)
    runner.variables |= {"PATH": f"{docker.parent}:{os.environ['PATH']}", "DOCKER_HOST": "tcp://127.0.0.1:9"}

    result = runner.run(
        "--stand-in", "prod", "ssh", "-l", "deploy", "--", "prod.example.org", "docker system dial-stdio"
    )

    assert result == (0, "none system dial-stdio\n", "")
    assert not list(runner.temporary.iterdir())


def test_an_engine_at_tcp_has_no_stand_in(tls: Runner) -> None:
    code, _, errors = tls.run("--stand-in", "prod", "true")

    assert code == 1
    assert "only an engine at ssh:// can have a stand-in" in errors


@pytest.mark.parametrize("words", [(), ("prod",), ("--stand-in", "prod")])
def test_without_a_command_the_usage_is_shown(runner: Runner, words: tuple[str, ...]) -> None:
    code, _, errors = runner.run(*words)

    assert code == 2
    assert errors.startswith("usage: ")
