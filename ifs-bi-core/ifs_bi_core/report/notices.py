"""When somebody is told that something needs them, and in which words: pure.

A notice names kinds of findings, streams and numbers. It holds no value, no key and no reason.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any

from ifs_bi_core.report.schedules import DAY, HOUR
from ifs_bi_core.report.wording import count

if TYPE_CHECKING:
    from ifs_bi_core.report.figures import Report

AT_MOST_EVERY_SECONDS = HOUR
"""Between two notices, whatever happens."""
REMINDER_SECONDS = DAY
"""After which the same findings are told of again."""

_MOST = 20  # findings that a notice names one by one
_FINE = "fine"


@dataclass(frozen=True)
class Mark:
    """What the last notice was about.

    Attributes:
        at: when it was sent.
        about: `subject_of` its report.
    """

    at: str
    about: str


@dataclass(frozen=True)
class Notice:
    """What is sent.

    Attributes:
        title: a few words.
        text: the whole of it, in lines for people.
        body: the same for machines.
        mark: what is remembered of it.
    """

    title: str
    text: str
    body: dict[str, Any]
    mark: Mark


def notice(report: Report, last: Mark | None, *, at_most_every_seconds: float, host: str) -> Notice | None:
    """What is to be sent now, if anything is: new findings, a reminder of old ones, or that all is well again.

    Args:
        report: of this moment.
        last: of the notice before; None: there was none.
        at_most_every_seconds: no notice follows another one sooner.
        host: the machine, which tells one ledger from another.
    """
    about = subject_of(report)
    if last is None:
        return _notice(report, about, host) if report.findings else None
    waited = (datetime.fromisoformat(report.made_at) - datetime.fromisoformat(last.at)).total_seconds()
    if 0 <= waited < at_most_every_seconds:
        return None
    if about != last.about or (report.findings and not 0 <= waited < REMINDER_SECONDS):
        return _notice(report, about, host)
    return None


def subject_of(report: Report) -> str:
    """What tells one set of findings from another: kinds, subjects (of a run its name), and how many rows."""
    if not report.findings:
        return _FINE
    told = sorted({f"{one.kind.value}\0{one.subject}\0{one.rows}" for one in report.findings})
    return hashlib.sha256("\0\0".join(told).encode()).hexdigest()[:16]


def _notice(report: Report, about: str, host: str) -> Notice:
    found = report.findings
    if found:
        title = f"ifs-bi on {host}: {count(len(found), 'thing')} to look at"
        lines = [f"- {one.kind.value}: {_line(one.subject, one.rows)}" for one in found[:_MOST]]
        lines += [f"- and {len(found) - _MOST} more"] if len(found) > _MOST else []
        lines += ["", "See: ifs-bi report"]
    else:
        title = f"ifs-bi on {host}: all is well again"
        lines = ["Nothing of what the last notice told of is left."]
    text = "\n".join([title, "", *lines])
    body = {
        "text": text,  # what Slack, Teams and Mattermost show
        "title": title,
        "host": host,
        "at": report.made_at,
        "status": "attention" if found else _FINE,
        "findings": [{"kind": one.kind.value, "subject": one.subject, "rows": one.rows} for one in found[:_MOST]],
        "findings_total": len(found),
    }
    return Notice(title, text, body, Mark(report.made_at, about))


def _line(subject: str, rows: int | None) -> str:
    return subject if rows is None else f"{subject}, {count(rows, 'row')}"
