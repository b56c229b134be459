"""The picture of a stack: the same graph gives the same bytes, and no name breaks it."""

import dataclasses
import re
from typing import Any
from xml.etree import ElementTree as ET

import pytest

from gix_model.catalog import CATALOG
from gix_ops import graph_svg
from gix_ops.graph import Graph, HostPort, Node

SVG = "{http://www.w3.org/2000/svg}"

NODES = tuple(
    Node(
        service=spec.name,
        title=spec.title,
        container=spec.container,
        address=f"{spec.hostname}:{spec.port}",
        health="healthy",
        ports=(HostPort(published=f"127.0.0.1:{spec.port}", internal=spec.port, is_metrics=False),),
        peers=spec.peers,
        mount="/data" if spec.keeps_ledger else None,
    )
    for spec in CATALOG.values()
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


def parsed(picture: str) -> ET.Element:
    return ET.fromstring(picture)  # noqa: S314 - this program's own


def change(index: int, **fields: Any) -> Graph:
    nodes = list(NODES)
    nodes[index] = dataclasses.replace(nodes[index], **fields)
    return dataclasses.replace(GRAPH, nodes=tuple(nodes))


def texts(picture: str) -> list[str]:
    return [element.text or "" for element in parsed(picture).iter(f"{SVG}text")]


def places(picture: str) -> list[dict[str, str]]:
    """Where everything is, whatever the texts are."""
    return [{key: at for key, at in element.attrib.items() if key != "class"} for element in parsed(picture).iter()]


def test_the_same_graph_gives_the_same_bytes() -> None:
    assert graph_svg.draw(GRAPH) == graph_svg.draw(dataclasses.replace(GRAPH))


def test_all_that_the_stack_has_is_in_the_picture_and_in_its_words() -> None:
    picture = graph_svg.draw(GRAPH)
    shown = texts(picture)
    for spec in CATALOG.values():
        for words in (
            spec.title,
            spec.container,
            f"{spec.hostname}:{spec.port}",
            f"127.0.0.1:{spec.port} → {spec.port}",
        ):
            assert words in shown
    assert {"gix/dev", "gix-network", "bridge, 172.28.0.0/16", "gcam-data", "/data", "3 services: 3 healthy"} <= {
        *shown
    }
    assert shown.count("asks") == 2

    root = parsed(picture)
    assert root.get("role") == "img"
    assert root.findtext(f"{SVG}title") == "The GIX stack gix/dev"
    words = root.findtext(f"{SVG}desc") or ""
    assert "AJR router: healthy in the container gix-router, reached in the network at router:50051" in words
    assert (
        "published on the host at 127.0.0.1:50052, it asks the enclave, it keeps the ledger on the volume gcam-data"
        in words
    )


def test_places_do_not_depend_on_names() -> None:
    other = dataclasses.replace(GRAPH, label="gix/pr-7", network="pr-7-gix-network", subnet="10.64.7.0/24")
    assert places(graph_svg.draw(other)) == places(graph_svg.draw(GRAPH))


@pytest.mark.parametrize("health", ["healthy", "starting", "unhealthy", "restarting", "missing"])
def test_health_is_a_word_as_well_as_a_colour_and_stays_in_its_card(health: str) -> None:
    picture = graph_svg.draw(change(1, health=health))
    assert health in texts(picture)
    colours = {"healthy": "good", "starting": "soon"}
    assert f'class="small f-{colours.get(health, "bad")}">{health}<' in picture
    title = next(each for each in parsed(picture).iter(f"{SVG}text") if each.text == "GCAM auction")
    dots = [float(each.attrib["cx"]) for each in parsed(picture).iter(f"{SVG}circle")]
    assert float(title.attrib["x"]) + 9.5 * len("GCAM auction") < dots[1]


def test_given_two_ports_both_are_shown_and_the_rest_moves_down() -> None:
    ports = (*NODES[0].ports, HostPort(published="[::]:9001", internal=9001, is_metrics=True))
    picture = graph_svg.draw(change(0, ports=ports))
    assert "[::]:9001 → 9001 metrics" in texts(picture)
    heights = [float(parsed(each).attrib["height"]) for each in (graph_svg.draw(GRAPH), picture)]
    assert heights[1] > heights[0]


def test_given_no_published_port_that_is_said() -> None:
    assert "not published" in texts(graph_svg.draw(change(2, ports=())))


def test_given_the_router_alone_there_is_nobody_to_ask_and_no_ledger() -> None:
    alone = dataclasses.replace(GRAPH, nodes=(dataclasses.replace(NODES[0], peers=()),), volume=None)
    shown = texts(graph_svg.draw(alone))
    assert "asks" not in shown
    assert "the ledger" not in shown
    assert "1 service: 1 healthy" in shown


def test_given_a_missing_volume_that_is_said() -> None:
    graph = dataclasses.replace(GRAPH, has_volume=False)
    assert "the ledger, missing" in texts(graph_svg.draw(graph))
    assert graph.missing == ["the volume gcam-data"]


def test_what_is_missing_is_told_with_its_kind() -> None:
    assert GRAPH.missing == []
    graph = dataclasses.replace(change(0, health="missing"), driver="missing")
    assert graph.missing == ["the container gix-router", "the network gix-network"]


def test_a_name_too_long_for_its_place_keeps_both_its_ends_and_is_whole_in_the_words() -> None:
    name = "a-prefix-of-all-of-31-character-gix-auction"
    picture = graph_svg.draw(change(1, container=name))
    [shown] = [text for text in texts(picture) if "…" in text]
    assert len(shown) == 23
    assert shown.startswith("a-prefix")
    assert shown.endswith("gix-auction")
    assert f"in the container {name}," in picture


def test_what_is_markup_in_a_name_is_text_in_the_picture() -> None:
    picture = graph_svg.draw(dataclasses.replace(GRAPH, label="gix/<dev> & 'co'"))
    assert "gix/<dev> & 'co'" in texts(picture)


def test_colours_read_on_light_and_dark() -> None:
    for light in (True, False):
        css = graph_svg.draw(GRAPH).partition("@media (prefers-color-scheme: dark)")[0 if light else 2]
        colours = dict(re.findall(r"\.f-(\w+) \{ fill: (#\w+);", css))
        for ink in ("ink", "faint", "good", "soon", "bad"):
            for ground in ("card", "area"):
                assert contrast(colours[ink], colours[ground]) >= 4.5, (ink, ground, light)


def contrast(one: str, other: str) -> float:
    """The contrast of two colours as the guidelines for accessible web content reckon it; text needs 4.5."""
    darker, lighter = sorted(map(luminance, (one, other)))
    return (lighter + 0.05) / (darker + 0.05)


def luminance(colour: str) -> float:
    parts = [int(colour[at : at + 2], 16) / 255 for at in (1, 3, 5)]
    red, green, blue = (part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts)
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue
