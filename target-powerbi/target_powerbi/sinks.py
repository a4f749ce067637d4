"""One stream on its way: its rows become what Power BI gets, and go to the delivery."""

from __future__ import annotations

from functools import cached_property
from typing import TYPE_CHECKING, Any

from ifs_bi_core.singer.sinks import DELETED_AT, TABLE_VERSION, RowSink

from target_powerbi.changes import Row
from target_powerbi.choices import TableChoice
from target_powerbi.rows import RowWriter, key_of, version_of
from target_powerbi.signed import signed
from target_powerbi.tables import table_of, unknown_choices
from target_powerbi.values import UnfitValueError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from target_powerbi.tables import Table
    from target_powerbi.target import TargetPowerBI

_TOGETHER = (
    200  # rows written at a time: their values are still in the processor's cache when the next column is written
)


class PowerBISink(RowSink):
    """The sink of one stream."""

    def __init__(
        self, target: TargetPowerBI, stream_name: str, schema: dict[str, Any], key_properties: Sequence[str] | None
    ) -> None:
        self._powerbi = target
        super().__init__(target, stream_name, schema, key_properties)
        settings = self._powerbi.settings
        self._keeps_state = settings.write_mode != "append"
        self._signs = settings.write_mode == "signed"
        choice = settings.tables.get(stream_name, TableChoice())
        self._table = table_of(
            stream_name,
            self.schema,
            list(self.key_properties),
            write_mode=settings.write_mode,
            choice=choice,
            model=settings.model,
        )
        self._writer = self._writer_of(self._table)
        self._prepared: list[tuple[str, Row]] = []  # key, and what Power BI gets
        self._told: set[str] = set()
        self._kept_versions_told = False
        if absent := unknown_choices(self.schema, choice):
            self.logger.warning(
                "The setting tables.%s names properties it does not have: %s.", stream_name, ", ".join(absent)
            )

    @cached_property
    def include_sdc_metadata_properties(self) -> bool:
        """Metadata columns are added in `append` alone: elsewhere they would make every row another one in every run."""
        return self._powerbi.settings.write_mode == "append" and super().include_sdc_metadata_properties

    def _writer_of(self, table: Table) -> RowWriter:
        return RowWriter(
            table,
            known=self.schema["properties"],
            truncate_strings=self._powerbi.settings.truncate_strings,
        )

    def shape(self) -> None:
        """Check the table's columns before the first row; those that are missing may be left out."""
        self._table = self._powerbi.run.dataset.check(self._table)
        self._writer = self._writer_of(self._table)

    def prepare(self, rows: list[dict[str, Any]]) -> dict[int, str]:
        """Write the rows as Power BI gets them; those that a column can't hold are refused."""
        refused = dict[int, str]()
        for first in range(0, len(rows), _TOGETHER):
            some = rows[first : first + _TOGETHER]
            try:
                self._prepared += self._written(some)
            except UnfitValueError:
                refused |= self._written_singly(some, first)
        if news := self._writer.unknown - self._told:
            self._told |= news
            self.logger.warning(
                "%s: rows have properties that the SCHEMA does not name, and that have no column: %s.",
                self.stream_name,
                ", ".join(sorted(news)),
            )
        return refused

    def _written_singly(self, rows: list[dict[str, Any]], first: int) -> dict[int, str]:
        refused = {}
        for position, row in enumerate(rows, first):
            try:
                self._prepared += self._written([row])
            except UnfitValueError as reason:
                refused[position] = str(reason)
        return refused

    def _written(self, rows: list[dict[str, Any]]) -> list[tuple[str, Row]]:
        keys, gone = self._table.keys, [self._keeps_state and bool(row.get(DELETED_AT)) for row in rows]
        if not keys and any(gone):
            raise UnfitValueError(
                "it is gone at the source, and without a key nobody knows which row of the table that is"
            )
        live = self._writer.write([row for row, is_gone in zip(rows, gone, strict=True) if not is_gone])
        sent = iter(map(signed, live) if self._signs else live)
        return [
            (
                key_of(row, keys),
                Row(
                    None if is_gone else next(sent),
                    version_of(row),
                    generation if isinstance(generation := row.get(TABLE_VERSION), int) else None,
                ),
            )
            for row, is_gone in zip(rows, gone, strict=True)
        ]

    def deliver(self, first: int, count: int, batch: str) -> int:
        """Give rows to the delivery, which appends them or keeps them until the table is rewritten at the end of the run."""
        delivery, rows = self._powerbi.run.delivery, self._prepared[first : first + count]
        if not self._table.keys:
            return delivery.append(self.stream_name, [row for _, row in rows], batch)
        completes = first + count == len(self._prepared)
        return delivery.mirror(self.stream_name, rows, batch if completes else None)

    def held_of(self, batch: str, rows: int) -> int | None:
        """What the kept rows say, once the table shows them."""
        return self._powerbi.run.delivery.held_of(self.stream_name, batch, rows)

    def forget(self) -> None:
        """Let go of the prepared rows."""
        self._prepared = []

    def activate_version(self, new_version: int) -> None:
        """Rows that no refresh from this version on carried are gone; `append` keeps every version of a row all the same."""
        if self._keeps_state:
            self._powerbi.run.delivery.activate(self.stream_name, new_version)
        elif not self._kept_versions_told:
            self._kept_versions_told = True
            self.logger.info(
                "%s: a full refresh takes no row out of the table: in append it keeps every version of a row.",
                self.stream_name,
            )

    def clean_up(self) -> None:
        """Say how many strings were cut."""
        if self._writer.truncated:
            self.logger.warning(
                "%s: %d strings were cut to what Power BI holds.", self.stream_name, self._writer.truncated
            )
        super().clean_up()
