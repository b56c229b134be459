"""Helper containers, which read or write a ledger's volume. They have no network and are removed at their end."""

import contextlib
import importlib.resources
from collections.abc import Iterator, Sequence
from http import HTTPStatus
from typing import Literal

import docker
from docker.errors import APIError, NotFound
from docker.models.containers import Container
from docker.types import LogConfig, Mount

from gix_ledger.errors import ENGINE_ERRORS, LedgerError
from gix_ledger.location import LedgerLocation
from gix_model.catalog import DATA_DIRECTORY
from gix_model.environment import HELPER_LABEL, STACK_LABEL

WORK_LABEL = "io.gix.work"
"""Label of a helper: the id of the work that it belongs to."""
RESUME_LABEL = "io.gix.resume"
"""Label of a helper: how to resume the auction at its end, `unpause`, `start` or `nothing`."""

Verb = Literal["backup", "restore", "trial", "look"]
Owed = Literal["unpause", "start", "nothing"]
"""How to resume the auction at the end of a backup or restore."""

SWAP_REFUSED = 3
"""Exit code of swap.sh if it refuses to begin the exchange."""

_CAPABILITIES = ["CHOWN", "DAC_OVERRIDE", "FOWNER"]
_LAST_WORDS_BYTES = 600


def create(  # noqa: PLR0913 - each is an attribute of the container
    client: docker.DockerClient,
    ledger: LedgerLocation,
    verb: Verb,
    command: Sequence[str],
    *,
    work: str,
    name: str | None = None,
    resume: Owed = "nothing",
    scratch: str | None = None,
    image: str | None = None,
) -> Container:
    """Create a container that mounts the ledger's volume at /data, without starting it.

    `scratch` is the path of an additional empty volume. Raises LedgerError if the engine refuses.
    """
    mounts = [Mount(DATA_DIRECTORY, ledger.volume, no_copy=True)]
    if scratch is not None:
        mounts.append(Mount(scratch, None))
    try:
        return client.containers.create(
            image or ledger.image,
            list(command),
            entrypoint=[],
            name=name,
            user="0:0",
            working_dir="/",
            labels={STACK_LABEL: ledger.label, HELPER_LABEL: verb, WORK_LABEL: work, RESUME_LABEL: resume},
            mounts=mounts,
            network_mode="none",
            read_only=True,
            cap_drop=["ALL"],
            cap_add=_CAPABILITIES,
            security_opt=["no-new-privileges:true"],
            # Its output is read from the container directly, and may be as large as the ledger.
            log_config=LogConfig(type="none"),
            healthcheck={"test": ["NONE"]},
        )
    except APIError as error:
        if name is not None and error.status_code == HTTPStatus.CONFLICT:
            raise LedgerError(
                f"another backup, restore or trial of {ledger.volume} is running (container {name}), or was "
                "interrupted; if none is running: gixctl doctor --fix"
            ) from error
        raise LedgerError(f"no container can be created on {ledger.volume}: {error.explanation}") from error


def lock(ledger: LedgerLocation) -> str:
    """The name of the helper of a backup or restore. Only one container can have it, so it serves as a lock."""
    return f"{ledger.volume}-helper"


def containers(client: docker.DockerClient, ledger: LedgerLocation, work: str | None) -> list[Container]:
    """The helpers of the ledger's stack that are on the engine, running or left behind, or only those of one `work`."""
    whose = HELPER_LABEL if work is None else f"{WORK_LABEL}={work}"
    mine: dict[str, str | list[str] | bool] = {"label": [f"{STACK_LABEL}={ledger.label}", whose]}
    return list(client.containers.list(all=True, filters=mine, ignore_removed=True))


def kill(container: Container) -> None:
    """Kill a helper. It may have ended meanwhile."""
    with _done_meanwhile():
        container.kill()


def remove(container: Container) -> None:
    """Remove a helper in any state, with its scratch volume. Another process may have removed it meanwhile."""
    with contextlib.suppress(NotFound), _done_meanwhile():
        container.remove(force=True, v=True)


@contextlib.contextmanager
def _done_meanwhile() -> Iterator[None]:
    """Ignore the engine's answer that the container is already in the wanted state, or on its way to it."""
    try:
        yield
    except APIError as error:
        if error.status_code != HTTPStatus.CONFLICT:
            raise


def output(container: Container) -> Iterator[tuple[bytes | None, bytes | None]]:
    """Start a container, and return its standard output and standard error as they arrive."""
    stream: Iterator[tuple[bytes | None, bytes | None]] = container.attach(stream=True, logs=False, demux=True)
    container.start()
    return stream


def inspect(
    client: docker.DockerClient, ledger: LedgerLocation, work: str, script: str, *words: str, scratch: str | None = None
) -> bytes:
    """Run a shell script with the ledger at /data, and return its output. See `run`."""
    command = ["sh", "-euc", script, "look", *words]
    return run(client, ledger, work, command, "the inspection of the ledger", scratch=scratch)


def run(
    client: docker.DockerClient,
    ledger: LedgerLocation,
    work: str,
    command: Sequence[str],
    what: str,
    *,
    image: str | None = None,
    scratch: str | None = None,
) -> bytes:
    """Run a command with the ledger at /data, and return its output. `what` names the command in errors.

    Raises LedgerError with the end of its error output if it fails.
    """
    container = create(client, ledger, "look", command, work=work, image=image, scratch=scratch)
    try:
        return finish(container, output(container), what)
    except ENGINE_ERRORS as error:
        raise LedgerError(f"{what} failed: {error}") from error
    finally:
        remove(container)


def finish(container: Container, stream: Iterator[tuple[bytes | None, bytes | None]], what: str) -> bytes:
    """Wait for a started container, and return its output. Raises LedgerError with its last words if it failed."""
    out, words = bytearray(), bytearray()
    for said, complained in stream:
        out += said or b""
        words += complained or b""
    code = container.wait()["StatusCode"]
    if code:
        raise LedgerError(f"{what} failed (exit code {code}): {last_words(bytes(words))}")
    return bytes(out)


def last_words(words: bytes) -> str:
    """The end of a container's error output, in one line without control characters."""
    text = " ".join(words[-_LAST_WORDS_BYTES:].decode(errors="replace").split())
    # It contains names of files, which may have any characters.
    return "".join(each if each.isprintable() else "?" for each in text) or "it printed nothing"


def swap_command(what: Literal["ready", "swap", "settle"]) -> list[str]:
    """The command that runs swap.sh in a container."""
    script = importlib.resources.files("gix_ledger").joinpath("swap.sh").read_text()
    return ["sh", "-euc", script, "swap.sh", what]
