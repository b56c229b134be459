"""`gixctl scan` on real images: without a scanner, and with commands that imitate the scanners."""

import json
import os
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import docker
import pytest

from tests.support.gixctl import gixctl
from tests.support.stack_under_test import SERVICES, StackUnderTest, temporary_stack

SCANNERS = ("trivy", "grype", "syft")

TRIVY = """#!/bin/sh
echo "$@" >>{directory}/calls
case "$*" in
    *cyclonedx*)
        while [ "$1" != --output ]; do shift; done
        echo '{{"bomFormat": "CycloneDX"}}' >"$2" ;;
    *) cat {directory}/report ;;
esac
"""
GRYPE = """#!/bin/sh
echo "$@" >>{directory}/calls
cat {directory}/report
"""


@pytest.fixture(scope="module")
def stack(client: docker.DockerClient, tmp_path_factory: pytest.TempPathFactory) -> Iterator[StackUnderTest]:
    """A stack that is up, with `images.failOn: high`."""
    with temporary_stack(client, tmp_path_factory.mktemp("scan") / "gix") as stack:
        stack.change(images={"failOn": "high"})
        stack.up()
        yield stack


@pytest.fixture(autouse=True)
def scanners(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The first directory on a PATH without scanners."""
    directory = tmp_path / "bin"
    directory.mkdir()
    others = [each for each in os.get_exec_path() if not any((Path(each) / name).exists() for name in SCANNERS)]
    monkeypatch.setenv("PATH", os.pathsep.join([str(directory), *others]))
    return directory


def put(directory: Path, name: str, script: str, report: object) -> None:
    file = directory / name
    file.write_text(script.format(directory=directory))
    file.chmod(0o755)
    (directory / "report").write_text(json.dumps(report))


def trivy_report(severity: str) -> dict[str, Any]:
    found = {"VulnerabilityID": "CVE-2024-0001", "PkgName": "libssl3", "InstalledVersion": "3.0", "Severity": severity}
    return {"SchemaVersion": 2, "Results": [{"Target": "debian", "Vulnerabilities": [found]}]}


def grype_report(severity: str) -> dict[str, Any]:
    vulnerability = {"id": "CVE-2024-0001", "severity": severity, "fix": {"versions": ["3.1"], "state": "fixed"}}
    return {"matches": [{"vulnerability": vulnerability, "artifact": {"name": "libssl3", "version": "3.0"}}]}


def sboms(directory: Path) -> dict[str, dict[str, Any]]:
    return {file.name: json.loads(file.read_text()) for file in sorted(directory.iterdir())}


def test_given_no_scanner_scan_reports_that_it_did_not_scan_and_writes_its_own_sboms(
    stack: StackUnderTest, tmp_path: Path
) -> None:
    before = stack.leavings()
    done = gixctl(stack, "scan", "--sbom", str(tmp_path / "new/sbom"))
    assert done.returncode == 0
    assert "NOT SCANNED" in done.stdout
    assert "Neither trivy nor grype is on PATH" in done.stdout
    assert stack.leavings() == before

    written = sboms(tmp_path / "new/sbom")
    assert set(written) == {f"{stack.name}-{service}.cdx.json" for service in SERVICES}
    document = written[f"{stack.name}-auction.cdx.json"]
    made = stack.container("auction")["Image"]
    assert document["metadata"]["component"]["version"] == made
    by_type: dict[str, list[dict[str, Any]]] = {}
    for each in document["components"]:
        by_type.setdefault(each["type"], []).append(each)
    assert [each["name"] for each in by_type["operating-system"]] == ["debian"]
    [program] = by_type["application"]
    debian = [each for each in by_type["library"] if each.get("purl", "").startswith("pkg:deb/")]
    packages = {each["name"]: each["version"] for each in debian}
    shown = stack.client.containers.get(stack.container("auction")["Id"]).exec_run(
        ["sh", "-c", "dpkg-query --show --showformat '${Package} ${Version}\n'; sha256sum /usr/local/bin/gcam-node"]
    )
    assert isinstance(shown.output, bytes)
    *lines, digest = shown.output.decode().splitlines()
    assert packages == dict(line.split(" ", 1) for line in lines)
    assert program["hashes"][0]["content"] == digest.split()[0]

    crates = {(each["name"], each["version"]) for each in by_type["library"] if each not in debian}
    lock_file = tomllib.loads((stack.directory / "sample/Cargo.lock").read_text())["package"]
    [service] = [each for each in lock_file if each["name"] == "gcam-node"]
    assert crates <= {(each["name"], each["version"]) for each in lock_file}
    assert {"gcam-node", *service["dependencies"]} <= {name for name, _ in crates}


def test_given_no_scanner_require_fails(stack: StackUnderTest) -> None:
    done = gixctl(stack, "scan", "--require", "--json")
    assert done.returncode == 1
    found = json.loads(done.stdout)
    assert found["scanner"] is None
    assert [each["vulnerabilities"] for each in found["images"]] == [None] * len(SERVICES)
    assert {each["sbom_by"].split()[0] for each in found["images"]} == {"gixctl"}
    assert set(sboms(stack.directory / "sbom")) == {f"{stack.name}-{service}.cdx.json" for service in SERVICES}


def test_given_trivy_a_severity_over_the_configured_limit_fails(
    stack: StackUnderTest, scanners: Path, tmp_path: Path
) -> None:
    put(scanners, "trivy", TRIVY, trivy_report("HIGH"))
    done = gixctl(stack, "scan", "--sbom", str(tmp_path / "sbom"))
    assert done.returncode == 1
    assert "scanned by trivy: 3 known vulnerabilities, 3 of severity high or higher" in done.stdout
    assert "CVE-2024-0001" in done.stdout
    assert set(sboms(tmp_path / "sbom")[f"{stack.name}-router.cdx.json"]) == {"bomFormat"}
    calls = (scanners / "calls").read_text().splitlines()
    assert (
        f"image --no-progress --image-src docker --scanners vuln --format json {stack.prefix}-gix-router:latest"
        in calls
    )


def test_the_severity_option_overrides_the_configuration(stack: StackUnderTest, scanners: Path) -> None:
    put(scanners, "trivy", TRIVY, trivy_report("HIGH"))
    assert gixctl(stack, "scan", "--severity", "critical").returncode == 0
    put(scanners, "trivy", TRIVY, trivy_report("LOW"))
    assert gixctl(stack, "scan", "--severity", "low").returncode == 1
    assert gixctl(stack, "scan", "--severity", "awful").returncode == 2


def test_given_grype_alone_it_scans_the_running_image_also_when_its_name_has_moved(
    stack: StackUnderTest, scanners: Path, tmp_path: Path, image: str
) -> None:
    put(scanners, "grype", GRYPE, grype_report("Medium"))
    made = stack.client.images.get(stack.container("router")["Image"])
    stack.client.images.get(image).tag(f"{stack.prefix}-gix-router", "latest")
    try:
        done = gixctl(stack, "scan", "--json", "--sbom", str(tmp_path / "sbom"))
    finally:
        made.tag(f"{stack.prefix}-gix-router", "latest")
    assert done.returncode == 0
    found = json.loads(done.stdout)
    assert (found["scanner"], found["fail_on"], found["over"]) == ("grype", "high", 0)
    [one] = found["images"][0]["vulnerabilities"]
    assert one == {
        "id": "CVE-2024-0001",
        "severity": "medium",
        "package": "libssl3",
        "version": "3.0",
        "fixed": "3.1",
    }
    assert {each["sbom_by"].split()[0] for each in found["images"]} == {"gixctl"}
    calls = (scanners / "calls").read_text().splitlines()
    assert set(calls) == {
        f"--output json docker:{made.id}",
        f"--output json docker:{stack.prefix}-gix-auction:latest",
        f"--output json docker:{stack.prefix}-gix-enclave:latest",
    }


def test_given_a_scanner_that_fails_its_message_is_shown_and_the_sboms_are_written(
    stack: StackUnderTest, scanners: Path, tmp_path: Path
) -> None:
    put(scanners, "grype", "#!/bin/sh\necho 'database does not exist' >&2; exit 1\n", {})
    done = gixctl(stack, "scan", "--sbom", str(tmp_path / "sbom"))
    assert done.returncode == 1
    assert "grype failed (exit code 1): database does not exist" in done.stderr
    assert len(sboms(tmp_path / "sbom")) == len(SERVICES)


def test_given_a_directory_that_is_not_writable_scan_fails_and_names_it(stack: StackUnderTest, tmp_path: Path) -> None:
    (tmp_path / "sbom").write_text("in the way")
    done = gixctl(stack, "scan", "--sbom", str(tmp_path / "sbom"))
    assert done.returncode == 1
    assert "cannot be written" in done.stderr


def test_given_a_stack_that_is_not_up_the_exit_code_is_1(fresh: StackUnderTest) -> None:
    done = gixctl(fresh, "scan")
    assert done.returncode == 1
    assert "is not up" in done.stderr
