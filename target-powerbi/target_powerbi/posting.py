"""The one way of rows to Power BI: paced, written ahead, and found out about when the answer is lost.

Every POST has a name, which its rows carry in a hidden column. What is about to leave is on disk before it does
(`Kept.begin_post`), so that the next run can ask Power BI for the name, should this process end in the middle.
"""

from __future__ import annotations

import logging
import secrets
from enum import Enum
from typing import TYPE_CHECKING

from ifs_bi_core.errors import OutcomeUnknownError, RowRejectedError, UnavailableError

from target_powerbi.bodies import body_of
from target_powerbi.capacity import Capacity
from target_powerbi.doubt import Evidence, Finding
from target_powerbi.kept import Post
from target_powerbi.limits import Load
from target_powerbi.outcomes import NOT_NOW, NOTHING_HAPPENED
from target_powerbi.pace import Pace
from target_powerbi.tables import BATCH
from target_powerbi.traffic import Traffic

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from ifs_bi_core.http.client import Surroundings

    from target_powerbi.api import PowerBI
    from target_powerbi.changes import Row
    from target_powerbi.dataset import PushDataset
    from target_powerbi.kept import Kept
    from target_powerbi.settings import OnUnknown
    from target_powerbi.tables import Table

_SENDS = 3  # of one POST, each after it was found that the one before had not arrived


class Outcome(Enum):
    """What became of a POST that was not refused."""

    DELIVERED = "its rows are there"
    IN_DOUBT = "nobody can tell, and the table is to be rewritten"
    ACCEPTED = "nobody can tell, and it counts as delivered"


class _Line:
    """What belongs to one dataset."""

    def __init__(self, api: PowerBI, kept: Kept, dataset_id: str, surroundings: Surroundings) -> None:
        self.dataset_id = dataset_id
        self.traffic = Traffic(kept.database, dataset_id)
        self.pace = Pace(self.traffic, clock=surroundings.clock, sleep=surroundings.sleep)
        self.evidence = Evidence(api, dataset_id, self.traffic, sleep=surroundings.sleep)


class Posting:
    """Sends the rows of one run.

    Args:
        dataset: where to.
        api: its workspace.
        kept: what its tables show.
        on_unknown: what is done about a POST of which nobody can tell whether it arrived.
        surroundings: clock and sleep.
        retains: whether tables keep all rows; else the service drops the oldest ones.

    Attributes:
        capacity: how full the tables are.
    """

    def __init__(
        self,
        dataset: PushDataset,
        api: PowerBI,
        kept: Kept,
        *,
        on_unknown: OnUnknown,
        surroundings: Surroundings,
        retains: bool = True,
    ) -> None:
        self._dataset = dataset
        self._api = api
        self._kept = kept
        self._on_unknown = on_unknown
        self.capacity = Capacity(kept, retains=retains)
        self._surroundings = surroundings
        self._lines: dict[str, _Line] = {}
        self._log = logging.getLogger(__name__)

    def post(self, stream: str, rows: Sequence[bytes], kept: Mapping[str, Row], before: Mapping[str, Row]) -> Outcome:
        """Append rows to a clean table. Whatever ends the process meanwhile, the next one can find out (`recover`).

        Args:
            stream: of the table.
            rows: JSON objects, one POST of them.
            kept: what is kept once they are there, by key.
            before: what is kept of these keys now.

        Returns:
            What became of it. After `Outcome.IN_DOUBT` the table is `Status.PENDING`, else it is clean again.

        Raises:
            OutcomeUnknownError: nobody can tell whether they arrived, and `on_unknown` is `stop`.
            IfsBiError: nothing of it happened, and what was kept before is kept again.
        """
        self.capacity.expect(stream, len(rows))
        post = Post(self._name(stream), len(rows))
        self._kept.begin_post(stream, post, kept, before)
        try:
            outcome = self.send(stream, post, rows)
        except (*NOTHING_HAPPENED, RowRejectedError):
            self._kept.undo_post(stream, post)
            raise
        if outcome is Outcome.IN_DOUBT:
            self._kept.forget_posts(stream)  # the rewrite brings its rows, and more may change until then
        else:
            self._kept.end_post(stream, post)
        return outcome

    def fill(self, stream: str, rows: Sequence[bytes]) -> Outcome:
        """Append rows to a table that was emptied (`empty`) and shows a part of its rows by now.

        Raises:
            OutcomeUnknownError: nobody can tell whether they arrived, and `on_unknown` is `stop`.
            IfsBiError: nothing of it happened.
        """
        return self.send(stream, Post(self._name(stream), len(rows)), rows)

    def empty(self, stream: str) -> None:
        """Take all rows out of a table; whoever calls has marked it as `Status.REWRITING`."""
        line = self._line()
        self._api.delete_rows(line.dataset_id, self._table(stream).name)
        line.traffic.emptied(stream)
        self._kept.forget_posts(stream)
        self.capacity.emptied(stream)

    def send(self, stream: str, post: Post, rows: Sequence[bytes]) -> Outcome:
        """Append rows, without a word to the kept rows.

        Raises:
            OutcomeUnknownError: nobody can tell whether they arrived, and `on_unknown` is `stop`.
            IfsBiError: nothing of it happened.
        """
        line, table = self._line(), self._table(stream)
        name, number = _carried(table, post), _number_of(post)
        body = body_of(rows, name)
        doubted = False
        for _ in range(_SENDS):
            turn = line.pace.turn(Load(post.rows, self.capacity.large))
            try:
                self._api.post_rows(line.dataset_id, table.name, post.rows, body, turn=turn, number=number)
            except OutcomeUnknownError as error:
                self._log.warning("%s", error)
                doubted = True
                finding = line.evidence.find(table.name, name, post.rows, number)
                if finding is Finding.UNKNOWN:
                    return self._unknown(line, stream, post, str(error))
                if finding is Finding.ABSENT:
                    continue
            except (*NOTHING_HAPPENED, RowRejectedError):
                if doubted:
                    line.traffic.watch(stream, post.name, 0)
                raise
            else:
                if not doubted:
                    line.evidence.probe(table.name, name, number)
            if doubted:
                line.traffic.watch(stream, post.name, post.rows)
            self.capacity.grew(stream, post.rows)
            return Outcome.DELIVERED
        line.traffic.watch(stream, post.name, 0)
        raise UnavailableError(
            f"{post.rows:,} rows for table '{table.name}': Power BI left {_SENDS} requests without an answer, and none of the "
            f"rows is there. Run again later."
        )

    def recover(self, stream: str) -> Outcome | None:
        """Find out about the POSTs that an ended process left without an outcome; None where it left none.

        Returns:
            `Outcome.IN_DOUBT` where the table has to be rewritten.

        Raises:
            OutcomeUnknownError: nobody can tell whether they arrived, and `on_unknown` is `stop`.
        """
        outcome = None
        for post in self._kept.posts(stream):
            line, table = self._line(), self._table(stream)
            finding = line.evidence.find(table.name, _carried(table, post), post.rows, _number_of(post))
            if finding is Finding.ABSENT:
                line.traffic.watch(stream, post.name, 0)
                self._kept.undo_post(stream, post)
            elif finding is Finding.THERE:
                line.traffic.watch(stream, post.name, post.rows)
                self._kept.end_post(stream, post)
            else:
                said = f"{post.rows:,} rows for table '{table.name}': an earlier run ended before it had the answer."
                outcome = self._unknown(line, stream, post, said)
                if outcome is Outcome.IN_DOUBT:
                    self._kept.forget_posts(stream)
                    return outcome
                self._kept.end_post(stream, post)
            outcome = outcome or Outcome.DELIVERED
        return outcome

    def recount(self, *, again: bool) -> list[str]:
        """Count the rows of every name that was ever in doubt: a request that was thought lost may have landed late.

        Args:
            again: whether the names are to be counted once more by the next run.

        Returns:
            The streams whose tables show too many rows and have to be rewritten.

        Raises:
            OutcomeUnknownError: there are such, and `on_unknown` is `stop`.
        """
        line, doubled = self._line(), []
        tables = self._kept.tables()
        for stream, name, rows in line.traffic.watched():
            try:
                count = line.evidence.count(tables[stream].table.name, name) if stream in tables else None
            except NOT_NOW as error:
                self._log.info("%s", error)
                continue
            if count is None or count <= rows:
                if count is None or not again:
                    line.traffic.watch_no_more(name)
                continue
            name_shown, surplus = tables[stream].table.name, count - rows
            said = f"{stream}: a request that was thought lost came late, and table '{name_shown}' shows {surplus:,} rows twice."
            if self._on_unknown == "stop":
                raise OutcomeUnknownError(f"{said} {_WAYS_ON}")
            self._log.warning("%s", said)
            if self._on_unknown == "accept":
                line.traffic.watch_no_more(name)
            elif stream not in doubled:
                doubled.append(stream)
        return doubled

    def accept(self, stream: str, batch: str) -> None:
        """Note a batch that counts as delivered although nobody knows whether it was."""
        self._line().traffic.accept(stream, batch)

    def was_accepted(self, batch: str) -> bool:
        """Whether a batch is one of those."""
        return self._dataset.id is not None and self._line().traffic.was_accepted(batch)

    @property
    def pace(self) -> Pace:
        """The limiter of the dataset."""
        return self._line().pace

    def _line(self) -> _Line:
        dataset_id = self._dataset.id
        if dataset_id is None:
            raise RuntimeError("there is no dataset yet")
        if dataset_id not in self._lines:
            self._lines[dataset_id] = _Line(self._api, self._kept, dataset_id, self._surroundings)
        return self._lines[dataset_id]

    def _table(self, stream: str) -> Table:
        return self._kept.tables()[stream].table

    def _name(self, stream: str) -> str:
        """A new name; it ends with the sequence number of the POST, where such numbers are in use."""
        number = self._line().evidence.next_number(self._table(stream).name)
        return secrets.token_hex(8) + ("" if number is None else f"-{number}")

    def _unknown(self, line: _Line, stream: str, post: Post, said: str) -> Outcome:
        """Do as `on_unknown` says."""
        if self._on_unknown == "rewrite":
            self._log.warning("%s %s: the table is rewritten at the end of this run.", said, stream)
            return Outcome.IN_DOUBT
        if self._on_unknown == "stop":
            raise OutcomeUnknownError(f"{said} Power BI can't be asked whether they are there. {_WAYS_ON}")
        self._log.warning(
            "%s %s: they count as delivered, as on_unknown says; nobody knows whether they are.", said, stream
        )
        line.traffic.watch(stream, post.name, post.rows)
        self.capacity.grew(stream, post.rows)
        return Outcome.ACCEPTED


_WAYS_ON = (
    "Run again, which asks once more. If that does not help, run once with on_unknown: rewrite, which empties the table and "
    "fills it from the kept rows, or with on_unknown: accept, which takes them for delivered."
)


def _carried(table: Table, post: Post) -> str | None:
    """The name that the rows of a POST carry; None where their table has no column for it."""
    return post.name if BATCH in table.technical else None


def _number_of(post: Post) -> int | None:
    _, _, number = post.name.partition("-")
    return int(number) if number else None
