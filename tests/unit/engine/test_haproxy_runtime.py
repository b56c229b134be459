"""The answers of HAProxy's runtime API."""

import time
from datetime import UTC, datetime
from typing import cast

import pytest
from docker.errors import DockerException
from docker.models.containers import Container

from gix_engine import haproxy_runtime
from gix_engine.haproxy_runtime import LoadedFile

PATH = "/certificates/live/edge.pem"
ABOUT = """\
Filename: /certificates/live/edge.pem
Status: Used
notBefore: Nov 28 21:15:08 2026 GMT
notAfter: Feb  6 22:15:08 2027 GMT
Subject: /CN=one

"""
ANSWERS = {
    "show ssl cert": f"# filename\n{PATH}\n\n",
    f"show ssl cert {PATH}": ABOUT,
    "show ssl ca-file": "# filename\n@system-ca - 140 certificate(s)\n/ca.pem - 2 certificate(s)\n\n",
    "show ssl ca-file /ca.pem": "Certificate #1:\nnotAfter: Jan  1 00:00:00 2030 GMT\n"
    "Certificate #2:\nnotAfter: Jan  1 00:00:00 2029 GMT\n\n",
}


def printed(answer: str) -> bytes:
    """What the script prints: the length of the answer and the answer, without the empty line at its end."""
    content = answer.rstrip("\n")
    return f"{len(content)}\n{content}".encode()


class Edge:
    """Answers as HAProxy does, and notes what was asked."""

    def __init__(self, commit: str = "Success!", code: int = 0) -> None:
        self.commit, self.code = commit, code
        self.asked: list[str] = []

    def exec_run(self, words: list[str]) -> tuple[int, bytes]:
        *_, script, _, text = words
        self.asked.append(text)
        if "set ssl cert" in script:
            return self.code, b"Transaction created\n"
        return self.code, printed(ANSWERS.get(text, self.commit))


def container(edge: Edge) -> Container:
    return cast("Container", edge)


def test_the_loaded_files_and_their_ends_are_read() -> None:
    assert haproxy_runtime.loaded_files(container(Edge())) == [
        LoadedFile(kind="cert", path=PATH, ends=(datetime(2027, 2, 6, 22, 15, 8, tzinfo=UTC),)),
        LoadedFile(
            kind="ca-file", path="/ca.pem", ends=(datetime(2030, 1, 1, tzinfo=UTC), datetime(2029, 1, 1, tzinfo=UTC))
        ),
    ]
    assert haproxy_runtime.certificates(container(Edge())) == [PATH]


def test_a_certificate_is_read_by_the_container_itself() -> None:
    edge = Edge()
    haproxy_runtime.reload_certificate(container(edge), PATH)
    assert edge.asked == [PATH, f"commit ssl cert {PATH}"]


def test_a_refused_certificate_is_given_up_with_the_reason() -> None:
    edge = Edge(commit="Can't commit!\n")
    with pytest.raises(DockerException, match=r"HAProxy refused .*edge.pem: Transaction created Can't commit!"):
        haproxy_runtime.reload_certificate(container(edge), PATH)
    assert edge.asked[-1] == f"abort ssl cert {PATH}"


def test_an_edge_that_does_not_answer_is_reported() -> None:
    with pytest.raises(DockerException, match="the edge does not answer"):
        haproxy_runtime.certificates(container(Edge(code=1)))


class LossyEdge(Edge):
    """Its first answers lose a part. `lost` are the answers."""

    def __init__(self, *lost: str) -> None:
        super().__init__()
        self.lost = list(lost)

    def exec_run(self, words: list[str]) -> tuple[int, bytes]:
        code, answer = super().exec_run(words)
        return code, self.lost.pop(0).encode() if self.lost else answer


def test_an_answer_that_is_not_complete_is_asked_for_again(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(time, "sleep", lambda _: None)
    whole = printed(ANSWERS["show ssl cert"]).decode()
    edge = LossyEdge("", whole[:-3], whole[5:])
    assert haproxy_runtime.certificates(container(edge)) == [PATH]
    assert edge.asked == 4 * ["show ssl cert"]


def test_an_answer_that_is_never_complete_is_reported(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(time, "sleep", lambda _: None)
    with pytest.raises(DockerException, match="the edge's answer to `show ssl cert` is not complete: b''"):
        haproxy_runtime.certificates(container(LossyEdge(*100 * [""])))
