"""What may need a person: the findings, the dead letters, and rows without a final word, as sections of the page."""

from __future__ import annotations

from html import escape
from typing import TYPE_CHECKING

from ifs_bi_core.report.markup import command, head_cell, name, number, section, table, tag, text_cell, time
from ifs_bi_core.report.wording import count

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ifs_bi_core.report.figures import DeadLetterFigures, Finding, UnknownFigures

MOST_LETTERS = 50
"""Reasons of dead letters that are listed."""
MOST_FINDINGS = 40
"""Findings that are listed."""


def findings(found: Sequence[Finding]) -> str:
    """What needs a person."""
    if not found:
        return ""
    items = "".join(
        f"<li><p>{tag(one.kind.value, 'bad')} {escape(one.sentence)}</p>{command(one.command)}</li>"
        for one in found[:MOST_FINDINGS]
    )
    more = len(found) - MOST_FINDINGS
    rest = f'<p class="soft">And {more} more: <code>ifs-bi report --json</code> has them all.</p>' if more > 0 else ""
    lead = "The worst first, each with the command that comes next."
    return section("findings", "What needs you", lead, f'<ul class="items">{items}</ul>{rest}')


def dead_letters(found: Sequence[DeadLetterFigures]) -> str:
    """Reasons, and the commands that replay."""
    if not found:
        return section("letters", "Dead letters", "No row waits in the dead-letter store of this state folder.", "")
    items = "".join(
        f"<li><p>{tag(one.state, 'bad' if one.state == 'refused' else 'warn')} <b>{name(one.stream)}</b>, "
        f"{count(one.rows, 'row')}, refused by {escape(one.destination)}, the last of them {time(one.newest)}</p>"
        f"<p>{escape(one.reason)}</p>{command(one.command)}</li>"
        for one in found[:MOST_LETTERS]
    )
    more = len(found) - MOST_LETTERS
    rest = f'<p class="soft">And {more} more reasons: <code>ifs-bi dead-letters list</code>.</p>' if more > 0 else ""
    lead = (
        "Rows that a destination refused for good, by reason, and what replays them when its cause is gone. Values are left out "
        "here; the whole reasons stand in <code>ifs-bi dead-letters list</code>."
    )
    return section("letters", "Dead letters", lead, f'<ul class="items">{items}</ul>{rest}')


def unknown(found: Sequence[UnknownFigures]) -> str:
    """Rows without a final word."""
    if not found:
        return section("unknown", "Unknown outcomes", "Every row that left was answered for.", "")
    rows = (
        head_cell(name(one.stream), escape(one.destination))
        + number(one.unknown, "hot")
        + number(one.waiting, "hot")
        + number(one.batches)
        + text_cell(time(one.since))
        + text_cell(escape(", ".join(one.hosts)))
        + text_cell(
            "its run is at work"
            if one.in_flight
            else f"the next run of {escape(' | '.join(one.plugins))} resolves them"
        )
        for one in found
    )
    heads = ["Stream", "#Unanswered", "#Not sent", "#Batches", "Since", "Machine", "What comes next"]
    lead = "Rows that left without an answer, or lie on disk and did not leave; they are resolved before anything else is sent."
    return section("unknown", "Unknown outcomes", lead, table("Rows without a final word", heads, rows))
