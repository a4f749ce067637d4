"""Charts as inline SVG that fit any width: lengths are in per cent of it, letters stay the size they are.

A chart shows amounts of one currency. Its exact numbers stand in the table beside it, and as the tooltip of each bar.
"""

from __future__ import annotations

from decimal import Decimal
from html import escape
from typing import TYPE_CHECKING

from ifs_bi_sandbox.demo.wording import MONTHS, due, money, month_name, short, shortened

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import date

    from ifs_bi_sandbox.demo.story import Bar

ROW = 46  # pixels of one horizontal bar with its label
ROW_OF_TEXT = 24  # pixels of a label without a bar
SHORTEST = Decimal("0.3")  # per cent of the width that can still be seen
LONGEST_LABEL = 30  # characters that leave room for the amount on a phone
HEIGHT = 150  # pixels of the tallest column with its amount
ABOVE = 18  # pixels for the amount above it
NARROWEST = 25  # pixels of a column with its gap: "Nov" and "218k" fit
HUNDRED = Decimal(100)

PATTERN = (
    '<svg class="defs" width="0" height="0" aria-hidden="true"><defs>'
    '<pattern id="overdue" width="6" height="6" patternUnits="userSpaceOnUse" patternTransform="rotate(45)">'
    '<rect width="6" height="6" class="overdue-ground"/><rect width="2" height="6" class="overdue-stripe"/>'
    "</pattern></defs></svg>"
)
"""What fills the columns of overdue months; stands once on the page."""


def bar_chart(identity: str, title: str, bars: Sequence[Bar]) -> str:
    """Horizontal bars, one below the other.

    Args:
        identity: of the chart, unique on the page.
        title: what it shows.
        bars: from top to bottom.
    """
    shown = [bar for bar in bars if not bar.together]
    low, high = _span(shown)
    zero = _share(Decimal(), low, high)
    rows = []
    for number, bar in enumerate(bars):
        top = number * ROW
        words = (
            f"<title>{escape(bar.label)}: {money(bar.amount)}</title>"
            f'<text x="0" y="{top + 15}">{escape(shortened(bar.label, LONGEST_LABEL))}</text>'
            f'<text class="amount" x="100%" y="{top + 15}" text-anchor="end">{money(bar.amount)}</text>'
        )
        if bar.together:  # a bar would dwarf the others
            rows.append(f'<g class="together">{words}</g>')
            continue
        end = _share(bar.amount, low, high)
        left, length = min(zero, end), max(abs(end - zero), SHORTEST)
        rows.append(
            f'<g>{words}<rect class="track" x="0" y="{top + 23}" width="100%" height="12" rx="3"/>'
            f'<rect class="fill" x="{left:.2f}%" y="{top + 23}" width="{length:.2f}%" height="12" rx="3"/></g>'
        )
    told = ", ".join(f"{bar.label} {money(bar.amount)}" for bar in bars)
    height = len(shown) * ROW + (len(bars) - len(shown)) * ROW_OF_TEXT
    return _svg(identity, title, told, height, "".join(rows))


def month_chart(identity: str, title: str, bars: Sequence[Bar], months: Sequence[str], today: date) -> str:
    """Columns, one for each month; a month without a bar stays empty.

    Args:
        identity: of the chart, unique on the page.
        title: what it shows.
        bars: with the month (YYYY-MM) as their note.
        months: from the left to the right; the same for all charts that stand together.
        today: what is due before its month is overdue.
    """
    amounts = {bar.note: bar.amount for bar in bars}
    low, high = _span(bars)
    zero = ABOVE + (HEIGHT - ABOVE) * (1 - _share(Decimal(), low, high) / HUNDRED)
    width = HUNDRED / len(months)
    columns = [f'<line class="axis" x1="0" x2="100%" y1="{zero:.1f}" y2="{zero:.1f}"/>']
    january_next = any(month.endswith("-01") for month in months[1:2])  # two years side by side would not fit
    for place, month in enumerate(months):
        middle = width * (place + Decimal("0.5"))
        year, number = month.split("-")
        columns.append(f'<text class="month" x="{middle:.2f}%" y="{HEIGHT + 16}">{MONTHS[int(number) - 1][:3]}</text>')
        if number == "01" or (place == 0 and not january_next):
            columns.append(f'<text class="year" x="{middle:.2f}%" y="{HEIGHT + 31}">{year}</text>')
        if month not in amounts:
            continue
        amount = amounts[month]
        kind = due(month, today)
        top = ABOVE + (HEIGHT - ABOVE) * (1 - _share(amount, low, high) / HUNDRED)
        thickness = min(width * Decimal("0.72"), Decimal(14))
        columns.append(
            f'<g class="{kind.replace(" ", "-")}"><title>{month_name(month)}, {kind}: {money(amount)}</title>'
            f'<rect class="fill" x="{middle - thickness / 2:.2f}%" y="{min(top, zero):.1f}" width="{thickness:.2f}%" '
            f'height="{max(abs(zero - top), Decimal(1)):.1f}" rx="2"/>'
            f'<text class="short" x="{middle:.2f}%" y="{min(top, zero) - 5:.1f}">{short(amount)}</text></g>'
        )
    words = ", ".join(f"{bar.label} ({due(bar.note, today)}) {money(bar.amount)}" for bar in bars)
    chart = _svg(identity, title, words, HEIGHT + 38, "".join(columns), least=NARROWEST * len(months))
    return f'<div class="wide" tabindex="0" role="group" aria-label="{escape(title)}">{chart}</div>'


def _svg(identity: str, title: str, words: str, height: int, content: str, least: int = 0) -> str:
    style = f' style="min-width:{least}px"' if least else ""
    return (
        f'<svg class="chart" width="100%" height="{height}"{style} role="img" aria-labelledby="{identity}-t {identity}-d">'
        f'<title id="{identity}-t">{escape(title)}</title><desc id="{identity}-d">{escape(words)}</desc>{content}</svg>'
    )


def _span(bars: Sequence[Bar]) -> tuple[Decimal, Decimal]:
    """The lowest and the highest amount that a chart has to show; zero is always among them."""
    amounts = [bar.amount for bar in bars]
    low, high = min([Decimal(), *amounts]), max([Decimal(), *amounts])
    return low, high if high > low else low + 1


def _share(amount: Decimal, low: Decimal, high: Decimal) -> Decimal:
    """Where an amount lies between low and high, in per cent."""
    return (amount - low) / (high - low) * HUNDRED
