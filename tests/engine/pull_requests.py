"""Four pull requests and their comments, made on the real engine as the workflow `preview` makes them.

`python -m tests.engine.pull_requests --write` makes them and writes docs/pull-requests.
"""

import argparse
import re
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import docker

from gix_model.catalog import CATALOG
from gix_ops.delivery.pull_request import MARKER
from tests.support.clone import ENVIRONMENTS, Clone, new_clone
from tests.support.stack_under_test import PROGRAM, free_subnet

DOCUMENTS = PROGRAM / "docs/pull-requests"

_SEALED = "v1:c2VhbGVkIGVsc2V3aGVyZQ==:bm9ib2R5IGhlcmUgY2FuIG9wZW4gaXQ="
"""An encrypted value whose key this run does not have."""
_OTHER_SUBNET = "172.29.0.0/24"


@dataclass(frozen=True, kw_only=True)
class PullRequest:
    """One pull request: its change, and whether its comment reports a failure."""

    title: str
    change: Callable[[Clone], None]
    fork: bool = False
    fails: bool = False


def _rust_log(clone: Clone) -> None:
    clone.change("dev", router={"rustLog": "warn"})


def _subnet(clone: Clone) -> None:
    clone.change("dev", network={"subnet": free_subnet(clone.client)})


def _broken_dockerfile(clone: Clone) -> None:
    dockerfile = clone.directory / "infra/docker/Dockerfile.rust-builder"
    good = dockerfile.read_text()
    broken = good.replace("RUN install -d -o gix", "RUN instal -d -o gix")
    assert broken != good
    dockerfile.write_text(broken)


def _from_a_fork(clone: Clone) -> None:
    clone.change("dev", auction={"memory": "512M"})
    clone.change("prod", defaults={"memory": "4G", "memorySwap": "4G"})


PULL_REQUESTS = {
    "rust-log": PullRequest(title="The router of dev says less", change=_rust_log),
    "subnet": PullRequest(title="Another subnet for dev", change=_subnet),
    "broken-dockerfile": PullRequest(title="A typing error in the Dockerfile", change=_broken_dockerfile, fails=True),
    "fork": PullRequest(title="From a fork: memory for the auction, and in prod", change=_from_a_fork, fork=True),
}


@dataclass(frozen=True, kw_only=True)
class Commented:
    """The comment to post, and its form in the documents."""

    text: str
    document: str
    exit_code: int
    output: str


def base(client: docker.DockerClient, directory: Path) -> Clone:
    """The target repository of the pull requests. It has a secret that no runner can decrypt, and no staging."""
    clone = new_clone(client, directory)
    clone.git("rm", "--quiet", "Pulumi.staging.yaml")
    clone.change("dev", auction={"secretEnvironment": {"API_TOKEN": {"secure": _SEALED}}})
    clone.change("prod", defaults={"cpus": min(2, client.info()["NCPU"])})
    clone.commit("a secret")
    # As in a repository without a back end, the secrets of the workflow are empty.
    clone.variables |= {"PULUMI_BACKEND_URL": "", "PULUMI_CONFIG_PASSPHRASE": ""}
    (clone.directory / "comment").mkdir()
    return clone


def comment(clone: Clone, name: str) -> Commented:
    """Commit a pull request's change on its own branch, run the workflow's step, and return to the base branch."""
    pull_request = PULL_REQUESTS[name]
    clone.git("switch", "--quiet", "--create", name)
    pull_request.change(clone)
    clone.commit(pull_request.title)
    fork = str(pull_request.fork).lower()
    try:
        done = clone.make("comment", "BASE=HEAD^1", "COMMENT=comment/comment.md", FORK=fork)
        text = (clone.directory / "comment/comment.md").read_text()
        changed = clone.git("diff", "HEAD^1", "HEAD")
    finally:
        clone.git("switch", "--quiet", "main")
    return Commented(
        text=text, document=_document(clone, pull_request, changed, text), exit_code=done.returncode, output=done.stdout
    )


def comparable(document: str) -> list[str]:
    """The document without what differs between runs, which is the order of Pulumi's resources."""
    return sorted(" ".join(sorted(line.split())) for line in document.splitlines())


def _document(clone: Clone, pull_request: PullRequest, changed: str, text: str) -> str:
    diff = "".join(line for line in changed.splitlines(keepends=True) if not line.startswith(("index ", "diff ")))
    return normal(
        clone, f"{_INTRODUCTION}\n# {pull_request.title}\n\n```diff\n{diff}```\n\n{text.removeprefix(MARKER).lstrip()}"
    )


def normal(clone: Clone, text: str) -> str:
    """`text` as every machine has it: the description's names, ports and subnet, and no ids."""
    for environment in ENVIRONMENTS:
        text = text.replace(f"{clone.project}-{environment}-", "")
        text = text.replace(f"prefix: {clone.project}-{environment}", "prefix: (free)")
        text = text.replace(clone.subnets[environment], "172.28.0.0/24")
        for spec in CATALOG.values():
            text = text.replace(str(clone.ports[environment][spec.name]), str(spec.port))
    text = text.replace(clone.project, "gix")
    text = re.sub(r"\b10\.2\d\d\.\d+\.0/24", _OTHER_SUBNET, text)
    text = re.sub(r"gix-offline/(debian|rust):[\w.-]+", r"\1:(base)", text)
    text = re.sub(
        r"\b(debian:bookworm-slim|rust:1\.75-bookworm)\b", lambda found: found[1].split(":")[0] + ":(base)", text
    )
    text = re.sub(r"\b[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}\b", "(id)", text)
    text = re.sub(r"\b(?!0{64}\b)[0-9a-f]{64}\b", "(id)", text)
    return re.sub(r"[ \t]+$", "", text, flags=re.MULTILINE)


_INTRODUCTION = """\
<!-- Made by: python -m tests.engine.pull_requests --write. The names, ports and ids are those of no machine. -->
"""


def main() -> None:
    """Make the comments. With --write, write the documents."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--write", action="store_true", help=f"write {DOCUMENTS.relative_to(PROGRAM)}")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as directory:
        clone = base(docker.from_env(), Path(directory, "gix"))
        for name in PULL_REQUESTS:
            begun = time.monotonic()
            made = comment(clone, name)
            sys.stdout.write(f"{time.monotonic() - begun:5.1f} s  {name}\n")
            if not arguments.write:
                sys.stdout.write(made.document)
                continue
            DOCUMENTS.mkdir(exist_ok=True)
            (DOCUMENTS / f"{name}.md").write_text(made.document)


if __name__ == "__main__":
    main()
