"""`gixctl shell`: the `docker exec` command that runs something in a service's container.

Docker's command line handles terminals (sizes, signals, raw input), which its SDK does not.
"""

import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import docker

from gix_model.settings import EngineSettings
from gix_ops import services, swarm
from gix_ops.errors import StackError
from gix_ops.stack import Stack

DEFAULT_COMMAND = ("sh", "-c", "if command -v bash >/dev/null; then exec bash; fi; exec sh")
"""Default command: bash, or sh if there is no bash."""

_DEFAULT_HOST = "unix:///var/run/docker.sock"
_TLS_VARIABLES = ("DOCKER_TLS", "DOCKER_TLS_VERIFY", "DOCKER_CERT_PATH")


@dataclass(frozen=True, kw_only=True)
class Invocation:
    """A command with its arguments, and its environment."""

    words: list[str]
    environment: dict[str, str]


@dataclass(frozen=True, kw_only=True)
class Target:
    """A running container, and the engine that runs it."""

    engine: EngineSettings
    container: str


def target(stack: Stack, client: docker.DockerClient, service: str) -> Target:
    """The first running container of a service whose engine the stack names; in Swarm, that of its node.

    Raises StackError with the fix if none runs, or if no such engine answers.
    """
    found = services.running(stack, client, service)
    if found.node is None:
        return Target(engine=stack.engine, container=found.name)
    engine = swarm.node_engine(stack.engine, found.node)
    if not found.found:
        raise StackError(
            f"{found.name} runs on the node {found.node}, whose engine at {engine.host} does not answer; start it, or "
            f"correct gix:engine.nodes.{found.node}"
        )
    return Target(engine=engine, container=str(found.found["Id"]))


def invocation(
    engine: EngineSettings,
    directory: Path,
    container: str,
    command: Sequence[str],
    *,
    user: str | None,
    terminal: bool,
    environment: Mapping[str, str],
) -> Invocation:
    """The command that runs `command`, by default a shell, in `container` on the stack's engine.

    Standard input is always passed on. `user` has the format of `docker exec --user`; by default it is the container's
    user. Relative paths of `engine` start at `directory`. GIX_DOCKER in `environment` names the docker command. Raises
    StackError if there is no docker command.
    """
    words = [_docker(environment), *_address(engine, directory, environment), "exec", "--interactive"]
    if terminal:
        words.append("--tty")
    if user is not None:
        words += ["--user", user]
    # The TLS variables of this machine's environment are for the engine of DOCKER_HOST.
    left_out = _TLS_VARIABLES if engine.host is not None else ()
    return Invocation(
        words=[*words, container, *(command or DEFAULT_COMMAND)],
        environment={name: value for name, value in environment.items() if name not in left_out},
    )


def _docker(environment: Mapping[str, str]) -> str:
    wanted = environment.get("GIX_DOCKER") or "docker"
    docker = shutil.which(wanted, path=environment.get("PATH"))
    if docker is None:
        raise StackError(f"there is no command {wanted}; install Docker's command line, or name it with GIX_DOCKER")
    return docker


def _address(engine: EngineSettings, directory: Path, environment: Mapping[str, str]) -> list[str]:
    """The options that select the stack's engine, whatever context the docker command uses."""
    if engine.host is None:
        return ["--host", environment.get("DOCKER_HOST") or _DEFAULT_HOST]
    options = ["--host", engine.host]
    if engine.cert_path is not None:
        certificates = (directory / Path(engine.cert_path).expanduser()).absolute()
        options += [
            "--tlsverify",
            *("--tlscacert", str(certificates / "ca.pem")),
            *("--tlscert", str(certificates / "cert.pem")),
            *("--tlskey", str(certificates / "key.pem")),
        ]
    return options
