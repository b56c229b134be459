"""The SBOM that gixctl writes if no scanner writes one, in the format CycloneDX 1.5 (JSON)."""

from collections.abc import Iterator, Mapping
from datetime import UTC, datetime

from cyclonedx.model import HashAlgorithm, HashType, Property
from cyclonedx.model.bom import Bom
from cyclonedx.model.component import Component, ComponentType
from cyclonedx.output.json import JsonV1Dot5
from packageurl import PackageURL

from gix_model import __version__
from gix_ops.security.image_contents import ImageContents, Package, Program

TOOL = f"gixctl {__version__}"
"""The tool that the SBOM names as its author."""


def cyclonedx(name: str, image: str, contents: ImageContents, *, now: datetime | None = None) -> str:
    """The SBOM of the image `name` with the digest or id `image`, as JSON text. `now` defaults to the current time."""
    root = Component(
        type=ComponentType.CONTAINER,
        bom_ref=image,
        name=name,
        version=image,
        hashes=[_sha256(image.rpartition("sha256:")[2])],
    )
    components = [
        *_operating_system(contents.release),
        *(_program(contents.program) if contents.program else ()),
        *(_debian_package(package, contents.release) for package in contents.packages),
    ]
    bom = Bom(components=components)
    bom.metadata.timestamp = now or datetime.now(UTC)
    bom.metadata.tools.components.add(Component(type=ComponentType.APPLICATION, name="gixctl", version=__version__))
    bom.metadata.component = root
    bom.metadata.properties.add(Property(name="gix:scope", value=_scope(contents.program)))
    bom.register_dependency(root, components)
    return JsonV1Dot5(bom).output_as_string(indent=2) + "\n"


def _scope(program: Program | None) -> str:
    if program is None:
        return "Debian packages"
    crates = "Rust crates" if program.crates is not None else "not the Rust crates, which the program does not state"
    return f"Debian packages, the service's program, {crates}"


def _sha256(digest: str) -> HashType:
    return HashType(alg=HashAlgorithm.SHA_256, content=digest)


def _operating_system(release: Mapping[str, str]) -> Iterator[Component]:
    if "ID" in release:
        version = release.get("VERSION_ID", "")
        yield Component(
            type=ComponentType.OPERATING_SYSTEM,
            bom_ref=f"os:{release['ID']}@{version}",
            name=release["ID"],
            version=version,
            description=release.get("PRETTY_NAME"),
        )


def _program(program: Program) -> Iterator[Component]:
    yield Component(
        type=ComponentType.APPLICATION,
        bom_ref=f"file:{program.path}",
        name=program.path.rpartition("/")[2],
        hashes=[_sha256(program.sha256)],
        properties=[Property(name="gix:path", value=program.path)],
    )
    for crate in program.crates or ():
        purl = PackageURL("cargo", None, crate.name, crate.version)
        yield Component(
            bom_ref=purl.to_string(),
            name=crate.name,
            version=crate.version,
            # A crate of the workspace has no package URL: the registry may have another crate of its name.
            purl=purl if crate.registry else None,
        )


def _debian_package(package: Package, release: Mapping[str, str]) -> Component:
    distribution = release.get("ID", "debian")
    qualifiers = {
        "arch": package.architecture,
        "distro": f"{distribution}-{release['VERSION_ID']}" if "VERSION_ID" in release else "",
        "upstream": package.source,
    }
    given = {key: value for key, value in qualifiers.items() if value}
    purl = PackageURL("deb", distribution, package.name, package.version, given)
    return Component(
        bom_ref=purl.to_string(),
        name=package.name,
        version=package.version,
        purl=purl,
        publisher=package.maintainer or None,
    )
