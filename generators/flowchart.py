"""Generates the flowchart in README.md: the stack `dev` with the default settings, as `gixctl graph` draws it."""

import re

from gix_model.catalog import CATALOG, DATA_DIRECTORY, ServiceSpec
from gix_model.settings import StackSettings
from gix_ops import graph_mermaid
from gix_ops.graph import Graph, HostPort, Node

_BLOCK = re.compile(r"(?<=^```mermaid\n).*?(?=^```$)", re.MULTILINE | re.DOTALL)


def readme(text: str) -> str:
    """The text of README.md with an updated flowchart."""
    return _BLOCK.sub(lambda _: graph_mermaid.draw(_healthy()), text, count=1)


def _healthy() -> Graph:
    """A stack in which all services are healthy."""
    settings = StackSettings()
    return Graph(
        label="gix/dev",
        network=settings.network.name,
        subnet=settings.network.subnet,
        driver="bridge",
        volume=settings.ledger.volume,
        has_volume=True,
        nodes=tuple(map(_node, CATALOG.values())),
    )


def _node(spec: ServiceSpec) -> Node:
    return Node(
        service=spec.name,
        title=spec.title,
        container=spec.container,
        address=f"{spec.hostname}:{spec.port}",
        health="healthy",
        ports=(HostPort(published=f"127.0.0.1:{spec.port}", internal=spec.port, is_metrics=False),),
        peers=spec.peers,
        mount=DATA_DIRECTORY if spec.keeps_ledger else None,
    )
