"""Small pieces of HTML that all sections of the page are made of. Everything that is given as text is escaped."""

from __future__ import annotations

from html import escape
from typing import TYPE_CHECKING

from ifs_bi_core.report.wording import minute

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

LONG_TABLE = 30
"""Rows from which a table scrolls by itself."""

NOTHING = "\N{EN DASH}"


def time(at: str | None) -> str:
    """An instant: in UTC as it stands and in its title; the page's script puts it into the viewer's zone."""
    if at is None:
        return NOTHING
    return f'<time datetime="{escape(at)}" title="{minute(at)}">{minute(at)}</time>'


def tag(text: str, kind: str = "") -> str:
    """A word with a border, of a kind: ``good``, ``warn``, ``bad`` or none."""
    return f'<span class="tag {kind}">{escape(text)}</span>' if kind else f'<span class="tag">{escape(text)}</span>'


def command(text: str) -> str:
    """What to type."""
    return f'<code class="command">{escape(text)}</code>'


def name(text: str) -> str:
    """A name that may be broken where its words are joined."""
    return escape(text).replace("_", "_<wbr>")


def number(value: float | None, kind: str = "") -> str:
    """A cell with a whole number; ``kind`` is its class where it is not zero."""
    if value is None:
        return f'<td class="number zero">{NOTHING}</td>'
    return f'<td class="number {kind if value else "zero"}">{value:,.0f}</td>'


def text_cell(html: str, kind: str = "") -> str:
    """A cell with pieces of HTML."""
    return f'<td class="{kind}">{html}</td>' if kind else f"<td>{html}</td>"


def head_cell(html: str, below: str = "") -> str:
    """The first cell of a row, with a smaller line below."""
    small = f"<small>{below}</small>" if below else ""
    return f'<th scope="row">{html}{small}</th>'


def table(caption: str, heads: Sequence[str], rows: Iterable[str]) -> str:
    """A table that scrolls by itself where it is too wide or too long.

    Args:
        caption: its name.
        heads: of the columns; one that begins with ``#`` is of numbers.
        rows: the cells of each.
    """
    body = [f"<tr>{row}</tr>" for row in rows]
    columns = "".join(
        f'<th scope="col" class="number">{escape(head[1:])}</th>'
        if head.startswith("#")
        else f'<th scope="col">{escape(head)}</th>'
        for head in heads
    )
    long = " long" if len(body) > LONG_TABLE else ""
    label = escape(caption)
    return (
        f'<div class="wide{long}" tabindex="0" role="group" aria-label="{label}"><table><caption>{label}</caption>'
        f"<thead><tr>{columns}</tr></thead><tbody>{''.join(body)}</tbody></table></div>"
    )


def section(identity: str, title: str, lead: str, content: str) -> str:
    """A section with its heading and a sentence about it."""
    return (
        f'<section aria-labelledby="{identity}"><h2 id="{identity}">{escape(title)}</h2>'
        f'<p class="soft">{lead}</p>{content}</section>\n'
    )
