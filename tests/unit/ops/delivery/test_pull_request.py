"""The comment on a pull request: its content and length, placeholders for secrets, and who may post it."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

from gix_model.provider_facts import IMAGE
from gix_model.settings import ImageSettings, StackSettings
from gix_model.stack_file import StackFile
from gix_ops.delivery import builds, drift, github, posting, pull_request, rehearsal, touched
from gix_ops.delivery.builds import FailedBuild
from gix_ops.delivery.drift import Drift
from gix_ops.delivery.pull_request import LONGEST, MARKER, Section, compose
from gix_ops.errors import StackError
from gix_ops.planning.effects import Effect
from gix_ops.planning.plan import Plan, ServicePlan
from gix_ops.planning.plan_text import LONGEST_COMMENT
from gix_ops.planning.preview import Step

ENVIRONMENTS = {
    "dev": StackSettings(source="sample"),
    "staging": StackSettings(),
    "prod": StackSettings(images=ImageSettings(way="registry")),
}


@pytest.mark.parametrize(
    ("path", "names"),
    [
        ("Pulumi.dev.yaml", ("dev",)),
        ("Pulumi.prod.yaml", ("prod",)),
        ("gix_components/service.py", ("dev", "staging", "prod")),
        ("__main__.py", ("dev", "staging", "prod")),
        ("requirements.txt", ("dev", "staging", "prod")),
        ("policy/__main__.py", ("dev", "staging", "prod")),
        ("infra/docker/Dockerfile.rust-builder", ("dev", "staging")),
        ("sample/Cargo.toml", ("dev", "staging")),
        ("docs/design.md", ()),
        ("tests/unit/test_plan.py", ()),
        ("gix_ops/planning/plan.py", ()),
        ("sampled/Cargo.toml", ()),
    ],
)
def test_a_changed_file_affects_the_environments_that_use_it(path: str, names: tuple[str, ...]) -> None:
    assert touched.environments([path, "README.md"], ENVIRONMENTS) == names


def test_given_a_source_of_its_own_an_environment_is_affected_by_changes_there() -> None:
    stacks = {"dev": StackSettings(source="services"), "staging": StackSettings()}
    assert touched.environments(["services/src/main.rs"], stacks) == ("dev",)


def stack_file(directory: Path, config: dict[str, Any]) -> StackFile:
    (directory / "Pulumi.dev.yaml").write_text(yaml.safe_dump({"config": config}))
    return StackFile.read(directory, "dev")


def test_encrypted_values_become_placeholders_and_keys_of_an_engine_are_left_out(tmp_path: Path) -> None:
    file = stack_file(
        tmp_path,
        {
            "gix:auction": {
                "hostPort": 1,
                "secretEnvironment": {"TOKEN": {"secure": "v1:a"}, "odd key": {"secure": "v1:b"}},
            },
            "gix:engine": {"host": "ssh://far"},
            "gix:takeOver": True,
            "gix:ledger": {"adopt": True, "protect": True},
            "gix:images": {"push": True, "tag": "v1"},
            "gix:registry": {"password": {"secure": "v1:a"}},
            "gix:edge": {"certificate": "edge.pem", "key": {"secure": "v1:c"}, "clientCa": "ca.pem", "memory": "1G"},
        },
    )
    secrets = rehearsal.detach(file)
    assert file.config == {
        "gix:auction": {"hostPort": "1", "secretEnvironment": {}},
        "gix:ledger": {"protect": "true"},
        "gix:images": {"tag": "v1"},
        "gix:registry": {},
        "gix:edge": {"memory": "1G"},
    }
    assert list(secrets) == [
        "gix:auction.secretEnvironment.TOKEN",
        'gix:auction.secretEnvironment["odd key"]',
        "gix:registry.password",
    ]
    first, second, third = secrets.values()
    assert first == third != second
    assert "v1:" not in "".join(secrets.values())


def test_given_images_that_are_pulled_missing_digests_have_placeholders(tmp_path: Path) -> None:
    images = {"way": "registry", "digests": {"router": "sha256:mine"}}
    file = stack_file(tmp_path, {"gix:images": images, "gix:services": ["router", "auction"]})
    assert rehearsal.fill_digests(file) == ["gix:images.digests.auction"]
    assert file.config["gix:images"]["digests"] == {"router": "sha256:mine", "auction": f"sha256:{'0' * 64}"}
    assert rehearsal.fill_digests(stack_file(tmp_path, {})) == []


def test_the_output_of_a_failed_build_is_that_of_the_failed_step() -> None:
    output = """\
#7 [auction 1/2] RUN instal -d /data
#7 sha256:de66b68cf9da
#7 1.196 /bin/sh: 1: instal: not found
#8 [builder 4/4] RUN cargo build
#8 12.3 Compiling gcam-node
#7 ERROR: executor failed running [/bin/sh -c instal -d /data]: exit code: 127
------
 > [auction 1/2] RUN instal -d /data:
------
executor failed running [/bin/sh -c instal -d /data]: exit code: 127
"""
    assert builds.failed_step(output).splitlines() == [
        "[auction 1/2] RUN instal -d /data",
        "/bin/sh: 1: instal: not found",
        "ERROR: executor failed running [/bin/sh -c instal -d /data]: exit code: 127",
    ]
    assert builds.failed_step("no such Dockerfile\n") == "no such Dockerfile"


def test_given_steps_whose_outputs_alternate_the_name_of_the_failed_step_stands_once() -> None:
    output = """\
#7 [auction 1/2] RUN instal -d /data
#7 ...

#8 [builder 4/4] RUN cargo build
#8 12.3 Compiling gcam-node
#8 ...

#7 [auction 1/2] RUN instal -d /data
#7 1.196 /bin/sh: 1: instal: not found
#7 ERROR: executor failed running [/bin/sh -c instal -d /data]: exit code: 127
"""
    assert builds.failed_step(output).splitlines() == [
        "[auction 1/2] RUN instal -d /data",
        "/bin/sh: 1: instal: not found",
        "ERROR: executor failed running [/bin/sh -c instal -d /data]: exit code: 127",
    ]


@pytest.mark.parametrize(
    ("printed", "builds_run"),
    [
        pytest.param(["#7 ...", "#7 [a] RUN x", "#7 ERROR: exit code: 1"], 3, id="nothing but its name"),
        pytest.param(["#7 0.5 not found", "#7 ERROR: exit code: 1"], 1, id="one line"),
        pytest.param(["no such Dockerfile"], 1, id="no step"),
    ],
)
def test_given_a_failed_step_without_output_the_build_is_repeated(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, printed: list[str], builds_run: int
) -> None:
    docker = tmp_path / "docker"
    lines = "\n".join(["#7 [a] RUN x", *printed] if printed[0].startswith("#") else printed)
    docker.write_text(f"#!/bin/sh\necho run >>{tmp_path}/runs\ncat <<'END'\n{lines}\nEND\nexit 1\n")
    docker.chmod(0o755)
    monkeypatch.setenv("GIX_DOCKER", str(docker))
    image = {"type": IMAGE, "inputs": {"build": {"dockerfile": "Dockerfile", "context": "."}}}
    step = {"op": "create", "urn": "urn:pulumi:dev::gix::docker:index/image:Image::gix-router", "newState": image}
    [failed] = builds.failures(tmp_path, [Step.read(step)])
    assert failed.output.endswith(printed[-1].removeprefix("#7 "))
    assert (tmp_path / "runs").read_text().count("run") == builds_run


def section(**values: Any) -> Section:
    service = ServicePlan(
        service="router", container="gix-router", effect=Effect.RESTARTED, causes=("RUST_LOG a -> b",)
    )
    plan = Plan(stack="dev", summary="router restarted", services=(service,))
    return Section(plan=plan, **({"against": "what is deployed"} | values))


def test_the_comment_begins_with_its_marker_and_folds_pulumis_diff() -> None:
    text = compose([section(diff="~ envs")], fork=False)
    assert text.startswith(MARKER)
    assert "RUST&#95;LOG a -&gt; b" in text
    assert "<details>\n<summary>Pulumi's own diff</summary>\n\n```\n~ envs\n```" in text
    assert "secret" not in text


def test_given_a_fork_the_comment_explains_the_placeholders_for_secrets() -> None:
    text = compose([section(placeholders=("gix:registry.password",))], fork=True)
    assert "comes from a fork" in text
    assert "**without any secret**" in text
    assert "<code>gix:registry.password</code>" in text


def test_given_diffs_that_are_too_long_each_is_cut_and_plans_are_complete() -> None:
    text = compose([section(diff="a\n" * LONGEST), section(diff="b\n" * LONGEST), section(diff="short")], fork=True)
    assert LONGEST - 2 * LONGEST // 3 < len(text) <= LONGEST < LONGEST_COMMENT
    assert text.count("[cut here:") == 2
    assert text.count("router restarted") == 3
    assert text.count("<details>") == text.count("</details>") == 3


def test_given_plans_that_leave_no_room_the_diffs_go() -> None:
    long = FailedBuild(image="gix-router", output="x\n" * (LONGEST // 8))
    text = compose([section(diff="a\n" * 999, failed=(long,))] * 2, fork=False)
    assert len(text) <= LONGEST


def test_a_diff_with_code_fences_stays_in_its_block() -> None:
    text = compose([section(diff="````\n</details>")], fork=False)
    assert "`````\n````\n</details>\n`````" in text


def test_given_no_affected_environment_the_comment_says_so() -> None:
    assert "touches no environment" in compose([], fork=False)


@pytest.mark.parametrize(
    ("values", "good"),
    [
        ({}, True),
        ({"refused": "no"}, False),
        ({"failed": (FailedBuild(image="gix-router", output="no"),)}, False),
        ({"plan": Plan(stack="dev", summary="the preview failed", errors=("no",))}, False),
    ],
    ids=["all is well", "refused by policy", "a broken build", "a failed preview"],
)
def test_a_failure_of_any_kind_fails_the_section(values: dict[str, Any], good: bool) -> None:  # noqa: FBT001 - a parameter
    assert (Section(**values).is_good if "plan" in values else section(**values).is_good) is good


@pytest.fixture
def repository(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A repository with one environment, on a machine without an engine."""
    directory = tmp_path / "repository"
    directory.mkdir()
    (directory / "Pulumi.yaml").write_text("name: gix\nruntime: python\n")
    (directory / "Pulumi.dev.yaml").write_text("config: {}\n")
    commit(directory, "init", "--quiet")
    monkeypatch.chdir(directory)
    monkeypatch.setenv("DOCKER_HOST", f"unix://{tmp_path}/absent.sock")
    monkeypatch.setenv("PULUMI_BACKEND_URL", "")
    return directory


def commit(directory: Path, *first: str) -> None:
    identity = ("-c", "user.name=A", "-c", "user.email=a@example.org", "-c", "commit.gpgsign=false")
    commands = [first] if first else []
    for words in (*commands, ("add", "--all"), ("commit", "--quiet", "--message", "change")):
        subprocess.run(["git", *identity, *words], cwd=directory, check=True)


@pytest.mark.parametrize(
    ("file", "content", "message"),
    [
        ("Pulumi.dev.yaml", "config: {'gix:router': {rustLog: warn}}\n", "does not answer"),
        ("Pulumi.dev.yaml", "config: [\n", "does not answer"),
        ("Pulumi.dev.yaml", "just a word\n", "does not answer"),
        ("docs.md", "words\n", "touches no environment"),
    ],
    ids=["no engine", "no YAML", "no stack file", "nothing touched"],
)
def test_given_a_change_that_cannot_be_previewed_the_comment_has_the_reason(
    repository: Path, file: str, content: str, message: str
) -> None:
    (repository / file).write_text(content)
    commit(repository)
    made = pull_request.comment(repository, "HEAD^1", fork=False)
    assert message in made.text
    assert made.is_good is (file == "docs.md")


def test_given_one_environment_only_that_is_previewed(repository: Path) -> None:
    (repository / "Pulumi.prod.yaml").write_text("config: {}\n")
    (repository / "Pulumi.dev.yaml").write_text("config: {'gix:router': {rustLog: warn}}\n")
    commit(repository)
    text = pull_request.comment(repository, "HEAD^1", fork=False, only="prod").text
    assert "### prod" in text
    assert "### dev" not in text


def test_given_no_such_revision_git_is_quoted(repository: Path) -> None:
    with pytest.raises(StackError, match="git merge-base"):
        pull_request.comment(repository, "no-such-revision", fork=False)


class GitHub:
    """A stand-in for `gh api`: the requests that it got, and its answers by path."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        (directory / "answers.json").write_text("{}")
        script = directory / "gh"
        script.write_text(
            f"#!{sys.executable}\n"
            "import json, pathlib, sys\n"
            "here = pathlib.Path(__file__).parent\n"
            "words = sys.argv[1:]\n"
            "method = words[words.index('--method') + 1] if '--method' in words else 'GET'\n"
            "body = json.load(sys.stdin) if '--input' in words else None\n"
            "with (here / 'sent').open('a') as sent:\n"
            "    sent.write(json.dumps([method, words[-1], body]) + '\\n')\n"
            "answers = json.loads((here / 'answers.json').read_text())\n"
            "answer = answers.get(f'{method} {words[-1]}')\n"
            "if answer is None: sys.exit('HTTP 404')\n"
            "print(json.dumps([answer] if '--slurp' in words else answer))\n"
        )
        script.chmod(0o755)

    def answers(self, **by_request: Any) -> None:
        (self.directory / "answers.json").write_text(json.dumps(by_request))

    @property
    def sent(self) -> list[tuple[str, str, Any]]:
        lines = (self.directory / "sent").read_text().splitlines() if (self.directory / "sent").exists() else []
        return [tuple(json.loads(line)) for line in lines if not line.startswith('["GET"')]


@pytest.fixture
def hub(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> GitHub:
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setenv("GITHUB_REPOSITORY", "gix/gix")
    return GitHub(tmp_path)


def said(identity: int, body: str, login: str = "github-actions[bot]") -> dict[str, Any]:
    return {"id": identity, "number": identity, "body": body, "user": {"login": login}}


COMMENTS = "GET repos/gix/gix/issues/7/comments?per_page=100"


def test_the_first_comment_is_created_and_later_ones_update_it(hub: GitHub) -> None:
    hub.answers(**{COMMENTS: [], "POST repos/gix/gix/issues/7/comments": {}})
    github.comment(7, MARKER, f"{MARKER} one")
    assert hub.sent == [("POST", "repos/gix/gix/issues/7/comments", {"body": f"{MARKER} one"})]

    hub.answers(**{COMMENTS: [said(1, "hello"), said(2, MARKER)], "PATCH repos/gix/gix/issues/comments/2": {}})
    github.comment(7, MARKER, f"{MARKER} two")
    assert hub.sent[1:] == [("PATCH", "repos/gix/gix/issues/comments/2", {"body": f"{MARKER} two"})]


def test_comments_of_other_authors_are_never_changed(hub: GitHub) -> None:
    hub.answers(**{COMMENTS: [said(1, MARKER, "mallory")], "POST repos/gix/gix/issues/7/comments": {}})
    github.comment(7, MARKER, MARKER)
    assert [method for method, _, _ in hub.sent] == ["POST"]


@pytest.fixture
def artifact(tmp_path: Path) -> tuple[Path, Path]:
    text, number = tmp_path / "comment.md", tmp_path / "number"
    text.write_text(f"{MARKER}\n\nwhat it does\n")
    number.write_text("7\n")
    return text, number


def test_a_comment_is_posted_on_the_pull_request_of_the_event(hub: GitHub, artifact: tuple[Path, Path]) -> None:
    hub.answers(
        **{
            "GET repos/gix/gix/pulls/7": {"head": {"sha": "abc"}},
            COMMENTS: [],
            "POST repos/gix/gix/issues/7/comments": {},
        }
    )
    assert posting.post(*artifact, head="abc", fork=False) == 7
    [(_, _, sent)] = hub.sent
    assert sent["body"].startswith(MARKER)


def test_given_another_pull_requests_number_nothing_is_posted(hub: GitHub, artifact: tuple[Path, Path]) -> None:
    hub.answers(**{"GET repos/gix/gix/pulls/7": {"head": {"sha": "another"}}})
    with pytest.raises(StackError, match="not at abc"):
        posting.post(*artifact, head="abc", fork=False)
    assert hub.sent == []


@pytest.mark.parametrize(
    ("file", "content", "message"),
    [
        ("number", "7; rm -rf /", "does not hold the number"),
        ("number", "0", "does not hold the number"),
        ("number", "../7", "does not hold the number"),
        ("number", "7" * 2_000, "does not hold the number"),
        ("comment.md", "x" * (LONGEST_COMMENT + 1), "at most"),
        ("comment.md", "hello", "does not begin with"),
    ],
)
def test_given_an_invalid_artifact_nothing_is_posted(
    hub: GitHub, artifact: tuple[Path, Path], file: str, content: str, message: str
) -> None:
    (artifact[0].parent / file).write_text(content)
    with pytest.raises(StackError, match=message):
        posting.post(*artifact, head="abc", fork=True)
    assert hub.sent == []


def test_a_comment_mentions_nobody_and_names_a_fork_as_such() -> None:
    body = posting.harmless(f"{MARKER}\n@everybody \x1b[31mred ghcr.io/gix@sha256:0\n", fork=True)
    assert "@everybody" not in body
    assert "\x1b" not in body
    assert "ghcr.io/gix@sha256:0" in body
    assert "comes from a fork" in body
    assert len(posting.harmless(MARKER + "@a" * LONGEST_COMMENT, fork=True)) <= LONGEST_COMMENT


ISSUES = "GET repos/gix/gix/issues?state=open&per_page=100"


def test_drift_opens_updates_and_closes_an_issue_of_the_environment(hub: GitHub) -> None:
    drifted, clean = Drift(stack="prod", changes="~ memory"), Drift(stack="prod")

    hub.answers(**{ISSUES: [], "POST repos/gix/gix/issues": {"number": 3}})
    assert drift.tell(drifted) == "prod: reported in issue 3"
    [(method, _, body)] = hub.sent
    assert (method, body["title"]) == ("POST", drift.title("prod"))
    assert "    ~ memory" in body["body"]

    others = [said(1, drift.marker("staging")), said(2, drift.marker("prod2"))]
    hub.answers(**{ISSUES: [*others, said(3, drift.marker("prod"))], "PATCH repos/gix/gix/issues/3": {}})
    assert drift.tell(drifted) == "prod: reported in issue 3"
    assert hub.sent[1][:2] == ("PATCH", "repos/gix/gix/issues/3")

    hub.answers(
        **{
            ISSUES: [*others, said(3, drift.marker("prod"))],
            "POST repos/gix/gix/issues/3/comments": {},
            "PATCH repos/gix/gix/issues/3": {},
        }
    )
    assert drift.tell(clean) == "prod: no drift any more, issue 3 closed"
    assert hub.sent[3] == ("PATCH", "repos/gix/gix/issues/3", {"state": "closed"})

    hub.answers(**{ISSUES: others})
    assert drift.tell(clean) == "prod: no drift"
    assert len(hub.sent) == 4


def test_given_no_gh_command_the_message_says_how_to_get_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setenv("GITHUB_REPOSITORY", "gix/gix")
    with pytest.raises(StackError, match="no gh command"):
        github.head(1)
    monkeypatch.delenv("GITHUB_REPOSITORY")
    with pytest.raises(StackError, match="OWNER/NAME"):
        github.head(1)
