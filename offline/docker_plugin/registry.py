"""Image names, and pulls from and pushes to registries."""

from collections.abc import Callable, Iterable
from typing import Any, Final

from offline.docker_plugin.engine import Engine
from offline.docker_plugin.errors import PluginError, readable

_DIGEST_PREFIX: Final = "sha256:"
_DEFAULT_TAG: Final = "latest"

Report = Callable[[str], None]
"""Called with each line of progress."""


def registry_of(name: str) -> str:
    """Return the registry's host in an image name, with its port. Empty if the name has none."""
    first, separator, _ = name.partition("/")
    return first if separator and ("." in first or ":" in first or first == "localhost") else ""


def repository_of(name: str) -> str:
    """Cut tag and digest from an image name."""
    return _split(name)[0]


def canonical_name_problem(name: str) -> str | None:
    """Return why an image with this name cannot be pushed, or None."""
    if registry_of(name):
        return None
    return (
        f"is {name!r}: repository name must be canonical. This provider requires all image names to be fully qualified "
        "when an image is pushed or 'cacheFrom' is used. For example, prefix it with 'docker.io': "
        "'docker.io/repository/image:tag'"
    )


def find_or_pull(engine: Engine, name: str, *, platform: str | None = None) -> dict[str, Any]:
    """Find an image on the engine, else pull it.

    Raises:
        PluginError: the engine does not have it, and it cannot be pulled.

    """
    from docker.errors import ImageNotFound

    try:
        return _inspected(engine, name)
    except ImageNotFound:
        pull(engine, name, platform=platform)
    try:
        return _inspected(engine, name)
    except ImageNotFound as error:
        raise PluginError(f"unable to find or pull image {name}") from error


def pull(engine: Engine, name: str, *, platform: str | None = None) -> None:
    """Pull an image with the login that the provider states for its registry.

    Raises:
        PluginError: the pull fails.

    """
    from docker.errors import APIError

    failed = f"unable to pull image {name}: error pulling image {name}"
    if name.startswith(_DIGEST_PREFIX):
        raise PluginError(f"{failed}: the image is gone from the engine, and no registry has an image by its local id")
    repository, reference = _split(name)
    try:
        messages = engine.api.pull(
            repository,
            tag=reference or _DEFAULT_TAG,
            stream=True,
            decode=True,
            auth_config=engine.pull_credentials(registry_of(name)),
            platform=platform,
        )
        _follow(messages, lambda _: None)
    except (APIError, PluginError) as error:
        raise PluginError(f"{failed}: {readable(error)}") from error


def push(engine: Engine, name: str, credentials: dict[str, str] | None, report: Report) -> str:
    """Push an image and return its digest, `sha256:...`.

    Args:
        engine: the engine that has the image.
        name: its name, with the registry.
        credentials: the login. None: that of the user's own `docker login`.
        report: called with each line of progress.

    Raises:
        PluginError: the push fails.

    """
    repository, tag = _split(name)
    messages = engine.api.push(repository, tag=tag or _DEFAULT_TAG, stream=True, decode=True, auth_config=credentials)
    digest = ""
    for message in _checked(messages):
        digest = message.get("aux", {}).get("Digest", digest)
        if message.get("status"):
            report(f"{message.get('id', '')} {message['status']}".strip())
    return digest


def _inspected(engine: Engine, name: str) -> dict[str, Any]:
    image: dict[str, Any] = engine.api.inspect_image(name)
    return image


def _follow(messages: Iterable[dict[str, Any]], report: Report) -> None:
    for message in _checked(messages):
        report(str(message.get("status", "")))


def _checked(messages: Iterable[dict[str, Any]]) -> Iterable[dict[str, Any]]:
    for message in messages:
        if message.get("error"):
            raise PluginError(str(message["error"]))
        yield message


def _split(name: str) -> tuple[str, str]:
    """Split an image name into its repository and its tag or digest."""
    repository, separator, digest = name.partition("@")
    if separator:
        return _without_tag(repository), digest
    bare = _without_tag(name)
    return bare, name[len(bare) + 1 :]


def _without_tag(name: str) -> str:
    head, separator, last = name.rpartition("/")
    return head + separator + last.partition(":")[0]
