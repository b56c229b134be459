"""Draws a stack's graph as SVG: the same graph gives the same bytes.

The picture brings its own background, so it reads on light and dark pages; where the reader prefers dark, it is dark.
Places do not depend on the texts. What is too long for its place is shortened in the middle; the description, which
screen readers read, has all of it.
"""

from collections.abc import Mapping
from xml.etree.ElementTree import Element, SubElement, indent, tostring

from gix_ops.graph import Graph, Node
from gix_ops.services import MISSING

_MARGIN, _PADDING, _GAP = 32, 28, 84
_CARD_WIDTH, _CARD_HEIGHT = 272, 108
_CHIP_WIDTH, _CHIP_HEIGHT, _CHIP_PITCH = 228, 28, 36
_VOLUME_WIDTH, _VOLUME_HEIGHT, _VOLUME_LIP = 212, 76, 9
_HEADER, _STRIP, _DROP = 92, 44, 52
"""Heights: of what stands over the picture, of a strip with a name, between host, network and volume."""
_HEALTH = {"healthy": "good", "starting": "soon"}
_ELLIPSIS = "\N{HORIZONTAL ELLIPSIS}"

_LIGHT = {
    "page": "#ffffff",
    "area": "#f6f8fa",
    "card": "#ffffff",
    "edge": "#d1d9e0",
    "line": "#818b98",
    "ink": "#1f2328",
    "faint": "#59636e",
    "ledger": "#ddf4ff",
    "accent": "#0969da",
    "good": "#1a7f37",
    "soon": "#9a6700",
    "bad": "#cf222e",
}
_DARK = {
    "page": "#0d1117",
    "area": "#151b23",
    "card": "#1c222a",
    "edge": "#3d444d",
    "line": "#9198a1",
    "ink": "#f0f6fc",
    "faint": "#9198a1",
    "ledger": "#121d2f",
    "accent": "#4493f8",
    "good": "#3fb950",
    "soon": "#d29922",
    "bad": "#f85149",
}
_FONTS = """\
text { font: 13px system-ui, -apple-system, 'Segoe UI', 'DejaVu Sans', sans-serif; }
.heading { font-size: 22px; font-weight: 600; }
.title { font-size: 15px; font-weight: 600; }
.small { font-size: 12px; }
.name { font: 12px ui-monospace, SFMono-Regular, Menlo, 'DejaVu Sans Mono', monospace; }
"""


def draw(graph: Graph) -> str:
    """The picture of a stack."""
    count = len(graph.nodes)
    width = 2 * (_MARGIN + _PADDING) + count * _CARD_WIDTH + (count - 1) * _GAP
    rows = max(1, *(len(node.ports) for node in graph.nodes))
    host_bottom = _HEADER + _STRIP + rows * _CHIP_PITCH + 4
    network_top = host_bottom + _DROP
    cards_top = network_top + _PADDING
    network_bottom = cards_top + _CARD_HEIGHT + _STRIP
    volume_top = network_bottom + _DROP
    height = (volume_top + _VOLUME_HEIGHT if graph.volume else network_bottom) + _MARGIN

    picture = _picture(graph, width, height)
    _text(picture, _MARGIN, 48, graph.label, "heading f-ink")
    _text(picture, _MARGIN, 72, _summary(graph), "f-faint")
    _box(picture, _MARGIN, _HEADER, width - 2 * _MARGIN, host_bottom - _HEADER, "f-area s-edge", radius=12)
    _text(picture, _MARGIN + 20, _HEADER + 27, "published on the host", "small f-faint")
    network = _box(
        picture, _MARGIN, network_top, width - 2 * _MARGIN, network_bottom - network_top, "f-area s-line", radius=12
    )
    network.set("stroke-dasharray", "6 5")
    _text(picture, _MARGIN + 20, network_bottom - 17, "network", "small f-faint")
    _text(picture, _MARGIN + 76, network_bottom - 17, _fitting(graph.network, 46), "name f-ink")
    where = f"{graph.driver}, {graph.subnet}"
    _text(picture, width - _MARGIN - 20, network_bottom - 17, where, "name f-faint", anchor="end")

    lefts = {node.service: _MARGIN + _PADDING + at * (_CARD_WIDTH + _GAP) for at, node in enumerate(graph.nodes)}
    for node in graph.nodes:
        left = lefts[node.service]
        middle = left + _CARD_WIDTH / 2
        chips_bottom = _chips(picture, middle, host_bottom - 12, node)
        if node.ports:
            _line(picture, (middle, chips_bottom), (middle, cards_top), arrow=True)
        _card(picture, left, cards_top, node)
        for peer in node.peers:
            level = cards_top + _CARD_HEIGHT / 2
            _line(picture, (left + _CARD_WIDTH, level), (lefts[peer], level), arrow=True)
            between = (left + _CARD_WIDTH + lefts[peer]) / 2
            _text(picture, between, level - 10, "asks", "small f-faint", anchor="middle")
        if graph.volume and node.mount:
            _line(picture, (middle, cards_top + _CARD_HEIGHT), (middle, volume_top), arrow=False)
            _text(picture, middle + 12, network_bottom + _DROP / 2 + 4, node.mount, "name f-faint")
            _cylinder(picture, middle, volume_top, graph.volume, is_there=graph.has_volume)
    indent(picture)
    return tostring(picture, encoding="unicode") + "\n"


def describe(graph: Graph) -> str:
    """The picture in words."""
    sentences = [f"The network {graph.network} ({graph.driver}, {graph.subnet}) has {len(graph.nodes)} services."]
    for node in graph.nodes:
        ports = " and ".join(f"{port.published}{' for metrics' if port.is_metrics else ''}" for port in node.ports)
        facts = [f"{node.health} in the container {node.container}", f"reached in the network at {node.address}"]
        facts.append(f"published on the host at {ports}" if ports else "not published on the host")
        facts += [f"it asks the {peer}" for peer in node.peers]
        if node.mount:
            facts.append(f"it keeps the ledger on the volume {graph.volume}, mounted at {node.mount}")
        sentences.append(f"{node.title}: {', '.join(facts)}.")
    return " ".join(sentences)


def _summary(graph: Graph) -> str:
    counts: dict[str, int] = {}
    for node in graph.nodes:
        counts[node.health] = counts.get(node.health, 0) + 1
    total = "1 service" if len(graph.nodes) == 1 else f"{len(graph.nodes)} services"
    return f"{total}: {', '.join(f'{count} {health}' for health, count in counts.items())}"


def _picture(graph: Graph, width: float, height: float) -> Element:
    picture = Element(
        "svg",
        {
            "xmlns": "http://www.w3.org/2000/svg",
            "viewBox": f"0 0 {width:g} {height:g}",
            "width": f"{width:g}",
            "height": f"{height:g}",
            "role": "img",
            "aria-labelledby": "title description",
        },
    )
    SubElement(picture, "title", {"id": "title"}).text = f"The GIX stack {graph.label}"
    SubElement(picture, "desc", {"id": "description"}).text = describe(graph)
    dark = f"@media (prefers-color-scheme: dark) {{\n{_colours(_DARK)}}}\n"
    SubElement(picture, "style").text = f"\n{_FONTS}{_colours(_LIGHT)}{dark}"
    marker = SubElement(
        SubElement(picture, "defs"),
        "marker",
        {
            "id": "arrow",
            "viewBox": "0 0 10 10",
            "refX": "9",
            "refY": "5",
            "markerWidth": "8",
            "markerHeight": "8",
            "orient": "auto",
        },
    )
    SubElement(marker, "path", {"d": "M 0 1 L 9 5 L 0 9 z", "class": "f-line"})
    _box(picture, 0.5, 0.5, width - 1, height - 1, "f-page s-edge", radius=16)
    return picture


def _colours(palette: Mapping[str, str]) -> str:
    """The palette as classes: f-NAME fills, s-NAME draws."""
    return "".join(
        f".f-{name} {{ fill: {value}; }} .s-{name} {{ stroke: {value}; }}\n" for name, value in palette.items()
    )


def _chips(picture: Element, middle: float, bottom: float, node: Node) -> float:
    """The published ports of a service, its own lowest; returns where they end."""
    left = middle - _CHIP_WIDTH / 2
    for above, port in enumerate(node.ports):
        top = bottom - _CHIP_HEIGHT - above * _CHIP_PITCH
        _box(picture, left, top, _CHIP_WIDTH, _CHIP_HEIGHT, "f-card s-edge", radius=_CHIP_HEIGHT / 2)
        words = f"{port.published} \N{RIGHTWARDS ARROW} {port.internal}{' metrics' if port.is_metrics else ''}"
        _text(picture, middle, top + 18.5, _fitting(words, 29), "name f-ink", anchor="middle")
    if not node.ports:
        _text(picture, middle, bottom - 9.5, "not published", "small f-faint", anchor="middle")
    return bottom


def _card(picture: Element, left: float, top: float, node: Node) -> None:
    _box(picture, left, top, _CARD_WIDTH, _CARD_HEIGHT, "f-card s-edge", radius=10)
    _text(picture, left + 20, top + 33, node.title, "title f-ink")
    colour = _HEALTH.get(node.health, "bad")
    pill = 34 + len(node.health) * 6.9
    pill_left = left + _CARD_WIDTH - 16 - pill
    _box(picture, pill_left, top + 16, pill, 24, f"f-card s-{colour}", radius=12)
    circle = {"cx": _number(pill_left + 14), "cy": _number(top + 28), "r": "4", "class": f"f-{colour}"}
    SubElement(picture, "circle", circle)
    _text(picture, pill_left + 24, top + 32.5, node.health, f"small f-{colour}")
    for row, (what, value) in enumerate((("container", node.container), ("address", node.address))):
        level = top + 65 + row * 23
        _text(picture, left + 20, level, what, "small f-faint")
        _text(picture, left + 88, level, _fitting(value, 23), "name f-ink")


def _cylinder(picture: Element, middle: float, top: float, volume: str, *, is_there: bool) -> None:
    left, right = _number(middle - _VOLUME_WIDTH / 2), _number(middle + _VOLUME_WIDTH / 2)
    upper, lower = _number(top + _VOLUME_LIP), _number(top + _VOLUME_HEIGHT - _VOLUME_LIP)
    lip = f"A {_number(_VOLUME_WIDTH / 2)} {_VOLUME_LIP} 0 0"
    body = f"M {left} {upper} {lip} 1 {right} {upper} V {lower} {lip} 1 {left} {lower} Z"
    for path in (body, f"M {left} {upper} {lip} 0 {right} {upper}"):
        drawn = SubElement(picture, "path", {"d": path, "class": f"f-ledger s-{'accent' if is_there else 'bad'}"})
        if not is_there:
            drawn.set("stroke-dasharray", "6 5")
    what = "the ledger" if is_there else f"the ledger, {MISSING}"
    _text(picture, middle, top + 39, _fitting(volume, 26), "name f-ink", anchor="middle")
    _text(picture, middle, top + 58, what, f"small f-{'faint' if is_there else 'bad'}", anchor="middle")


def _box(
    picture: Element, left: float, top: float, width: float, height: float, style: str, *, radius: float
) -> Element:
    places = {"x": left, "y": top, "width": width, "height": height, "rx": radius}
    return SubElement(picture, "rect", {name: _number(at) for name, at in places.items()} | {"class": style})


def _line(picture: Element, begin: tuple[float, float], end: tuple[float, float], *, arrow: bool) -> None:
    places = dict(zip(("x1", "y1", "x2", "y2"), map(_number, (*begin, *end)), strict=True))
    line = SubElement(picture, "line", places | {"class": "s-line", "stroke-width": "1.5"})
    if arrow:
        line.set("marker-end", "url(#arrow)")


def _text(picture: Element, left: float, base: float, words: str, style: str, *, anchor: str | None = None) -> None:
    text = SubElement(picture, "text", {"x": _number(left), "y": _number(base), "class": style})
    if anchor is not None:
        text.set("text-anchor", anchor)
    text.text = words


def _fitting(words: str, letters: int) -> str:
    """`words` shortened in the middle where they have more than so many letters."""
    if len(words) <= letters:
        return words
    half = (letters - 1) // 2
    return f"{words[:half]}{_ELLIPSIS}{words[half + 1 - letters :]}"


def _number(value: float) -> str:
    return f"{value:g}"
