"""Which environments a change touches, by the files that it changes."""

from collections.abc import Iterable, Mapping
from pathlib import PurePosixPath
from typing import Any

PACKAGES = ("gix_components", "gix_engine", "gix_ledger", "gix_model")
"""The packages that the program imports."""
PROGRAM = ("__main__.py", "Pulumi.yaml", "requirements.txt", *PACKAGES, "policy")
"""Files and directories that every environment is made by."""
DOCKERFILES = "infra/docker"
"""Where the recipes are of images that are built."""


def environments(paths: Iterable[str], files: Mapping[str, Mapping[str, Any]]) -> tuple[str, ...]:
    """Those of the environments, given as the `config` of their files, that a change of `paths` touches.

    The file of an environment touches it alone, the program all of them, and what images are built from those that
    build. Nothing else does.
    """
    changed = [PurePosixPath(path) for path in paths]
    return tuple(
        name
        for name, config in files.items()
        if any(
            path == PurePosixPath(each) or PurePosixPath(each) in path.parents
            for path in changed
            for each in _made_of(name, config)
        )
    )


def builds(config: Mapping[str, Any]) -> bool:
    """Whether the environment builds its images, or else pulls them."""
    images = config.get("gix:images")
    return not (isinstance(images, Mapping) and images.get("way") == "registry")


def _made_of(name: str, config: Mapping[str, Any]) -> tuple[str, ...]:
    own = (f"Pulumi.{name}.yaml", *PROGRAM)
    return (*own, DOCKERFILES, str(config.get("gix:source", "sample"))) if builds(config) else own
