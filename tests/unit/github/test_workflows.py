"""The workflow files: permissions, pinned actions, secrets, and steps that run anywhere."""

import re
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.unit.declared import PROGRAM

FILES = sorted((PROGRAM / ".github/workflows").glob("*.yml"))
SETUP = PROGRAM / ".github/actions/setup/action.yml"
TARGETS = set(re.findall(r"^([a-z-]+):.*## ", (PROGRAM / "Makefile").read_text(), re.MULTILINE))
TRIVIAL = {
    'mkdir comment && echo "$PULL_REQUEST" >comment/number',
    'cat plan.md >>"$GITHUB_STEP_SUMMARY"',
}
WITH_RIGHTS = {
    ("comment.yml", "comment"): {"actions": "read", "contents": "read", "pull-requests": "write"},
    ("deploy.yml", "release"): {"contents": "read", "packages": "write"},
    ("drift.yml", "drift"): {"contents": "read", "issues": "write"},
}
PINNED = re.compile(r"uses: (?:actions/[a-z-]+|aquasecurity/setup-trivy)@[0-9a-f]{40} # v\d+\.\d+\.\d+$")
OWN = re.compile(r"uses: \./\.github/actions/setup$")
STEP = re.compile(
    r"(?:\.github/engine\.sh (?:--stand-in )?(?P<stack>[a-z]+|\"\$STACK\") )?"
    r"make (?P<target>[a-z-]+)(?P<variables>(?: [A-Z]+=(?:\"[^\"]*\"|[^\s\"]+))*)"
)
SECRET = re.compile(r"\$\{\{\s*secrets\.(?!GITHUB_TOKEN\b)")

each_workflow = pytest.mark.parametrize("file", FILES, ids=lambda file: file.name)


def workflow(file: Path) -> dict[Any, Any]:
    read: dict[Any, Any] = yaml.safe_load(file.read_text())
    return read


def jobs(file: Path) -> dict[str, dict[str, Any]]:
    found: dict[str, dict[str, Any]] = workflow(file)["jobs"]
    return found


def steps(file: Path) -> list[dict[str, Any]]:
    return [step for job in jobs(file).values() for step in job["steps"]]


def scripts(file: Path) -> list[str]:
    return [step["run"] for step in steps(file) if "run" in step]


def test_there_are_eight_workflows() -> None:
    names = ["check", "comment", "deploy", "drift", "plan", "preview", "review", "rollback"]
    assert [file.stem for file in FILES] == names


@each_workflow
def test_every_step_is_an_existing_make_target(file: Path) -> None:
    assert scripts(file)
    for script in scripts(file):
        if script not in TRIVIAL:
            words = STEP.fullmatch(script)
            assert words, script
            assert words["target"] in TARGETS
            assert words["stack"] is None or f"={words['stack']}" in words["variables"], script


@each_workflow
def test_no_script_contains_values_of_the_event(file: Path) -> None:
    assert not [script for script in scripts(file) if "${{" in script]


def used_actions(file: Path) -> list[str]:
    return [line for line in file.read_text().splitlines() if re.search(r"^\s*(?:- )?uses:", line)]


@each_workflow
def test_every_action_is_this_repository_s_own_or_pinned_by_its_commit(file: Path) -> None:
    used = used_actions(file)
    for line in used:
        assert PINNED.search(line) or OWN.search(line), line
    assert len(used) == sum("uses" in step for step in steps(file))


def test_the_set_up_action_uses_pinned_actions_and_runs_no_script() -> None:
    steps = workflow(SETUP)["runs"]["steps"]
    used = used_actions(SETUP)
    assert all(PINNED.search(line) for line in used)
    assert len(used) == len(steps)
    assert not [step for step in steps if "run" in step]


@each_workflow
def test_python_and_its_caches_come_from_the_set_up_action(file: Path) -> None:
    assert not [line for line in used_actions(file) if "actions/setup-python" in line or "actions/cache" in line]
    inputs = workflow(SETUP)["inputs"]
    for step in steps(file):
        if OWN.search(f"uses: {step.get('uses')}"):
            assert set(step.get("with", {})) <= set(inputs)


def test_the_job_that_can_write_the_comment_restores_no_cache() -> None:
    [setup] = [step for step in steps(PROGRAM / ".github/workflows/comment.yml") if "setup" in step.get("uses", "")]
    assert setup["with"] == {"python-cache": ""}
    assert workflow(SETUP)["inputs"]["tools-cache"]["default"] == ""


@each_workflow
def test_a_job_has_only_the_permissions_that_it_needs(file: Path) -> None:
    assert workflow(file)["permissions"] == {}
    for name, job in jobs(file).items():
        assert job["permissions"] == WITH_RIGHTS.get((file.name, name), {"contents": "read"})


@each_workflow
def test_every_workflow_has_a_concurrency_group_and_every_job_a_timeout(file: Path) -> None:
    concurrency = workflow(file)["concurrency"]
    assert concurrency["group"]
    assert "cancel-in-progress" in concurrency
    assert all(job["timeout-minutes"] <= 60 for job in jobs(file).values())


@each_workflow
def test_no_checkout_persists_its_token(file: Path) -> None:
    checkouts = [step for step in steps(file) if "actions/checkout@" in step.get("uses", "")]
    assert all(step["with"]["persist-credentials"] is False for step in checkouts)


def test_jobs_that_run_the_pull_request_s_code_have_no_write_permission() -> None:
    for file in FILES:
        [*events] = workflow(file)[True]
        if {"pull_request", "pull_request_target"} & set(events):
            assert all(job["permissions"] == {"contents": "read"} for job in jobs(file).values()), file.name


def test_the_job_that_writes_the_comment_runs_only_code_of_the_default_branch() -> None:
    file = PROGRAM / ".github/workflows/comment.yml"
    assert list(workflow(file)[True]) == ["workflow_run"]
    [checkout] = [step for step in steps(file) if "actions/checkout@" in step.get("uses", "")]
    assert checkout["with"]["ref"] == "${{ github.event.repository.default_branch }}"


@each_workflow
def test_a_job_with_a_secret_has_an_environment_and_gives_the_secret_to_one_step(file: Path) -> None:
    for name, job in jobs(file).items():
        with_secrets = [step for step in job["steps"] if SECRET.search(str(step))]
        for step in with_secrets:
            assert re.fullmatch(
                r"(?:plan-|drift-)?(?:staging|prod|\$\{\{ (?:matrix\.stack|inputs\.environment) \}\})",
                job["environment"],
            ), name
            assert "uses" not in step
            assert step["run"].startswith(".github/engine.sh ")
        assert len(with_secrets) <= 1
        assert not SECRET.search(str({key: value for key, value in job.items() if key != "steps"})), name
    assert not SECRET.search(str(workflow(file).get("env")))


@pytest.mark.parametrize("name", ["check", "comment", "preview", "review"])
def test_jobs_that_run_unapproved_code_have_no_secret(name: str) -> None:
    assert "secrets." not in (PROGRAM / f".github/workflows/{name}.yml").read_text()


def test_the_plan_of_a_pull_request_waits_for_an_approval_and_has_no_engine() -> None:
    plan = jobs(PROGRAM / ".github/workflows/plan.yml")["plan"]
    assert plan["environment"] == "plan-${{ matrix.stack }}"
    assert "github.event.pull_request.head.repo.full_name == github.repository" in plan["if"]
    [step] = [step for step in plan["steps"] if SECRET.search(str(step))]
    assert step["run"].startswith(".github/engine.sh --stand-in ")
    assert not [name for name in step["env"] if name.startswith("ENGINE_")]


@pytest.mark.parametrize(
    ("file", "name"), [("deploy", "staging"), ("deploy", "prod"), ("drift", "drift"), ("rollback", "rollback")]
)
def test_jobs_that_use_an_engine_have_its_credentials(file: str, name: str) -> None:
    job = jobs(PROGRAM / f".github/workflows/{file}.yml")[name]
    [step] = [step for step in job["steps"] if SECRET.search(str(step))]
    needed = set(re.findall(r"^\s*need ([A-Z_]+)", (PROGRAM / ".github/engine.sh").read_text(), re.MULTILINE))
    assert {"ENGINE_SSH_KEY", "ENGINE_KNOWN_HOSTS", "ENGINE_CA", "PULUMI_BACKEND_URL"} <= needed <= set(step["env"])
    assert "--stand-in" not in step["run"]
    assert job.get("concurrency", workflow(PROGRAM / f".github/workflows/{file}.yml")["concurrency"])["group"]


def test_a_release_is_scanned_before_it_is_pushed_and_requires_a_scanner() -> None:
    steps = jobs(PROGRAM / ".github/workflows/deploy.yml")["release"]["steps"]
    [scanner] = [number for number, step in enumerate(steps) if "setup-trivy" in step.get("uses", "")]
    [release] = [number for number, step in enumerate(steps) if step.get("run", "").startswith("make release")]
    assert scanner < release
    assert "SCANNER=true" in steps[release]["run"]
    assert re.fullmatch(r"v\d+\.\d+\.\d+", steps[scanner]["with"]["version"])


def test_production_needs_approval_follows_staging_and_runs_the_same_release() -> None:
    deploy = jobs(PROGRAM / ".github/workflows/deploy.yml")
    assert (deploy["prod"]["environment"], deploy["prod"]["needs"], deploy["staging"]["needs"]) == (
        "prod",
        "staging",
        "release",
    )
    taken = [
        [step["with"]["name"] for step in deploy[name]["steps"] if "download-artifact" in step.get("uses", "")]
        for name in ("staging", "prod")
    ]
    assert taken == [["release"], ["release"]]
