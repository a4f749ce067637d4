"""What needs a person, and the command that comes next: pure."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ifs_bi_core.report.figures import Finding, Kind, Status
from ifs_bi_core.report.schedules import Freshness
from ifs_bi_core.report.wording import count, span

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from ifs_bi_core.report.figures import DeadLetterFigures, Report, RunFigures, StreamFigures, UnknownFigures


def findings(
    runs: Sequence[RunFigures],
    streams: Iterable[StreamFigures],
    letters: Iterable[DeadLetterFigures],
    unknown: Iterable[UnknownFigures],
) -> list[Finding]:
    """What needs a person, the worst first.

    Args:
        runs: oldest first; of each plugin the newest that is over counts, since an older failure was followed by a success.
        streams: with their freshness.
        letters: that were not replayed.
        unknown: rows without a final word.
    """
    return [*_of_unknown(unknown), *_of_runs(runs), *_of_streams(streams), *_of_letters(letters)]


def verdict(report: Report) -> str:
    """The report in a few words."""
    if report.findings:
        number = len(report.findings)
        return f"{number} {'thing needs' if number == 1 else 'things need'} you"
    return "all is well" if report.runs else "nothing has run yet"


def _of_unknown(unknown: Iterable[UnknownFigures]) -> Iterator[Finding]:
    for one in unknown:
        rows = one.unknown + one.waiting
        if rows and not one.in_flight:
            yield Finding(
                Kind.UNKNOWN,
                one.stream,
                f"{count(one.unknown, 'row')} of {one.stream} left without an answer, and {count(one.waiting, 'row')} did not "
                f"leave. The next run on {' and '.join(one.hosts)} resolves them before it sends anything else.",
                f"meltano run {' '.join(one.plugins) or 'TAP TARGET'}",
                rows,
            )


def _of_runs(runs: Sequence[RunFigures]) -> Iterator[Finding]:
    for run in dict.fromkeys(newest_runs(runs).values()):
        pipe = " | ".join(run.plugins)
        show = f"ifs-bi ledger show {run.run}"
        match run.status:
            case Status.FAILED:
                yield Finding(Kind.FAILED, run.run, f"The last run of {pipe} failed.", show)
            case Status.NO_START:
                yield Finding(
                    Kind.FAILED, run.run, f"The last run of {pipe} did not start: its configuration is wrong.", show
                )
            case Status.NO_END:
                yield Finding(
                    Kind.NO_END, run.run, f"The last run of {pipe} began and never ended: it was killed.", show
                )
            case _ if not run.balanced:
                yield Finding(
                    Kind.UNBALANCED,
                    run.run,
                    f"The last run of {pipe} does not account for every row that it read.",
                    f"ifs-bi ledger balance {run.run}",
                )


def newest_runs(runs: Sequence[RunFigures]) -> dict[str, RunFigures]:
    """The newest run that is over, by plugin; ``runs`` are oldest first."""
    return {plugin: run for run in runs if run.status is not Status.RUNNING for plugin in run.plugins}


def _of_streams(streams: Iterable[StreamFigures]) -> Iterator[Finding]:
    for one in streams:
        if one.freshness is Freshness.LATE and one.age_seconds is not None and one.every_seconds is not None:
            to = f" to {one.target}" if one.target else ""
            yield Finding(
                Kind.LATE,
                one.stream,
                f"{one.stream} was last delivered{to} {span(one.age_seconds)} ago; it should be every "
                f"{span(one.every_seconds)}.",
                "ifs-bi ledger runs",
            )


def _of_letters(letters: Iterable[DeadLetterFigures]) -> Iterator[Finding]:
    for one in letters:
        yield Finding(
            Kind.DEAD_LETTERS,
            one.stream,
            f"{count(one.rows, 'row')} of {one.stream} lie in the dead-letter store ({one.state}).",
            one.command,
            one.rows,
        )
