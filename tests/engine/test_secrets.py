"""A stack with a secret in every key that takes one: nothing shows or stores any of them.

Docker itself stores the environment of a container: whoever may inspect it can read its secret variables.
"""

import json
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import docker
import pytest
import yaml

from tests.support.failures import failure
from tests.support.gixctl import gixctl
from tests.support.pulumi_cli import PulumiError
from tests.support.registry import PASSWORD, log_in, remove_pulled, running_registry
from tests.support.secret_places import SECRET_PLACES, VARIABLE
from tests.support.stack_under_test import SERVICES, StackUnderTest, new_stack

SECRETS = {path: f"hunter2-of-{path[0]}" for path in SECRET_PLACES} | {("registry", "password"): PASSWORD}
"""The secret of each key."""


def key(path: tuple[str, ...]) -> str:
    return f"gix:{'.'.join(path)}"


@dataclass(frozen=True, kw_only=True)
class Run:
    """The stack and the output of its updates."""

    stack: StackUnderTest
    said: str


@pytest.fixture(scope="module")
def run(client: docker.DockerClient, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Run]:
    """The stack after two updates, with pushed images, in a git repository whose HEAD changes the router."""
    with running_registry(tmp_path_factory.mktemp("registry")) as registry:
        stack = new_stack(client, tmp_path_factory.mktemp("secrets") / "gix", passphrase="test")  # noqa: S106 - of a stack that no one else has
        log_in(stack, registry)
        stack.change(images={"push": True, "tag": "v1"})
        # A service's own variable has another name than that of `defaults`, so that both reach the container.
        stack.secrets |= {key(path).replace(VARIABLE, name(path)): secret for path, secret in SECRETS.items()}
        try:
            said = stack.up().output
            stack.config = yaml.safe_load((stack.directory / f"Pulumi.{stack.name}.yaml").read_text())["config"]
            stack.secrets.clear()
            stack.change(router={"rustLog": "warn"})
            said += stack.up("--diff").output
            git(stack, "init", "--quiet")
            git(stack, "add", "--all")
            git(stack, "commit", "--quiet", "--message", "before")
            stack.change(router={"rustLog": "debug"})
            git(stack, "commit", "--quiet", "--all", "--message", "after")
            yield Run(stack=stack, said=said)
        finally:
            stack.remove()
            remove_pulled(client, registry)


@pytest.fixture(scope="module")
def stack(run: Run) -> StackUnderTest:
    return run.stack


def name(path: tuple[str, ...]) -> str:
    return f"{VARIABLE}_OF_{path[0].upper()}"


def git(stack: StackUnderTest, *words: str) -> None:
    (stack.directory / ".gitignore").write_text("state\n.venv\n")
    identity = ("-c", "user.name=A", "-c", "user.email=a@example.org", "-c", "commit.gpgsign=false")
    subprocess.run(["git", *identity, *words], cwd=stack.directory, check=True, capture_output=True)


def secrets_in(text: str) -> list[str]:
    """The keys whose secrets a text contains."""
    return [key(path) for path, secret in SECRETS.items() if secret in text]


def test_an_update_shows_no_secret(run: Run) -> None:
    assert "RUST_LOG=warn" in run.said or "[secret]" in run.said
    assert secrets_in(run.said) == []


@pytest.mark.parametrize(
    "words",
    [
        ("preview", "--diff"),
        ("preview", "--json", "--show-sames"),
        ("refresh", "--preview-only", "--diff"),
        ("config",),
        ("config", "--json"),
        ("stack",),
        ("stack", "output", "--json"),
        ("stack", "export"),
        ("stack", "history", "--json"),
    ],
    ids=" ".join,
)
def test_pulumi_shows_no_secret(stack: StackUnderTest, words: tuple[str, ...]) -> None:
    assert secrets_in(stack.pulumi.shown(*words)) == []


@pytest.mark.parametrize(
    "words",
    [
        ("doctor",),
        ("doctor", "--json"),
        ("plan",),
        ("plan", "--json"),
        ("plan", "--markdown"),
        ("verify",),
        ("verify", "--json"),
        ("audit",),
        ("audit", "--json"),
        ("status",),
        ("status", "--json"),
        ("health",),
        ("logs",),
        ("graph",),
        ("backup",),
    ],
    ids=" ".join,
)
def test_gixctl_shows_no_secret(stack: StackUnderTest, words: tuple[str, ...]) -> None:
    done = gixctl(stack, *words)
    message = done.stdout + done.stderr
    assert message
    assert done.returncode != 2, message
    assert secrets_in(message) == []


def test_the_comment_of_a_pull_request_shows_no_secret(stack: StackUnderTest) -> None:
    done = gixctl(stack, "pull-request", "comment", "--base", "HEAD^1", select=False)
    assert done.returncode == 0, done.stderr
    assert f"### {stack.name}" in done.stdout
    assert "Pulumi's own diff" in done.stdout
    assert secrets_in(done.stdout + done.stderr) == []


def test_the_drift_report_shows_no_secret(stack: StackUnderTest) -> None:
    done = gixctl(stack, "drift", stack.name, select=False)
    # HEAD has another RUST_LOG than the deployment.
    assert done.returncode == 1, done.stderr
    assert "gix-router-container" in done.stdout
    assert secrets_in(done.stdout + done.stderr) == []


def test_the_audit_finds_no_secret_in_an_image(stack: StackUnderTest) -> None:
    results = json.loads(gixctl(stack, "audit", "--json").stdout)["results"]
    assert {each["result"] for each in results if each["item"] == "4.10"} == {"pass"}


def test_state_history_and_program_files_contain_no_secret(stack: StackUnderTest) -> None:
    recorded = stack.recorded()
    assert "gix-router-container" in recorded
    assert '"kind":"update"' in recorded.replace(" ", "")
    assert (stack.directory / "state/.pulumi/backups").exists()
    assert secrets_in(recorded) == []
    for file in stack.directory.rglob("*"):
        if file.is_file() and ".venv" not in file.parts:
            assert secrets_in(file.read_text(errors="replace")) == [], file


def test_images_contain_no_secret(stack: StackUnderTest) -> None:
    for each in stack.outputs()["services"].values():
        image = stack.client.images.get(each["digest"])
        history = json.dumps(image.history())
        assert "CMD" in history
        assert secrets_in(json.dumps(image.attrs) + history) == []


def test_on_the_engine_only_a_container_s_own_environment_contains_secrets(stack: StackUnderTest) -> None:
    for service in SERVICES:
        inspected: dict[str, Any] = stack.container(service)
        variables = inspected["Config"].pop("Env")
        assert secrets_in(json.dumps(inspected)) == []
        # Docker stores a container's environment in plain text.
        assert secrets_in(json.dumps(variables)) == [
            key(path) for path in SECRET_PLACES if path[0] in ("defaults", service)
        ]
        assert secrets_in(stack.client.containers.get(inspected["Id"]).logs().decode()) == []
    [network] = stack.client.networks.list(filters={"label": f"io.gix.stack=gix/{stack.name}"})
    [volume] = stack.client.volumes.list(filters={"label": f"io.gix.stack=gix/{stack.name}"})
    assert secrets_in(json.dumps(network.attrs) + json.dumps(volume.attrs)) == []


SECRET = "hunter2-in-the-wrong-place"  # noqa: S105 - what must show nowhere


@pytest.mark.parametrize(
    "path",
    [
        "gix:router.environment.TOKEN",
        "gix:images.buildArgs.TOKEN",
        "gix:auction.logging.options.tag",
        "gix:network.labels.token",
        "gix:registry.username",
        "gix:engine.host",
        "gix:enclave.rustLog",
        "gix:prefix",
    ],
)
def test_given_a_secret_in_a_key_that_takes_none_it_is_refused_and_stored_nowhere(
    fresh: StackUnderTest, path: str
) -> None:
    fresh.secrets[path] = SECRET
    message = failure(fresh)
    assert f"{path}: is a secret, but this key takes no secrets" in message
    diagnosed = gixctl(fresh, "doctor", "--json").stdout
    assert f"{path}: is a secret, but this key takes no secrets" in diagnosed
    planned = gixctl(fresh, "plan")
    assert SECRET not in message + diagnosed + planned.stdout + planned.stderr + fresh.recorded()
    assert fresh.leavings() == {"containers": [], "networks": [], "volumes": []}


def test_given_a_whole_section_as_a_secret_not_even_its_keys_are_shown(fresh: StackUnderTest) -> None:
    fresh.secrets["gix:router"] = json.dumps({SECRET: SECRET})
    with pytest.raises(PulumiError) as caught:
        fresh.up()
    message = gixctl(fresh, "doctor").stdout
    assert "gix:router: is a secret, but this key takes no secrets" in " ".join(message.split())
    assert SECRET not in str(caught.value) + message + fresh.recorded()


@pytest.mark.parametrize(
    ("plain", "beside"),
    [
        ("gix:router.secretEnvironment.PLAIN", "gix:router.secretEnvironment.SEALED"),
        ("gix:registry.password", "gix:registry.username"),
    ],
)
def test_given_a_plain_value_beside_an_encrypted_one_it_is_refused(
    fresh: StackUnderTest, plain: str, beside: str
) -> None:
    fresh.secrets[beside] = "sealed"
    fresh.write()
    fresh.pulumi.run("config", "set", "--plaintext", "--path", plain, SECRET)
    with pytest.raises(PulumiError, match=f"{plain}: is in plain text") as caught:
        fresh.pulumi.preview()
    assert SECRET not in str(caught.value)
