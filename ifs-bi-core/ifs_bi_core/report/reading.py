"""A report read from where its facts are: the ledger, the batch files and the dead letters of one state folder."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ifs_bi_core.dead_letter.store import DeadLetters
from ifs_bi_core.errors import IfsBiError
from ifs_bi_core.ledger.activity import activity, newest_by
from ifs_bi_core.ledger.journal import instant
from ifs_bi_core.ledger.versions import lag
from ifs_bi_core.redaction import REDACTOR
from ifs_bi_core.report.figures import Finding, Kind, Report
from ifs_bi_core.report.findings import findings
from ifs_bi_core.report.letters import OPEN, letter_figures
from ifs_bi_core.report.run_sums import balances, run_ends, run_figures, service_figures, target_of
from ifs_bi_core.report.stream_sums import stream_figures, unknown_figures

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from ifs_bi_core.ledger.activity import Activity
    from ifs_bi_core.ledger.runs import Ledger
    from ifs_bi_core.ledger.versions import Lag
    from ifs_bi_core.report.figures import DeadLetterFigures
    from ifs_bi_core.report.run_sums import RunEnd
    from ifs_bi_core.report.stream_sums import Place

RUNS = 100
"""How many runs a report shows, if nothing else is said: as many columns as fit a phone."""


def read_report(
    ledger: Ledger,
    *,
    runs: int = RUNS,
    schedules: Mapping[str, float] | None = None,
    limits: Mapping[str, float] | None = None,
    state_dir: str | None = None,
) -> Report:
    """The report of this moment.

    Args:
        ledger: open; its clock tells the moment.
        runs: how many of the newest runs it shows.
        schedules: seconds by stream (`ifs_bi_core.report.schedules.given_schedules`).
        limits: requests a minute by service, where they are not the known ones.
        state_dir: the state folder as commands have to name it; None: the default.

    Raises:
        LedgerError: the ledger can't be read.
    """
    now = ledger.clock()
    found = activity(ledger, runs=runs)
    ends = run_ends(found.parts, now)
    lines = balances(found, ends)
    letters, unreadable = _letters(ledger.state_dir, ends, state_dir)
    shown = run_figures(found, ends, lines)
    streams = stream_figures(found, ends, _lags(found, ends, ledger.state_dir), schedules or {}, now)
    unknown = unknown_figures(found.unanswered, ends)
    return Report(
        made_at=instant(now),
        ledger=REDACTOR.redact(ledger.database.name.removeprefix("The ledger ")),
        runs_known=len(ends),
        findings=(*unreadable, *findings(shown, streams, letters, unknown)),
        runs=tuple(shown),
        streams=tuple(streams),
        services=tuple(service_figures(found, limits or {})),
        dead_letters=tuple(letters),
        unknown=tuple(unknown),
    )


def _lags(found: Activity, ends: Mapping[str, RunEnd], state_dir: Path) -> dict[Place, Lag]:
    """By stream and target; of several destinations the one that was written to last."""
    lags: dict[Place, Lag] = {}
    parts = {part.part: part.plugin for part in found.parts}
    by_time = sorted(newest_by(found.batches).items(), key=lambda item: item[1][-1].at)
    for (stream, _), accounts in by_time:
        lags[stream, target_of(accounts[-1], parts, ends)] = lag(accounts, state_dir)
    return lags


def _letters(
    folder: Path, ends: Mapping[str, RunEnd], state_dir: str | None
) -> tuple[list[DeadLetterFigures], list[Finding]]:
    """The dead letters; where they can't be read, that is a finding, and the rest of the report stands."""
    try:
        return letter_figures(DeadLetters(folder).letters(*OPEN), ends, state_dir), []
    except IfsBiError as error:
        sentence = REDACTOR.redact(str(error))
        return [], [Finding(Kind.UNREADABLE, "dead letters", sentence, "ifs-bi dead-letters list")]
