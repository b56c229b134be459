"""Builds: what is cached, and the message of a build that fails."""

import re
import secrets
from collections.abc import Callable
from pathlib import Path

import pytest

from gix_components.build_failure import LINES, ImageBuild, explain
from gix_model import parsing
from tests.support.stack_under_test import SERVICES, StackUnderTest

COMPILED = re.compile(r"compiled as ([0-9a-f-]{36})")


@pytest.fixture
def marked(fresh: StackUnderTest) -> StackUnderTest:
    """A stack whose services print a mark. Each compilation of their shared crate makes a new random mark."""
    crate = fresh.directory / "sample/crates/gix-common"
    (crate / "build.rs").write_text(
        "fn main() {\n"
        '    let mark = std::fs::read_to_string("/proc/sys/kernel/random/uuid").unwrap();\n'
        '    println!("cargo:rustc-env=GIX_MARK={}", mark.trim());\n'
        f"    // {secrets.token_hex(8)}: no other run's cache has this.\n"
        "}\n"
    )
    log = crate / "src/log.rs"
    source = log.read_text()
    start = re.search(r"pub fn init\([^)]*\) \{\n", source)
    assert start, "the sample's log has no init"
    mark = 'eprintln!("compiled as {}", env!("GIX_MARK"));\n'
    log.write_text(source[: start.end()] + mark + source[start.end() :])
    return fresh


def marks(stack: StackUnderTest) -> dict[str, str]:
    """The mark of each running service."""
    found = {}
    for service in SERVICES:
        log = stack.client.containers.get(stack.container(service)["Id"]).logs().decode()
        found[service] = COMPILED.findall(log)[0]
    return found


def test_given_three_images_of_one_dockerfile_the_workspace_is_compiled_once(marked: StackUnderTest) -> None:
    marked.up()
    assert len(set(marks(marked).values())) == 1


@pytest.mark.parametrize("way", ["multi-stage", "individual"])
def test_given_an_unchanged_source_nothing_is_compiled_again(marked: StackUnderTest, way: str) -> None:
    marked.change(images={"way": way})
    marked.up()
    ids, compiled = marked.ids(), marks(marked)

    marked.change(images={"buildArgs": {"UNUSED": secrets.token_hex(4)}})
    assert marked.up().changes.get("update") == len(SERVICES), "the images are not built again"

    assert marks(marked) == compiled
    assert marked.ids() == ids, "other images were built, and the containers recreated"


Failing = Callable[..., str]


@pytest.fixture
def failing(tmp_path: Path, image: str) -> Failing:
    """Explain a failed build of one RUN command, between stages that succeed."""
    source = tmp_path / "source"
    source.mkdir()
    (source / "Cargo.toml").write_text("[workspace]\n")
    # The engine must not read the archive as a Dockerfile.
    (source / f".{'n' * 200}").write_text("x")
    environment = parsing.parse({"gix:source": "source"}, project="gix", stack="test", directory=tmp_path)

    def explained(command: str, base: str = image) -> str:
        (tmp_path / "Dockerfile").write_text(
            f"ARG BASE\nFROM ${{BASE}} AS broken\nCOPY . /source\n# {secrets.token_hex(8)}\nRUN {command}\n"
            "FROM broken AS last\nRUN true\n"
        )
        (tmp_path / "Dockerfile.dockerignore").write_text("# Nothing.\n")
        build = ImageBuild(
            context=Path("source"),
            dockerfile=Path("Dockerfile"),
            target="last",
            platform="linux/amd64",
            args={"BASE": base},
        )
        return explain(environment, build)

    return explained


def test_given_a_step_that_fails_the_end_of_what_it_printed_is_shown(failing: Failing) -> None:
    shown = failing("{ seq 1000; echo $((6 * 7)) mismatched types; } >&2; exit 101").splitlines()
    assert shown[1:] == [*(f"    {number}" for number in range(1002 - LINES, 1001)), "    42 mismatched types"]


def test_given_a_step_that_fills_the_disk_the_reason_is_shown(failing: Failing) -> None:
    assert "No space left on device" in failing("dd if=/dev/zero of=/dev/full bs=1 count=1")


def test_given_a_step_that_prints_nothing_the_command_to_type_is_shown(failing: Failing) -> None:
    shown = failing("exit 3")
    assert "exit code: 3" in shown
    assert "docker build --progress=plain --file=Dockerfile --platform=linux/amd64 --target=last" in shown


def test_given_a_base_image_that_cannot_be_pulled_the_reason_is_shown(failing: Failing) -> None:
    assert "127.0.0.1:1/none" in failing("true", base="127.0.0.1:1/none:1")


def test_given_a_build_that_succeeds_on_repetition_the_message_suggests_another_up(failing: Failing) -> None:
    assert "Run pulumi up again" in failing("true")
