"""What the platform declares behind an edge, and how the edge hands over."""

import io
import subprocess
import tarfile
from datetime import timedelta
from types import SimpleNamespace
from typing import Any

import pulumi
import pytest
from docker.errors import APIError, DockerException, NotFound
from pydantic import SecretStr

from gix_components import edge_check, handover, haproxy
from gix_components.handover import HandOverError, Server
from gix_components.host_ports import holders
from gix_components.platform import GixPlatform
from gix_engine import connection, haproxy_runtime
from gix_engine.observed_state import ObservedContainer, ObservedState, PublishedPort
from gix_ledger import helper
from gix_model import edge_certificate
from gix_model.catalog import CATALOG
from gix_model.environment import EDGE_LABEL, HELPER_LABEL, STACK_LABEL, Environment
from tests.support.certificates import Authority
from tests.unit.declared import Declared, Resource, configured, declare, environment
from tests.unit.engine.test_haproxy_runtime import printed

ISSUED = Authority().issue()
TLS = {"certificate": ISSUED.certificate, "key": SecretStr(ISSUED.key)}
START_FIRST = {"rollout": {"strategy": "start-first"}}
STATE = """\
1
# be_id be_name srv_id srv_name srv_addr srv_op_state srv_admin_state srv_uweight
3 router 1 router1 10.0.0.2 2 0 1
3 router 2 router2 10.0.0.3 2 8 1
3 router 3 router3 - 0 32 1
5 auction 1 auction1 10.0.0.4 0 0 1

"""


def behind_edge(**config: Any) -> Environment:
    return environment(**configured({f"gix:{key}": value for key, value in (START_FIRST | config).items()}))


@pytest.fixture(scope="module")
def declared() -> Declared:
    read = behind_edge(prefix="blue", router={"metricsPort": 9001, "bindAddress": "127.0.0.1"})
    return declare(lambda options: GixPlatform("gix", read, options))


def of_service(declared: Declared, service: str) -> Resource:
    spec = CATALOG["auction"]
    name = "gix-auction-container" if service == spec.name else f"blue-gix-{service}"
    return declared.resources[name]


def test_the_edge_publishes_the_ports_and_has_the_host_names_of_all_services(declared: Declared) -> None:
    inputs = declared.resources["gix-edge-container"].inputs
    assert inputs["name"] == "blue-gix-edge"
    assert {(each["ip"], each["external"], each["internal"]) for each in inputs["ports"]} == {
        ("127.0.0.1", 50051, 50051),
        ("127.0.0.1", 9001, 9001),
        ("0.0.0.0", 50052, 50052),
        ("0.0.0.0", 50053, 50053),
    }
    assert inputs["networksAdvanced"] == [
        {"name": "blue-gix-network", "aliases": ["edge", "router", "auction", "enclave"]}
    ]
    assert {each["label"]: each["value"] for each in inputs["labels"]} == {
        STACK_LABEL: "gix/dev",
        EDGE_LABEL: "haproxy",
    }


def test_the_edge_is_hardened(declared: Declared) -> None:
    inputs = declared.resources["gix-edge-container"].inputs
    assert (inputs["user"], inputs["readOnly"], inputs["stopSignal"]) == ("99:99", True, "SIGUSR1")
    assert inputs["capabilities"] == {"drops": ["ALL"]}
    assert inputs["securityOpts"] == ["no-new-privileges:true"]


@pytest.mark.parametrize("service", ["router", "enclave"])
def test_a_container_behind_the_edge_is_named_by_the_provider_and_created_first(
    declared: Declared, service: str
) -> None:
    container = of_service(declared, service)
    assert "name" not in container.inputs
    assert container.options.delete_before_replace is False
    assert container.inputs["ports"] == []
    assert container.inputs["hostname"] == f"{service}-backend"
    assert container.inputs["networksAdvanced"] == [{"name": "blue-gix-network", "aliases": [f"{service}-backend"]}]


def test_each_replica_is_a_container_of_its_own_and_the_edge_stays_the_same(declared: Declared) -> None:
    config = {"prefix": "blue", "router": {"metricsPort": 9001, "bindAddress": "127.0.0.1", "replicas": 3}}
    scaled = declare(lambda options: GixPlatform("gix", behind_edge(**config), options))
    names = ["blue-gix-router", "blue-gix-router-2", "blue-gix-router-3"]
    first, second, third = (scaled.resources[name].inputs for name in names)
    assert first == second == third == of_service(declared, "router").inputs
    assert scaled.resources["gix-edge-container"].inputs == declared.resources["gix-edge-container"].inputs
    assert len(scaled.resources["gix-router-hand-over"].inputs["containers"]) == len(names)


def test_the_auction_keeps_its_name_and_is_deleted_first(declared: Declared) -> None:
    container = of_service(declared, "auction")
    assert container.inputs["name"] == "blue-gix-auction"
    assert container.options.delete_before_replace is True
    assert container.inputs["ports"] == []


def test_the_edge_leaves_out_a_service_that_does_not_run() -> None:
    text = haproxy.configuration(behind_edge(services=["router"]))
    assert "server-template router 42 router-backend:50051 proto h2" in text
    assert "auction" not in text


def test_the_edge_keeps_the_address_of_the_auction_while_there_is_none() -> None:
    sections = haproxy.configuration(behind_edge()).split("\nresolvers ")
    by_service = {section.split()[0]: section for section in sections[1:]}
    assert "hold nx 60s" in by_service["auction"]
    assert "check" not in by_service["auction"]
    for service in ("router", "enclave"):
        assert "hold nx 0s" in by_service[service]
        assert "check inter" in by_service[service]


def test_the_servers_of_the_edge_are_read() -> None:
    assert handover.read_servers(STATE.splitlines()) == [
        Server(backend="router", name="router1", address="10.0.0.2", is_up=True),
        # In the state `drain`.
        Server(backend="router", name="router2", address="10.0.0.3", is_up=False),
        Server(backend="router", name="router3", address="-", is_up=False),
        Server(backend="auction", name="auction1", address="10.0.0.4", is_up=False),
    ]


@pytest.mark.parametrize("text", ["", STATE.removeprefix("1\n"), "Unknown command\n\n"])
def test_an_answer_that_lists_no_servers_is_reported(text: str) -> None:
    with pytest.raises(DockerException, match="the edge does not list its servers"):
        handover.read_servers(text.splitlines())


def test_bash_accepts_the_script_that_sets_a_server_back() -> None:
    subprocess.run(["bash", "-n", "-c", handover._READY_WHEN_FREE], check=True)


class Edge:
    """The edge's container: answers the runtime API, and notes the commands."""

    def __init__(self, state: str = STATE) -> None:
        self.state = state
        self.commands: list[str] = []
        self.scripts: list[list[str]] = []

    def exec_run(self, words: list[str], *, detach: bool = False) -> tuple[int, bytes]:
        if detach:
            self.scripts.append(words[4:])
            return 0, b""
        command = words[-1]
        self.commands.append(command)
        if command == "show servers state":
            return 0, printed(self.state)
        requests = "0" if self.commands.count(command) > 1 else "1"
        return 0, printed(f"# pxname,svname,qcur,scur\nrouter,router2,0,{requests}\nrouter,router1,0,7\n\n")


def engine(monkeypatch: pytest.MonkeyPatch, edge_container: Edge | None) -> None:
    def get(name: str) -> object:
        if name.startswith("10."):
            return SimpleNamespace(attrs={"NetworkSettings": {"Networks": {"gix-network": {"IPAddress": name}}}})
        if edge_container is None:
            raise NotFound("404", explanation="No such container: gix-edge")
        return edge_container

    monkeypatch.setattr(connection, "connect", lambda *_: SimpleNamespace(containers=SimpleNamespace(get=get)))


def test_the_old_container_is_drained_until_it_has_no_requests(monkeypatch: pytest.MonkeyPatch) -> None:
    container = Edge()
    engine(monkeypatch, container)
    handover.run(behind_edge(), CATALOG["router"], ["10.0.0.2"])
    drained = container.commands.index("set server router/router2 state drain")
    assert container.commands[:drained] == 2 * ["show servers state"]
    assert container.commands[drained + 1 :] == 2 * ["show stat router 4 -1"]
    assert container.scripts == [["router", "router2", "10.0.0.3"]]


def test_given_an_edge_that_does_not_use_the_new_container_the_old_one_is_not_drained(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    container = Edge()
    engine(monkeypatch, container)
    monkeypatch.setattr(handover, "SEES_WITHIN", timedelta(0))
    with pytest.raises(HandOverError, match=r"to 10\.0\.0\.9 after.*No old one is deleted"):
        handover.run(behind_edge(), CATALOG["router"], ["10.0.0.2", "10.0.0.9"])
    assert not any("drain" in command for command in container.commands)


def test_given_several_containers_none_of_them_is_drained(monkeypatch: pytest.MonkeyPatch) -> None:
    container = Edge(STATE.replace("10.0.0.3 2 8", "10.0.0.3 2 0"))
    engine(monkeypatch, container)
    handover.run(behind_edge(router={"replicas": 2}), CATALOG["router"], ["10.0.0.2", "10.0.0.3"])
    assert container.commands == 2 * ["show servers state"]


def test_given_no_edge_the_error_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    engine(monkeypatch, None)
    with pytest.raises(HandOverError, match="No such container: gix-edge"):
        handover.run(behind_edge(), CATALOG["router"], ["10.0.0.2"])


def test_given_an_edge_that_does_not_answer_the_error_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    container = Edge()
    monkeypatch.setattr(container, "exec_run", lambda *_, **__: (1, b"connection refused"))
    engine(monkeypatch, container)
    with pytest.raises(HandOverError, match="the edge does not answer: connection refused"):
        handover.run(behind_edge(), CATALOG["router"], ["10.0.0.2"])


def test_only_the_stack_s_own_running_containers_give_up_a_port() -> None:
    def container(
        name: str,
        *,
        state: str = "running",
        stack: str = "gix/dev",
        address: str = "127.0.0.1",
        port: int = 50051,
    ) -> ObservedContainer:
        published = (PublishedPort(address=address, port=port, protocol="tcp"),)
        return ObservedContainer(id=name, names=(name,), state=state, labels={STACK_LABEL: stack}, published=published)

    observed = ObservedState(
        containers=(
            container("own"),
            container("stopped", state="exited"),
            container("strange", stack="gix/other"),
            container("elsewhere", port=50052),
            container("at-another-address", address="10.0.0.5"),
        )
    )
    assert [each.name for each in holders(observed, "gix/dev", [("127.0.0.1", 50051)])] == ["own"]


@pytest.mark.parametrize("others", [["healthy", "starting"], ["starting"]])
def test_a_container_that_is_not_healthy_is_stopped_only_beside_one_that_is(
    monkeypatch: pytest.MonkeyPatch, others: list[str]
) -> None:
    stopped: list[str] = []

    def container(health: str, labels: dict[str, str]) -> SimpleNamespace:
        attrs = {"State": {"Health": {"Status": health}}}
        return SimpleNamespace(name=health, labels=labels, attrs=attrs, stop=lambda **_: stopped.append(health))

    found = [container(each, {}) for each in others]
    # A trial is left alone.
    found.append(container("unhealthy", {HELPER_LABEL: "trial"}))
    containers = SimpleNamespace(list=lambda **_: found)
    monkeypatch.setattr(connection, "connect", lambda *_: SimpleNamespace(containers=containers))
    monkeypatch.setattr(pulumi.log, "info", lambda _: None)
    handover.withdraw_unhealthy(behind_edge(), CATALOG["router"])
    assert stopped == (["starting"] if "healthy" in others else [])


def test_given_an_image_that_cannot_be_the_edge_the_error_says_why_and_what_to_do(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    labels: dict[str, str] = {}

    def create(*_: object, **options: Any) -> None:
        labels.update(options["labels"])
        raise APIError("400", explanation="bash: executable file not found")

    client = SimpleNamespace(containers=SimpleNamespace(create=create))
    monkeypatch.setattr(connection, "connect", lambda *_: client)
    with pytest.raises(edge_check.EdgeError) as caught:
        edge_check.check(behind_edge(), "sha256:new", None)
    assert "bash: executable file not found" in str(caught.value)
    assert "gix:edge.image = haproxy:2.8: it cannot be the edge, so no container was replaced" in str(caught.value)
    assert "that has bash: haproxy:2.8" in str(caught.value)
    # What `gixctl doctor --fix` reads of a container that a killed update left.
    assert labels.keys() >= {HELPER_LABEL, helper.WORK_LABEL, helper.RESUME_LABEL}


@pytest.fixture(scope="module")
def with_tls() -> Declared:
    read = behind_edge(prefix="blue", edge=TLS | {"metricsPort": 9100}, defaults={"bindAddress": "127.0.0.1"})
    return declare(lambda options: GixPlatform("gix", read, options))


def test_with_a_certificate_the_published_ports_lead_to_those_with_tls(with_tls: Declared) -> None:
    inputs = with_tls.resources["gix-edge-container"].inputs
    assert {(each["ip"], each["external"], each["internal"]) for each in inputs["ports"]} == {
        ("127.0.0.1", 50051, 51051),
        ("127.0.0.1", 50052, 51052),
        ("127.0.0.1", 50053, 51053),
        ("127.0.0.1", 9100, 9404),
    }


def test_the_certificate_is_on_a_volume_that_the_edge_cannot_write(with_tls: Declared) -> None:
    volume = with_tls.resources["gix-edge-certificates"]
    assert volume.inputs["name"] == "blue-gix-edge-certificates"
    assert {each["label"]: each["value"] for each in volume.inputs["labels"]} == {
        STACK_LABEL: "gix/dev",
        EDGE_LABEL: "certificates",
    }
    assert not volume.options.protect
    assert with_tls.resources["gix-edge-container"].inputs["volumes"] == [
        {"volumeName": "blue-gix-edge-certificates", "containerPath": "/certificates", "readOnly": True}
    ]


def test_no_input_of_a_resource_has_the_key(with_tls: Declared) -> None:
    assert with_tls.resources["gix-edge-check"].inputs["certificate"]
    text = repr([each.inputs for each in with_tls.resources.values()])
    assert ISSUED.key.splitlines()[1] not in text


def tls_of(**edge: Any) -> haproxy.Tls:
    certificate, problems = edge_certificate.read(behind_edge(edge=TLS | edge))
    assert certificate is not None, problems
    return haproxy.Tls(certificate=certificate)


def test_tls_is_only_on_the_published_ports() -> None:
    text = haproxy.configuration(behind_edge(), tls_of())
    assert "    bind :50051 proto h2\n" in text
    assert "    bind :51051 ssl crt /certificates/live/edge.pem alpn h2 proto h2\n" in text
    assert "    bind :10001 ssl crt /certificates/live/edge.pem alpn http/1.1\n" in text
    assert "ssl-default-bind-options ssl-min-ver TLSv1.2 no-tls-tickets" in text
    assert "verify" not in text


def test_other_authorities_of_clients_have_a_file_of_another_name() -> None:
    texts = [
        haproxy.configuration(behind_edge(), tls_of(clientCa=Authority().certificate)).partition("ca-file ")[2]
        for _ in range(2)
    ]
    assert all(each.startswith("/certificates/live/client-ca-") for each in texts)
    assert " verify required alpn h2 proto h2\n" in texts[0]
    assert texts[0].split()[0] != texts[1].split()[0]


def test_the_edge_has_metrics_and_an_access_log_if_they_are_wanted() -> None:
    without = haproxy.configuration(behind_edge())
    assert not any(each in without for each in ("prometheus", "httplog", "ssl", " info\n"))
    text = haproxy.configuration(behind_edge(edge={"metricsPort": 9100, "accessLog": True}))
    assert "log stdout format raw local0 info\n" in text
    assert "    option httplog\n    option dontlognull\n" in text
    assert "    bind :8404 \n    http-request use-service prometheus-exporter if { path /metrics }\n" in text


class Helper:
    """The container in which the certificate is checked."""

    def __init__(self, code: int = 0) -> None:
        self.code = code
        self.archives: list[tuple[str, bytes]] = []
        self.options: dict[str, Any] = {}
        self.command: list[str] = []
        self.is_removed = False

    def put_archive(self, path: str, content: bytes) -> None:
        self.archives.append((path, content))

    def start(self) -> None:
        pass

    def wait(self) -> dict[str, int]:
        return {"StatusCode": self.code}

    def logs(self, **_: object) -> bytes:
        return b"[ALERT] unable to load certificate"

    def remove(self, **_: object) -> None:
        self.is_removed = True


def installing(monkeypatch: pytest.MonkeyPatch, helper_: Helper, running: object | None) -> None:
    def create(_: str, command: list[str], **options: Any) -> Helper:
        helper_.command, helper_.options = command, options
        return helper_

    def get(_: str) -> object:
        if running is None:
            raise NotFound("404", explanation="No such container: gix-edge")
        return running

    containers = SimpleNamespace(create=create, get=get)
    monkeypatch.setattr(connection, "connect", lambda *_: SimpleNamespace(containers=containers))
    monkeypatch.setattr(pulumi.log, "info", lambda _: None)


def test_the_files_of_the_certificate_are_only_for_haproxy_and_on_no_command_line(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    container = Helper()
    installing(monkeypatch, container, None)
    edge_check.check(behind_edge(edge=TLS), "sha256:new", tls_of().certificate)
    [(path, content)] = container.archives
    assert path == "/certificates"
    with tarfile.open(fileobj=io.BytesIO(content)) as archive:
        entries = {each.name: (each.uid, oct(each.mode)) for each in archive.getmembers()}
        file = archive.extractfile("live/next/edge.pem")
        assert file is not None
        assert file.read().decode() == ISSUED.certificate + ISSUED.key
    assert entries == {"live": (99, "0o700"), "live/next": (99, "0o700"), "live/next/edge.pem": (99, "0o400")}
    assert ISSUED.key.splitlines()[1] not in repr((container.command, container.options))
    assert container.options["network_mode"] == "none"
    assert container.is_removed


def test_a_certificate_that_haproxy_refuses_is_reported_and_the_running_edge_is_left_alone(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    container = Helper(code=1)
    installing(monkeypatch, container, object())
    with pytest.raises(edge_check.EdgeError, match=r"gix:edge\.certificate: it cannot be the edge.*unable to load"):
        edge_check.check(behind_edge(edge=TLS), "sha256:new", tls_of().certificate)
    assert container.is_removed


@pytest.mark.parametrize(
    ("status", "loaded", "reloaded"),
    [
        ("running", ["/certificates/live/edge.pem"], True),
        # It gets TLS with its next configuration.
        ("running", [], False),
        # It reads its files when it starts.
        ("exited", ["/certificates/live/edge.pem"], False),
    ],
)
def test_a_running_edge_that_serves_the_certificate_reads_it_again(
    monkeypatch: pytest.MonkeyPatch,
    status: str,
    loaded: list[str],
    reloaded: bool,  # noqa: FBT001 - a parameter
) -> None:
    read: list[str] = []
    installing(monkeypatch, Helper(), SimpleNamespace(status=status))
    monkeypatch.setattr(haproxy_runtime, "certificates", lambda _: loaded)
    monkeypatch.setattr(haproxy_runtime, "reload_certificate", lambda _, path: read.append(path))
    edge_check.check(behind_edge(edge=TLS), "sha256:new", tls_of().certificate)
    assert read == (loaded if reloaded else [])


def test_an_edge_that_does_not_read_the_certificate_is_reported(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(_: object) -> list[str]:
        raise DockerException("the edge does not answer: paused")

    installing(monkeypatch, Helper(), SimpleNamespace(status="paused"))
    monkeypatch.setattr(haproxy_runtime, "certificates", refuse)
    with pytest.raises(edge_check.EdgeError, match=r"serves the one before: .*paused\nRun pulumi up again"):
        edge_check.check(behind_edge(edge=TLS), "sha256:new", tls_of().certificate)
