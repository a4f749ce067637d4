"""How full the tables of a dataset are in Power BI, and what that allows."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ifs_bi_core.errors import ContractBrokenError

from target_powerbi.limits import LIMITS

if TYPE_CHECKING:
    from target_powerbi.kept import Kept

_WAYS_OUT = "Bring fewer rows (a later start_date, or a filter in the tap), or set destination: fabric_mirroring."


class Capacity:
    """The number of rows that each table holds, cancelled ones among them, and while it is rewritten.

    Args:
        kept: what the tables held before this run.
        retains: whether tables keep all rows; else the service drops the oldest ones.
    """

    def __init__(self, kept: Kept, *, retains: bool) -> None:
        self._kept = kept
        self._retains = retains
        self._now: dict[str, int] = {}

    def shown(self, stream: str) -> int:
        """How many rows a table holds."""
        return self._now[stream] if stream in self._now else self._kept.held(stream)

    def grew(self, stream: str, rows: int) -> None:
        """Note that rows were added; to be called before the kept rows say so."""
        self._now[stream] = self.shown(stream) + rows

    def emptied(self, stream: str) -> None:
        """Note that a table holds no row."""
        self._now[stream] = 0

    @property
    def large(self) -> bool:
        """Whether a table of the dataset is so large that fewer POSTs an hour are allowed."""
        held = self._kept.held_by_stream() | self._now
        return self._retains and max(held.values(), default=0) >= LIMITS.large_table_rows

    def others_are_large(self, stream: str) -> bool:
        """The same without the table of one stream."""
        held = (self._kept.held_by_stream() | self._now).items()
        return (
            self._retains
            and max((rows for other, rows in held if other != stream), default=0) >= LIMITS.large_table_rows
        )

    def expect(self, stream: str, rows: int) -> None:
        """Make sure that a table can hold so many rows more.

        Raises:
            ContractBrokenError: it can't.
        """
        shown = self.shown(stream)
        if self._retains and shown + rows > LIMITS.rows_per_table:
            raise ContractBrokenError(
                f"{stream}: its table holds {shown:,} rows, and {rows:,} more would pass the {LIMITS.rows_per_table:,} that "
                f"Power BI allows a table. {_WAYS_OUT}"
            )

    def expect_all(self, stream: str, rows: int) -> None:
        """Make sure that a table that is emptied can hold so many rows.

        Raises:
            ContractBrokenError: it can't.
        """
        if self._retains and rows > LIMITS.rows_per_table:
            raise ContractBrokenError(
                f"{stream}: {rows:,} rows are more than the {LIMITS.rows_per_table:,} that Power BI allows a table. {_WAYS_OUT}"
            )
