"""Streams, runs and services as sections of the page: tables with every figure, charts for the look of it."""

from __future__ import annotations

from html import escape
from typing import TYPE_CHECKING

from ifs_bi_core.report.charts import WIDEST, Column, column_chart, meter, spark
from ifs_bi_core.report.figures import Status
from ifs_bi_core.report.markup import (
    NOTHING,
    head_cell,
    name,
    number,
    section,
    table,
    tag,
    text_cell,
    time,
)
from ifs_bi_core.report.schedules import Freshness, Origin
from ifs_bi_core.report.wording import count, minute, short, size, span

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from ifs_bi_core.report.figures import (
        Report,
        RunFigures,
        ServiceFigures,
        StreamFigures,
    )

MOST_RUNS = 40
"""Runs that are listed one by one; the charts have all that are shown."""

_NEARLY_USED = 0.8
_RUN_KINDS = {Status.DONE: "good", Status.RUNNING: "good", Status.DEAD_ROWS: "warn"}
_WORST_FIRST = (Freshness.LATE, Freshness.NEVER, Freshness.FRESH, Freshness.UNKNOWN, Freshness.STOPPED)
_FRESHNESS_WORDS = {Freshness.UNKNOWN: "no schedule yet"}
_FRESHNESS_KINDS = {Freshness.FRESH: "good", Freshness.LATE: "bad", Freshness.NEVER: "warn"}


def streams(report: Report) -> str:
    """Freshness, rows, lag and delete scans of every stream."""
    found = report.streams
    if not found:
        return ""
    lead = (
        "A stream is as fresh as the last run that came to its end: until then IFS Cloud was read, be it without a new row. The "
        "line in a bar is the age from which it is late: a quarter above its schedule, which is given with "
        "<code>--every</code> or else derived from how often it was delivered before."
    )
    fresh = table(
        "Freshness",
        ["Stream", "State", "#Age", "Age against schedule", "Every", "Delivered", "#Lag"],
        map(_freshness, sorted(found, key=lambda one: _WORST_FIRST.index(one.freshness))),
    )
    moved = table(
        "Rows of the shown runs",
        [
            "Stream",
            "Rows by run",
            "#Last run",
            "#Acknowledged",
            "#Dead",
            "#Unknown",
            "Keys looked at",
            "#Keys",
            "#Gone",
        ],
        (_moved(one, report.runs) for one in found),
    )
    note = (
        '<p class="soft">Lag: from the youngest row version that the last rows had, on the clock of IFS Cloud, to their '
        "acknowledgement. A first load has none. Keys looked at: the last delete scan, how many keys it saw, and how many "
        "rows it found gone.</p>"
    )
    return section("streams", "Streams", lead, fresh + moved + note)


def _freshness(one: StreamFigures) -> str:
    known = one.age_seconds is not None and one.late_after_seconds is not None
    kind = _FRESHNESS_KINDS.get(one.freshness, "")
    bar = meter(one.age_seconds or 0, one.late_after_seconds or 0, kind or "good") if known else NOTHING
    every = NOTHING if one.every_seconds is None else span(one.every_seconds)
    derived = " <small>derived</small>" if one.schedule is Origin.DERIVED else ""
    lag = NOTHING if one.lag is None or one.lag.seconds is None else span(one.lag.seconds)
    age = NOTHING if one.age_seconds is None else span(one.age_seconds)
    return (
        head_cell(name(one.stream), escape(one.target))
        + text_cell(tag(_FRESHNESS_WORDS.get(one.freshness, one.freshness.value), kind))
        + text_cell(age, "number")
        + text_cell(bar)
        + text_cell(every + derived)
        + text_cell(time(one.delivered_at))
        + text_cell(lag, "number")
    )


def _moved(one: StreamFigures, found: Sequence[RunFigures]) -> str:
    # A run of another target that did not carry the stream is no gap in the way to this one.
    own = [rows for rows, run in zip(one.rows, found, strict=True) if rows is not None or one.target in run.plugins]
    carried = [rows for rows in one.rows if rows is not None]
    scan = one.scan
    return (
        head_cell(name(one.stream), escape(one.target))
        + text_cell(spark(own))
        + number(carried[-1] if carried else None)
        + number(one.acknowledged)
        + number(one.dead, "hot")
        + number(one.unknown + one.waiting, "hot")
        + text_cell(time(scan.at if scan else None))
        + number(scan.keys if scan else None)
        + number(scan.gone_rows if scan else None)
    )


def runs(report: Report) -> str:
    """Rows and throughput by run, and the newest runs one by one."""
    if not report.runs:
        return ""
    older = report.runs_known - len(report.runs)
    which = (
        f"The newest {len(report.runs):,} of {report.runs_known:,} runs"
        if older
        else f"{count(report.runs_known, 'run')}"
    )
    charts = [
        _chart("rows", "Rows read by run", report.runs, lambda run: run.read, "rows"),
        _chart("pace", "Rows a second by run", report.runs, lambda run: run.rows_per_second or 0, "rows a second"),
    ]
    legend = (
        '<p class="legend">Columns are on a logarithmic scale, the oldest run at the left. <span class="warn">◆</span> some rows '
        'went to the dead letters; <span class="bad">✕</span> the run failed, did not start or never ended.</p>'
    )
    listed = report.runs[: -MOST_RUNS - 1 : -1]
    rows = table(
        "Runs, newest first" if len(listed) == len(report.runs) else f"The newest {len(listed)} runs",
        [
            "Run",
            "Began",
            "End",
            "#Took",
            "#Read",
            "#Acknowledged",
            "#Dead",
            "#Unknown",
            "#Rows/s",
            "#Requests",
            "#Retries",
        ],
        map(_run, listed),
    )
    return section(
        "runs", "Runs", f"{which}; see one with <code>ifs-bi ledger show RUN</code>.", _charts(charts) + legend + rows
    )


def _run(run: RunFigures) -> str:
    balance = "" if run.balanced or run.status is Status.RUNNING else f" {tag('unbalanced', 'bad')}"
    return (
        head_cell(f"<code>{escape(run.run)}</code>", escape(" | ".join(run.plugins)))
        + text_cell(time(run.started))
        + text_cell(tag(run.status.value, _RUN_KINDS.get(run.status, "bad")) + balance)
        + text_cell(NOTHING if run.seconds is None else span(run.seconds), "number")
        + number(run.read)
        + number(run.acknowledged)
        + number(run.dead, "hot")
        + number(run.unknown + run.waiting, "hot")
        + text_cell(NOTHING if run.rows_per_second is None else short(run.rows_per_second), "number")
        + number(run.requests)
        + number(run.retries)
    )


def services(report: Report) -> str:
    """Requests, what slowed them, and how much of the rate limit they took."""
    if not report.services:
        return ""
    charts = [
        _chart("requests", "HTTP requests by run", report.runs, lambda run: run.requests, "requests"),
        _chart(
            "slowed", "Throttled, failed or unanswered requests by run", report.runs, lambda run: run.slowed, "requests"
        ),
    ]
    numbers = ("Requests", "Throttled", "Failed", "Unanswered", "Retries", "Mean", "Sent", "Read")
    heads = ["Service", "Rate limit", *(f"#{head}" for head in numbers)]
    lead = (
        "Throttled are answers 429 and 503, failed are other answers from 400 on. The rate limit is shown against the answers of "
        "the busiest minute of the clock; where a limit is another one, say so with <code>--limit SERVICE=N</code>."
    )
    return section("services", "HTTP", lead, _charts(charts) + table("Services", heads, map(_service, report.services)))


def _service(one: ServiceFigures) -> str:
    if one.limit_per_minute is None or one.limit_used is None:
        use = f"{one.busiest_requests:,} a minute <small>limit not known</small>"
    else:
        kind = "bad" if one.limit_used > 1 else "warn" if one.limit_used > _NEARLY_USED else "good"
        use = (
            f"{meter(one.busiest_requests, one.limit_per_minute, kind)}{one.limit_used:.0%} "
            f"<small>{one.busiest_requests:,} of {one.limit_per_minute:,.0f}, {time(one.busiest_minute)}</small>"
        )
    return (
        head_cell(escape(one.service))
        + text_cell(use)
        + number(one.requests)
        + number(one.throttled, "hot")
        + number(one.failed, "hot")
        + number(one.unanswered, "hot")
        + number(one.retries)
        + text_cell(f"{1000 * one.seconds / one.requests:,.0f} ms", "number")
        + text_cell(size(one.sent_bytes), "number")
        + text_cell(size(one.received_bytes), "number")
    )


def _chart(
    identity: str, title: str, found: Sequence[RunFigures], value: Callable[[RunFigures], float], noun: str
) -> str:
    columns = [
        Column(
            value(run),
            f"{minute(run.started)}: {value(run):,.0f} {noun}, {run.status.value} ({' | '.join(run.plugins)})",
            _RUN_KINDS.get(run.status, "bad"),
        )
        for run in found
    ]
    first, last = time(found[0].started), time(found[-1].started) if len(found) > 1 else ""
    fills = len(found) * WIDEST >= 100  # noqa: PLR2004 - per cent
    ends = f"{first}{last}" if fills or not last else f"<span>{first} to {last}</span>"
    return (
        f'<figure><h3>{escape(title)}</h3><div class="plot">{column_chart(identity, title, columns)}'
        f"<figcaption>{ends}</figcaption></div></figure>"
    )


def _charts(charts: Sequence[str]) -> str:
    return f'<div class="charts">{"".join(charts)}</div>'
