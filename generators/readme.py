"""Generates two parts of README.md: the table of the services, and the flowchart.

The flowchart is what `gixctl graph` draws of the stack `dev` with the default settings.
"""

import re

from gix_model.catalog import CATALOG, DATA_DIRECTORY, ServiceSpec
from gix_model.settings import StackSettings
from gix_ops import graph_mermaid
from gix_ops.graph import Graph, HostPort, Node

_ROWS = re.compile(r"(?<=^\| service \| port \| what it does \|\n\|---\|---\|---\|\n)(\|.*\n)*", re.MULTILINE)
_FLOWCHART = re.compile(r"(?<=^```mermaid\n).*?(?=^```$)", re.MULTILINE | re.DOTALL)


def updated(text: str) -> str:
    """The text of README.md with the services of the catalog."""
    text = _ROWS.sub(lambda _: "".join(map(_row, CATALOG.values())), text, count=1)
    return _FLOWCHART.sub(lambda _: graph_mermaid.draw(_healthy()), text, count=1)


def _row(spec: ServiceSpec) -> str:
    return f"| {spec.name} | {spec.port} | {spec.title}: {spec.purpose} |\n"


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
        containers=(spec.container,),
        address=f"{spec.hostname}:{spec.port}",
        health="healthy",
        ports=(HostPort(published=f"127.0.0.1:{spec.port}", internal=spec.port, is_metrics=False),),
        peers=spec.peers,
        mount=DATA_DIRECTORY if spec.keeps_ledger else None,
    )
