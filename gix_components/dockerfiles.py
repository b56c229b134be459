"""Where a build finds the Dockerfiles."""

import os
from pathlib import Path

import pulumi

IN_CLONE = Path("infra/docker")
"""Where a clone has them."""
COPIES = Path(".gix/docker")
"""Where the program of another project gets copies of them, relative to its directory."""

_PACKAGE = Path(__file__).parent
_INSTALLED = _PACKAGE / "docker"


def provide(directory: Path) -> Path:
    """Where the Dockerfiles are, relative to the program's `directory`; they are copied there if it is not the clone's.

    A stack's state records the path, and under another one every image is built again. The place of an installed
    package is another one on each machine; this one is the same.

    Raises pulumi.RunError where they can't be copied.
    """
    clone = _PACKAGE.parent
    if directory.samefile(clone):
        return IN_CLONE
    try:
        _copy(_INSTALLED if _INSTALLED.is_dir() else clone / IN_CLONE, directory / COPIES)
    except OSError as error:
        raise pulumi.RunError(
            f"{error.filename}: {error.strerror}; the Dockerfiles of gix-components are copied to "
            f"{directory / COPIES}: let this user write there"
        ) from None
    return COPIES


def _copy(source: Path, target: Path) -> None:
    """Bring `target` up to date; a build that runs meanwhile sees each file whole, old or new."""
    target.mkdir(parents=True, exist_ok=True)
    contents = {target / file.name: file.read_bytes() for file in source.iterdir() if file.is_file()}
    # Beside a program that git keeps, and none of it.
    contents[target.parent / ".gitignore"] = b"*\n"
    for file, content in contents.items():
        if not file.is_file() or file.read_bytes() != content:
            unfinished = file.with_name(f"{file.name}.{os.getpid()}")
            unfinished.write_bytes(content)
            unfinished.replace(file)
