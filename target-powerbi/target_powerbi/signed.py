"""`signed`: a table is only ever appended to, and sums over `_sign` are right at every moment, with every filter.

A new row comes with `_sign` +1. A changed one is two rows: the old one once more, byte for byte but for `_sign` -1, and
the new one. A row that is gone is one with -1. What belongs to one key travels in one POST, which Power BI takes as a whole
or not at all: nobody ever sees half a change.

The kept rows are what the viewers' rows sum to. Old and new are both on disk before a POST leaves; whatever ends the process,
the next one finds out whether it arrived, and goes on from there.
"""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

from ifs_bi_core.errors import ConfigError, IfsBiError, RowRejectedError
from ifs_bi_core.singer.outgoing import BatchRefusedError
from msgspec import Struct
from msgspec.structs import replace

from target_powerbi.bodies import parts
from target_powerbi.changes import Row, changes_of
from target_powerbi.kept import Status
from target_powerbi.outcomes import NOTHING_HAPPENED
from target_powerbi.posting import Outcome
from target_powerbi.tables import SIGN

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

    from target_powerbi.dataset import PushDataset
    from target_powerbi.delivery import Delivery
    from target_powerbi.kept import Kept
    from target_powerbi.posting import Posting
    from target_powerbi.rewriting import Refuse

_PLUS, _MINUS = (f'{{"{SIGN.name}":{sign},'.encode() for sign in (1, -1))
_PAGE = 5_000  # rows in memory, of those that are cancelled because no refresh carried them


def signed(row: bytes) -> bytes:
    """The row, a JSON object with at least one member, as one that counts."""
    return _PLUS + row[1:]


def cancelling(sent: bytes) -> bytes:
    """What takes a row of `signed` out of every sum: the same bytes, with the other sign."""
    return _MINUS + sent[len(_PLUS) :]


class Change(Struct, frozen=True, gc=False):
    """What becomes of one key: the row that is kept, if any, and the one to be kept."""

    key: str
    before: Row | None
    after: Row

    def rows(self) -> list[bytes]:
        """What has to be appended for it, one row or two, which never travel apart."""
        rows = [] if self.before is None or self.before.sent is None else [cancelling(self.before.sent)]
        return rows if self.after.sent is None else [*rows, self.after.sent]


class SignedDelivery:
    """Delivers the rows of one run in `signed`.

    Args:
        tables: fills tables from the kept rows where that is due: those of a dataset that is made, those that are compacted,
            and those of which nobody knows what they hold.
        posting: sends rows.
        dataset: where to; while it is absent, rows are kept and nothing is sent.
        kept: what the rows of its tables sum to.
        batch_size_rows: rows a request at most; a change has two, which stay together even where this is 1.
    """

    def __init__(
        self, tables: Delivery, posting: Posting, dataset: PushDataset, kept: Kept, *, batch_size_rows: int
    ) -> None:
        self._tables = tables
        self._posting = posting
        self._dataset = dataset
        self._kept = kept
        self._most_rows = max(2, batch_size_rows)
        self._activated: dict[str, int] = {}
        self._appended: dict[str, str] = {}
        self._cancelled: set[str] = set()
        self._log = logging.getLogger(__name__)

    def repair(self) -> None:
        """Settle what an earlier run left open: POSTs on their way, rewrites, and rows without keys whose state never left.

        Raises:
            OutcomeUnknownError: nobody can tell whether a POST arrived, and `on_unknown` is `stop`.
        """
        tables = self._kept.tables()
        if self._dataset.id is not None:
            for stream in tables:
                self._posting.recover(stream)
        for stream in (stream for stream, kept in tables.items() if not kept.table.keys):
            self._cancel(stream, lambda: self._kept.unconfirmed(stream, _PAGE))  # noqa: B023 - called here alone
        self._tables.repair()

    def mirror(self, stream: str, rows: Sequence[tuple[str, Row]], batch: str | None = None) -> int:
        """Take rows, by key, such that the table's rows sum to the newest of each key.

        Args:
            stream: of the table.
            rows: key and row, in their order; `sent` carries its sign.
            batch: its name, where these rows complete it.

        Returns:
            How many rows were older than the kept ones, and left aside.

        Raises:
            BatchRefusedError: Power BI refused a POST for good; what it would have changed is kept as it was.
            OutcomeAcceptedError: nobody can tell whether a POST arrived, and `on_unknown` takes it for delivered.
            IfsBiError: rows could not be delivered, or nobody can tell whether they were.
        """
        kept = self._kept.find(stream, {key for key, _ in rows})
        changes = changes_of(kept, rows)
        if changes.outdated:
            self._log.info("%s: %d rows were older than what is delivered, and left aside.", stream, changes.outdated)
        if changes.confirmed:
            self._kept.write(stream, changes.confirmed)
        news = changes.added | changes.altered
        arrivals = dict.fromkeys(key for key, _ in rows)  # in their order: else nobody could say how many are stored
        accepted = self._send(stream, [Change(key, kept.get(key), news[key]) for key in arrivals if key in news])
        if batch is not None:
            self._kept.took(stream, batch)
        self._tables.tell_accepted(stream, batch, accepted=accepted, outdated=changes.outdated)
        return changes.outdated

    def append(self, stream: str, rows: Iterable[Row], batch: str) -> int:
        """Take rows without keys: each of them is one more row of the table.

        Returns:
            0: nobody can tell whether one of them came before.

        Raises:
            BatchRefusedError: Power BI refused rows for good; those before them were taken.
            OutcomeAcceptedError: nobody can tell whether a POST arrived, and `on_unknown` takes it for delivered.
            IfsBiError: rows could not be delivered, or nobody can tell whether they were.
        """
        keyed = zip(self._kept.running_keys(stream), rows, strict=False)
        accepted = self._send(stream, [Change(key, None, row) for key, row in keyed])
        self._appended[stream] = batch
        self._tables.tell_accepted(stream, batch, accepted=accepted)
        return 0

    def held_of(self, stream: str, batch: str, rows: int) -> int | None:
        """How many rows of an earlier run's batch are in the table's sums; None as long as nobody can tell."""
        return self._tables.held_of(stream, batch, rows)

    def activate(self, stream: str, version: int) -> None:
        """Note that rows which no refresh from this version on carried are gone; done at the end of the input."""
        self._activated[stream] = version

    def finish(self, refuse: Refuse | None = None) -> None:
        """Cancel what is gone, and fill the tables that are due; returns when Power BI has confirmed it.

        Args:
            refuse: what is done with a row that Power BI refuses while a table is filled; None: such a row ends the run.

        Raises:
            OutcomeUnknownError: nobody can tell whether a POST arrived, and `on_unknown` is `stop`.
            IfsBiError: of the first table that can't be made right; the others are.
        """
        first: IfsBiError | None = None
        for stream, version in self._activated.items():
            try:
                self._cancel_older(stream, version)
            except (*NOTHING_HAPPENED, RowRejectedError) as error:
                first = first or error
                self._log.warning("%s", error)
        self._activated.clear()
        self._tables.finish(refuse)
        if first is not None:
            raise first
        for stream in sorted(self._cancelled):
            self._offer(stream)

    def settle(self) -> None:
        """Note that the state of the run leaves now: rows without keys are not taken back any more."""
        self._kept.confirm(self._appended)

    def compact(self, stream: str) -> int:
        """Write a table anew from the rows that count, without those that cancel each other.

        While that lasts the table shows a part of its rows; a run that ends in between is finished by the next one.

        Returns:
            How many rows it holds less.

        Raises:
            ConfigError: nothing is kept of the stream, or there is no dataset yet.
            IfsBiError: the table can't be written.
        """
        if self._dataset.id is None or self._kept.table(stream) is None:
            raise ConfigError(f"No rows of a stream '{stream}' were delivered to this dataset. Check the name.")
        before = self._kept.held(stream)
        self._kept.mark(stream, Status.PENDING)
        self._tables.finish()
        return before - self._kept.held(stream)

    def _send(self, stream: str, changes: Iterable[Change]) -> bool:
        """Append what the changes come to; where a rewrite is due anyway, it brings them.

        Returns:
            Whether some of them count as delivered although nobody knows.
        """
        accepted, stored = False, 0
        for part in parts(changes, Change.rows, most_rows=self._most_rows):
            after = {change.key: change.after for change in part}
            if self._dataset.id is None or self._kept.status(stream) is not Status.CLEAN:
                self._kept.write(stream, after)
            else:
                rows = [row for change in part for row in change.rows()]
                before = {change.key: change.before for change in part if change.before is not None}
                try:
                    outcome = self._posting.post(stream, rows, after, before)
                except RowRejectedError as error:
                    raise BatchRefusedError(str(error), stored=stored) from None
                accepted |= outcome is Outcome.ACCEPTED
                if outcome is not Outcome.IN_DOUBT:
                    self._log.info("%s: %s rows added.", stream, f"{len(rows):,}")
                if any(row.startswith(_MINUS) for row in rows):
                    self._cancelled.add(stream)
            stored += len(part)
        return accepted

    def _cancel_older(self, stream: str, version: int) -> None:
        self._cancel(stream, lambda: self._kept.older(stream, version, _PAGE))
        gone = self._kept.drop_older(stream, version)
        if gone:
            self._log.info("%s: %d rows are gone at the source.", stream, gone)

    def _cancel(self, stream: str, page: Callable[[], Mapping[str, Row]]) -> None:
        """Take rows out of the table's sums, a page of kept rows at a time, until there is none."""
        while self._dataset.id is not None and self._kept.status(stream) is Status.CLEAN and (rows := page()):
            self._log.info("%s: %d rows are gone at the source.", stream, len(rows))
            self._send(stream, (Change(key, row, replace(row, sent=None)) for key, row in rows.items()))

    def _offer(self, stream: str) -> None:
        held, count = self._kept.held(stream), self._kept.count(stream)
        if held > 2 * count:
            self._log.info(
                "%s: %s of the %s rows in table '%s' cancel each other. To write it anew without them: "
                "ifs-bi powerbi compact --table %s",
                stream,
                f"{held - count:,}",
                f"{held:,}",
                self._name(stream),
                stream,
            )

    def _name(self, stream: str) -> str:
        return self._kept.tables()[stream].table.name
