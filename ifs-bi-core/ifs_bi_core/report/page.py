"""The report as one HTML page that asks nobody for anything: no font, no picture, no script from elsewhere."""

from __future__ import annotations

import base64
import hashlib
from functools import cache
from html import escape
from importlib.resources import files
from typing import TYPE_CHECKING

from ifs_bi_core.report import attention, sections
from ifs_bi_core.report.charts import PATTERN
from ifs_bi_core.report.figures import Status
from ifs_bi_core.report.findings import verdict
from ifs_bi_core.report.markup import section, time
from ifs_bi_core.report.schedules import Freshness
from ifs_bi_core.report.wording import count, minute, short, span

if TYPE_CHECKING:
    from ifs_bi_core.report.figures import Report


def page(report: Report) -> str:
    """The whole page."""
    style, script = asset("page.css"), asset("page.js")
    return f"""<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<meta name="robots" content="noindex">
<meta name="referrer" content="no-referrer">
<meta http-equiv="Content-Security-Policy" content="{policy()}">
<title>IFS Cloud pipes: {verdict(report)} ({minute(report.made_at)})</title>
<link rel="icon" href="data:,">
<style>{style}</style>
</head>
<body>
{PATTERN}
<header>
<h1>From IFS Cloud to the reports</h1>
<p class="soft">As of {time(report.made_at)}, from the ledger <code>{escape(report.ledger)}</code>.</p>
{_banner(report)}
</header>
<main>
{_tiles(report)}
{attention.findings(report.findings)}
{_nothing_yet(report)}
{sections.streams(report)}
{sections.runs(report)}
{sections.services(report)}
{attention.dead_letters(report.dead_letters)}
{attention.unknown(report.unknown)}
</main>
<footer><p>Made by <code>ifs-bi report</code>. Times are those of your zone, with UTC in their title; without scripts they are
UTC. No key and no value of a record is on this page.</p></footer>
<script>{script}</script>
</body>
</html>
"""


@cache
def asset(name: str) -> str:
    """The style sheet or the script."""
    return files("ifs_bi_core.report").joinpath(name).read_text(encoding="utf-8")


@cache
def policy() -> str:
    """What a browser may do with the page: show it, with its own style and script and nothing else."""
    style, script = (
        base64.b64encode(hashlib.sha256(asset(name).encode()).digest()).decode() for name in ("page.css", "page.js")
    )
    return (
        f"default-src 'none'; img-src data:; style-src 'sha256-{style}'; script-src 'sha256-{script}'; "
        f"base-uri 'none'; form-action 'none'"
    )


def _banner(report: Report) -> str:
    kind, sign = ("bad", "✕") if report.findings else ("good", "✓" if report.runs else "·")
    words = verdict(report)
    return f'<p class="verdict {kind}"><span aria-hidden="true">{sign}</span> {words[0].upper()}{words[1:]}</p>'


def _nothing_yet(report: Report) -> str:
    if report.runs:
        return ""
    return section(
        "nothing",
        "Nothing has run yet",
        "The ledger is there and knows of no run. Start one, such as <code>meltano run tap-ifs-cloud target-powerbi</code>, then "
        "make this page again.",
        "",
    )


def _tiles(report: Report) -> str:
    """The state in six numbers."""
    over = [run for run in report.runs if run.status is not Status.RUNNING]
    last = over[-1] if over else None
    late = sum(one.freshness is Freshness.LATE for one in report.streams)
    dead = sum(one.rows for one in report.dead_letters)
    unknown = sum(one.unknown + one.waiting for one in report.unknown if not one.in_flight)
    slowed = sum(one.throttled for one in report.services)
    failed = last is not None and last.status not in {Status.DONE, Status.DEAD_ROWS}
    tiles = (
        (
            "Last run",
            last.status.value if last else "none",
            span(last.seconds) if last and last.seconds else "",
            failed,
        ),
        (
            "Streams",
            f"{len({one.stream for one in report.streams}):,}",
            f"{late} late" if late else "none is late",
            late > 0,
        ),
        (
            "Rows acknowledged",
            short(sum(run.acknowledged for run in report.runs)),
            count(len(report.runs), "run"),
            False,
        ),
        ("Dead letters", f"{dead:,}", "rows to replay" if dead else "none", dead > 0),
        ("Unknown outcomes", f"{unknown:,}", "rows to resolve" if unknown else "none", unknown > 0),
        ("Throttled", short(slowed), f"of {short(sum(one.requests for one in report.services))} requests", False),
    )
    items = "".join(
        f'<li class="{"bad" if alarm else "good"}"><h2>{title}</h2><b>{escape(value)}</b><small>{escape(below)}</small></li>'
        for title, value, below, alarm in tiles
    )
    return f'<ul class="tiles">{items}</ul>'
