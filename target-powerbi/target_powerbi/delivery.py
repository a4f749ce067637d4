"""How rows get to Power BI such that its tables show the kept rows, whatever happens on the way.

New rows are appended. What appending can't express (a changed row, one that is gone, a request whose outcome nobody knows)
makes a rewrite due: the table is emptied and filled from the kept rows, once, at the end of the run. What a run leaves due
is done at the start of the next one, before a newer row of that table moves.
"""

from __future__ import annotations

import logging
from itertools import islice
from typing import TYPE_CHECKING

from ifs_bi_core.errors import IfsBiError, OutcomeUnknownError, RowRejectedError
from ifs_bi_core.ledger.batches import follows
from ifs_bi_core.singer.outgoing import BatchRefusedError

from target_powerbi.changes import changes_of
from target_powerbi.kept import Status
from target_powerbi.outcomes import NOTHING_HAPPENED
from target_powerbi.rows import bodies

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from target_powerbi.api import PowerBI
    from target_powerbi.changes import Row
    from target_powerbi.dataset import PushDataset
    from target_powerbi.kept import Kept

_REWRITES = 3  # tries of one rewrite, when a POST of it stays unanswered


class Delivery:
    """Delivers the rows of one run.

    Args:
        dataset: where to; while it is absent, rows are kept and nothing is sent.
        api: its workspace.
        kept: what its tables show.
        batch_size_rows: rows a request at most.
    """

    def __init__(self, dataset: PushDataset, api: PowerBI, kept: Kept, *, batch_size_rows: int) -> None:
        self._dataset = dataset
        self._api = api
        self._kept = kept
        self._batch_size_rows = batch_size_rows
        self._activated: dict[str, int] = {}
        self._appended: dict[str, str] = {}
        self._log = logging.getLogger(__name__)

    def repair(self) -> None:
        """Make the tables right that an earlier run left otherwise than their kept rows.

        Rows without keys that came in a run whose state never left are taken out: this run brings them again.
        A table that resists stays due, nothing of it moves, and the end of the run tries again: what was in its way may
        be a row that this run brings anew.
        """
        self._kept.roll_back()
        if self._dataset.id is None:
            return
        for stream in self._due():
            self._log.info("%s: finishing what an earlier run left undone.", stream)
            try:
                self._rewrite(self._dataset.id, stream)
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
        """
        changes = changes_of(self._kept.find(stream, {key for key, _ in rows}), rows)
        if changes.outdated:
            self._log.info("%s: %d rows were older than what is delivered, and left aside.", stream, changes.outdated)
        if changes.confirmed:
            self._kept.write(stream, changes.confirmed)
        if changes.altered:
            self._kept.write(stream, changes.altered, status=Status.PENDING)
        self._add(stream, changes.added)
        if batch is not None:
            self._kept.took(stream, batch)
        return changes.outdated

    def append(self, stream: str, rows: Iterable[Row], batch: str) -> None:
        """Take rows without keys: each of them is one more row of the table.

        Raises:
            BatchRefusedError: Power BI refused rows for good; those before them were taken.
        """
        self._add(stream, dict(zip(self._kept.running_keys(stream), rows, strict=False)))
        self._appended[stream] = batch

    def held_of(self, stream: str, batch: str, rows: int) -> int | None:
        """How many rows of an earlier run's batch the table shows: all or none; None as long as the table is not right."""
        taken = self._kept.batch(stream)
        if taken is None or not (taken == batch or follows(taken, batch)):
            return 0
        return rows if self._kept.status(stream) is Status.CLEAN else None

    def activate(self, stream: str, version: int) -> None:
        """Note that rows which no refresh from this version on carried are gone; done at the end of the input."""
        self._activated[stream] = version

    def finish(self) -> None:
        """Make every table show its kept rows; returns when Power BI has confirmed it.

        Raises:
            IfsBiError: of the first table that can't be made right; the others are.
        """
        for stream, version in self._activated.items():
            gone = self._kept.drop_older(stream, version)
            if gone:
                self._log.info("%s: %d rows are gone at the source.", stream, gone)
        self._activated.clear()
        if due := self._due():
            self._rewrite_all(self._dataset.id or self._dataset.create(), due)

    def settle(self) -> None:
        """Note that the state of the run leaves now: rows without keys are not taken back any more."""
        self._kept.confirm(self._appended)

    def _rewrite_all(self, dataset_id: str, streams: Iterable[str]) -> None:
        first: IfsBiError | None = None
        for stream in streams:
            try:
                self._rewrite(dataset_id, stream)
            except (*NOTHING_HAPPENED, OutcomeUnknownError, RowRejectedError) as error:
                first = first or error
                self._log.warning("%s", error)
        if first is not None:
            raise first

    def _due(self) -> list[str]:
        return [stream for stream, kept in self._kept.tables().items() if kept.status is not Status.CLEAN]

    def _add(self, stream: str, rows: Mapping[str, Row]) -> None:
        """Append rows that the table does not show; where a rewrite is due anyway, it brings them."""
        if not rows:
            return
        dataset_id = self._dataset.id
        if dataset_id is None or self._kept.status(stream) is not Status.CLEAN:
            self._kept.write(stream, rows)
            return
        waiting = iter(rows.items())
        clean, stored = True, 0
        for count, body in bodies((row.sent or b"" for row in rows.values()), most_rows=self._batch_size_rows):
            part = dict(islice(waiting, count))
            if clean:
                try:
                    clean = self._post(dataset_id, stream, part, body)
                except RowRejectedError as error:
                    raise BatchRefusedError(str(error), stored=stored) from None
            else:
                self._kept.write(stream, part)
            stored += count

    def _post(self, dataset_id: str, stream: str, rows: Mapping[str, Row], body: bytes) -> bool:
        """Append rows to a clean table; whether it is clean afterwards."""
        # Ahead of the request: should this be the last that the process does, the next run knows what may be there.
        self._kept.write(stream, rows, status=Status.PENDING)
        try:
            self._api.post_rows(dataset_id, self._name(stream), len(rows), body)
        except OutcomeUnknownError as error:
            self._log.warning("%s %s: the table is rewritten at the end of this run.", error, stream)
            return False
        except (*NOTHING_HAPPENED, RowRejectedError):
            self._kept.take_back(stream, rows, status=Status.CLEAN)
            raise
        self._kept.mark(stream, Status.CLEAN)
        self._log.info("%s: %s rows added.", stream, f"{len(rows):,}")
        return True

    def _rewrite(self, dataset_id: str, stream: str) -> None:
        """Empty a table and fill it from the kept rows.

        Raises:
            OutcomeUnknownError: a POST stayed unanswered in every try; the table stays due.
            IfsBiError: Power BI refuses something; the table stays due.
        """
        name, count = self._name(stream), self._kept.count(stream)
        for attempt in range(1, _REWRITES + 1):
            self._log.info("%s: writing all %s rows of table '%s'.", stream, f"{count:,}", name)
            self._kept.mark(stream, Status.REWRITING)
            self._api.delete_rows(dataset_id, name)
            try:
                for rows, body in bodies(self._kept.rows(stream), most_rows=self._batch_size_rows):
                    self._api.post_rows(dataset_id, name, rows, body)
            except OutcomeUnknownError as error:
                if attempt == _REWRITES:
                    raise OutcomeUnknownError(
                        f"{error} Table '{name}' may show a part of its rows until the next run, which begins with it."
                    ) from None
                self._log.warning("%s Beginning again with an empty table.", error)
            else:
                self._kept.mark(stream, Status.CLEAN)
                return

    def _name(self, stream: str) -> str:
        kept = self._kept.table(stream)
        if kept is None:
            raise KeyError(stream)
        return kept.table.name
