"""A table emptied and filled from the kept rows: the one way to show what appending can't express.

While it lasts, people see a part of the rows. So it is begun when the dataset's limits leave room for all of it, and a POST that
is lost on the way is found out about instead of beginning again.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import TYPE_CHECKING, TypeAlias

from ifs_bi_core.errors import ContractBrokenError, OutcomeUnknownError, RowRejectedError

from target_powerbi.bodies import BYTES_FOR_NAME, parts
from target_powerbi.kept import Status
from target_powerbi.limits import HOUR, MINUTE, duration, loads_of
from target_powerbi.posting import Outcome

if TYPE_CHECKING:
    from collections.abc import Iterable

    from target_powerbi.kept import Kept
    from target_powerbi.limits import Load
    from target_powerbi.posting import Posting

Refuse: TypeAlias = Callable[[str, str, str], bool]
"""Puts a row aside for good, by stream, key and reason; False: it did not come in this run, which has to end."""

_BEGINNINGS = 3  # of one rewrite, when nobody can tell about a POST of it
_MOST_TRIES = 100  # refusals in one rewrite; more are not about single rows
_TELL_ROWS = 100_000


class _Search:
    """Looks for the rows that Power BI refuses, by halving what it refuses; gives up where there are many.

    Attributes:
        refused: what was found, by key.
    """

    def __init__(self) -> None:
        self.refused: dict[str, RowRejectedError] = {}
        self._tries = _MOST_TRIES
        self._twice: set[str] = set()

    def after(self, part: list[tuple[str, bytes]], refusal: RowRejectedError) -> list[list[tuple[str, bytes]]]:
        """What to send after a part was refused; the last one is the next.

        Raises:
            RowRejectedError: there were too many refusals.
        """
        self._tries -= 1
        if self._tries <= 0:
            raise refusal
        half, (key, _) = len(part) // 2, part[0]
        if half:
            return [part[half:], part[:half]]
        if key not in self._twice:  # Power BI answers 400 now and then to what it takes a moment later
            self._twice.add(key)
            return [part]
        self.refused[key] = refusal
        return []


class Rewriting:
    """Rewrites tables in one run.

    Args:
        posting: sends rows.
        kept: what the tables are to show.
        batch_size_rows: rows a request at most.
        within_hour: whether a table that people look at is only rewritten where an hour is enough for it.
    """

    def __init__(self, posting: Posting, kept: Kept, *, batch_size_rows: int, within_hour: bool) -> None:
        self._posting = posting
        self._kept = kept
        self._batch_size_rows = batch_size_rows
        self._within_hour = within_hour
        self._log = logging.getLogger(__name__)

    def announce(self, streams: Iterable[str]) -> None:
        """Say how long these tables take, and why, where that is worth a line."""
        loads = [load for stream in streams for load in self._loads(stream)]
        if not loads:
            return
        seconds, reason = self._posting.pace.seconds_for(loads)
        if reason is not None and seconds > MINUTE:
            self._log.warning(
                "%s rows have to be written, and Power BI takes %s in one dataset: that lasts %s from now on.",
                f"{sum(load.rows for load in loads):,}",
                reason,
                duration(seconds),
            )

    def rewrite(self, stream: str, refuse: Refuse | None = None) -> None:
        """Empty a table and fill it from the kept rows.

        Args:
            stream: of the table.
            refuse: what is done with a row that Power BI refuses; None: it ends the rewrite.

        Raises:
            ContractBrokenError: the table has too many rows for Power BI, or for a rewrite.
            OutcomeUnknownError: nobody can tell about a POST, in every try; the table stays due.
            IfsBiError: Power BI refuses something; the table stays due.
        """
        loads = self._loads(stream)
        count = sum(load.rows for load in loads)
        self._check(stream, count, loads)
        if self._kept.status(stream) is Status.PENDING and self._posting.capacity.shown(stream):
            self._posting.pace.wait_until_all_fit(loads)
        for beginning in range(1, _BEGINNINGS + 1):
            self._log.info("%s: writing all %s rows of table '%s'.", stream, f"{count:,}", self._name(stream))
            self._kept.mark(stream, Status.REWRITING)
            self._posting.empty(stream)
            if self._fill(stream, count, refuse):
                self._kept.mark(stream, Status.CLEAN)
                return
            if beginning < _BEGINNINGS:
                self._log.warning("%s: beginning again with an empty table.", stream)
        raise OutcomeUnknownError(
            f"{stream}: answers of Power BI were lost, and it can't be asked what arrived. Table '{self._name(stream)}' may show "
            f"a part of its rows until the next run, which begins with it."
        )

    def _check(self, stream: str, count: int, loads: list[Load]) -> None:
        self._posting.capacity.expect_all(stream, count)
        if not (
            self._within_hour and self._kept.status(stream) is Status.PENDING and self._posting.capacity.shown(stream)
        ):
            return
        seconds = self._posting.pace.seconds_alone(loads)
        if seconds > HOUR:
            raise ContractBrokenError(
                f"{stream}: rows changed, and to show that, all {count:,} rows of table '{self._name(stream)}' would have to be "
                f"written anew. Within Power BI's limits that lasts {duration(seconds)}, in which people would see a part of "
                f"them. Set write_mode: signed, which never rewrites, or on_unknown: rewrite to have it done all the same."
            )

    def _fill(self, stream: str, count: int, refuse: Refuse | None) -> bool:
        """Send all kept rows; False where nobody can tell about a part of them."""
        sent, told, search = 0, 0, _Search()
        for whole in parts(self._kept.items(stream), lambda item: (item[1],), most_rows=self._batch_size_rows):
            waiting = [whole]
            while waiting:
                part = waiting.pop()
                try:
                    if self._posting.fill(stream, [row for _, row in part]) is Outcome.IN_DOUBT:
                        return False
                    sent += len(part)
                except RowRejectedError as refusal:
                    if refuse is None:
                        raise
                    waiting += search.after(part, refusal)
            if sent - told >= _TELL_ROWS:
                told = sent
                self._log.info("%s: %s of %s rows are written.", stream, f"{sent:,}", f"{count:,}")
        if search.refused and refuse is not None:
            self._put_aside(stream, search.refused, refuse, sent=sent)
        return True

    def _put_aside(self, stream: str, refused: dict[str, RowRejectedError], refuse: Refuse, *, sent: int) -> None:
        for key, refusal in refused.items():
            # Where nothing at all is taken, it is Power BI that has changed, and not the rows.
            if (not sent and len(refused) > 1) or not refuse(stream, key, str(refusal)):
                raise refusal
            self._kept.drop(stream, [key])

    def _loads(self, stream: str) -> list[Load]:
        rows, size = self._kept.volume(stream)
        return loads_of(
            rows,
            size + rows * BYTES_FOR_NAME,
            shown=0,
            large=self._posting.capacity.others_are_large(stream),
            most_rows=self._batch_size_rows,
        )

    def _name(self, stream: str) -> str:
        return self._kept.tables()[stream].table.name
