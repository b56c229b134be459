"""The generated Dockerfiles are up to date, and share the layers that take long to build."""

import re
import subprocess
from pathlib import PurePosixPath

import pytest

from generators import dockerfiles
from gix_model.catalog import CATALOG, ServiceSpec
from gix_model.settings import HealthCheckSettings, ImageSettings
from tests.unit.declared import PROGRAM

FILES = dockerfiles.files()
DIRECTORY = PROGRAM / dockerfiles.DIRECTORY
EVERY_DOCKERFILE = sorted(name for name in FILES if not name.endswith(".dockerignore"))


def before_the_services_are_compiled(dockerfile: str) -> str:
    """The instructions up to the crates that the services share, as BuildKit compares them: without comments."""
    lines = [line for line in FILES[dockerfile].splitlines() if not line.startswith("#")]
    text = "\n".join(lines)
    end = text.index("FROM shared AS build-")
    assert "cargo chef cook" in text[:end]
    assert "COPY --from=sources /prepared/layout/shared ." in text[:end]
    return text[:end]


def test_the_files_in_infra_docker_are_up_to_date() -> None:
    written = {file.name: file.read_text() for file in DIRECTORY.iterdir()}
    assert written == FILES, "run: make generate"


def test_there_is_a_dockerfile_for_each_service_and_one_for_all() -> None:
    assert set(EVERY_DOCKERFILE) == {"Dockerfile.rust-builder", *(spec.dockerfile for spec in CATALOG.values())}


def test_all_dockerfiles_share_the_layers_of_the_dependencies_and_of_shared_crates() -> None:
    assert len({before_the_services_are_compiled(name) for name in EVERY_DOCKERFILE}) == 1


@pytest.mark.parametrize("name", EVERY_DOCKERFILE)
def test_nothing_is_copied_from_the_root_of_a_stage(name: str) -> None:
    copies = re.findall(r"^COPY --from=\S+ (.+) \S+$", FILES[name], flags=re.MULTILINE)
    parents = {str(PurePosixPath(source).parent) for sources in copies for source in sources.split()}
    assert parents, "each service copies its binary"
    assert "/" not in parents, "BuildKit would read the whole file system of the stage in each build"


@pytest.mark.parametrize("spec", CATALOG.values(), ids=lambda spec: spec.name)
def test_a_service_alone_is_the_same_image_as_its_target_in_the_dockerfile_of_all(spec: ServiceSpec) -> None:
    alone = FILES[spec.dockerfile]
    compiled = alone[alone.index(f"FROM shared AS build-{spec.target}\n") : alone.index("FROM ${RUNTIME_BASE}")]
    stage = alone[alone.index(f"FROM runtime AS {spec.target}\n") :]
    for part in (compiled, stage):
        assert part.rstrip("\n") in FILES["Dockerfile.rust-builder"]
    assert (alone.count("FROM shared AS "), alone.count("FROM runtime AS ")) == (1, 1)


@pytest.mark.parametrize("name", EVERY_DOCKERFILE)
def test_the_dockerfiles_print_the_program_that_divides_the_sources(name: str) -> None:
    [instruction] = re.findall(r"^RUN (printf .*?) > /workspace_layout\.py$", FILES[name], re.MULTILINE | re.DOTALL)
    printed = subprocess.run(["/bin/sh", "-c", instruction], capture_output=True, text=True, check=True).stdout
    assert printed == (PROGRAM / "generators/workspace_layout.py").read_text()


@pytest.mark.parametrize("name", EVERY_DOCKERFILE)
def test_the_binaries_carry_the_list_of_their_crates(name: str) -> None:
    assert "cargo auditable build" in FILES[name]
    assert "cargo build" not in FILES[name]


@pytest.mark.parametrize("name", EVERY_DOCKERFILE)
def test_the_default_images_are_those_of_the_configuration(name: str) -> None:
    stated = dict(re.findall(r"^ARG ([A-Z_]+)=(.*)$", FILES[name].partition("\nFROM ")[0], re.MULTILINE))
    images = ImageSettings()
    assert stated == {
        "BUILDER_BASE": images.builder_base,
        "RUNTIME_BASE": images.runtime_base,
        "PROBE": HealthCheckSettings().probe,
        "GRPC_PROBE_IMAGE": images.grpc_probe_image,
    }


def stages(dockerfile: str, probe: str) -> set[str]:
    """The stages and images that the last stage is made of, as BuildKit follows them with this build argument."""
    bases: dict[str, set[str]] = {}
    name = ""
    for line in FILES[dockerfile].splitlines():
        if line.startswith("FROM "):
            _, base, _, name = line.replace("${PROBE}", probe).split()
            bases[name] = {base}
        bases.get(name, set()).update(re.findall(r"^COPY --from=(\S+)", line))
    found, wanted = set(), {name}
    while wanted:
        found |= wanted
        wanted = {base for stage in wanted for base in bases.get(stage, set())} - found
    return found


@pytest.mark.parametrize("name", EVERY_DOCKERFILE)
def test_only_the_grpc_probe_takes_a_program_from_its_image(name: str) -> None:
    tcp, grpc = stages(name, "tcp"), stages(name, "grpc")
    assert "${GRPC_PROBE_IMAGE}" not in tcp
    assert grpc - tcp == {"runtime-grpc", "grpc-probe", "${GRPC_PROBE_IMAGE}"}
    assert tcp <= grpc


def test_the_offline_image_of_the_probe_has_the_version_of_the_official_one() -> None:
    version = ImageSettings().grpc_probe_image.rpartition(":")[2]
    assert f"grpc-ecosystem/grpc-health-probe {version} " in (PROGRAM / "offline/bases/go.mod").read_text()
