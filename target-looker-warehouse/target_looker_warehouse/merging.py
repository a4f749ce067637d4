"""The SQL that applies the rows of a batch to a table. Pure: names in, texts out.

Where the warehouse is good at it, by MERGE; else rows are replaced by DELETE and INSERT in one transaction. In DuckDB, MERGE and
INSERT ... ON CONFLICT take minutes where that takes a second (github.com/duckdb/duckdb/issues/11275). In PostgreSQL they take
about as long, but ask for a unique index, and a table that somebody else made, or that was appended to, may not take one. Both
ways leave the same rows.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

from ifs_bi_core.columnar.columns import Kind

from target_looker_warehouse.statements import insert, listed

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from target_looker_warehouse.dialects.facts import Dialect
    from target_looker_warehouse.tables import Table

_IN_DELETE = "_ifs_incoming"
"""The name of the incoming rows in DELETE, where Redshift gives the table itself no other name, and its own may be any."""


class Step(NamedTuple):
    """A statement.

    Attributes:
        text: of it.
        applies: whether each row that it writes is an incoming row that was applied.
    """

    text: str
    applies: bool = False


@dataclass(frozen=True, slots=True)
class Application:
    """How incoming rows are applied to a table. In each call no key comes twice, and the rows are named by SQL text.

    Attributes:
        table: its columns.
        qualified: its name, as SQL text.
        dialect: of the warehouse.
    """

    table: Table
    qualified: str
    dialect: Dialect

    def replace_rows(self, incoming: str, columns: Sequence[str]) -> list[Step]:
        """Live rows take the place of those that are kept, but for those that are newer than what comes.

        Args:
            incoming: the rows.
            columns: that they have. All others of the table become null.
        """
        carried = columns if self.table.row_version else ()
        if self.dialect.merges:
            emptied = (column for column in self.table.all_columns if column not in columns)
            written = [*self._taken(columns), *(f"{self.dialect.quoted(column)} = NULL" for column in emptied)]
            replace = self._merge(incoming, self._when_not_newer(written), self._when_absent(columns))
            return [*self._carry(incoming, carried), Step(replace, applies=True)]
        delete = self.remove_rows(incoming)
        if self.table.row_version is None:
            return [*delete, self.add_rows(incoming, columns)]
        return [*delete, *self._carry(incoming, carried), Step(self._insert_absent(incoming, columns), applies=True)]

    def are_behind(self, incoming: str) -> str:
        """The question whether all rows come behind all that are kept, in the order of the key: so no row of theirs is kept.

        A first load comes in that order, as a rule. Keys are compared by the warehouse, in the order of its index.
        """
        key = listed(self.table.key, self.dialect)
        first = f"SELECT {key} FROM {incoming} ORDER BY {key} LIMIT 1"
        later = f"SELECT 1 FROM {self.qualified} WHERE ({key}) >= ({first}) ORDER BY {key} LIMIT 1"  # EXISTS reads the table
        return f"SELECT count(*) = 0 FROM ({later}) AS later"

    def add_rows(self, incoming: str, columns: Sequence[str]) -> Step:
        """Rows are added of which none is kept."""
        return Step(insert(self.qualified, columns, incoming, self.dialect), applies=True)

    def remove_rows(self, incoming: str) -> list[Step]:
        """The kept rows of the keys are taken out, but for those that are newer than what comes."""
        if self.dialect.merges:
            return [Step(self._merge(incoming, f"WHEN MATCHED{self._unless_newer()} THEN DELETE"))]
        condition = self._same(self.qualified, _IN_DELETE) + self._unless_newer(self.qualified, _IN_DELETE)
        return [Step(f"DELETE FROM {self.qualified} USING {incoming} AS {_IN_DELETE} WHERE {condition}")]

    def mark_rows(self, incoming: str, columns: Sequence[str], told: Sequence[str]) -> list[Step]:
        """Rows that are gone keep their values, but for those that the delete tells; newer ones stay as they are.

        Args:
            incoming: the rows.
            columns: that they have.
            told: those of them that any row has a value in, the key aside.
        """
        names = [self.dialect.quoted(name) for name in told]
        written = [f"{name} = coalesce(incoming.{name}, kept.{name})" for name in names]
        if self.dialect.merges:
            mark = self._merge(incoming, self._when_not_newer(written), self._when_absent(columns))
            return [Step(mark, applies=True)]
        update = self._update(incoming, written) + self._unless_newer()
        return [Step(update, applies=True), Step(self._insert_absent(incoming, columns), applies=True)]

    def _carry(self, incoming: str, columns: Sequence[str]) -> list[Step]:
        """Note of the rows that are newer than what comes that the full refresh carried their keys: they aren't gone."""
        version, table_version = self.table.row_version, self.table.table_version
        if version is None or table_version not in columns:
            return []
        name = self.dialect.quoted(version)
        newer, written = f" AND kept.{name} > incoming.{name}", self._taken([table_version or ""])
        if self.dialect.merges:
            return [Step(self._merge(incoming, f"WHEN MATCHED{newer} THEN UPDATE SET {', '.join(written)}"))]
        return [Step(self._update(incoming, written) + newer)]

    def _merge(self, incoming: str, *clauses: str) -> str:
        start = f"MERGE INTO {self.qualified} AS kept USING {incoming} AS incoming ON {self._same()}"
        return " ".join([start, *clauses])

    def _when_not_newer(self, written: Sequence[str]) -> str:
        return f"WHEN MATCHED{self._unless_newer()} THEN UPDATE SET {', '.join(written)}"

    def _when_absent(self, columns: Sequence[str]) -> str:
        return f"WHEN NOT MATCHED THEN INSERT ({listed(columns, self.dialect)}) VALUES ({self._values(columns)})"

    def _update(self, incoming: str, written: Sequence[str]) -> str:
        return (
            f"UPDATE {self.qualified} AS kept SET {', '.join(written)} FROM {incoming} AS incoming WHERE {self._same()}"
        )

    def _insert_absent(self, incoming: str, columns: Sequence[str]) -> str:
        return (
            f"INSERT INTO {self.qualified} ({listed(columns, self.dialect)}) "
            f"SELECT {self._values(columns)} FROM {incoming} AS incoming "
            f"WHERE NOT EXISTS (SELECT 1 FROM {self.qualified} AS kept WHERE {self._same()})"
        )

    def _values(self, columns: Sequence[str]) -> str:
        return ", ".join(f"incoming.{self.dialect.quoted(name)}" for name in columns)

    def _taken(self, columns: Iterable[str]) -> list[str]:
        names = map(self.dialect.quoted, columns)
        return [f"{name} = incoming.{name}" for name in names]

    def _same(self, kept: str = "kept", incoming: str = "incoming") -> str:
        names = [self.dialect.quoted(name) for name in self.table.key]
        same = [f"{kept}.{name} = {incoming}.{name}" for name in names]
        if self.dialect.blank_padded:
            texts = map(self.dialect.quoted, self._text_key())
            same += [f"octet_length({kept}.{name}) = octet_length({incoming}.{name})" for name in texts]
        return " AND ".join(same)

    def _text_key(self) -> list[str]:
        """The columns of the key whose values are texts."""
        key = set(self.table.key)
        return [c.name for c in self.table.columns if c.name in key and self.dialect.stored(c.type).kind is Kind.TEXT]

    def _unless_newer(self, kept: str = "kept", incoming: str = "incoming") -> str:
        """Where one of two versions is null, neither is newer."""
        if self.table.row_version is None:
            return ""
        name = self.dialect.quoted(self.table.row_version)
        return f" AND NOT coalesce({kept}.{name} > {incoming}.{name}, FALSE)"
