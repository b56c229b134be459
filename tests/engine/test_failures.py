"""Updates that fail: the message is clear, and the next update completes the work."""

from pathlib import Path

from gix_model.catalog import CATALOG
from tests.support.failures import failure
from tests.support.jobs import settle
from tests.support.stack_under_test import StackUnderTest
from tests.support.workspaces import serving_workspace


def test_given_no_engine_the_fix_is_shown_and_nothing_is_created(fresh: StackUnderTest, tmp_path: Path) -> None:
    fresh.variables["DOCKER_HOST"] = f"unix://{tmp_path}/absent.sock"
    message = failure(fresh)
    assert "no engine answers" in message
    assert "make setup" in message
    del fresh.variables["DOCKER_HOST"]
    assert fresh.leavings() == {"containers": [], "networks": [], "volumes": []}
    fresh.up()


def test_given_a_workspace_that_does_not_compile_the_compiler_s_error_is_shown_once(fresh: StackUnderTest) -> None:
    source = fresh.directory / "sample/crates/gsee-runtime/src/main.rs"
    good = source.read_text()
    source.write_text(good + '\nfn broken() -> u32 { "no number" }\n')
    message = failure(fresh)
    assert message.count("mismatched types") == 1, "each of three images repeats the error"
    assert "gsee-runtime/src/main.rs" in message
    assert fresh.leavings()["containers"] == []

    source.write_text(good)
    fresh.up()
    settle(fresh, jobs=1)


def test_given_a_disk_that_becomes_full_in_the_build_the_reason_is_shown(fresh: StackUnderTest) -> None:
    workspace = serving_workspace(fresh.client, fresh.directory / "workspace")
    fresh.change(source="workspace")
    script = 'fn main() { std::fs::write("/dev/full", "x").expect("writing the build\'s output") }\n'
    workspace.write("crates/gsee-runtime/build.rs", script)
    assert "No space left on device" in failure(fresh)
    (workspace.directory / "crates/gsee-runtime/build.rs").unlink()
    fresh.up()


def test_given_services_that_exit_at_once_each_is_named_with_its_own_log(fresh: StackUnderTest) -> None:
    sources = {
        service: fresh.directory / f"sample/crates/{spec.binary}/src/main.rs" for service, spec in CATALOG.items()
    }
    good = {service: source.read_text() for service, source in sources.items()}
    for service, source in sources.items():
        ends = f'eprintln!("the {service} is out of order"); if true {{ return ExitCode::from(3); }}'
        source.write_text(good[service].replace("fn main() -> ExitCode {", f"fn main() -> ExitCode {{ {ends}"))
    message = failure(fresh)
    for service in CATALOG:
        assert f"{fresh.prefix}-gix-{service} is not healthy" in message
        assert f"the {service} is out of order" in message

    for service, source in sources.items():
        source.write_text(good[service])
    fresh.up()
    settle(fresh, jobs=1)
    assert fresh.up().is_empty


def test_given_a_wrong_configuration_every_problem_is_shown_and_nothing_is_created(fresh: StackUnderTest) -> None:
    fresh.change(router={"hostPort": 70000}, network={"subnet": "8.8.8.0/24"}, prefx="x")
    message = failure(fresh)
    assert "3 problems; nothing has been touched" in message
    for key in ("gix:router.hostPort", "gix:network.subnet", "gix:prefx"):
        assert key in message
    assert fresh.leavings() == {"containers": [], "networks": [], "volumes": []}
