"""The diagram: for each case, the medians of this program divided by those of Docker Compose."""

from collections.abc import Iterator
from xml.sax.saxutils import escape

from benchmarks.measurements import Run, rows_by_workspace
from benchmarks.subjects import PEERS, RATED, REFERENCE

_WIDTH = 860
_LEFT = 320
"""Width of the labels."""
_BAR = 14
_SPACE = 8
"""Space after the bars of a row."""
_TOP = 46
_GREATEST = 2.0
"""Ratio at the right end. Longer bars are cut there."""
_FONT = 'font-family="sans-serif" font-size="12"'
_DASHED = 'stroke="#57606a" stroke-dasharray="4 3"'
_COLORS = ("#1f6feb", "#1a7f37", "#9a6700")


def diagram(runs: list[Run]) -> str:
    """An SVG image with a bar for each quantity and peer."""
    bars: list[str] = []
    top = _TOP
    for workspace, rows in rows_by_workspace(runs).items():
        for row in rows:
            ratios = {key: ratio for key in RATED if (ratio := row.ratio(key, REFERENCE)) is not None}
            if not ratios:
                continue
            bars.append(_text(_LEFT - 8, top + 11, f"{workspace}, {row.case}: {row.quantity}", anchor="end"))
            for key, ratio in ratios.items():
                bars.extend(_bar(top, ratio, _COLORS[RATED.index(key) % len(_COLORS)]))
                top += _BAR
            top += _SPACE
    height = top + 8
    return "".join(
        f"{line}\n"
        for line in (
            f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {_WIDTH} {height}" {_FONT}>',
            f'<rect width="{_WIDTH}" height="{height}" fill="white"/>',
            *_legend(),
            *bars,
            f'<line x1="{_at(1)}" x2="{_at(1)}" y1="{_TOP - 6}" y2="{height - 8}" {_DASHED}/>',
            _text(_at(1), _TOP - 10, "Docker Compose = 1", anchor="middle"),
            "</svg>",
        )
    )


def _legend() -> Iterator[str]:
    for place, key in enumerate(RATED):
        left = 8 + 170 * place
        yield f'<rect x="{left}" y="8" width="12" height="12" fill="{_COLORS[place % len(_COLORS)]}"/>'
        yield _text(left + 18, 18, PEERS[key].title)


def _bar(top: int, ratio: float, color: str) -> Iterator[str]:
    end = _at(min(ratio, _GREATEST))
    yield f'<rect x="{_LEFT}" y="{top}" width="{end - _LEFT}" height="{_BAR - 2}" fill="{color}"/>'
    yield _text(end + 4, top + 11, f"{ratio:.2f}")


def _at(ratio: float) -> int:
    return _LEFT + round((_WIDTH - _LEFT - 50) * ratio / _GREATEST)


def _text(x: int, y: int, text: str, *, anchor: str = "start") -> str:
    return f'<text x="{x}" y="{y}" text-anchor="{anchor}">{escape(text)}</text>'
