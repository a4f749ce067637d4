"""Whether the rows of a POST without an answer are there: asked of Power BI, never guessed.

Two kinds of evidence, the first of them that works for the dataset:

- DAX: the rows carry the name of their POST in a hidden column, and are counted by it. The tenant may have queries switched off.
- Sequence numbers: a preview of 2016 that no present document mentions (`X-PowerBI-PushData-SequenceNumber`). Used where a probe
  has shown that they move, and never where queries work.
"""

from __future__ import annotations

import logging
from enum import Enum
from typing import TYPE_CHECKING

from ifs_bi_core.errors import OutcomeUnknownError

from target_powerbi.outcomes import ALLOW_QUERIES, NOT_NOW

if TYPE_CHECKING:
    from collections.abc import Callable

    from target_powerbi.api import PowerBI
    from target_powerbi.traffic import Traffic

QUERIES, NUMBERS = "queries", "sequence numbers"
"""The kinds of evidence, as `target_powerbi.traffic.Traffic` keeps them."""

_WAITS = (2.0, 4.0, 8.0, 16.0, 0.0)
"""Seconds after each look that did not find all rows: a POST may land late, and rows take about 2 seconds to show."""


class Finding(Enum):
    """What became of a POST."""

    THERE = "all its rows are there"
    ABSENT = "none of its rows is there"
    UNKNOWN = "nobody can tell"


def finding_of(count: int | None, rows: int) -> Finding:
    """What a count of the rows of one name says of the POST that carried them: all, none, or neither, which is no answer."""
    if count == rows:
        return Finding.THERE
    return Finding.ABSENT if count == 0 else Finding.UNKNOWN


class Evidence:
    """What can be known of POSTs to one dataset.

    Args:
        api: of its workspace.
        dataset_id: of the dataset.
        traffic: what earlier runs learned.
        sleep: waits the given seconds.
    """

    def __init__(self, api: PowerBI, dataset_id: str, traffic: Traffic, *, sleep: Callable[[float], None]) -> None:
        self._api = api
        self._dataset_id = dataset_id
        self._traffic = traffic
        self._sleep = sleep
        self._log = logging.getLogger(__name__)

    def next_number(self, table: str) -> int | None:
        """The sequence number for the next POST to a table; None where such numbers are of no use here."""
        if self._traffic.works(QUERIES) is not False or self._traffic.works(NUMBERS) is False:
            return None
        numbers = self._api.sequence_numbers(self._dataset_id, table)
        if numbers is None:
            self._traffic.learn(NUMBERS, works=False)
            return None
        return max(numbers, default=0) + 1

    def probe(self, table: str, name: str | None, number: int | None) -> None:
        """Learn from a POST that was answered which evidence it would have left, unless that is known already.

        Args:
            table: that it went to.
            name: that its rows carry, if they do.
            number: its sequence number, if it had one.
        """
        try:
            self._probe(table, name, number)
        except NOT_NOW as error:  # there are more POSTs to learn from
            self._log.info("%s", error)

    def _probe(self, table: str, name: str | None, number: int | None) -> None:
        if name is not None and self._traffic.works(QUERIES) is None:
            works = self.count(table, name) is not None
            self._traffic.learn(QUERIES, works=works)
            if not works:
                self._log.warning(
                    "Power BI answers no queries about the dataset, so nobody can ask it whether rows arrived when an answer "
                    "is lost. %s",
                    ALLOW_QUERIES,
                )
        if number is not None and self._traffic.works(NUMBERS) is None:
            numbers = self._api.sequence_numbers(self._dataset_id, table)
            self._traffic.learn(NUMBERS, works=numbers is not None and number in numbers)

    def find(self, table: str, name: str | None, rows: int, number: int | None) -> Finding:
        """What became of a POST that nobody answered; asks more than once, since it may land late.

        Args:
            table: that it went to.
            name: that its rows carry, if they do.
            rows: that it carried.
            number: its sequence number, if it had one.

        Raises:
            OutcomeUnknownError: Power BI can't be asked now.
        """
        finding: Finding | None = None
        for wait in _WAITS:
            try:
                finding = self._look(table, name, rows, number)
            except NOT_NOW as error:
                raise OutcomeUnknownError(
                    f"An answer to {rows:,} rows for table '{table}' was lost, and now Power BI can't be asked whether they are "
                    f"there: {error} The next run asks before anything else."
                ) from None
            if finding in {None, Finding.THERE}:
                break
            self._sleep(wait)
        found = finding or Finding.UNKNOWN
        self._log.info("%s rows for table '%s': %s.", f"{rows:,}", table, found.value)
        return found

    def count(self, table: str, name: str) -> int | None:
        """How many rows of a name a table shows; None where Power BI does not say.

        Raises:
            IfsBiError: it can't be asked now.
        """
        return self._api.count_post(self._dataset_id, table, name)

    def _look(self, table: str, name: str | None, rows: int, number: int | None) -> Finding | None:
        """What can be seen now; None where nothing ever can."""
        count = None if name is None else self.count(table, name)
        if count is not None:
            return finding_of(count, rows)
        if number is None or self._traffic.works(NUMBERS) is not True:
            return None
        numbers = self._api.sequence_numbers(self._dataset_id, table)
        if numbers is None:
            return None
        return Finding.THERE if number in numbers else Finding.ABSENT
