"""What an image contains: its Debian packages, its release, and the service's program with the crates inside it."""

import hashlib
import io
import json
import re
import tarfile
import zlib
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass

import docker
from docker.errors import DockerException, NotFound
from docker.models.containers import Container
from elftools.common.exceptions import ELFError
from elftools.elf.elffile import ELFFile

from gix_model.environment import STACK_LABEL
from gix_ops.errors import StackError

PROGRAMS = "/usr/local/bin"
"""The directory of the services' programs in an image."""

_STATUS = "/var/lib/dpkg/status"
_RELEASE = "/usr/lib/os-release"
_AUDIT_SECTION = ".dep-v0"
"""The ELF section in which `cargo auditable` stores the crates of a program."""


@dataclass(frozen=True, kw_only=True)
class Package:
    """An installed Debian package. `source` is its source package if that has another name or version."""

    name: str
    version: str
    architecture: str
    maintainer: str = ""
    source: str = ""


@dataclass(frozen=True, kw_only=True)
class Crate:
    """A Rust crate that is compiled into a program. `registry` is false for a crate of the workspace itself."""

    name: str
    version: str
    registry: bool


@dataclass(frozen=True, kw_only=True)
class Program:
    """A service's program. `crates` is None if the program does not state its crates."""

    path: str
    sha256: str
    crates: tuple[Crate, ...] | None


@dataclass(frozen=True, kw_only=True)
class ImageContents:
    """What an image contains. `release` holds the fields of os-release."""

    packages: tuple[Package, ...] = ()
    release: Mapping[str, str]
    program: Program | None = None


def read(client: docker.DockerClient, image: str, binary: str | None, label: str) -> ImageContents:
    """Read the image with the id `image` through a container that is never started and has the stack's `label`.

    `binary` is the name of the service's program. What the image does not have is left out. Raises StackError if the
    engine refuses.
    """
    path = f"{PROGRAMS}/{binary}"
    try:
        with _container(client, image, label) as container:
            status, release = _file(container, _STATUS), _file(container, _RELEASE)
            content = _file(container, path) if binary else None
    except (DockerException, OSError) as error:
        raise StackError(f"the image {image} cannot be read: {error}") from error
    return ImageContents(
        packages=packages(status.decode(errors="replace")) if status else (),
        release=_release_fields(release.decode(errors="replace")) if release else {},
        program=None
        if content is None
        else Program(path=path, sha256=hashlib.sha256(content).hexdigest(), crates=crates(content)),
    )


def packages(status: str) -> tuple[Package, ...]:
    """The installed packages in the text of dpkg's status file, by name."""
    found = []
    for stanza in status.split("\n\n"):
        fields = dict(re.findall(r"^([A-Za-z-]+): *(.*)$", stanza, re.MULTILINE))
        if fields.get("Status", "").split()[-1:] == ["installed"]:
            found.append(
                Package(
                    name=fields["Package"],
                    version=fields["Version"],
                    architecture=fields.get("Architecture", ""),
                    maintainer=fields.get("Maintainer", ""),
                    source=re.sub(r" \((.*)\)$", r"@\1", fields.get("Source", "")),
                )
            )
    return tuple(sorted(found, key=lambda each: (each.name, each.architecture)))


def crates(program: bytes) -> tuple[Crate, ...] | None:
    """The crates that a program was built from, by name, as `cargo auditable` stores them; None if it stores none."""
    try:
        section = ELFFile(io.BytesIO(program)).get_section_by_name(_AUDIT_SECTION)
        if section is None:
            return None
        stored = json.loads(zlib.decompress(section.data()))
        found = {
            (each["name"], each["version"], each["source"] != "local")
            for each in stored["packages"]
            # Build scripts and procedural macros run on the builder and are not part of the program.
            if each.get("kind", "runtime") == "runtime"
        }
    except (ELFError, zlib.error, ValueError, KeyError, TypeError):
        return None
    return tuple(Crate(name=name, version=version, registry=registry) for name, version, registry in sorted(found))


@contextmanager
def _container(client: docker.DockerClient, image: str, label: str) -> Iterator[Container]:
    """A container of the image that is never started. It is removed with the volumes that the image declares."""
    container = client.containers.create(
        image, ["true"], entrypoint=[], labels={STACK_LABEL: label}, network_mode="none"
    )
    try:
        yield container
    finally:
        container.remove(force=True, v=True)


def _file(container: Container, path: str) -> bytes | None:
    try:
        stream, _ = container.get_archive(path)
    except NotFound:
        return None
    with tarfile.open(fileobj=io.BytesIO(b"".join(stream))) as archive:
        member = next((each for each in archive if each.isfile()), None)
        content = archive.extractfile(member) if member else None
        return content.read() if content else None


def _release_fields(text: str) -> dict[str, str]:
    return {name: value.strip("\"'") for name, value in re.findall(r"^([A-Z_]+)=(.*)$", text, re.MULTILINE)}
