"""Push datasets: their tables, and what becomes of rows and of new definitions. No HTTP, no clock.

How a definition is read is in ``definitions``, how rows are stored in ``store``; what the service does in the cases that nobody
wrote down is in ``switches``.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from ifs_bi_sandbox.powerbi.errors import bad_request
from ifs_bi_sandbox.powerbi.limits import Spent
from ifs_bi_sandbox.powerbi.store import Rows, Same
from ifs_bi_sandbox.powerbi.switches import PowerBISwitches
from ifs_bi_sandbox.powerbi.values import COERCIONS, as_json, coercions

if TYPE_CHECKING:
    from collections.abc import Callable

    from ifs_bi_sandbox.powerbi.values import Stored

_DEFAULTS = PowerBISwitches()


@dataclass
class Block:
    """Rows of one request as they would be stored: a list of values for each column."""

    count: int
    values: dict[str, list[Stored]]


@dataclass
class Table:
    """A table: data types by column, measures and columns by name as they were given, and rows in the order of the columns."""

    name: str
    columns: dict[str, str]
    measures: dict[str, dict[str, Any]] = field(default_factory=dict)
    details: dict[str, dict[str, Any]] = field(default_factory=dict)
    sequence_numbers: dict[str, int] = field(default_factory=dict)  # the last one by client
    rows: Rows = field(init=False)
    _values: dict[str, tuple[int, int, set[Stored]]] = field(default_factory=dict, init=False, repr=False)

    def __post_init__(self) -> None:
        self.rows = Rows(self.columns)

    def redefine(self, new: Table, rules: PowerBISwitches = _DEFAULTS) -> None:
        """Take the columns and measures of ``new``; the rows stay, with nulls in columns that are new.

        Whether the service can change the type of a column that holds values isn't known; here it can't, unless a switch says so.
        """
        if rules.powerbi_put_rows == "clear":
            self.rows.clear()
        changed = [name for name, kind in new.columns.items() if self.columns.get(name, kind) != kind]
        if changed and self.rows and rules.powerbi_type_change == "refuse":
            raise bad_request(f"The type of column '{changed[0]}' can't change while the table has rows.", "table")
        how = _convert if rules.powerbi_type_change == "convert" else _blank
        self.rows.redefine(new.columns, {name: how(new.columns[name]) for name in changed})
        kept = self.measures if rules.powerbi_put_measures == "merge" else {}
        self.columns, self.measures, self.details = new.columns, kept | new.measures, new.details

    def values(self, name: str) -> set[Stored]:
        """The different values of a column; asked again, only the rows that came since are read."""
        generation, count, values = self._values.get(name, (-1, 0, set()))
        if generation != self.rows.generation:
            count, values = 0, set()
        seen = 0
        for batch in self.rows.batches():
            if seen >= count:
                column = batch.column(name)
                values.update([column.value] if isinstance(column, Same) else column)
            seen += batch.count
        self._values[name] = (self.rows.generation, seen, values)
        return values

    def read(self, rows: list[object], rules: PowerBISwitches = _DEFAULTS) -> Block:
        """Rows of a request as they would be stored; the first value that doesn't fit refuses them all."""
        known = self.columns.keys()
        for number, row in enumerate(rows):
            if not isinstance(row, dict):
                raise bad_request(f"Row {number} is not an object.", "rows")
            if row.keys() <= known or rules.powerbi_unknown_columns == "drop":
                continue
            told = f"Row {number}: column '{min(row.keys() - known)}' does not exist in table '{self.name}'."
            raise bad_request(told, "rows")
        found: list[dict[str, object]] = rows  # type: ignore[assignment] # as was just seen
        coerce = coercions(rules)
        try:
            return Block(len(found), {name: _column(found, name, coerce[kind]) for name, kind in self.columns.items()})
        except ValueError:
            raise self._first_refusal(found, coerce) from None

    def _first_refusal(self, rows: list[dict[str, object]], coerce: dict[str, Callable[[object], Stored]]) -> Exception:
        """Which value of which row it was: columns are read one after the other, and a request is refused for its first row."""
        for number, row in enumerate(rows):
            for name, kind in self.columns.items():
                try:
                    _column([row], name, coerce[kind])
                except ValueError as reason:
                    return bad_request(f"Row {number}, column '{name}' ({kind}): {reason}.", "rows")
        raise AssertionError("a column was refused and none of its values")


def _column(rows: list[dict[str, object]], name: str, coerce: Callable[[object], Stored]) -> list[Stored]:
    return [None if (value := row.get(name)) is None else coerce(value) for row in rows]


def _convert(kind: str) -> Callable[[Stored], Stored]:
    def convert(value: Stored) -> Stored:
        try:
            return COERCIONS[kind](str(as_json(value)))
        except ValueError:
            return None

    return convert


def _blank(_: str) -> Callable[[Stored], Stored]:
    return lambda _: None


@dataclass
class Dataset:
    """A dataset of the workspace; ``push`` is False for one that was published from a file."""

    id: str
    name: str
    created: str  # ISO 8601
    retention: str = "None"
    tables: dict[str, Table] = field(default_factory=dict)
    relationships: list[dict[str, Any]] = field(default_factory=list)
    push: bool = True
    mode: str = "Push"
    spent: Spent = field(default_factory=Spent)
    pending: int = 0  # POST rows that are not answered yet
    visible: float = 0  # the second from which the service shows it

    def largest_table(self) -> int:
        """How many rows the largest table holds: it decides on the hour's budget of requests."""
        return max((len(table.rows) for table in self.tables.values()), default=0)

    def redefine(self, new: Table, rules: PowerBISwitches = _DEFAULTS) -> None:
        """Replace the definition of the table of that name, unless a relationship hangs on a column it drops."""
        for relationship in self.relationships:
            for side in ("from", "to"):
                if relationship[f"{side}Table"] == new.name and relationship[f"{side}Column"] not in new.columns:
                    raise bad_request(f"Relationship '{relationship['name']}' needs a column that is gone.", "table")
        self.tables[new.name].redefine(new, rules)

    def add(self, table: Table, block: Block, rules: PowerBISwitches = _DEFAULTS, *, visible: float = 0) -> None:
        """Append rows; drop the oldest when the retention policy says so, refuse them all when the table is full."""
        total = len(table.rows) + block.count
        full = self.retention == "None" and total > rules.powerbi_rows_per_table
        if full and rules.powerbi_full_table == "refuse":
            raise bad_request(f"Table '{table.name}' is full: {rules.powerbi_rows_per_table} rows.", "rows")
        if rules.powerbi_duplicate_keys == "refuse":
            self._check_keys(table, block)
        table.rows.add(block.count, block.values, visible)
        if full:
            table.rows.drop_oldest(total - rules.powerbi_rows_per_table)
        if self.retention == "basicFIFO" and total > rules.powerbi_fifo_rows + rules.powerbi_fifo_slack:
            table.rows.drop_oldest(total - rules.powerbi_fifo_rows)

    def _check_keys(self, table: Table, block: Block) -> None:
        """Refuse a value that the one side of a relationship would then hold twice, as the engine does when it processes."""
        for name in {side["toColumn"] for side in self.relationships if side["toTable"] == table.name}:
            seen = table.values(name)
            new: set[Stored] = set()
            for value in block.values[name]:
                if value in seen or value in new:
                    told = f"Column '{name}' in Table '{table.name}' contains a duplicate value '{value}'"
                    raise bad_request(f"{told} and this is not allowed for columns on the one side.", "rows")
                new.add(value)
