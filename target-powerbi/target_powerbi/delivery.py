"""How rows get to Power BI such that its tables show the kept rows, whatever happens on the way.

New rows are appended. What appending can't express (a changed row, one that is gone, a request of which nobody knows what became)
makes a rewrite due: the table is emptied and filled from the kept rows, once, at the end of the run. What a run leaves due
is done at the start of the next one, before a newer row of that table moves.
"""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

from ifs_bi_core.errors import IfsBiError, OutcomeUnknownError, RowRejectedError
from ifs_bi_core.ledger.batches import follows
from ifs_bi_core.singer.outgoing import BatchRefusedError, OutcomeAcceptedError

from target_powerbi.bodies import parts
from target_powerbi.changes import changes_of
from target_powerbi.kept import Status
from target_powerbi.outcomes import NOTHING_HAPPENED
from target_powerbi.posting import Outcome
from target_powerbi.repeated import without_repeated
from target_powerbi.rewriting import Rewriting

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from target_powerbi.changes import Row
    from target_powerbi.dataset import PushDataset
    from target_powerbi.kept import Kept
    from target_powerbi.posting import Posting
    from target_powerbi.rewriting import Refuse

_RECOUNTS = 3  # rewrites of a run because requests landed late that were thought lost


class Delivery:
    """Delivers the rows of one run.

    Args:
        dataset: where to; while it is absent, rows are kept and nothing is sent.
        posting: sends rows to it.
        kept: what its tables show.
        batch_size_rows: rows a request at most.
        within_hour: whether a table that people look at is only rewritten where an hour is enough for it.
    """

    def __init__(
        self, dataset: PushDataset, posting: Posting, kept: Kept, *, batch_size_rows: int, within_hour: bool = True
    ) -> None:
        self._dataset = dataset
        self._posting = posting
        self._kept = kept
        self._batch_size_rows = batch_size_rows
        self._rewriting = Rewriting(posting, kept, batch_size_rows=batch_size_rows, within_hour=within_hour)
        self._activated: dict[str, int] = {}
        self._appended: dict[str, str] = {}
        self._accepted: set[str] = set()
        self._log = logging.getLogger(__name__)

    def repair(self) -> None:
        """Make the tables right that an earlier run left otherwise than their kept rows.

        Rows without keys that came in a run whose state never left are taken out: this run brings them again.
        A table that resists stays due, nothing of it moves, and the end of the run tries again: what was in its way may
        be a row that this run brings anew.

        Raises:
            OutcomeUnknownError: nobody can tell whether rows of an earlier run arrived, and `on_unknown` is `stop`.
        """
        if self._dataset.id is not None:
            for stream in self._kept.tables():
                self._posting.recover(stream)
            for stream in self._posting.recount(again=False):
                self._kept.mark(stream, Status.PENDING)
        self._kept.roll_back()
        if self._dataset.id is None:
            return
        for stream in self._due():
            self._log.info("%s: finishing what an earlier run left undone.", stream)
            try:
                self._rewriting.rewrite(stream)
            except (*NOTHING_HAPPENED, OutcomeUnknownError, RowRejectedError) as error:
                self._log.warning("%s The table is tried again at the end of this run.", error)

    def mirror(self, stream: str, rows: Sequence[tuple[str, Row]], batch: str | None = None) -> int:
        """Take rows, by key, such that the table shows the newest of each key.

        Args:
            stream: of the table.
            rows: key and row, in their order.
            batch: its name, where these rows complete it.

        Returns:
            How many rows were older than the kept ones, and left aside.

        Raises:
            BatchRefusedError: Power BI refused new rows for good; none of those it refused is kept.
            OutcomeAcceptedError: nobody can tell whether some arrived, and `on_unknown` takes them for delivered.
            IfsBiError: rows could not be delivered.
        """
        changes = changes_of(self._kept.find(stream, {key for key, _ in rows}), rows)
        if changes.outdated:
            self._log.info("%s: %d rows were older than what is delivered, and left aside.", stream, changes.outdated)
        if changes.confirmed:
            self._kept.write(stream, changes.confirmed)
        if changes.altered:
            self._kept.write(stream, changes.altered, status=Status.PENDING)
        accepted = self._add(stream, changes.added)
        if batch is not None:
            self._kept.took(stream, batch)
        self.tell_accepted(stream, batch, accepted=accepted, outdated=changes.outdated)
        return changes.outdated

    def append(self, stream: str, rows: Sequence[Row], batch: str) -> int:
        """Take rows of a table in which each is one more row, but for versions that only come again.

        Returns:
            How many came again, and were left aside.

        Raises:
            BatchRefusedError: Power BI refused rows for good; those before them were taken.
            OutcomeAcceptedError: nobody can tell whether some arrived, and `on_unknown` takes them for delivered.
            IfsBiError: rows could not be delivered.
        """
        new, places = without_repeated(self._kept, stream, rows)
        again = len(rows) - len(new)
        try:
            accepted = self._add(stream, dict(zip(self._kept.running_keys(stream), new, strict=False)))
        except BatchRefusedError as error:
            raise BatchRefusedError(str(error), stored=places[error.stored]) from None
        self._appended[stream] = batch
        if again:
            self._log.info("%s: %d rows came again, and are there already.", stream, again)
        self.tell_accepted(stream, batch, accepted=accepted, outdated=again)
        return again

    def held_of(self, stream: str, batch: str, rows: int) -> int | None:
        """How many rows of an earlier run's batch the table shows: all or none; None as long as nobody can tell."""
        taken = self._kept.batch(stream)
        if taken is None or not (taken == batch or follows(taken, batch)):
            return 0
        if self._kept.status(stream) is not Status.CLEAN or self._posting.was_accepted(batch):
            return None
        return rows

    def activate(self, stream: str, version: int) -> None:
        """Note that rows which no refresh from this version on carried are gone; done at the end of the input."""
        self._activated[stream] = version

    def finish(self, refuse: Refuse | None = None) -> None:
        """Make every table show its kept rows; returns when Power BI has confirmed it.

        Args:
            refuse: what is done with a row that Power BI refuses in a rewrite; None: such a row ends the run.

        Raises:
            IfsBiError: of the first table that can't be made right; the others are.
        """
        for stream, version in self._activated.items():
            gone = self._kept.drop_older(stream, version)
            if gone:
                self._log.info("%s: %d rows are gone at the source.", stream, gone)
        self._activated.clear()
        if (due := self._due()) and self._dataset.id is None:
            self._dataset.create()
        for _ in range(_RECOUNTS):
            self._rewriting.announce(due)
            self._rewrite_all(due, refuse)
            due = self._posting.recount(again=True) if self._dataset.id is not None else []
            if not due:
                return
            for stream in due:
                self._kept.mark(stream, Status.PENDING)
        raise OutcomeUnknownError(
            f"{', '.join(due)}: requests that were thought lost landed late after every rewrite. The next run begins with a "
            f"rewrite."
        )

    def settle(self) -> None:
        """Note that the state of the run leaves now: rows without keys are not taken back any more."""
        self._kept.confirm(self._appended)

    def _rewrite_all(self, streams: Iterable[str], refuse: Refuse | None) -> None:
        first: IfsBiError | None = None
        for stream in streams:
            try:
                self._rewriting.rewrite(stream, refuse)
            except (*NOTHING_HAPPENED, OutcomeUnknownError, RowRejectedError) as error:
                first = first or error
                self._log.warning("%s", error)
        if first is not None:
            raise first

    def _due(self) -> list[str]:
        return [stream for stream, kept in self._kept.tables().items() if kept.status is not Status.CLEAN]

    def _add(self, stream: str, rows: Mapping[str, Row]) -> bool:
        """Append rows that the table does not show; where a rewrite is due anyway, it brings them.

        Returns:
            Whether some of them count as delivered although nobody knows.
        """
        if not rows:
            return False
        if self._dataset.id is None or self._kept.status(stream) is not Status.CLEAN:
            self._kept.write(stream, rows)
            return False
        accepted, clean, stored = False, True, 0
        for part in parts(rows.items(), lambda item: (item[1].sent or b"",), most_rows=self._batch_size_rows):
            if clean:
                try:
                    outcome = self._posting.post(stream, [row.sent or b"" for _, row in part], dict(part), {})
                except RowRejectedError as error:
                    raise BatchRefusedError(str(error), stored=stored) from None
                clean = outcome is not Outcome.IN_DOUBT
                accepted |= outcome is Outcome.ACCEPTED
                if clean:
                    self._log.info("%s: %s rows added.", stream, f"{len(part):,}")
            else:
                self._kept.write(stream, dict(part))
            stored += len(part)
        return accepted

    def tell_accepted(self, stream: str, batch: str | None, *, accepted: bool, outdated: int = 0) -> None:
        """Say of a batch that it counts as delivered although nobody knows, where that is so.

        Raises:
            OutcomeAcceptedError: it is so of these rows.
        """
        if accepted:
            self._accepted.add(stream)
        if batch is not None and stream in self._accepted:
            self._accepted.discard(stream)
            self._posting.accept(stream, batch)
        if accepted:
            raise OutcomeAcceptedError(
                f"{stream}: an answer of Power BI was lost, and on_unknown takes the rows for delivered.",
                outdated=outdated,
            )
