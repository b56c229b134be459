"""Building images with the `docker build` command line."""

import json
import os
import re
import shutil
import subprocess
import tempfile
import threading
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import IO, Any, Final

from offline.docker_plugin.build_context import write_archive
from offline.docker_plugin.engine import Connection, user_config_directory
from offline.docker_plugin.errors import PluginError
from offline.docker_plugin.registry import Report

_COMMAND_VARIABLE: Final = "GIX_DOCKER"
_SYSTEM_COMMAND: Final = "/usr/bin/docker"
_BUILDKIT_NEEDS_BUILDX_FROM: Final = 23
_PROBE_TIMEOUT_SECONDS: Final = 20
_GRACE_SECONDS: Final = 5.0
_SHARED_CONFIG: Final = ("cli-plugins", "buildx", "contexts")


@dataclass(frozen=True)
class Build:
    """One build.

    Attributes:
        name: the image's name.
        context: the context's directory.
        dockerfile: the Dockerfile.
        buildkit: whether BuildKit builds, or the first generation's builder.
        target: the stage to build; empty for the last one.
        platform: such as `linux/amd64`.
        args: build arguments.
        secret_args: names of the arguments that must not appear in the process list.
        cache_from: images to take layers from.
        add_hosts: extra hosts, `host:ip`.
        network: the network of RUN instructions; empty for the default.

    """

    name: str
    context: str
    dockerfile: str
    buildkit: bool = True
    target: str = ""
    platform: str = ""
    args: Mapping[str, str] = field(default_factory=dict, repr=False)
    secret_args: frozenset[str] = frozenset()
    cache_from: tuple[str, ...] = ()
    add_hosts: tuple[str, ...] = ()
    network: str = ""


class Builds:
    """The running builds, so that they can be cancelled."""

    def __init__(self) -> None:
        self._running: set[subprocess.Popen[str]] = set()
        self._lock = threading.Lock()
        self._cancelled = False

    def run(self, build: Build, connection: Connection, credentials: dict[str, str] | None, report: Report) -> str:
        """Build an image and return its id.

        Args:
            build: what to build.
            connection: the engine that builds it.
            credentials: login for base images and caches. None: only the user's own login.
            report: called with each line of progress.

        Raises:
            PluginError: the build fails. The error has the last line; the whole output goes only to `report`.

        """
        command = docker_command()
        with _config_directory(credentials) as config, tempfile.TemporaryDirectory(prefix="pulumi-docker-") as scratch:
            image_id_file = Path(scratch) / "image-id"
            environment = os.environ | connection.command_environment() | config
            with (Path(scratch) / "context.tar").open("w+b") as archive:
                dockerfile = write_archive(build.context, build.dockerfile, archive)
                archive.seek(0)
                arguments, environment = _arguments(build, dockerfile, environment, image_id_file)
                self._follow([command, *arguments], environment, archive, report)
            try:
                return image_id_file.read_text().strip()
            except OSError as error:
                raise PluginError("no image id found in build output") from error

    def cancel(self) -> None:
        """Stop every running build, and start no other."""
        with self._lock:
            self._cancelled = True
            running = list(self._running)
        for process in running:
            process.terminate()

    def _follow(self, command: list[str], environment: dict[str, str], archive: IO[bytes], report: Report) -> None:
        last = ""
        with self._started(command, environment, archive) as process:
            for line in process.stdout or ():
                if shown := line.strip():
                    last = shown
                    report(shown)
            code = process.wait()
        if code:
            raise PluginError("the build was cancelled" if self._cancelled else f"error reading build output: {last}")

    @contextmanager
    def _started(
        self, command: list[str], environment: dict[str, str], archive: IO[bytes]
    ) -> Iterator[subprocess.Popen[str]]:
        with self._lock:
            if self._cancelled:
                raise PluginError("the update was cancelled before the build began")
            process = subprocess.Popen(
                command,
                env=environment,
                stdin=archive,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                text=True,
                errors="replace",
            )
            self._running.add(process)
        try:
            yield process
        finally:
            if process.poll() is None:
                process.terminate()
                try:
                    process.wait(_GRACE_SECONDS)
                except subprocess.TimeoutExpired:
                    process.kill()
                    process.wait()
            with self._lock:
                self._running.discard(process)


@cache
def docker_command() -> str:
    """Find a `docker` command that supports BuildKit: the one that `GIX_DOCKER` names, else the first that does.

    Raises:
        PluginError: no command supports it.

    """
    named = os.environ.get(_COMMAND_VARIABLE)
    candidates = [named] if named else list(dict.fromkeys([_SYSTEM_COMMAND, *_on_path()]))
    for candidate in candidates:
        if _supports_buildkit(candidate):
            return candidate
    raise PluginError(
        f"no docker command with BuildKit among {', '.join(candidates) or 'none'}: install Debian's docker.io or the "
        f"buildx plugin, or name a command that has it with {_COMMAND_VARIABLE}"
    )


def _on_path() -> Iterable[str]:
    for directory in os.get_exec_path():
        found = shutil.which("docker", path=directory)
        if found:
            yield found


def _supports_buildkit(command: str) -> bool:
    version = re.search(r"\d+", _output([command, "--version"]))
    if version is None:
        return False
    # Up to version 22 BuildKit's client is built in. From 23 on it is the buildx plugin.
    return int(version.group()) < _BUILDKIT_NEEDS_BUILDX_FROM or bool(_output([command, "buildx", "version"]))


def _output(command: list[str]) -> str:
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=_PROBE_TIMEOUT_SECONDS, check=True)
    except (OSError, subprocess.SubprocessError):
        return ""
    return done.stdout


def _arguments(
    build: Build, dockerfile: str, environment: Mapping[str, str], image_id_file: Path
) -> tuple[list[str], dict[str, str]]:
    """Return the command's arguments and environment. Secret build arguments are passed in the environment."""
    arguments = ["build", f"--iidfile={image_id_file}", f"--tag={build.name}", f"--file={dockerfile}"]
    passed = {**environment, "DOCKER_BUILDKIT": "1" if build.buildkit else "0"}
    if build.buildkit:
        arguments.append("--progress=plain")
    for option, value in (("target", build.target), ("platform", build.platform), ("network", build.network)):
        if value:
            arguments.append(f"--{option}={value}")
    for key, value in build.args.items():
        if key not in build.secret_args:
            arguments.append(f"--build-arg={key}={value}")
        elif key in environment:
            raise PluginError(
                f"secret build argument {key!r} has the name of an environment variable that the docker command itself "
                "uses: give the argument another name"
            )
        else:
            arguments.append(f"--build-arg={key}")
            passed[key] = value
    arguments.extend(f"--cache-from={image}" for image in build.cache_from)
    arguments.extend(f"--add-host={host}" for host in build.add_hosts)
    return [*arguments, "-"], passed


@contextmanager
def _config_directory(credentials: dict[str, str] | None) -> Iterator[dict[str, str]]:
    """Make a temporary configuration with the login for the docker command."""
    if not credentials:
        yield {}
        return
    users = user_config_directory()
    with tempfile.TemporaryDirectory(prefix="pulumi-docker-config-") as directory:
        for name in _SHARED_CONFIG:
            if (users / name).exists():
                (Path(directory) / name).symlink_to(users / name)
        config: dict[str, Any] = {}
        if (users / "config.json").is_file():
            config = json.loads((users / "config.json").read_text())
        log_in = {key: credentials[key] for key in ("username", "password")}
        address = credentials["serveraddress"]
        # A credential helper would be asked first, and does not know this login.
        helpers = {name: helper for name, helper in config.get("credHelpers", {}).items() if name != address}
        config |= {"auths": {**config.get("auths", {}), address: log_in}, "credHelpers": helpers}
        (Path(directory) / "config.json").write_text(json.dumps(config))
        yield {"DOCKER_CONFIG": directory}
