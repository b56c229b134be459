"""The SBOM that this project writes itself where no scanner does: an image's Debian packages and its service's program.

The format is CycloneDX 1.5, JSON. The packages are those that dpkg has in its status file; the program is told by its
SHA-256. The crates that are compiled into it are not listed: the program does not say which they are.
"""

import hashlib
import io
import re
import tarfile
import uuid
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any
from urllib.parse import quote

import docker
from docker.errors import DockerException, NotFound
from docker.models.containers import Container

from gix_components import __version__
from gix_components.environment import STACK_LABEL
from gix_ops.errors import StackError

TOOL = f"gixctl {__version__}"
"""What the SBOM says has made it."""

_PROGRAMS = "/usr/local/bin"
_STATUS = "/var/lib/dpkg/status"
_RELEASE = "/usr/lib/os-release"


@dataclass(frozen=True, kw_only=True)
class Package:
    """A Debian package that is installed; `source` is what it was built from, where that has another name."""

    name: str
    version: str
    architecture: str
    maintainer: str = ""
    source: str = ""


@dataclass(frozen=True, kw_only=True)
class Contents:
    """What an image holds: packages, the fields of os-release, and the SHA-256 of its programs by path."""

    packages: tuple[Package, ...]
    release: Mapping[str, str]
    programs: Mapping[str, str]


def contents(client: docker.DockerClient, image: str, binary: str | None, label: str) -> Contents:
    """Read an image, by its id, through a container that is never started and bears the stack's `label` while it lasts.

    `binary` names the service's program. What the image does not have is left out. Raises StackError where the engine
    refuses.
    """
    try:
        with _laid_open(client, image, label) as container:
            status, release = _file(container, _STATUS), _file(container, _RELEASE)
            path = f"{_PROGRAMS}/{binary}"
            program = _file(container, path) if binary else None
    except (DockerException, OSError) as error:
        raise StackError(f"the image {image} can't be read: {error}") from error
    return Contents(
        packages=packages(status.decode(errors="replace")) if status else (),
        release=_fields_of_release(release.decode(errors="replace")) if release else {},
        programs={path: hashlib.sha256(program).hexdigest()} if program else {},
    )


def packages(status: str) -> tuple[Package, ...]:
    """The installed packages of dpkg's status file, by name."""
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


def cyclonedx(name: str, image: str, found: Contents, *, now: datetime | None = None) -> dict[str, Any]:
    """The SBOM of the image `name` with the digest or id `image`, as a document of CycloneDX 1.5.

    `now` is when it was made; without it, the present.
    """
    components = [*_system(found.release), *_programs(found.programs)]
    components += [_component(package, found.release) for package in found.packages]
    digest = image.rpartition("sha256:")[2]
    root = {
        "type": "container",
        "bom-ref": image,
        "name": name,
        "version": image,
        "hashes": [{"alg": "SHA-256", "content": digest}],
    }
    return {
        "$schema": "http://cyclonedx.org/schema/bom-1.5.schema.json",
        "bomFormat": "CycloneDX",
        "specVersion": "1.5",
        "serialNumber": f"urn:uuid:{uuid.uuid4()}",
        "version": 1,
        "metadata": {
            "timestamp": (now or datetime.now(UTC)).strftime("%Y-%m-%dT%H:%M:%SZ"),
            "tools": {"components": [{"type": "application", "name": "gixctl", "version": __version__}]},
            "component": root,
            "properties": [
                {
                    "name": "gix:scope",
                    "value": f"Debian packages of {_STATUS} and the service's program; the Rust crates compiled into "
                    "the program are not listed",
                }
            ],
        },
        "components": components,
        "dependencies": [{"ref": image, "dependsOn": [each["bom-ref"] for each in components]}],
    }


def _system(release: Mapping[str, str]) -> Iterator[dict[str, Any]]:
    if "ID" in release:
        version = release.get("VERSION_ID", "")
        yield {
            "type": "operating-system",
            "bom-ref": f"os:{release['ID']}@{version}",
            "name": release["ID"],
            "version": version,
            "description": release.get("PRETTY_NAME", ""),
        }


def _programs(programs: Mapping[str, str]) -> Iterator[dict[str, Any]]:
    for path, digest in programs.items():
        yield {
            "type": "application",
            "bom-ref": f"file:{path}",
            "name": path.rpartition("/")[2],
            "hashes": [{"alg": "SHA-256", "content": digest}],
            "properties": [{"name": "gix:path", "value": path}],
        }


def _component(package: Package, release: Mapping[str, str]) -> dict[str, Any]:
    distribution = release.get("ID", "debian")
    qualifiers = {
        "arch": package.architecture,
        "distro": f"{distribution}-{release['VERSION_ID']}" if "VERSION_ID" in release else "",
        "upstream": package.source,
    }
    given = "&".join(f"{key}={_quoted(value)}" for key, value in qualifiers.items() if value)
    purl = f"pkg:deb/{_quoted(distribution)}/{_quoted(package.name)}@{_quoted(package.version)}" + f"?{given}" * bool(
        given
    )
    component = {"type": "library", "bom-ref": purl, "name": package.name, "version": package.version, "purl": purl}
    return component | ({"publisher": package.maintainer} if package.maintainer else {})


def _quoted(text: str) -> str:
    return quote(text, safe=":")


@contextmanager
def _laid_open(client: docker.DockerClient, image: str, label: str) -> Iterator[Container]:
    """A container of the image that is never started; it and the volumes that the image declares go in the end."""
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


def _fields_of_release(text: str) -> dict[str, str]:
    return {name: value.strip("\"'") for name, value in re.findall(r"^([A-Z_]+)=(.*)$", text, re.MULTILINE)}
