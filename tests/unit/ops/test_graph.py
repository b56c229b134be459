"""The flowchart of a stack shows every object, and no name breaks its syntax."""

import dataclasses
from typing import Any

import pytest

from gix_engine import observed_state, swarm_state
from gix_model.catalog import CATALOG, ServiceName
from gix_model.environment import EDGE_LABEL, STACK_LABEL
from gix_ops import graph, graph_mermaid, swarm
from gix_ops.graph import Edge, Graph, HostPort, Node
from tests.unit.engine.fake_engine import FakeEngine
from tests.unit.engine.test_swarm import node_record, service_record, task
from tests.unit.ops.test_swarm import CLIENT, auction, stack

SERVICES: tuple[ServiceName, ...] = ("router", "auction", "enclave")
NODES = tuple(
    Node(
        service=spec.name,
        title=spec.title,
        containers=(spec.container,),
        address=f"{spec.hostname}:{spec.port}",
        health="healthy",
        ports=(HostPort(published=f"127.0.0.1:{spec.port}", internal=spec.port, is_metrics=False),),
        peers=spec.peers,
        mount="/data" if spec.keeps_ledger else None,
    )
    for spec in map(CATALOG.__getitem__, SERVICES)
)
GRAPH = Graph(
    label="gix/dev",
    network="gix-network",
    subnet="172.28.0.0/16",
    driver="bridge",
    volume="gcam-data",
    has_volume=True,
    nodes=NODES,
)


def change(index: int, **fields: Any) -> Graph:
    nodes = list(NODES)
    nodes[index] = dataclasses.replace(nodes[index], **fields)
    return dataclasses.replace(GRAPH, nodes=tuple(nodes))


def test_the_flowchart_shows_the_whole_stack() -> None:
    assert graph_mermaid.draw(GRAPH) == (
        """---
title: "gix/dev, 3 services, 3 healthy"
---
flowchart TB
  subgraph network ["gix-network (bridge, 172.28.0.0/16)"]
    direction LR
    router["AJR router<br>gix-router<br>router:50051<br>healthy"]:::good
    auction["GCAM auction<br>gix-auction<br>auction:50052<br>healthy"]:::good
    enclave["GSEE enclave<br>gix-enclave<br>enclave:50053<br>healthy"]:::good
    router -->|asks| auction
    auction -->|asks| enclave
  end
  router0(["127.0.0.1:50051 to 50051"]) --> router
  auction0(["127.0.0.1:50052 to 50052"]) --> auction
  enclave0(["127.0.0.1:50053 to 50053"]) --> enclave
  volume[("gcam-data")]:::good
  auction ---|"/data"| volume
  classDef good stroke:#1a7f37
  classDef waiting stroke:#9a6700
  classDef bad stroke:#cf222e,stroke-dasharray:6 5
"""
    )


@pytest.mark.parametrize(
    ("health", "style"), [("healthy", "good"), ("starting", "waiting"), ("unhealthy", "bad"), ("missing", "bad")]
)
def test_health_is_shown_as_a_word_and_as_a_style(health: str, style: str) -> None:
    assert f'<br>{health}"]:::{style}\n' in graph_mermaid.draw(change(1, health=health))


def test_given_two_ports_both_are_shown() -> None:
    ports = (*NODES[0].ports, HostPort(published="[::]:9001", internal=9001, is_metrics=True))
    assert 'router1(["#91;::#93;:9001 to 9001 metrics"]) --> router\n' in graph_mermaid.draw(change(0, ports=ports))


def test_given_the_router_alone_the_flowchart_has_no_peers_and_no_ledger() -> None:
    alone = dataclasses.replace(GRAPH, nodes=(dataclasses.replace(NODES[0], peers=()),), volume=None)
    drawn = graph_mermaid.draw(alone)
    assert "asks" not in drawn
    assert "volume" not in drawn
    assert "1 service, 1 healthy" in drawn


def test_given_a_missing_volume_the_flowchart_marks_it() -> None:
    graph = dataclasses.replace(GRAPH, has_volume=False)
    assert 'volume[("gcam-data<br>missing")]:::bad\n' in graph_mermaid.draw(graph)
    assert graph.missing == ["the volume gcam-data"]


def test_missing_objects_are_named_with_their_kind() -> None:
    assert GRAPH.missing == []
    graph = dataclasses.replace(change(0, missing=("gix-router",)), driver="missing")
    assert graph.missing == ["the container gix-router", "the network gix-network"]


def test_all_containers_of_a_service_are_shown_in_its_node() -> None:
    drawn = graph_mermaid.draw(change(0, containers=("gix-router-1a2b3c4", "gix-router-2-5d6e7f8")))
    assert 'router["AJR router<br>gix-router-1a2b3c4<br>gix-router-2-5d6e7f8<br>router:50051<br>healthy"]' in drawn


def test_markup_in_a_name_is_escaped_in_the_flowchart() -> None:
    drawn = graph_mermaid.draw(dataclasses.replace(GRAPH, label='gix/<dev> & "co"|]'))
    assert 'title: "gix/#60;dev#62; #38; #34;co#34;#124;#93;, 3 services' in drawn


@pytest.mark.parametrize(("health", "style"), [("healthy", "good"), ("missing", "bad")])
def test_behind_an_edge_the_ports_are_those_of_the_edge(health: str, style: str) -> None:
    graph = dataclasses.replace(GRAPH, edge=Edge(containers=("gix-edge",), health=health))
    lines = graph_mermaid.draw(graph).splitlines()
    assert f'    edge_["edge<br>gix-edge<br>{health}"]:::{style}' in lines
    assert '  router0(["127.0.0.1:50051 to 50051"]) --> edge_' in lines
    assert "    edge_ --> router" in lines
    assert graph.missing == (["the container gix-edge"] if health == "missing" else [])


def test_in_swarm_each_edge_and_its_ports_are_shown_once_and_the_volume_is_looked_for_on_its_node(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    edge = service_record(service="edge", replicas=None) | {"ID": "s3"}
    edge["Spec"] |= {"Name": "gix-edge", "Labels": {STACK_LABEL: "gix/dev", EDGE_LABEL: "gix/dev"}}
    port = {"TargetPort": 50051, "PublishedPort": 50051, "Protocol": "tcp"}
    tasks = [task("running", node=f"id-{name}", slot=None, at=name) | {"ServiceID": "s3"} for name in ("one", "two")]
    for each in tasks:
        each["Status"]["PortStatus"] = {"Ports": [port, port]}
    found = swarm_state.read(
        nodes=[node_record("one"), node_record("two")],
        services=[service_record(), auction(), edge],
        tasks=[task("running"), *tasks],
    )
    two = FakeEngine()
    two.add_volume("gcam-data")
    monkeypatch.setattr(swarm, "observe", lambda _: found)
    monkeypatch.setattr(swarm.NodeEngines, "container", lambda *_: {})
    monkeypatch.setattr(swarm, "connect_to_node", lambda _, node: {"two": two.client}[node])
    monkeypatch.setattr(observed_state, "inspect_network", lambda *_: {"Driver": "overlay"})
    up = stack()
    with_edge = dataclasses.replace(up, outputs=up.outputs.model_copy(update={"edge": "gix-edge"}))
    shown = graph.read(with_edge, CLIENT)
    assert shown.edge == Edge(containers=("gix-edge.one", "gix-edge.two"), health="running")
    assert [each.published for each in shown.nodes[0].ports] == ["10.0.0.1:50051", "10.0.0.1:50051"]
    assert (shown.driver, shown.has_volume) == ("overlay", True)
    assert "edge<br>gix-edge.one<br>gix-edge.two<br>running" in graph_mermaid.draw(shown)

    two.all_volumes.clear()
    assert not graph.read(with_edge, CLIENT).has_volume
