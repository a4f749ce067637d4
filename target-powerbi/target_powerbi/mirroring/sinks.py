"""One stream on its way into a landing zone: each batch becomes one file of what it changes."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING, Any

import pyarrow as pa
from ifs_bi_core.columnar.columns import Kind
from ifs_bi_core.columnar.rows import to_arrow
from ifs_bi_core.singer.lines import encode
from ifs_bi_core.singer.sinks import DELETED_AT, TABLE_VERSION, RowSink

from target_powerbi.changes import Row
from target_powerbi.choices import TableChoice
from target_powerbi.mirroring.opening import opened
from target_powerbi.mirroring.strings import LONGEST_STRING, cut, too_long
from target_powerbi.mirroring.tables import ROW_NUMBER, left_aside, mirrored_table
from target_powerbi.rows import version_of
from target_powerbi.tables import unknown_choices
from target_powerbi.values import length_of

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from ifs_bi_core.columnar.columns import Column

    from target_powerbi.mirroring.delivery import MirroredRows
    from target_powerbi.mirroring.run import Mirroring
    from target_powerbi.mirroring.tables import MirroredTable
    from target_powerbi.target import TargetPowerBI

_DIGEST_BYTES = 16
_NUMBERED = b""  # in the place of a digest: a row that is only ever added is never compared


class MirroringSink(RowSink):
    """The sink of one stream."""

    def __init__(
        self, target: TargetPowerBI, stream_name: str, schema: dict[str, Any], key_properties: Sequence[str] | None
    ) -> None:
        self._powerbi = target
        super().__init__(target, stream_name, schema, key_properties)
        self._table_rows: MirroredRows
        self._sources: list[str]
        self._numbers: Iterator[str]
        self._rows: list[tuple[str, Row]] = []  # key, and the row's digest in the place of what is sent
        self._chunks: list[pa.Table] = []
        self._told: set[str] = set()
        self.truncated = 0

    @property
    def include_sdc_metadata_properties(self) -> bool:
        """Never: they would make every row another one in every run."""
        return False

    @property
    def _run(self) -> Mirroring:
        return self._powerbi.mirroring

    @property
    def _table(self) -> MirroredTable:
        return self._table_rows.table

    def shape(self) -> None:
        """See that the table's folder is there for this SCHEMA, and settle what an earlier run left open."""
        settings = self._powerbi.settings
        choice = settings.tables.get(self.stream_name, TableChoice())
        if absent := unknown_choices(self.schema, choice):
            self.logger.warning(
                "The setting tables.%s names properties it does not have: %s.", self.stream_name, ", ".join(absent)
            )
        if aside := left_aside(choice):
            self.logger.warning(
                "tables.%s: a mirrored table has no %s; that is left aside.", self.stream_name, ", ".join(aside)
            )
        wanted = mirrored_table(self.stream_name, self.schema, list(self.key_properties), choice)
        if (
            not wanted.keys
        ):  # their rows stay when the state leaves, and not before: nothing may be confirmed until then
            self._powerbi.confirms_at_end = self._powerbi.holds_state = True
        self._table_rows = opened(self._run, wanted, replaces=settings.replace_unknown_rows)
        self._sources = [column.source for column in self._table.columns]
        self._numbers = self._run.kept.running_keys(self.stream_name)

    def prepare(self, rows: list[dict[str, Any]]) -> dict[int, str]:
        """Turn rows into columns; those that a column can't hold exactly are refused."""
        self._tell_unknown(rows)
        refused = {} if self._table.keys else self._number(rows)
        shown = [self._key_alone(row) if self._is_gone(row) else row for row in rows]
        chunk, flaws = to_arrow(shown, self._table.columns)
        refused = flaws | refused
        altered = self._shorten(shown, chunk, flaws, refused)
        taken = [position for position in range(len(rows)) if position not in refused]
        if altered or len(taken) != chunk.num_rows:
            chunk, _ = to_arrow([shown[position] for position in taken], self._table.columns)
        self._chunks.append(chunk)
        kept = [rows[position] for position in taken]
        self._rows += [(self._table.key_of(row), self._summary(row)) for row in kept]
        versions = {version for row in kept if isinstance(version := row.get(TABLE_VERSION), int)}
        self._run.versions.setdefault(self.stream_name, set()).update(versions)
        return refused

    def _number(self, rows: list[dict[str, Any]]) -> dict[int, str]:
        """Give rows without a key their numbers; one that is gone is refused."""
        refused = {}
        for position, row in enumerate(rows):
            if row.get(DELETED_AT):
                refused[position] = (
                    "it is gone at the source, and without a key nobody knows which row of the table that is"
                )
            else:
                row[ROW_NUMBER] = int(next(self._numbers))
        return refused

    def _is_gone(self, row: Mapping[str, Any]) -> bool:
        return bool(row.get(DELETED_AT)) and bool(self._table.keys)

    def _key_alone(self, row: Mapping[str, Any]) -> dict[str, Any]:
        return {name: row.get(name) for name in self._table.keys}

    def _shorten(
        self, rows: list[dict[str, Any]], chunk: pa.Table, flaws: Mapping[int, str], refused: dict[int, str]
    ) -> bool:
        """Cut strings that are too long, or refuse their rows; whether any was cut."""
        before = self.truncated
        positions = [position for position in range(len(rows)) if position not in flaws]
        for place, column, text in too_long(chunk, self._table.columns):
            position, source = positions[place], column.source
            cuts = self._powerbi.settings.truncate_strings and column.type.kind is Kind.TEXT
            if cuts and source not in self._table.keys:
                rows[position][source] = cut(text)
                self.truncated += 1
            else:
                refused.setdefault(position, self._why_refused(column, text))
        return self.truncated > before

    def _why_refused(self, column: Column, text: str) -> str:
        name = column.source
        drop = f"leave the column out with tables.{self.stream_name}.columns.{name}.drop: true"
        way = {
            name in self._table.keys: "a key is never cut",
            column.type.kind is Kind.JSON: f"a part of a JSON text is none: {drop}",
        }.get(True, f"switch truncate_strings on, or {drop}")
        return f"{name} has {length_of(text):,} characters, and a string of a mirrored table holds {LONGEST_STRING:,}: {way}"

    def _summary(self, row: Mapping[str, Any]) -> Row:
        generation = row.get(TABLE_VERSION)
        generation = generation if isinstance(generation, int) else None
        if not self._table.keys:
            return Row(_NUMBERED, None, generation)
        digest = None if self._is_gone(row) else self._digest(row)
        return Row(digest, version_of(row), generation)

    def _digest(self, row: Mapping[str, Any]) -> bytes:
        values = [row.get(name) for name in self._sources]
        while values and values[-1] is None:  # new columns come last: a row without them is the row that it was
            values.pop()
        return hashlib.blake2b(encode(values), digest_size=_DIGEST_BYTES).digest()

    def _tell_unknown(self, rows: list[dict[str, Any]]) -> None:
        known = self.schema["properties"].keys()
        news = {name for row in rows for name in row.keys() - known if not name.startswith("_sdc_")} - self._told
        if news:
            self._told |= news
            self.logger.warning(
                "%s: rows have properties that the SCHEMA does not name, and that have no column: %s.",
                self.stream_name,
                ", ".join(sorted(news)),
            )

    def deliver(self, first: int, count: int, batch: str) -> int:
        """Write what the rows change as one file."""
        content = pa.concat_tables(self._chunks).slice(first, count)
        outdated = self._table_rows.deliver(content, self._rows[first : first + count], batch, first + count)
        if first + count == len(self._rows):
            self._table_rows.took(batch)
        return outdated

    def held_of(self, batch: str, rows: int) -> int | None:
        """What is kept, and what the last file says."""
        return self._table_rows.held_of(batch, rows)

    def forget(self) -> None:
        """Let go of the prepared rows."""
        self._rows, self._chunks = [], []

    def activate_version(self, new_version: int) -> None:
        """Rows that no refresh from this version on carried are gone.

        Some taps send ACTIVATE_VERSION before the rows of its version: then it waits for the end of the input. So it does where
        rows have no key, since until then those of this run may be taken out again.
        """
        if self._table.keys and new_version in self._run.versions.get(self.stream_name, ()):
            self._run.announced.pop(self.stream_name, None)
            self._table_rows.retire(new_version)
        else:
            self._run.announced[self.stream_name] = new_version
            self._powerbi.holds_state = True

    def finish(self) -> None:
        """Remove what was announced to be gone."""
        version = self._run.announced.pop(self.stream_name, None)
        if version is not None:
            self._table_rows.retire(version)

    def clean_up(self) -> None:
        """Say how many strings were cut."""
        if self.truncated:
            self.logger.warning(
                "%s: %d strings were cut to %s characters.", self.stream_name, self.truncated, f"{LONGEST_STRING:,}"
            )
        super().clean_up()
