"""Writes a stack's graph as a Mermaid flowchart, which GitHub and many editors render."""

import re
from collections.abc import Iterator

from gix_ops.graph import Graph, Node
from gix_ops.services import MISSING

_CLASSES = {"healthy": "good", "starting": "waiting"}
"""The class of a service by its health; any other health is bad."""
_STYLES = ("good stroke:#1a7f37", "waiting stroke:#9a6700", "bad stroke:#cf222e,stroke-dasharray:6 5")


def draw(graph: Graph) -> str:
    """The flowchart of a stack. Equal graphs give equal texts."""
    return "\n".join(_lines(graph)) + "\n"


def _lines(graph: Graph) -> Iterator[str]:
    yield "---"
    yield f'title: "{_text(f"{graph.label}, {summary(graph)}")}"'
    yield "---"
    yield "flowchart TB"
    yield f'  subgraph network ["{_text(f"{graph.network} ({graph.driver}, {graph.subnet})")}"]'
    yield "    direction LR"
    for node in graph.nodes:
        label = "<br>".join(map(_text, (node.title, *node.containers, node.address, node.health)))
        yield f'    {node.service}["{label}"]:::{_CLASSES.get(node.health, "bad")}'
    for node in graph.nodes:
        yield from (f"    {node.service} -->|asks| {peer}" for peer in node.peers)
    if graph.edge:
        label = "<br>".join(map(_text, ("edge", *graph.edge.containers, graph.edge.health)))
        yield f'    edge_["{label}"]:::{_CLASSES.get(graph.edge.health, "bad")}'
        yield from (f"    edge_ --> {node.service}" for node in graph.nodes)
    yield "  end"
    for node in graph.nodes:
        yield from _ports(node, target="edge_" if graph.edge else node.service)
    if graph.volume:
        label = _text(graph.volume) + ("" if graph.has_volume else f"<br>{MISSING}")
        yield f'  volume[("{label}")]:::{"good" if graph.has_volume else "bad"}'
        yield from (f'  {node.service} ---|"{_text(node.mount)}"| volume' for node in graph.nodes if node.mount)
    yield from (f"  classDef {style}" for style in _STYLES)


def summary(graph: Graph) -> str:
    """How many services there are, by health."""
    counts: dict[str, int] = {}
    for node in graph.nodes:
        counts[node.health] = counts.get(node.health, 0) + 1
    total = "1 service" if len(graph.nodes) == 1 else f"{len(graph.nodes)} services"
    return f"{total}, {', '.join(f'{count} {health}' for health, count in counts.items())}"


def _ports(node: Node, *, target: str) -> Iterator[str]:
    for index, port in enumerate(node.ports):
        label = _text(f"{port.published} to {port.internal}{' metrics' if port.is_metrics else ''}")
        yield f'  {node.service}{index}(["{label}"]) --> {target}'


def _text(text: str) -> str:
    """`text` with the characters escaped that have a meaning in Mermaid."""
    return re.sub(r"[^\w ./:,()-]", lambda match: f"#{ord(match[0])};", text)
