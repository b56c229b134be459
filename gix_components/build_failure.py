"""Shows the output of the failed step if an image does not build.

The docker plugin shows a build's output only as progress, and its error has only the command and the exit code. The
engine does not keep the output, so the build is repeated up to the failed step. All steps before it are cached.
"""

import base64
import json
import secrets
import shlex
import tempfile
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import pulumi
from docker import APIClient
from docker.errors import DockerException
from docker.utils.build import tar
from pulumi import ErrorHook, ErrorHookArgs, ResourceHookBinding
from requests import RequestException

from gix_engine import connection
from gix_model.environment import Environment

LINES: Final = 30
"""Number of lines of a failed step that are shown."""
WIDTH: Final = 160
"""Number of characters of each line."""

_PLUGIN_ERROR: Final = "error reading build output: "
_LENGTH_DELIMITED: Final = 2


@dataclass(frozen=True, kw_only=True)
class ImageBuild:
    """A build. Paths are relative to the program's directory. If `target` is None, the last stage is built."""

    context: Path
    dockerfile: Path
    target: str | None
    platform: str
    args: Mapping[str, str]
    cache_from: tuple[str, ...] = ()
    """Images to take layers from."""

    @property
    def command(self) -> str:
        """The same build as a command for a shell in the program's directory."""
        options = ["--progress=plain", f"--file={self.dockerfile}", f"--platform={self.platform}"]
        if self.target:
            options.append(f"--target={self.target}")
        options.extend(f"--build-arg={key}={value}" for key, value in self.args.items())
        options.extend(f"--cache-from={image}" for image in self.cache_from)
        return shlex.join(["docker", "build", *options, str(self.context)])


class BuildFailures:
    """Explains failed builds. Builds that fail in the same step are explained once."""

    def __init__(self, environment: Environment) -> None:
        self._environment = environment
        self._explained: set[str] = set()

    def hooks(self, name: str, build: ImageBuild) -> ResourceHookBinding:
        """Hooks for an image that show the output of the failed step. `name` is the name of the hook."""

        def show(args: ErrorHookArgs) -> bool:
            failures = [error.partition(_PLUGIN_ERROR)[2] for error in args.errors if _PLUGIN_ERROR in error]
            if failures and self._is_new(failures[0]):
                pulumi.log.info("Repeating the failed step to show what it printed", ephemeral=True)
                explanation = explain(self._environment, build)
                if self._is_new(explanation):
                    pulumi.log.error(explanation)
            return False

        return ResourceHookBinding(on_error=[ErrorHook(name, show)])

    def _is_new(self, text: str) -> bool:
        new = text not in self._explained
        self._explained.add(text)
        return new


def explain(environment: Environment, build: ImageBuild) -> str:
    """Repeat `build`, and give the last lines that its failed step printed; where that fails, how to see them."""
    try:
        client = connection.connect(environment.settings.engine, environment.directory)
        failure = _Failure.read(_trace(client.api, environment.directory, build))
    except (DockerException, RequestException, OSError, ValueError) as error:
        return f"The failed step's output can't be shown ({error}). To see the build: {build.command}"
    if failure is None:
        return "The build failed, and succeeded when it was repeated. Run pulumi up again."
    if not failure.lines:
        return f"The failed step printed nothing that can be shown ({failure.error}). To see the build: {build.command}"
    shown = "\n".join(f"    {line[:WIDTH]}" for line in failure.lines[-LINES:])
    return f"The image does not build. The last lines that the failed step printed:\n{shown}"


@dataclass(frozen=True)
class _Failure:
    error: str
    lines: list[str]

    @classmethod
    def read(cls, messages: Iterable[dict[str, object]]) -> "_Failure | None":
        """Read the messages of a build; None if it succeeds."""
        printed: defaultdict[bytes, bytes] = defaultdict(bytes)
        failed = b""
        for message in messages:
            if error := message.get("error"):
                return cls(str(error), printed[failed].decode(errors="replace").splitlines())
            if message.get("id") != "moby.buildkit.trace":
                continue
            # A moby.buildkit.v1.StatusResponse: vertexes (1) with digest (1) and error (7), logs (3) with vertex (1)
            # and message (4).
            for kind, content in _fields(base64.b64decode(str(message["aux"]))):
                values = dict(_fields(content))
                if kind == 1 and values.get(7):
                    failed = values[1]
                elif kind == 3:  # noqa: PLR2004 - named above
                    printed[values[1]] += values.get(4, b"")
        return None


def _trace(api: APIClient, directory: Path, build: ImageBuild) -> Iterator[dict[str, object]]:
    dockerfile = directory / build.dockerfile
    ignored = dockerfile.with_name(f"{dockerfile.name}.dockerignore").read_text().splitlines()
    name = f".dockerfile.{secrets.token_hex(10)}"
    # Compressed, because the engine takes a plain archive that begins with a PAX header for a Dockerfile.
    patterns = [line for line in ignored if line.strip() and not line.startswith("#")]
    with tempfile.TemporaryFile() as archive:
        tar(directory / build.context, patterns, (name, dockerfile.read_text()), fileobj=archive, gzip=True)
        # The build() of the Docker SDK uses the legacy builder, which has another cache.
        response = api.post(
            f"{api.base_url}/v{api.api_version}/build",
            params={
                "version": "2",
                "dockerfile": name,
                "target": build.target or "",
                "platform": build.platform,
                "buildargs": json.dumps(dict(build.args)),
                "outputs": json.dumps([{"Type": "cacheonly"}]),
            },
            data=archive,
            headers={"Content-Type": "application/x-tar"},
            stream=True,
        )
        with response:
            response.raise_for_status()
            yield from (json.loads(line) for line in response.iter_lines() if line)


def _fields(message: bytes) -> Iterator[tuple[int, bytes]]:
    """The length-delimited fields of a protobuf message (text, bytes and messages), each with its number."""
    position = 0
    while position < len(message):
        key, position = _varint(message, position)
        if key & 7 == _LENGTH_DELIMITED:
            length, position = _varint(message, position)
            yield key >> 3, message[position : position + length]
            position += length
        else:
            _, position = _varint(message, position)


def _varint(message: bytes, position: int) -> tuple[int, int]:
    value, shift = 0, 0
    while True:
        byte = message[position]
        value |= (byte & 0x7F) << shift
        position, shift = position + 1, shift + 7
        if byte < 0x80:  # noqa: PLR2004 - the continuation bit
            return value, position
