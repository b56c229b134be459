"""Reports of the scanners, as their documentation shows them, and the SBOM that is written without a scanner."""

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from gix_model.settings import EngineSettings
from gix_ops.errors import StackError
from gix_ops.security import image_contents, sbom, scan, scanners
from gix_ops.security.image_contents import Crate, ImageContents, Package, Program
from gix_ops.security.scanners import GRYPE, TRIVY, Vulnerability

TRIVY_REPORT: dict[str, Any] = {
    "SchemaVersion": 2,
    "ArtifactName": "gix-router:latest",
    "ArtifactType": "container_image",
    "Results": [
        {
            "Target": "gix-router:latest (debian 12.11)",
            "Class": "os-pkgs",
            "Type": "debian",
            "Vulnerabilities": [
                {
                    "VulnerabilityID": "CVE-2011-3374",
                    "PkgName": "apt",
                    "InstalledVersion": "2.6.1",
                    "Status": "affected",
                    "Severity": "LOW",
                },
                {
                    "VulnerabilityID": "CVE-2024-0001",
                    "PkgName": "libssl3",
                    "InstalledVersion": "3.0.9-1",
                    "FixedVersion": "3.0.11-1",
                    "Severity": "HIGH",
                },
            ],
        },
        {"Target": "usr/local/bin/ajr-router", "Class": "lang-pkgs", "Type": "rustbinary"},
    ],
}
GRYPE_REPORT: dict[str, Any] = {
    "matches": [
        {
            "vulnerability": {
                "id": "CVE-2024-0001",
                "severity": "High",
                "fix": {"versions": ["3.0.11-1"], "state": "fixed"},
            },
            "artifact": {"name": "libssl3", "version": "3.0.9-1", "type": "deb"},
        },
        {
            "vulnerability": {
                "id": "CVE-2011-3374",
                "severity": "Negligible",
                "fix": {"versions": [], "state": "wont-fix"},
            },
            "artifact": {"name": "apt", "version": "2.6.1", "type": "deb"},
        },
    ],
    "descriptor": {"name": "grype"},
}

STATUS = """Package: libssl3
Status: install ok installed
Priority: optional
Architecture: amd64
Multi-Arch: same
Source: openssl
Version: 3.0.9-1
Maintainer: Debian OpenSSL Team <pkg-openssl-devel@alioth-lists.debian.net>
Description: Secure Sockets Layer toolkit - shared libraries
 This package is part of the OpenSSL project's implementation
 of the SSL and TLS cryptographic protocols.

Package: bsdutils
Status: install ok installed
Architecture: amd64
Source: util-linux (2.38.1-5+deb12u3)
Version: 1:2.38.1-5+deb12u3

Package: gone
Status: deinstall ok config-files
Architecture: amd64
Version: 1.0
"""


def test_a_report_of_trivy_is_parsed() -> None:
    assert TRIVY.read(TRIVY_REPORT) == [
        Vulnerability(id="CVE-2011-3374", severity="low", package="apt", version="2.6.1"),
        Vulnerability(id="CVE-2024-0001", severity="high", package="libssl3", version="3.0.9-1", fixed="3.0.11-1"),
    ]
    assert TRIVY.read({"SchemaVersion": 2, "Results": None}) == []


def test_a_report_of_grype_is_parsed() -> None:
    assert GRYPE.read(GRYPE_REPORT) == [
        Vulnerability(id="CVE-2024-0001", severity="high", package="libssl3", version="3.0.9-1", fixed="3.0.11-1"),
        Vulnerability(id="CVE-2011-3374", severity="negligible", package="apt", version="2.6.1"),
    ]


def scanner(directory: Path, name: str, script: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """A command `name`, the only scanner on PATH."""
    file = directory / name
    file.write_text(f"#!/bin/sh\n{script}\n")
    file.chmod(0o755)
    monkeypatch.setenv("PATH", f"{directory}:/bin:/usr/bin")


def test_the_most_severe_vulnerabilities_come_first(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "report").write_text(json.dumps(TRIVY_REPORT))
    scanner(tmp_path, "trivy", f"cat {tmp_path}/report", monkeypatch)
    found = scanners.on_path()
    assert found is TRIVY
    environment = scanners.reaching(EngineSettings(), tmp_path)
    assert [each.severity for each in found.scan("gix-router:latest", environment)] == ["high", "low"]


@pytest.mark.parametrize(
    ("script", "message"),
    [
        ('printf "\\033[31mno database\\033[0m\\n" >&2; exit 1', "grype failed (exit code 1): no database"),
        ("exit 3", "grype failed (exit code 3): it printed nothing"),
        ("echo nonsense", "cannot be parsed"),
        ("echo '{}'", "cannot be parsed"),
    ],
)
def test_given_a_scanner_that_fails_its_message_is_shown(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, script: str, message: str
) -> None:
    scanner(tmp_path, "grype", script, monkeypatch)
    with pytest.raises(StackError) as caught:
        GRYPE.scan("gix-router:latest", scanners.reaching(EngineSettings(), tmp_path))
    assert message in str(caught.value)


def test_a_scanner_uses_the_engine_of_the_stack(tmp_path: Path) -> None:
    over_tls = EngineSettings.model_validate({"host": "tcp://192.0.2.1:2376", "certPath": "certificates"})
    environment = scanners.reaching(over_tls, tmp_path)
    assert environment["DOCKER_HOST"] == "tcp://192.0.2.1:2376"
    assert environment["DOCKER_TLS_VERIFY"] == "1"
    assert environment["DOCKER_CERT_PATH"] == str(tmp_path / "certificates")
    with pytest.raises(StackError, match="run gixctl scan on that machine"):
        scanners.reaching(EngineSettings.model_validate({"host": "ssh://gix@192.0.2.1"}), tmp_path)


@pytest.mark.parametrize(
    ("severity", "limit", "over"),
    [
        ("critical", "critical", True),
        ("high", "critical", False),
        ("high", "medium", True),
        ("negligible", "low", False),
        ("unknown", "low", False),
        ("critical", "never", False),
    ],
)
def test_a_severity_is_over_a_limit(severity: str, limit: str, over: bool) -> None:  # noqa: FBT001 - a column of the table
    assert scan.is_over(severity, limit) is over


def test_only_installed_packages_are_listed() -> None:
    assert image_contents.packages(STATUS) == (
        Package(
            name="bsdutils",
            version="1:2.38.1-5+deb12u3",
            architecture="amd64",
            source="util-linux@2.38.1-5+deb12u3",
        ),
        Package(
            name="libssl3",
            version="3.0.9-1",
            architecture="amd64",
            maintainer="Debian OpenSSL Team <pkg-openssl-devel@alioth-lists.debian.net>",
            source="openssl",
        ),
    )


def test_the_sbom_names_image_system_program_crates_packages_and_its_tool() -> None:
    image = "sha256:" + "a" * 64
    crates = (
        Crate(name="ajr-router", version="0.1.0", registry=False),
        Crate(name="libc", version="0.2.1", registry=True),
    )
    found = ImageContents(
        packages=image_contents.packages(STATUS),
        release={"ID": "debian", "VERSION_ID": "12", "PRETTY_NAME": "Debian GNU/Linux 12 (bookworm)"},
        program=Program(path="/usr/local/bin/ajr-router", sha256="b" * 64, crates=crates),
    )
    now = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
    document = json.loads(sbom.cyclonedx("gix-router:latest", image, found, now=now))
    assert (document["bomFormat"], document["specVersion"], document["version"]) == ("CycloneDX", "1.5", 1)
    assert document["metadata"]["timestamp"] == "2026-01-02T03:04:05+00:00"
    assert document["metadata"]["tools"]["components"][0]["name"] == "gixctl"
    assert document["metadata"]["component"]["hashes"] == [{"alg": "SHA-256", "content": "a" * 64}]
    components = {each["name"]: each for each in document["components"]}
    assert (components["debian"]["type"], components["debian"]["version"]) == ("operating-system", "12")
    # The form in which syft writes them for the same packages.
    version = "2.38.1-5%2Bdeb12u3"
    assert {name: each["purl"] for name, each in components.items() if "purl" in each} == {
        "bsdutils": f"pkg:deb/debian/bsdutils@1:{version}?arch=amd64&distro=debian-12&upstream=util-linux%40{version}",
        "libssl3": "pkg:deb/debian/libssl3@3.0.9-1?arch=amd64&distro=debian-12&upstream=openssl",
        "libc": "pkg:cargo/libc@0.2.1",
    }
    references = {each["bom-ref"] for each in document["components"]}
    assert len(references) == len(document["components"])
    dependencies = {each["ref"]: set(each.get("dependsOn", ())) for each in document["dependencies"]}
    assert dependencies[image] == references


def test_given_an_image_with_unknown_contents_the_sbom_has_no_components() -> None:
    image = "registry.test/gix/router@sha256:" + "a" * 64
    document = json.loads(sbom.cyclonedx("gix-router:latest", image, ImageContents(release={})))
    assert document.get("components", []) == []
    assert document["metadata"]["component"]["hashes"] == [{"alg": "SHA-256", "content": "a" * 64}]


@pytest.mark.parametrize("program", [b"", b"#!/bin/sh\n", b"\x7fELF", b"\x7fELF" + b"\0" * 100])
def test_given_a_program_that_states_no_crates_none_are_listed(program: bytes) -> None:
    assert image_contents.crates(program) is None
