"""Charts as inline SVG that fit any width: lengths are in per cent of it, letters stay the size they are.

Colours are classes, which the page's style sheet gives for light and dark; what a colour says, a mark or a word says too.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from html import escape
from typing import TYPE_CHECKING

from ifs_bi_core.report.wording import short

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

HEIGHT = 132  # pixels of the tallest column
ABOVE = 6  # pixels of room over it
MARKS = 14  # pixels below the axis, for marks
GAP = 0.18  # of a column's width
WIDEST = 3.0  # per cent of the width, so that one run is a column and no wall
SHORTEST = 1.5  # pixels that can still be seen
SPARK = (100, 24)  # the coordinates of a small chart, which are stretched to its place
SPARK_WIDEST = 8.0  # of these, one run

PATTERN = (
    '<svg class="defs" width="0" height="0" aria-hidden="true"><defs>'
    '<pattern id="hatched" width="6" height="6" patternUnits="userSpaceOnUse" patternTransform="rotate(45)">'
    '<rect width="6" height="6" class="hatch-ground"/><rect width="2" height="6" class="hatch-stripe"/>'
    "</pattern></defs></svg>"
)
"""What fills the columns of runs that failed; stands once on the page."""


@dataclass(frozen=True)
class Column:
    """One column.

    Attributes:
        value: at least 0.
        words: what it says on its own, as its tooltip.
        kind: ``good``, ``warn`` or ``bad``, which gives its colour; the latter two have a mark below.
    """

    value: float
    words: str
    kind: str = "good"


def column_chart(identity: str, title: str, columns: Sequence[Column]) -> str:
    """Columns from left to right on a logarithmic scale, so that a first load leaves the nightly changes visible.

    Args:
        identity: of the chart, unique on the page.
        title: what it shows.
        columns: at least one.
    """
    top = max((column.value for column in columns), default=0.0)
    decades = max(1, math.ceil(_scaled(top)))
    floor = ABOVE + HEIGHT
    parts = []
    for decade in range(decades + 1):
        y = floor - HEIGHT * decade / decades
        parts.append(f'<line class="grid" x1="0" x2="100%" y1="{y:.1f}" y2="{y:.1f}"/>')
        if decade and (decades - decade) % math.ceil(decades / 4) == 0:
            parts.append(f'<text class="tick" x="-6" y="{y + 4:.1f}">{short(10**decade)}</text>')
    width = min(100 / max(len(columns), 1), WIDEST)
    for place, column in enumerate(columns):
        left = width * (place + GAP / 2)
        height = max(HEIGHT * _scaled(column.value) / decades, SHORTEST if column.value else 0.0)
        bar = (
            f'<rect class="fill" x="{left:.3f}%" y="{floor - height:.1f}" width="{width * (1 - GAP):.3f}%" '
            f'height="{height:.1f}"/>'
        )
        mark = "" if column.kind == "good" else _mark(column.kind, left + width * (1 - GAP) / 2, floor + MARKS / 2)
        # The whole height answers to the pointer, since a low column is hard to meet.
        target = f'<rect class="target" x="{width * place:.3f}%" y="0" width="{width:.3f}%" height="{floor + MARKS}"/>'
        parts.append(f'<g class="{column.kind}"><title>{escape(column.words)}</title>{target}{bar}{mark}</g>')
    return _svg(identity, title, _summary(columns), floor + MARKS, "".join(parts))


def spark(rows: Iterable[int | None]) -> str:
    """A small chart of one stream's rows by run, on a logarithmic scale; a run that did not carry it leaves a gap."""
    values = list(rows)
    width, height = SPARK
    top = max(_scaled(max((value or 0 for value in values), default=0)), 1.0)
    step = min(width / max(len(values), 1), SPARK_WIDEST)
    path, base = [], []
    for place, value in enumerate(values):
        if value is None:
            continue
        x = place * step
        base.append(f"M{x:.2f} {height}h{step * (1 - GAP):.2f}")
        if value:
            tall = max((height - 2) * _scaled(value) / top, SHORTEST)
            path.append(f"M{x:.2f} {height}v-{tall:.1f}h{step * (1 - GAP):.2f}v{tall:.1f}z")
    return (
        f'<svg class="spark" viewBox="0 0 {width} {height + 1}" preserveAspectRatio="none" aria-hidden="true">'
        f'<path class="base" d="{"".join(base)}"/><path class="fill" d="{"".join(path)}"/></svg>'
    )


def meter(share: float, limit: float, kind: str) -> str:
    """A bar against a limit, which is a line: age against a schedule, requests against a rate limit.

    Args:
        share: how long the bar is.
        limit: where the line is, of the same measure.
        kind: ``good``, ``warn`` or ``bad``.
    """
    whole = max(share, limit) * 1.1 or 1.0
    long, at = min(share / whole, 1.0) * 100, limit / whole * 100
    return (
        f'<svg class="meter {kind}" width="100%" height="12" aria-hidden="true"><rect class="track" x="0" y="3" width="100%" '
        f'height="6" rx="3"/><rect class="fill" x="0" y="3" width="{max(long, 1.0):.1f}%" height="6" rx="3"/>'
        f'<line class="limit" x1="{at:.1f}%" x2="{at:.1f}%" y1="0" y2="12"/></svg>'
    )


def _scaled(value: float) -> float:
    """Where a value is on the scale, in decades: 0 at 0, about 1 at 10, 2 at 100."""
    return math.log10(1 + max(value, 0.0))


def _mark(kind: str, x: float, y: float) -> str:
    """A diamond for what should be known, a cross for what failed: told apart without colours."""
    sign = "◆" if kind == "warn" else "✕"
    return f'<text class="mark" x="{x:.3f}%" y="{y + 4:.1f}">{sign}</text>'


def _summary(columns: Sequence[Column]) -> str:
    """What the chart says in words, for who can't see it; the tables have the numbers."""
    values = [column.value for column in columns]
    marked = sum(column.kind != "good" for column in columns)
    span = f"from {short(min(values))} to {short(max(values))}, the last {short(values[-1])}" if values else "none"
    return f"{len(values)} columns, {span}; {marked} of them marked."


def _svg(identity: str, title: str, words: str, height: int, content: str) -> str:
    return (
        f'<svg class="chart" width="100%" height="{height}" role="img" aria-labelledby="{identity}-t {identity}-d">'
        f'<title id="{identity}-t">{escape(title)}</title><desc id="{identity}-d">{escape(words)}</desc>{content}</svg>'
    )
