"""The containers that look at a ledger's volume, or put something on it: without a network, gone when they are done."""

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
"""On each helper's container: the piece of work that it belongs to."""
RESUME_LABEL = "io.gix.resume"
"""On a helper's container: what its end owes the auction: `unpause`, `start`, or `nothing`."""

Verb = Literal["backup", "restore", "look"]
Owed = Literal["unpause", "start", "nothing"]
"""What the end of a backup or restore owes the auction."""

SWAP_REFUSED = 3
"""Exit code of swap.sh where it refuses to begin the swap."""

_CAPABILITIES = ["CHOWN", "DAC_OVERRIDE", "FOWNER"]
_LAST_WORDS_BYTES = 600


def create(  # noqa: PLR0913 - each is a word of the container's own
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
    """Create a container that has the ledger's volume at /data, and does not run yet.

    `scratch` is a path for an empty volume of its own. Raises LedgerError where the engine refuses.
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
            # What it writes is read from the container itself, and may be as large as the ledger.
            log_config=LogConfig(type="none"),
            healthcheck={"test": ["NONE"]},
        )
    except APIError as error:
        if name is not None and error.status_code == HTTPStatus.CONFLICT:
            raise LedgerError(
                f"another backup or restore of {ledger.volume} is at work (container {name}), or was cut off; "
                "if none is: gixctl doctor --fix"
            ) from error
        raise LedgerError(f"no container can look at {ledger.volume}: {error.explanation}") from error


def lock(ledger: LedgerLocation) -> str:
    """The name of the helper of a backup or restore: only one container can have it."""
    return f"{ledger.volume}-helper"


def containers(client: docker.DockerClient, ledger: LedgerLocation, work: str | None) -> list[Container]:
    """Helpers of the ledger's stack that are on the engine, at work or left behind; or those of one `work`."""
    whose = HELPER_LABEL if work is None else f"{WORK_LABEL}={work}"
    mine: dict[str, str | list[str] | bool] = {"label": [f"{STACK_LABEL}={ledger.label}", whose]}
    return list(client.containers.list(all=True, filters=mine, ignore_removed=True))


def kill(container: Container) -> None:
    """Kill a helper; that it came to its end meanwhile is well."""
    with _done_meanwhile():
        container.kill()


def remove(container: Container) -> None:
    """Remove a helper, whatever it is at, with its scratch volume; that another process does is well."""
    with contextlib.suppress(NotFound), _done_meanwhile():
        container.remove(force=True, v=True)


@contextlib.contextmanager
def _done_meanwhile() -> Iterator[None]:
    """Take it as done where the engine answers that the container is in that state, or on its way to it."""
    try:
        yield
    except APIError as error:
        if error.status_code != HTTPStatus.CONFLICT:
            raise


def output(container: Container) -> Iterator[tuple[bytes | None, bytes | None]]:
    """Start a container; what it writes to standard output and standard error, as it comes."""
    stream: Iterator[tuple[bytes | None, bytes | None]] = container.attach(stream=True, logs=False, demux=True)
    container.start()
    return stream


def inspect(
    client: docker.DockerClient, ledger: LedgerLocation, work: str, script: str, *words: str, scratch: str | None = None
) -> bytes:
    """Run a shell script with the ledger at /data, to its end; what it wrote. See `run`."""
    command = ["sh", "-euc", script, "look", *words]
    return run(client, ledger, work, command, "the look at the ledger", scratch=scratch)


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
    """Run a command with the ledger at /data, to its end; what it wrote. `what` is what a person calls it.

    Raises LedgerError with its last words where it fails.
    """
    container = create(client, ledger, "look", command, work=work, image=image, scratch=scratch)
    try:
        return finish(container, output(container), what)
    except ENGINE_ERRORS as error:
        raise LedgerError(f"{what} failed: {error}") from error
    finally:
        remove(container)


def finish(container: Container, stream: Iterator[tuple[bytes | None, bytes | None]], what: str) -> bytes:
    """Wait for a started container's end; what it wrote. Raises LedgerError with its last words where it failed."""
    out, words = bytearray(), bytearray()
    for said, complained in stream:
        out += said or b""
        words += complained or b""
    code = container.wait()["StatusCode"]
    if code:
        raise LedgerError(f"{what} failed (exit code {code}): {last_words(bytes(words))}")
    return bytes(out)


def last_words(words: bytes) -> str:
    """The end of what a container complained of, in a line without control characters."""
    text = " ".join(words[-_LAST_WORDS_BYTES:].decode(errors="replace").split())
    # The names of files are in it, and may be anything.
    return "".join(each if each.isprintable() else "?" for each in text) or "it said nothing"


def swap_command(what: Literal["ready", "swap", "settle"]) -> list[str]:
    """The command that runs swap.sh in a container."""
    script = importlib.resources.files("gix_ledger").joinpath("swap.sh").read_text()
    return ["sh", "-euc", script, "swap.sh", what]
