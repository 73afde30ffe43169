"""The tables and the chart of the normaliser's benchmark."""

from collections.abc import Sequence
from html import escape
from typing import Final

WIDTH: Final = 840
_LEFT: Final = 196
_RIGHT: Final = 60
_TOP: Final = 96
_BAR: Final = 13
_GAP: Final = 20

_STYLE: Final = """
    .card { fill: #ffffff; stroke: #d9dee5 }
    text { fill: #3c4653; font: 13px system-ui, sans-serif }
    .title { font-size: 16px; font-weight: 600; fill: #1c232c }
    .name { font-weight: 600 }
    .end { text-anchor: end }
    .middle { text-anchor: middle }
    .small { font-size: 11px; paint-order: stroke; stroke: #ffffff; stroke-width: 4px }
    .grid { stroke: #e6eaef }
    .one { stroke: #6b7683; stroke-dasharray: 6 5; stroke-width: 1.6 }
    .c0 { fill: #b45309 }
    .c1 { fill: #1d6fd1 }
    .c2 { fill: #7c8794 }
    @media (prefers-color-scheme: dark) {
      .card { fill: #14181e; stroke: #2b333d }
      .small { stroke: #14181e }
      text { fill: #b7c1cc }
      .title { fill: #eef2f6 }
      .grid { stroke: #242b34 }
      .one { stroke: #95a1ae }
      .c0 { fill: #f0a35a }
      .c1 { fill: #6cb0ff }
      .c2 { fill: #8b97a5 }
    }
"""


def make_table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Return a Markdown table with right-aligned figures."""
    rule = ["---", *["---:"] * (len(head) - 1)]
    return "\n".join("| " + " | ".join(cells) + " |" for cells in (head, rule, *rows))


def draw_ratios(
    title: str, subtitle: str, names: Sequence[str], rows: Sequence[tuple[str, Sequence[float | None]]]
) -> str:
    """
    Draw ratios as bars in an SVG, one group per row, with a dashed line at 1.

    Parameters
    ----------
    names
        The names of the bars of a group, at most three.
    rows
        The label of each group, and its ratios in the order of the names. None omits a bar.
    """
    most = max(ratio for _, ratios in rows for ratio in ratios if ratio is not None)
    unit = (WIDTH - _LEFT - _RIGHT) / (int(most) + 1)
    body, y = [], float(_TOP)
    for label, ratios in rows:
        bars = [(place, ratio) for place, ratio in enumerate(ratios) if ratio is not None]
        middle = y + len(bars) * _BAR / 2 + 4.5
        body.append(f'<text class="end" x="{_LEFT - 12}" y="{middle:.1f}">{escape(label)}</text>')
        for place, ratio in bars:
            body.append(_draw_bar(y, ratio, unit, place))
            y += _BAR
        y += _GAP
    height = y + 12
    axis = [_draw_tick(tick, unit, y - _GAP / 2) for tick in range(int(most) + 2)]
    legend = ", ".join(
        f'<tspan class="name c{place}">{escape(name)}</tspan>' for place, name in enumerate(names)
    )
    lines = [
        f'<rect class="card" x="0.5" y="0.5" width="{WIDTH - 1}" height="{height - 1:.0f}" rx="10"/>',
        f'<text class="title" x="24" y="34">{escape(title)}</text>',
        f'<text x="24" y="58">{escape(subtitle)}: {legend}</text>',
        *axis,
        *body,
    ]
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height:.0f}" role="img">\n'
        f"  <title>{escape(title)}</title>\n  <style>{_STYLE}  </style>\n  "
        + "\n  ".join(lines)
        + "\n</svg>\n"
    )


def _draw_bar(y: float, ratio: float, unit: float, place: int) -> str:
    length = ratio * unit
    return (
        f'<rect class="c{place}" x="{_LEFT}" y="{y:.1f}" width="{length:.1f}" height="{_BAR - 2}" rx="2"/>'
        f'<text class="small" x="{_LEFT + length + 6:.1f}" y="{y + 9.5:.1f}">{ratio:.2f}</text>'
    )


def _draw_tick(tick: int, unit: float, bottom: float) -> str:
    x = _LEFT + tick * unit
    return (
        f'<path class="{"one" if tick == 1 else "grid"}" d="M{x:.1f},{_TOP - 10} V{bottom:.1f}"/>'
        f'<text class="middle" x="{x:.1f}" y="{_TOP - 16}">{tick}</text>'
    )
