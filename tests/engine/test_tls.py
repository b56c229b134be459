"""TLS at the edge: real gRPC through the published port, while the certificate is renewed."""

import json
import socket
import ssl
import threading
import time
import urllib.request
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import docker
import grpc  # type: ignore[import-untyped]  # it ships no types
import pytest
from cryptography import x509
from docker.models.containers import Container

from gix_model.environment import EDGE_LABEL, STACK_LABEL
from tests.support.certificates import DAY, Authority, Issued
from tests.support.failures import failure
from tests.support.gixctl import gixctl
from tests.support.jobs import ask
from tests.support.load import LEAST_RATE, RATE, load
from tests.support.stack_under_test import StackUnderTest, free_ports, temporary_stack

KEY_FILE = "edge-key.pem"
SERVERS, CLIENTS = Authority("servers"), Authority("clients")
CLIENT = CLIENTS.issue("client")


@pytest.fixture(scope="module")
def first() -> Issued:
    """The certificate that the stack begins with."""
    return SERVERS.issue()


@pytest.fixture(scope="module")
def stack(
    client: docker.DockerClient, tmp_path_factory: pytest.TempPathFactory, first: Issued
) -> Iterator[StackUnderTest]:
    """A stack that is up, behind an edge with TLS and mTLS. Each test leaves it so that the next update is clean."""
    with temporary_stack(client, tmp_path_factory.mktemp("edge-tls") / "gix") as stack:
        [metrics] = free_ports(1)
        serve(stack, first, clientCa=CLIENTS.certificate, metricsPort=metrics, accessLog=True)
        stack.change(rollout={"strategy": "start-first", "trial": True})
        stack.up()
        yield stack


def serve(stack: StackUnderTest, issued: Issued, **keys: Any) -> None:
    """Set the certificate, in plain text, and its key, as a secret."""
    stack.secrets["gix:edge.key"] = issued.key
    stack.change(edge={"certificate": issued.certificate} | keys)


def edge_of(stack: StackUnderTest) -> Container:
    return stack.client.containers.get(f"{stack.prefix}-gix-edge")


def credentials(authority: Authority = SERVERS, own: Issued | None = CLIENT) -> grpc.ChannelCredentials:
    """What a client of gRPC trusts, and its own certificate."""
    pair = (None, None) if own is None else (own.key.encode(), own.certificate.encode())
    return grpc.ssl_channel_credentials(authority.certificate.encode(), *pair)


def context(directory: Path, own: Issued | None = CLIENT) -> ssl.SSLContext:
    """The same for a connection without gRPC."""
    found = ssl.create_default_context(cadata=SERVERS.certificate)
    found.set_alpn_protocols(["h2"])
    if own is not None:
        (directory / "client.pem").write_text(own.certificate + own.key)
        found.load_cert_chain(directory / "client.pem")
    return found


def handshake(stack: StackUnderTest, with_: ssl.SSLContext) -> tuple[str | None, str | None, int]:
    """A new connection: version of TLS, protocol of ALPN, serial number of the certificate."""
    with (
        socket.create_connection(stack.endpoint("router"), timeout=10) as plain,
        with_.wrap_socket(plain, server_hostname="127.0.0.1") as connection,
    ):
        shown = connection.getpeercert(binary_form=True)
        assert shown is not None
        serial = x509.load_der_x509_certificate(shown).serial_number
        return connection.version(), connection.selected_alpn_protocol(), serial


def served(stack: StackUnderTest, directory: Path) -> int:
    """The serial number of the certificate that a new connection sees."""
    return handshake(stack, context(directory))[2]


@contextmanager
def new_connections(stack: StackUnderTest, directory: Path) -> Iterator[Counter[int | str]]:
    """Connect anew again and again. Counts the serial numbers of the certificates, and the errors."""
    seen, stop, with_ = Counter[int | str](), threading.Event(), context(directory)

    def connect() -> None:
        while not stop.wait(0.02):
            try:
                seen[handshake(stack, with_)[2]] += 1
            except OSError as error:
                seen[str(error)] += 1

    thread = threading.Thread(target=connect)
    thread.start()
    try:
        yield seen
    finally:
        stop.set()
        thread.join()


def differences(stack: StackUnderTest) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = json.loads(gixctl(stack, "verify", "--json").stdout)["differences"]
    return found


def doctor(stack: StackUnderTest, check: str) -> list[tuple[str, str]]:
    """Level and text of the doctor's findings of one check."""
    findings = json.loads(gixctl(stack, "doctor", "--json").stdout)["findings"]
    return [(each["level"], each["text"]) for each in findings if each["check"] == check]


def test_a_client_with_a_certificate_of_the_authorities_settles_jobs_and_any_other_is_refused(
    stack: StackUnderTest, tmp_path: Path, first: Issued
) -> None:
    router, job = stack.endpoint("router"), {"job": "first", "limit": 10}
    assert ask(router, job, credentials())["ok"]
    assert handshake(stack, context(tmp_path)) == ("TLSv1.3", "h2", first.serial)

    without = ask(router, job, credentials(own=None))
    of_others = ask(router, job, credentials(own=Authority("strange").issue()))
    plain = ask(router, job)
    assert [each["ok"] for each in (without, of_others, plain)] == 3 * [False], (without, of_others, plain)


@pytest.mark.parametrize(("version", "is_accepted"), [(ssl.TLSVersion.TLSv1_1, False), (ssl.TLSVersion.TLSv1_2, True)])
@pytest.mark.filterwarnings("ignore:ssl.TLSVersion.TLSv1_1 is deprecated:DeprecationWarning")
def test_tls_before_1_2_is_refused(
    stack: StackUnderTest, tmp_path: Path, version: ssl.TLSVersion, *, is_accepted: bool
) -> None:
    with_ = context(tmp_path)
    # The library itself would not offer the old version.
    with_.set_ciphers("DEFAULT:@SECLEVEL=0")
    with_.minimum_version = with_.maximum_version = version
    if is_accepted:
        assert handshake(stack, with_)[0] == "TLSv1.2"
    else:
        with pytest.raises(ssl.SSLError, match=r"(?i)alert.protocol.version"):
            handshake(stack, with_)


def test_nothing_shows_the_key_and_a_second_update_is_empty(stack: StackUnderTest, first: Issued) -> None:
    assert stack.up().is_empty
    assert stack.up("--refresh").is_empty
    assert differences(stack) == []
    secret = first.key.splitlines()[1]
    edge = edge_of(stack)
    engine = stack.client.api
    places = {
        "state": stack.pulumi.run("stack", "export", "--show-secrets"),
        "recorded": stack.recorded(),
        "outputs": stack.pulumi.run("stack", "output", "--show-secrets"),
        "inspect": json.dumps(edge.attrs),
        "execs": json.dumps([engine.exec_inspect(each) for each in edge.attrs["ExecIDs"] or ()]),
        "log": edge.logs().decode(),
        "plan": gixctl(stack, "plan", "--json").stdout,
        "graph": gixctl(stack, "graph").stdout,
    }
    # The exported state has the stack's configuration nowhere, so the key is not in it, even decrypted.
    assert [place for place, text in places.items() if secret in text] == []
    [volume] = stack.client.volumes.list(filters={"label": [f"{STACK_LABEL}=gix/{stack.name}", EDGE_LABEL]})
    assert [(each["Name"], each["RW"]) for each in edge.attrs["Mounts"]] == [(volume.name, False)]
    assert doctor(stack, "ledger") == [("ok", f"the volume {stack.prefix}-gcam-data, the stack's own")]


@pytest.mark.load
def test_a_renewal_under_load_loses_no_request_and_keeps_the_edge(stack: StackUnderTest, tmp_path: Path) -> None:
    before, renewed = edge_of(stack).id, SERVERS.issue(ends=20 * DAY)
    old = served(stack, tmp_path)
    serve(stack, renewed)
    stack.write()
    plan = json.loads(gixctl(stack, "plan", "--json").stdout)
    assert {each["effect"] for each in plan["services"]} == {"untouched"}
    assert plan["notices"] == ["the edge gets another certificate, without an interruption"]
    assert not any(each["data_at_risk"] for each in plan["others"])

    began = time.time()
    with (
        load(stack.endpoint("router"), rate=RATE, credentials=credentials()) as done,
        new_connections(stack, tmp_path) as seen,
    ):
        output = stack.up().output
    assert not done.failures
    assert done.rate > LEAST_RATE
    assert len(done.settled) > LEAST_RATE
    assert set(seen) == {old, renewed.serial}
    assert "the edge serves the certificate that is configured now" in output
    assert edge_of(stack).id == before
    assert served(stack, tmp_path) == renewed.serial
    events = stack.client.events(since=int(began), until=int(time.time()) + 1, decode=True)
    assert renewed.key.splitlines()[1] not in json.dumps(list(events))
    assert stack.up().is_empty

    edge_of(stack).restart()
    assert served_once_up(stack, tmp_path) == renewed.serial
    [(level, text), (other, _)] = doctor(stack, "certificate")
    assert (level, other) == ("warning", "ok")
    assert "the certificate of the edge ends in 19 days" in text


def served_once_up(stack: StackUnderTest, directory: Path) -> int:
    deadline = time.monotonic() + 20
    while True:
        try:
            return served(stack, directory)
        except OSError:
            assert time.monotonic() < deadline
            time.sleep(0.1)


def test_other_authorities_of_clients_replace_the_edge(stack: StackUnderTest) -> None:
    before, job = edge_of(stack).id, {"job": "authorities", "limit": 10}
    others = Authority("other clients")
    stack.change(edge={"clientCa": others.certificate})
    stack.up()
    assert edge_of(stack).id != before
    assert ask(stack.endpoint("router"), job, credentials(own=others.issue()))["ok"]
    assert not ask(stack.endpoint("router"), job, credentials())["ok"]
    stack.change(edge={"clientCa": CLIENTS.certificate})
    stack.up()
    assert ask(stack.endpoint("router"), job, credentials())["ok"]


def test_a_key_that_does_not_belong_to_the_certificate_changes_nothing(stack: StackUnderTest, tmp_path: Path) -> None:
    good, secret = dict(stack.config), stack.secrets["gix:edge.key"]
    before, serial = edge_of(stack).id, served(stack, tmp_path)
    wrong = SERVERS.issue()
    stack.change(edge={"certificate": wrong.certificate})
    message = failure(stack)
    assert "gix:edge.key: does not belong to the first certificate in gix:edge.certificate" in message
    assert "nothing has been touched" in message
    assert secret.splitlines()[1] not in message
    stack.config = good
    assert stack.up().is_empty
    assert (edge_of(stack).id, served(stack, tmp_path)) == (before, serial)


def test_given_an_edge_that_does_not_answer_the_certificate_is_renewed_by_the_next_update(
    stack: StackUnderTest, tmp_path: Path
) -> None:
    before, renewed = edge_of(stack).id, SERVERS.issue()
    # From files, as a renewal program writes them.
    (stack.directory / "edge.pem").write_text(renewed.certificate)
    (stack.directory / KEY_FILE).write_text(renewed.key)
    del stack.secrets["gix:edge.key"]
    stack.change(edge={"certificate": "edge.pem", "key": KEY_FILE})
    edge_of(stack).pause()
    try:
        message = failure(stack)
    finally:
        edge_of(stack).unpause()
    assert "does not use the new certificate" in message

    stack.up()
    assert (edge_of(stack).id, served(stack, tmp_path)) == (before, renewed.serial)
    assert stack.up().is_empty


def test_given_a_lost_edge_with_its_volume_both_are_created_again(stack: StackUnderTest, tmp_path: Path) -> None:
    serial = served(stack, tmp_path)
    [volume] = [each["Name"] for each in edge_of(stack).attrs["Mounts"]]
    edge_of(stack).remove(force=True)
    stack.client.volumes.get(volume).remove()
    stack.up("--refresh")
    assert served(stack, tmp_path) == serial
    assert stack.up().is_empty


def test_the_edge_has_metrics_and_an_access_log(stack: StackUnderTest, tmp_path: Path) -> None:
    job = {"job": "logged", "limit": 10}
    assert ask(stack.endpoint("router"), job, credentials())["ok"]
    port = stack.config["gix:edge"]["metricsPort"]
    with_ = context(tmp_path)
    with_.set_alpn_protocols(["http/1.1"])
    with urllib.request.urlopen(f"https://127.0.0.1:{port}/metrics", context=with_) as answer:
        assert b"haproxy_frontend_http_requests_total" in answer.read()
    lines = gixctl(stack, "logs", "edge", "--json").stdout.splitlines()
    [*_, line] = [each for each in map(json.loads, lines) if "RouterService/Submit" in each["line"]]
    assert line["service"] == "edge"
    assert " 200 " in line["line"]
    assert doctor(stack, "certificate")[0][0] == "ok"


def test_without_a_certificate_the_edge_gives_up_tls_and_its_volume(stack: StackUnderTest) -> None:
    del stack.config["gix:edge"]
    plan = json.loads(gixctl(stack, "plan", "--json").stdout)
    assert not any(each["data_at_risk"] for each in plan["others"])
    assert "the edge is replaced: no service answers for some seconds" in plan["notices"]
    stack.up()
    assert ask(stack.endpoint("router"), {"job": "plain", "limit": 10})["ok"]
    assert stack.leavings()["volumes"] == [f"{stack.prefix}-gcam-data"]
    assert stack.up().is_empty
