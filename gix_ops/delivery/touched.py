"""Which stacks a change affects, by the files that it changes."""

from collections.abc import Iterable, Mapping
from pathlib import PurePosixPath

from gix_model import stack_file
from gix_model.settings import StackSettings

PACKAGES = ("gix_components", "gix_engine", "gix_ledger", "gix_model")
"""The packages that the program imports."""
PROGRAM = ("__main__.py", "Pulumi.yaml", "requirements.txt", *PACKAGES, "policy")
"""Files and directories that affect every stack."""
DOCKERFILES = "infra/docker"
"""Directory of the Dockerfiles."""


def environments(paths: Iterable[str], stacks: Mapping[str, StackSettings]) -> tuple[str, ...]:
    """The names of the stacks that a change of the files `paths` affects.

    A stack's file affects that stack, and the program affects all. The sources of images affect the stacks that build
    them. Other files affect none.
    """
    changed = [PurePosixPath(path) for path in paths]
    return tuple(
        name
        for name, settings in stacks.items()
        if any(
            path == PurePosixPath(each) or PurePosixPath(each) in path.parents
            for path in changed
            for each in _sources(name, settings)
        )
    )


def _sources(name: str, settings: StackSettings) -> tuple[str, ...]:
    own = (stack_file.name(name), *PROGRAM)
    return (*own, DOCKERFILES, settings.source) if settings.images.are_built else own
