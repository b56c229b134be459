"""The vulnerability scanners that `gixctl scan` runs if they are on PATH: trivy, or else grype."""

import json
import os
import re
import shutil
import subprocess
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from gix_model.settings import EngineSettings
from gix_ops.errors import StackError

SEVERITIES = ("unknown", "negligible", "low", "medium", "high", "critical")
"""The severities of both scanners, the lowest first."""

_LAST_WORDS = 500


@dataclass(frozen=True, kw_only=True)
class Vulnerability:
    """A known vulnerability of a package in an image. `fixed` are the versions without it; empty if there is none."""

    id: str
    severity: str
    package: str
    version: str
    fixed: str = ""


@dataclass(frozen=True, kw_only=True)
class Scanner:
    """A scanner. `words` are its arguments for a report of an image in JSON, which `read` parses.

    `sbom_words` is the whole command that writes an SBOM to a file, or empty if there is none.
    """

    name: str
    words: Callable[[str], list[str]]
    read: Callable[[Any], list[Vulnerability]]
    sbom_words: Callable[[str, Path], list[str]]

    def scan(self, image: str, environment: Mapping[str, str]) -> list[Vulnerability]:
        """The vulnerabilities of an image, by its name or id on the engine that `environment` names.

        Raises StackError if the scanner fails, or its report cannot be parsed.
        """
        answer = _run([self.name, *self.words(image)], environment)
        try:
            return sorted(
                self.read(json.loads(answer)),
                key=lambda each: (-SEVERITIES.index(each.severity), each.id, each.package),
            )
        except (ValueError, KeyError, TypeError) as error:
            raise StackError(f"the report of {self.name} on {image} cannot be parsed: {error!r}") from error

    def write_sbom(self, image: str, file: Path, environment: Mapping[str, str]) -> str | None:
        """Write an image's SBOM, and return the name of the tool that wrote it, or None if there is no such tool.

        Raises StackError if the tool fails.
        """
        words = self.sbom_words(image, file)
        if not words:
            return None
        _run(words, environment)
        return words[0]


def on_path() -> Scanner | None:
    """The first scanner that is on PATH."""
    return next((each for each in (TRIVY, GRYPE) if shutil.which(each.name)), None)


def reaching(engine: EngineSettings, directory: Path) -> dict[str, str]:
    """The environment in which a scanner reaches the engine. Relative paths start at `directory`.

    Raises StackError for an engine at ssh://, which the scanners cannot reach.
    """
    # A scan does not check for newer versions of the scanner.
    environment = dict(os.environ) | {"GRYPE_CHECK_FOR_APP_UPDATE": "false", "SYFT_CHECK_FOR_APP_UPDATE": "false"}
    if engine.host is None:
        return environment
    if engine.host.startswith("ssh://"):
        raise StackError(f"no scanner reaches an engine at {engine.host}; run gixctl scan on that machine")
    environment["DOCKER_HOST"] = engine.host
    if engine.cert_path is not None:
        environment |= {
            "DOCKER_TLS_VERIFY": "1",
            "DOCKER_CERT_PATH": str(directory / Path(engine.cert_path).expanduser()),
        }
    return environment


def _run(words: list[str], environment: Mapping[str, str]) -> str:
    try:
        done = subprocess.run(words, env=dict(environment), capture_output=True, text=True, check=False)
    except OSError as error:
        raise StackError(f"{words[0]} cannot be run: {error}") from error
    if done.returncode:
        said = " ".join(re.sub(r"\x1b\[[0-9;]*m", "", done.stderr.strip() or done.stdout).split())
        raise StackError(
            f"{words[0]} failed (exit code {done.returncode}): {said[-_LAST_WORDS:] or 'it printed nothing'}"
        )
    return done.stdout


def _severity(word: str | None) -> str:
    severity = (word or "unknown").lower()
    return severity if severity in SEVERITIES else "unknown"


def _read_trivy(report: Any) -> list[Vulnerability]:
    return [
        Vulnerability(
            id=each["VulnerabilityID"],
            severity=_severity(each.get("Severity")),
            package=each["PkgName"],
            version=each.get("InstalledVersion") or "",
            fixed=each.get("FixedVersion") or "",
        )
        for result in report.get("Results") or []
        for each in result.get("Vulnerabilities") or []
    ]


def _read_grype(report: Any) -> list[Vulnerability]:
    return [
        Vulnerability(
            id=each["vulnerability"]["id"],
            severity=_severity(each["vulnerability"].get("severity")),
            package=each["artifact"]["name"],
            version=each["artifact"]["version"],
            fixed=", ".join((each["vulnerability"].get("fix") or {}).get("versions") or []),
        )
        for each in report["matches"]
    ]


def _syft_words(image: str, file: Path) -> list[str]:
    if shutil.which("syft") is None:
        return []
    return ["syft", "--output", f"cyclonedx-json={file}", f"docker:{image}"]


_OF_ENGINE = ["image", "--no-progress", "--image-src", "docker"]

TRIVY = Scanner(
    name="trivy",
    words=lambda image: [*_OF_ENGINE, "--scanners", "vuln", "--format", "json", image],
    read=_read_trivy,
    sbom_words=lambda image, file: ["trivy", *_OF_ENGINE, "--format", "cyclonedx", "--output", str(file), image],
)
GRYPE = Scanner(
    name="grype",
    words=lambda image: ["--output", "json", f"docker:{image}"],
    read=_read_grype,
    sbom_words=_syft_words,
)
