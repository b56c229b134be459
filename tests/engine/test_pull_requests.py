"""The comments on four pull requests, made by the workflow's step in a clean clone on the real engine."""

from collections.abc import Iterator

import docker
import pytest

from gix_ops.planning.plan_text import LONGEST_COMMENT
from tests.engine.pull_requests import DOCUMENTS, PULL_REQUESTS, base, comment, comparable
from tests.support.clone import Clone


@pytest.fixture(scope="module")
def clone(client: docker.DockerClient, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Clone]:
    clone = base(client, tmp_path_factory.mktemp("pull-requests") / "gix")
    try:
        yield clone
    finally:
        clone.remove()


@pytest.mark.parametrize("name", PULL_REQUESTS)
def test_the_comment_is_the_one_in_the_documents_and_nothing_is_left_on_the_engine(clone: Clone, name: str) -> None:
    made = comment(clone, name)
    assert made.exit_code == (2 if PULL_REQUESTS[name].fails else 0), made.output + made.text
    assert len(made.text) < LONGEST_COMMENT
    assert clone.leavings() == []
    written = (DOCUMENTS / f"{name}.md").read_text()
    assert comparable(made.document) == comparable(written), "run: python -m tests.engine.pull_requests --write"
