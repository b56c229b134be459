"""What a build does again, and what it takes from the cache, under whichever docker plugin there is."""

import re
import secrets

import pytest

from tests.engine.stack_under_test import SERVICES, StackUnderTest

COMPILED = re.compile(r"compiled as ([0-9a-f-]{36})")


@pytest.fixture
def marked(fresh: StackUnderTest) -> StackUnderTest:
    """A stack whose services print a random mark that their shared crate gets anew each time it is compiled."""
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
    """The mark that each running service printed."""
    found = {}
    for service in SERVICES:
        log = stack.client.containers.get(stack.container(service)["Id"]).logs().decode()
        found[service] = COMPILED.findall(log)[0]
    return found


def test_given_three_images_of_one_dockerfile_the_workspace_is_compiled_once(marked: StackUnderTest) -> None:
    marked.up()
    assert len(set(marks(marked).values())) == 1


@pytest.mark.parametrize("way", ["multi-stage", "individual"])
def test_given_a_build_without_a_changed_source_nothing_is_compiled_again(marked: StackUnderTest, way: str) -> None:
    marked.change(images={"way": way})
    marked.up()
    ids, compiled = marked.ids(), marks(marked)

    marked.change(images={"buildArgs": {"UNUSED": secrets.token_hex(4)}})
    assert marked.up().changes.get("update") == len(SERVICES), "the images are not built again"

    assert marks(marked) == compiled
    assert marked.ids() == ids, "other images were built, and the containers recreated"
