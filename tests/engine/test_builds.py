"""Builds: what is cached, what is compiled again, and the message of a build that fails."""

import os
import re
import secrets
import shutil
from collections.abc import Callable, Mapping
from pathlib import Path

import docker
import pytest

from gix_components.build_failure import LINES, ImageBuild, explain
from gix_model import parsing
from gix_model.catalog import CATALOG
from tests.support.stack_under_test import SERVICES, StackUnderTest
from tests.support.workspaces import BuildError, SmallWorkspace, serving_workspace, small_workspace

LONG_AGO = 978_307_200
COMPILED = re.compile(r"compiled as ([0-9a-f-]{36})")


@pytest.fixture
def marked(fresh: StackUnderTest) -> StackUnderTest:
    """A stack of small services that print a mark. Each compilation of their shared crate makes a new random mark."""
    starts = 'eprintln!("compiled as {}", env!("GIX_MARK"));'
    workspace = serving_workspace(fresh.client, fresh.directory / "workspace", starts=starts)
    workspace.write(
        "crates/common/build.rs",
        f"""\
        fn main() {{
            let mark = std::fs::read_to_string("/proc/sys/kernel/random/uuid").unwrap();
            println!("cargo:rustc-env=GIX_MARK={{}}", mark.trim());
            // {secrets.token_hex(8)}: no other run's cache has this.
        }}
        """,
    )
    fresh.change(source="workspace")
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

    marked.change(images={"buildArgs": {"UNUSED": f"v{secrets.token_hex(4)}"}})
    assert marked.up().changes.get("update") == len(SERVICES), "the images are not built again"

    assert marks(marked) == compiled
    assert marked.ids() == ids, "other images were built, and the containers recreated"


def test_given_a_cache_that_does_not_answer_the_images_are_built(fresh: StackUnderTest) -> None:
    fresh.change(services=["router"], images={"cacheFrom": ["127.0.0.1:1/gix-network/rust-builder"]})
    fresh.up()
    assert fresh.up().is_empty
    assert fresh.container("router")["State"]["Health"]["Status"] == "healthy"


@pytest.fixture
def workspace(client: docker.DockerClient, tmp_path: Path) -> SmallWorkspace:
    return small_workspace(client, tmp_path / "workspace")


def new_text() -> str:
    """A text that no other run has compiled."""
    return secrets.token_hex(8)


def says(text: str) -> str:
    """Code of a crate with this text."""
    return f'pub fn text() -> String {{ "{text}".into() }}\n'


def compiled(workspace: SmallWorkspace) -> Mapping[str, str]:
    """The mark of each service's program. Each compilation of a program makes a new random mark."""
    for spec in CATALOG.values():
        workspace.write(
            f"crates/{spec.binary}/build.rs",
            """\
            fn main() {
                let mark = std::fs::read_to_string("/proc/sys/kernel/random/uuid").unwrap();
                println!("cargo:rustc-env=MARK={}", mark.trim());
            }
            """,
        )
    return {spec.name: workspace.run(spec.name).rpartition(" ")[2] for spec in CATALOG.values()}


def test_only_the_services_whose_crates_changed_are_compiled_again(workspace: SmallWorkspace) -> None:
    program = 'fn main() {{ println!("{{}} {text} {{}}", common::text(), env!("MARK")); }}\n'
    for spec in CATALOG.values():
        workspace.write(f"crates/{spec.binary}/src/main.rs", program.format(text=new_text()))
    before = compiled(workspace)

    workspace.write("crates/ajr-router/src/main.rs", program.format(text=new_text()))
    workspace.write("crates/ajr-router/README.md", new_text())
    after_edit = compiled(workspace)
    assert changed(before, after_edit) == {"router"}

    workspace.write("crates/common/src/lib.rs", says(new_text()))
    assert changed(after_edit, compiled(workspace)) == {"router", "auction", "enclave"}


def changed(before: Mapping[str, str], after: Mapping[str, str]) -> set[str]:
    return {service for service, mark in after.items() if before[service] != mark}


@pytest.mark.parametrize("path", ["crates/common/src/lib.rs", "crates/ajr-router/src/text.rs"])
def test_a_changed_file_that_is_older_than_the_last_build_is_compiled(workspace: SmallWorkspace, path: str) -> None:
    workspace.write("crates/ajr-router/src/text.rs", says("first"))
    workspace.write(
        "crates/ajr-router/src/main.rs",
        'mod text;\nfn main() { println!("{} {}", common::text(), text::text()); }\n',
    )
    workspace.run("router")
    text = new_text()
    workspace.write(path, says(text))
    os.utime(workspace.directory / path, (LONG_AGO, LONG_AGO))
    assert text in workspace.run("router").split()


def test_a_feature_that_only_another_service_switches_on_is_on_for_all(workspace: SmallWorkspace) -> None:
    features = "[features]\nloud = []\n"
    workspace.crate(
        "common", 'pub fn text() -> String { if cfg!(feature = "loud") { "loud" } else { "quiet" }.into() }\n'
    )
    manifest = workspace.directory / "crates/common/Cargo.toml"
    manifest.write_text(manifest.read_text() + features)
    program = (workspace.directory / "crates/gcam-node/src/main.rs").read_text()
    assert workspace.run("router") == "quiet router"

    workspace.crate("gcam-node", program, 'common["loud"]', main=True)
    assert workspace.run("router") == "loud router"

    workspace.crate("gcam-node", program, "common", main=True)
    assert workspace.run("router") == "quiet router"


def test_a_new_crate_is_compiled_and_a_renamed_one_too(workspace: SmallWorkspace) -> None:
    first, second = new_text(), new_text()
    workspace.crate("prices", says(first))
    workspace.crate("ajr-router", 'fn main() { println!("{}", prices::text()); }\n', "prices", main=True)
    assert workspace.run("router") == first

    (workspace.directory / "crates/prices").rename(workspace.directory / "crates/offers")
    workspace.crate("offers", says(second))
    workspace.crate("ajr-router", 'fn main() { println!("{}", offers::text()); }\n', "offers", main=True)
    assert workspace.run("router") == second


@pytest.mark.parametrize("crate", ["common", "ajr-router"])
def test_a_change_beside_the_crates_is_compiled(workspace: SmallWorkspace, crate: str) -> None:
    workspace.write("proto/text.proto", "first")
    workspace.write(
        "proto/build.rs",
        """\
        fn main() {
            println!("cargo:rerun-if-changed=../../proto/text.proto");
            println!("cargo:rustc-env=TEXT={}", std::fs::read_to_string("../../proto/text.proto").unwrap());
        }
        """,
    )
    shows = {
        "common": 'pub fn text() -> String { env!("TEXT").into() }\n',
        "ajr-router": 'fn main() { println!("{} {}", common::text(), env!("TEXT")); }\n',
    }
    workspace.crate(crate, shows[crate], *({"common"} - {crate}), main=crate != "common")
    manifest = workspace.directory / f"crates/{crate}/Cargo.toml"
    manifest.write_text(
        manifest.read_text().replace("[dependencies]", 'build = "../../proto/build.rs"\n[dependencies]')
    )
    assert "first" in workspace.run("router").split()

    text = new_text()
    workspace.write("proto/text.proto", text)
    os.utime(workspace.directory / "proto/text.proto", (LONG_AGO, LONG_AGO))
    assert text in workspace.run("router").split()


def test_a_file_of_another_service_s_crate_can_be_included(workspace: SmallWorkspace) -> None:
    path = "crates/gsee-runtime/limits/limit.txt"
    code = 'fn main() { println!("{}", include_str!("../../gsee-runtime/limits/limit.txt")); }\n'
    workspace.write("crates/ajr-router/src/main.rs", code)
    for text in (new_text(), new_text()):
        workspace.write(path, text)
        assert workspace.run("router") == text


def test_given_a_source_without_one_service_the_others_are_built(workspace: SmallWorkspace) -> None:
    shutil.rmtree(workspace.directory / "crates/gsee-runtime")
    assert workspace.run("router") == "common router"
    assert workspace.run("auction") == "common auction"
    with pytest.raises(BuildError, match="no bin target named `gsee-runtime`"):
        workspace.run("enclave")


def test_the_binaries_are_built_with_the_profile_of_the_configuration(workspace: SmallWorkspace) -> None:
    text = 'pub fn text() -> String { if cfg!(debug_assertions) { "checked" } else { "unchecked" }.into() }\n'
    workspace.crate("common", text)
    manifest = workspace.directory / "Cargo.toml"
    manifest.write_text(manifest.read_text() + '[profile.quick]\ninherits = "release"\ndebug-assertions = true\n')
    said = {profile: workspace.run("router", PROFILE=profile) for profile in ("release", "dev", "quick")}
    assert said == {"release": "unchecked router", "dev": "checked router", "quick": "checked router"}


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
