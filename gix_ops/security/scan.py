"""`gixctl scan`: known vulnerabilities in the stack's images, and an SBOM of each image.

With `--json`:

    {"stack": "gix/dev", "scanner": "trivy", "fail_on": "critical", "over": 0,
     "images": [
       {"service": "router", "image": "gix-router:latest", "digest": "sha256:...",
        "sbom": "sbom/dev-router.cdx.json", "sbom_by": "trivy", "over": 0,
        "vulnerabilities": [
          {"id": "CVE-2024-0001", "severity": "high", "package": "libc6", "version": "2.36-9", "fixed": ""}]}]}

`scanner` is null if none is on PATH; nothing is scanned then, and `vulnerabilities` is null. `over` is the number of
vulnerabilities with the severity `fail_on` or higher.
"""

import tempfile
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import docker
from docker.errors import DockerException, ImageNotFound
from rich.markup import escape
from rich.table import Table

from gix_model.catalog import CATALOG
from gix_ops import services
from gix_ops.errors import StackError
from gix_ops.security import image_contents, sbom, scanners
from gix_ops.security.scanners import SEVERITIES, Scanner, Vulnerability
from gix_ops.services import Named
from gix_ops.stack import Stack

NEVER = "never"
"""Value instead of a severity: no vulnerability fails the scan."""
DIRECTORY = "sbom"
"""Default directory of the SBOMs, in the program's directory."""


@dataclass(frozen=True, kw_only=True)
class ImageScan:
    """One image: its SBOM, the tool that wrote it, and the vulnerabilities. They are None if it was not scanned."""

    service: str
    image: str
    digest: str
    sbom: str
    sbom_by: str
    over: int
    vulnerabilities: list[Vulnerability] | None


@dataclass(frozen=True, kw_only=True)
class _Image:
    """An image to scan. `binary` is the name of the service's program; None for the edge."""

    service: Named
    name: str
    digest: str
    binary: str | None


@dataclass(frozen=True, kw_only=True)
class Scan:
    """The result of a scan."""

    stack: str
    scanner: str | None
    fail_on: str
    over: int
    images: list[ImageScan]


def scan(stack: Stack, directory: Path, severity: str | None = None) -> Scan:
    """Scan every image of the stack, and write its SBOM into `directory`, which is created if it is missing.

    `severity` overrides the stack's gix:images.failOn. All SBOMs are written before the first scan. Raises StackError
    if an image is not on the engine, a scanner fails, or a file cannot be written.
    """
    scanner = scanners.on_path()
    fail_on = severity or stack.outputs.scan.fail_on
    environment = _environment(stack) if scanner else {}
    client = stack.connect()
    found = [(image, _reference(client, image)) for image in _images(stack, client)]
    made = {
        image.service: _write_sbom(stack, client, scanner, image, reference, directory, environment)
        for image, reference in found
    }
    images = []
    for image, reference in found:
        vulnerabilities = scanner.scan(reference, environment) if scanner else None
        file, by = made[image.service]
        images.append(
            ImageScan(
                service=image.service,
                image=image.name,
                digest=image.digest,
                sbom=str(file),
                sbom_by=by,
                over=sum(is_over(each.severity, fail_on) for each in vulnerabilities or []),
                vulnerabilities=vulnerabilities,
            )
        )
    return Scan(
        stack=stack.label,
        scanner=scanner.name if scanner else None,
        fail_on=fail_on,
        over=sum(each.over for each in images),
        images=images,
    )


def is_over(severity: str, limit: str) -> bool:
    """Whether a severity is the limit or higher. No severity is over `never`."""
    return limit != NEVER and SEVERITIES.index(severity) >= SEVERITIES.index(limit)


def _environment(stack: Stack) -> dict[str, str]:
    return scanners.reaching(stack.engine, stack.directory)


def _images(stack: Stack, client: docker.DockerClient) -> Iterator[_Image]:
    """The images of the services, and that of the edge."""
    for service, each in stack.outputs.services.items():
        yield _Image(service=service, name=each.image, digest=each.digest, binary=CATALOG[service].binary)
    if stack.outputs.edge is not None:
        edge = services.inspect(client, stack.outputs.edge)
        if not edge:
            raise StackError(f"the container {stack.outputs.edge} is missing; to create it again: pulumi up --refresh")
        yield _Image(service=services.EDGE, name=edge["Config"]["Image"], digest=edge["Image"], binary=None)


def _reference(client: docker.DockerClient, image: _Image) -> str:
    """The image to scan: its name, which reports then show, if it refers to the image that runs; else its id."""
    try:
        running = str(client.images.get(image.digest).id)
    except ImageNotFound:
        raise StackError(
            f"the image {image.name} ({image.digest}) is not on the engine; to build or pull it: "
            "pulumi up --refresh; gixctl verify shows what else is missing"
        ) from None
    except DockerException as error:
        raise StackError(f"the Docker engine cannot be read: {error}") from error
    try:
        named = client.images.get(image.name).id
    except DockerException:
        named = None
    return image.name if named == running else running


def _write_sbom(
    stack: Stack,
    client: docker.DockerClient,
    scanner: Scanner | None,
    image: _Image,
    reference: str,
    directory: Path,
    environment: dict[str, str],
) -> tuple[Path, str]:
    """The file, which is complete if it exists, and the tool that wrote it."""
    file = directory / f"{stack.name}-{image.service}.cdx.json"
    try:
        directory.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(prefix=".", dir=directory) as beside:
            unfinished = Path(beside) / file.name
            by = scanner.write_sbom(reference, unfinished, environment) if scanner else None
            if by is None:
                by = sbom.TOOL
                unfinished.write_text(_own_sbom(stack, client, image))
            unfinished.rename(file)
    except OSError as error:
        raise StackError(f"the SBOM {file} cannot be written: {error.strerror or error}") from error
    return file, by


def _own_sbom(stack: Stack, client: docker.DockerClient, image: _Image) -> str:
    found = image_contents.read(client, image.digest, image.binary, stack.label)
    return sbom.cyclonedx(image.name, image.digest, found)


def summary(found: Scan) -> str:
    """The result in one line."""
    if found.scanner is None:
        return (
            f"{found.stack}: NOT SCANNED. Neither trivy nor grype is on PATH, so vulnerabilities in these images are "
            "not known. Install one of them, and run the scan again"
        )
    limit = f"of severity {found.fail_on} or higher" if found.fail_on != NEVER else "that fail the scan (never)"
    known = sum(len(each.vulnerabilities or []) for each in found.images)
    return f"{found.stack}: scanned by {found.scanner}: {known} known vulnerabilities, {found.over} {limit}"


def table(images: Sequence[ImageScan]) -> Table:
    """The images for a terminal."""
    shown = Table()
    for heading in ("service", "image", "vulnerabilities", "SBOM", "written by"):
        shown.add_column(heading, overflow="fold")
    for each in images:
        counts = Counter(one.severity for one in each.vulnerabilities or [])
        told = ", ".join(f"{counts[severity]} {severity}" for severity in reversed(SEVERITIES) if counts[severity])
        vulnerabilities = "not scanned" if each.vulnerabilities is None else told or "none known"
        shown.add_row(*map(escape, (each.service, each.image, vulnerabilities, each.sbom, each.sbom_by)))
    return shown


def vulnerability_table(found: Scan) -> Table:
    """The vulnerabilities that fail the scan, for a terminal."""
    shown = Table()
    for heading in ("service", "vulnerability", "severity", "package", "version", "fixed in"):
        shown.add_column(heading, overflow="fold")
    for image in found.images:
        for each in image.vulnerabilities or []:
            if is_over(each.severity, found.fail_on):
                cells = (image.service, each.id, each.severity, each.package, each.version, each.fixed or "(not yet)")
                shown.add_row(*map(escape, cells))
    return shown
