"""The workflows, as files: what they may do, where they take actions from, and that each step runs anywhere."""

import re
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.unit.declared import PROGRAM

FILES = sorted((PROGRAM / ".github/workflows").glob("*.yml"))
TARGETS = set(re.findall(r"^([a-z-]+):.*## ", (PROGRAM / "Makefile").read_text(), re.MULTILINE))
TRIVIAL = {'mkdir comment && echo "$PULL_REQUEST" >comment/number'}
WITH_RIGHTS = {
    ("comment.yml", "comment"): {"actions": "read", "contents": "read", "pull-requests": "write"},
    ("deploy.yml", "release"): {"contents": "read", "packages": "write"},
    ("drift.yml", "drift"): {"contents": "read", "issues": "write"},
}

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


def test_there_are_the_six() -> None:
    assert [file.stem for file in FILES] == ["check", "comment", "deploy", "drift", "preview", "review"]


@each_workflow
def test_every_step_is_a_make_target_that_there_is(file: Path) -> None:
    assert scripts(file)
    for script in scripts(file):
        if script not in TRIVIAL:
            words = re.fullmatch(r"make ([a-z-]+)(?: [A-Z]+=(?:\"[^\"]*\"|[^\s\"]+))*", script)
            assert words, script
            assert words[1] in TARGETS


@each_workflow
def test_no_script_has_anything_of_the_event_put_into_it(file: Path) -> None:
    assert not [script for script in scripts(file) if "${{" in script]


@each_workflow
def test_every_action_is_pinned_by_its_whole_commit_and_says_its_version(file: Path) -> None:
    used = [line for line in file.read_text().splitlines() if re.search(r"^\s*(?:- )?uses:", line)]
    for line in used:
        assert re.search(r"uses: actions/[a-z-]+@[0-9a-f]{40} # v\d+\.\d+\.\d+$", line), line
    assert len(used) == sum("uses" in step for step in steps(file))


@each_workflow
def test_a_job_has_the_rights_that_it_needs_and_no_others(file: Path) -> None:
    assert workflow(file)["permissions"] == {}
    for name, job in jobs(file).items():
        assert job["permissions"] == WITH_RIGHTS.get((file.name, name), {"contents": "read"})


@each_workflow
def test_no_two_runs_are_in_each_others_way_and_none_goes_on_for_ever(file: Path) -> None:
    concurrency = workflow(file)["concurrency"]
    assert concurrency["group"]
    assert "cancel-in-progress" in concurrency
    assert all(job["timeout-minutes"] <= 60 for job in jobs(file).values())


@each_workflow
def test_no_checkout_leaves_its_token_behind(file: Path) -> None:
    checkouts = [step for step in steps(file) if "actions/checkout@" in step.get("uses", "")]
    assert all(step["with"]["persist-credentials"] is False for step in checkouts)


def test_what_runs_the_pull_requests_code_may_write_nothing() -> None:
    for file in FILES:
        [*events] = workflow(file)[True]
        if {"pull_request", "pull_request_target"} & set(events):
            assert all(job["permissions"] == {"contents": "read"} for job in jobs(file).values()), file.name


def test_what_may_write_the_comment_runs_the_default_branchs_code_alone() -> None:
    file = PROGRAM / ".github/workflows/comment.yml"
    assert list(workflow(file)[True]) == ["workflow_run"]
    [checkout] = [step for step in steps(file) if "actions/checkout@" in step.get("uses", "")]
    assert checkout["with"]["ref"] == "${{ github.event.repository.default_branch }}"


def test_no_secret_is_given_where_a_review_stack_runs() -> None:
    assert "secrets." not in (PROGRAM / ".github/workflows/review.yml").read_text()


def test_production_waits_for_an_approval_and_for_staging_and_runs_the_same_release() -> None:
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
