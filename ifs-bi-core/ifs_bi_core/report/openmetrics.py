"""A report as OpenMetrics text, for Prometheus' textfile collector or the path ``/metrics`` of ``ifs-bi report --serve``.

All metrics are gauges: the ledger is pruned, so no number of it only grows. Format: https://prometheus.io/docs/specs/om/open_metrics_spec/
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING

from ifs_bi_core.report.figures import Kind, Report, Status
from ifs_bi_core.report.findings import newest_runs
from ifs_bi_core.report.schedules import Freshness

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

CONTENT_TYPE = "application/openmetrics-text; version=1.0.0; charset=utf-8"

Sample = tuple["Mapping[str, str]", float | None]
"""Labels, and a value; None is left out."""


@dataclass(frozen=True)
class Metric:
    """One metric family.

    Attributes:
        name: without the project's prefix; a unit is its last word.
        unit: of its values, or empty.
        words: what it is.
        samples: of a report.
    """

    name: str
    unit: str
    words: str
    samples: Callable[[Report], Iterable[Sample]]


def openmetrics(report: Report) -> str:
    """The text, with the mark of its end."""
    lines = []
    for metric in METRICS:
        name = f"ifs_bi_{metric.name}"
        lines.append(f"# TYPE {name} gauge")
        if metric.unit:
            lines.append(f"# UNIT {name} {metric.unit}")
        lines.append(f"# HELP {name} {_escaped(metric.words)}")
        for labels, value in metric.samples(report):
            if value is not None:
                told = ",".join(f'{label}="{_escaped(text)}"' for label, text in labels.items())
                lines.append(f"{name}{{{told}}} {value:.17g}" if told else f"{name} {value:.17g}")
    return "\n".join([*lines, "# EOF", ""])


def _escaped(text: str) -> str:
    return text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")


def _epoch(at: str | None) -> float | None:
    return datetime.fromisoformat(at).timestamp() if at else None


def _streams(field: Callable[..., float | None]) -> Callable[[Report], Iterable[Sample]]:
    return lambda report: (({"stream": one.stream, "target": one.target}, field(one)) for one in report.streams)


def _services(field: str) -> Callable[[Report], Iterable[Sample]]:
    return lambda report: (({"service": one.service}, getattr(one, field)) for one in report.services)


def _newest_runs(field: Callable[..., float | None]) -> Callable[[Report], Iterable[Sample]]:
    return lambda report: (({"plugin": plugin}, field(run)) for plugin, run in newest_runs(report.runs).items())


def _letters(report: Report) -> Iterable[Sample]:
    counted: Counter[tuple[str, str]] = Counter()
    for one in report.dead_letters:
        counted[one.stream, one.state] += one.rows
    return (({"stream": stream, "state": state}, rows) for (stream, state), rows in counted.items())


def _unknown(field: str) -> Callable[[Report], Iterable[Sample]]:
    return lambda report: (
        ({"stream": one.stream, "destination": one.destination}, getattr(one, field)) for one in report.unknown
    )


def _findings(report: Report) -> Iterable[Sample]:
    counted = Counter(finding.kind for finding in report.findings)
    return (({"kind": kind.value}, counted[kind]) for kind in Kind)


_STREAM = "stream_"
_RUN = "last_run_"
_HTTP = "http_"

METRICS = (
    Metric("report_timestamp_seconds", "seconds", "When these figures were read.", lambda r: [({}, _epoch(r.made_at))]),
    Metric("findings", "", "Findings that need a person.", _findings),
    Metric(
        f"{_STREAM}last_delivery_timestamp_seconds",
        "seconds",
        "Until when the source was read by the last run that came to its end.",
        _streams(lambda one: _epoch(one.delivered_at)),
    ),
    Metric(f"{_STREAM}age_seconds", "seconds", "Time since that moment.", _streams(lambda one: one.age_seconds)),
    Metric(
        f"{_STREAM}late_after_seconds",
        "seconds",
        "The age from which a stream is late; absent where its schedule is not known.",
        _streams(lambda one: one.late_after_seconds),
    ),
    Metric(
        f"{_STREAM}late",
        "",
        "1 where a stream is late, else 0.",
        _streams(lambda one: float(one.freshness is Freshness.LATE)),
    ),
    Metric(
        f"{_STREAM}lag_seconds",
        "seconds",
        "From the youngest row version of the last rows to their acknowledgement.",
        _streams(lambda one: one.lag.seconds if one.lag else None),
    ),
    Metric(f"{_STREAM}rows", "", "Rows acknowledged in the shown runs.", _streams(lambda one: one.acknowledged)),
    Metric(f"{_STREAM}dead_rows", "", "Rows refused in the shown runs.", _streams(lambda one: one.dead)),
    Metric(
        f"{_STREAM}scanned_keys",
        "",
        "Keys that the newest look at all keys has seen.",
        _streams(lambda one: one.scan.keys if one.scan else None),
    ),
    Metric(
        f"{_RUN}timestamp_seconds", "seconds", "When the last run began.", _newest_runs(lambda run: _epoch(run.started))
    ),
    Metric(f"{_RUN}duration_seconds", "seconds", "How long it took.", _newest_runs(lambda run: run.seconds)),
    Metric(
        f"{_RUN}ok",
        "",
        "1 where it came to its end, be it with dead rows, else 0.",
        _newest_runs(lambda run: float(run.status in {Status.DONE, Status.DEAD_ROWS})),
    ),
    Metric(
        f"{_RUN}balanced",
        "",
        "1 where it accounts for every row, else 0.",
        _newest_runs(lambda run: float(run.balanced)),
    ),
    Metric(f"{_RUN}read_rows", "", "Rows that it read.", _newest_runs(lambda run: run.read)),
    Metric(
        f"{_RUN}acknowledged_rows",
        "",
        "Rows that its destination has confirmed.",
        _newest_runs(lambda run: run.acknowledged),
    ),
    Metric("dead_letter_rows", "", "Rows in the dead-letter store that were not delivered.", _letters),
    Metric("unknown_rows", "", "Rows that left without an answer.", _unknown("unknown")),
    Metric("waiting_rows", "", "Rows on disk that did not leave.", _unknown("waiting")),
    Metric(f"{_HTTP}requests", "", "HTTP requests of the shown runs.", _services("requests")),
    Metric(f"{_HTTP}throttled_requests", "", "Answered with 429 or 503.", _services("throttled")),
    Metric(f"{_HTTP}failed_requests", "", "Answered with another status from 400 on.", _services("failed")),
    Metric(f"{_HTTP}unanswered_requests", "", "Not answered.", _services("unanswered")),
    Metric(f"{_HTTP}retries", "", "Requests that were made again.", _services("retries")),
    Metric(f"{_HTTP}busiest_minute_requests", "", "Answers in the busiest minute.", _services("busiest_requests")),
    Metric(
        f"{_HTTP}limit_used_ratio", "ratio", "Share of the rate limit that this minute took.", _services("limit_used")
    ),
)
"""All there are, in their order."""
