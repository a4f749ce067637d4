"""Rows of one stream into its table: files in the order of their numbers, and what is kept of them one step ahead."""

from __future__ import annotations

import logging
import secrets
from contextlib import suppress
from dataclasses import replace
from typing import TYPE_CHECKING

import pyarrow as pa
from ifs_bi_core.columnar.rows import to_arrow
from ifs_bi_core.errors import ContractBrokenError, IfsBiError, OutcomeUnknownError
from ifs_bi_core.ledger.batches import follows

from target_powerbi.changes import Row, changes_of
from target_powerbi.kept import Post
from target_powerbi.mirroring.files import DELETE, UPSERT, Footer, to_parquet

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from target_powerbi.mirroring.run import Mirroring
    from target_powerbi.mirroring.tables import MirroredTable

_LOG = logging.getLogger(__name__)
_ROWS_AT_ONCE = 10_000  # of a file of deletes


class MirroredRows:
    """The rows of one table, in the landing zone and in what is kept.

    A file that is on its way is one of `Kept.posts`, so that whatever ends the process, the next one finds out whether it
    arrived. As a post counts one, `Kept.held` is the number of the last file.

    Args:
        run: where they are.
        table: as it is defined there.
    """

    def __init__(self, run: Mirroring, table: MirroredTable) -> None:
        self._run = run
        self._kept = run.kept
        self._stream = table.stream
        self.table = table

    def settle(self) -> None:
        """Find out what became of a file whose arrival is not noted.

        Raises:
            IfsBiError: the landing zone can't be asked.
        """
        for post in self._kept.posts(self._stream):
            number = int(post.name.partition("-")[0])
            if self._run.zone.footer(self.table.name, number).name == post.name:
                self._kept.end_post(self._stream, post)
            else:
                self._kept.undo_post(self._stream, post)

    def deliver(self, content: pa.Table, rows: Sequence[tuple[str, Row]], batch: str, arrived: int) -> int:
        """Write what the rows change as one file, or none where they change nothing.

        Args:
            content: the rows as columns of the table.
            rows: key and digest of each.
            batch: that they are of.
            arrived: how many rows of it have arrived then.

        Returns:
            How many rows were older than those in the table, and left aside.
        """
        before = self._kept.find(self._stream, {key for key, _ in rows})
        changes = changes_of(before, rows)
        if changes.outdated:
            _LOG.info("%s: %d rows were older than what is delivered, and left aside.", self._stream, changes.outdated)
        if changes.confirmed:
            self._kept.write(self._stream, changes.confirmed)
        written = {**changes.added, **changes.altered}
        if written:
            places = _places(rows, written)
            if changes.altered:
                self._begin_markers()
            markers = None
            if not self.table.is_new:
                markers = [DELETE if rows[place][1].sent is None else UPSERT for place in places]
            chosen = content if len(places) == len(rows) else content.take(pa.array(places, pa.int64()))
            self._publish(chosen, markers, written, before, batch=batch, arrived=arrived)
        return changes.outdated

    def took(self, batch: str) -> None:
        """Note that all rows of a batch have arrived."""
        if self.table.keys:
            self._kept.took(self._stream, batch)
        else:
            self._run.numbered[self._stream] = batch

    def held_of(self, batch: str, rows: int) -> int:
        """How many rows of an earlier batch have arrived, from the first on: what is kept says so, and the last file does.

        Rows without a key are taken out again where their state never left (`roll_back`), so that only what is kept counts.
        """
        taken = self._kept.batch(self._stream)
        if taken is not None and (taken == batch or follows(taken, batch)):
            return rows
        if not self.table.keys:
            return 0
        last = self._run.zone.footer(self.table.name, self._kept.held(self._stream))
        if last.batch is None or not (last.batch == batch or follows(last.batch, batch)):
            return 0
        return min(rows, last.rows) if last.batch == batch else rows

    def retire(self, version: int) -> None:
        """Remove the rows that no full refresh from this version on carried."""
        gone = self._remove_all(lambda: self._kept.older(self._stream, version, _ROWS_AT_ONCE), version)
        if gone:
            _LOG.info("%s: %s rows are gone at the source.", self._stream, f"{gone:,}")

    def roll_back(self) -> None:
        """Remove the rows without a key of a run whose state never left: they come again, and nobody could tell them apart."""
        gone = self._remove_all(lambda: self._kept.unconfirmed(self._stream, _ROWS_AT_ONCE), None)
        if gone:
            _LOG.info("%s: %s rows of a run that did not end are taken out.", self._stream, f"{gone:,}")

    def _remove_all(self, some: Callable[[], dict[str, Row]], generation: int | None) -> int:
        removed = 0
        while rows := some():
            content, flaws = to_arrow([self.table.row_of(key) for key in rows], self.table.key_columns)
            if flaws:
                raise ContractBrokenError(f"{self._stream}: kept keys can't be read: {next(iter(flaws.values()))}.")
            gone = {key: Row(None, row.version, generation) for key, row in rows.items()}
            self._begin_markers()
            self._publish(content, [DELETE] * len(rows), gone, rows)
            if not self.table.keys:
                self._kept.drop(self._stream, rows)
            removed += len(rows)
        return removed

    def _begin_markers(self) -> None:
        """From now on files carry markers, which is noted before the first of them."""
        if self.table.is_new:
            self.table = replace(self.table, is_new=False)
            self._kept.define(self.table, defined=True)

    def _publish(
        self,
        content: pa.Table,
        markers: list[int] | None,
        written: Mapping[str, Row],
        before: Mapping[str, Row],
        *,
        batch: str | None = None,
        arrived: int = 0,
    ) -> None:
        """Publish the next file: what it changes is kept ahead of it, and again as it was where it did not arrive."""
        number = self._kept.held(self._stream) + 1
        post = Post(f"{number}-{secrets.token_hex(8)}", 1)
        data = to_parquet(content, markers, Footer(post.name, batch, arrived))
        self._kept.begin_post(self._stream, post, written, before)
        try:
            self._run.zone.publish(self.table.name, number, data)
        except OutcomeUnknownError:
            raise  # the next start looks what is there
        except BaseException:
            with suppress(IfsBiError):  # else the next start does
                self.settle()
            raise
        self._kept.end_post(self._stream, post)
        _LOG.info("%s: file %d with %s rows.", self._stream, number, f"{content.num_rows:,}")


def _places(rows: Sequence[tuple[str, Row]], written: Mapping[str, Row]) -> list[int]:
    """Where in the batch the row of each key is that is written: the last one that says the same."""
    found: dict[str, int] = {}
    for place, (key, row) in enumerate(rows):
        wanted = written.get(key)
        if wanted is not None and wanted.sent == row.sent:
            found[key] = place
    return sorted(found.values())
