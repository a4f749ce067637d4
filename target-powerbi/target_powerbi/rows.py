"""From a Singer row to the row that Power BI gets. No I/O.

A null is left out of the row: Power BI leaves the column blank.
"""

from __future__ import annotations

from decimal import Decimal
from operator import itemgetter
from typing import TYPE_CHECKING, Any

from ifs_bi_core.ledger.keys import key_text
from ifs_bi_core.singer.lines import decode, encode
from ifs_bi_core.singer.sinks import ROW_VERSION
from msgspec import defstruct

from target_powerbi.limits import LIMITS
from target_powerbi.tables import METADATA
from target_powerbi.value_columns import column_converter
from target_powerbi.values import UnfitValueError, converter, length_of, text_of, utc

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

    from target_powerbi.tables import Table

_KEY_DIGITS = 40  # a longer number is no key, and would be a long text


class RowWriter:
    """Writes the rows of one table as the JSON objects that Power BI gets.

    Args:
        table: says which property fills which column.
        known: the properties that the SCHEMA names, with a column or without.
        truncate_strings: cut what is too long, and count it, instead of refusing the row.

    Attributes:
        truncated: strings that were cut so far.
        unknown: properties that rows had and the SCHEMA does not name.
    """

    def __init__(self, table: Table, *, known: Iterable[str] = (), truncate_strings: bool = False) -> None:
        self.truncated = 0
        self.unknown: set[str] = set()
        self._sources = tuple(column.property for column in table.columns)
        self._values_of = itemgetter(*self._sources, self._sources[0])  # one more, since a single one is no tuple
        self._converters = tuple(
            column_converter(
                column,
                self._cut_string if truncate_strings and column.type == "String" else converter(column, table.stream),
            )
            for column in table.columns
        )
        self._shaped = _shape([column.name for column in table.columns])
        self._blank = encode({table.columns[0].name: None})  # no column at all would be no row
        self._known = frozenset(known).union(self._sources)

    def write(self, rows: Sequence[Mapping[str, Any]]) -> list[bytes]:
        """Some rows, column by column; 200 at a time take the least.

        Raises:
            UnfitValueError: a column can't hold a value of one of them; with the reason, for a person.
        """
        truncated = self.truncated
        columns: list[Sequence[Any]] = []
        for source, values, convert in zip(self._sources, self._columns_of(rows), self._converters, strict=False):
            try:
                columns.append(convert(values))
            except UnfitValueError as reason:
                self.truncated = truncated
                raise UnfitValueError(f"{source} {reason}") from None
        for row in rows:
            if not row.keys() <= self._known:
                self._note_unknown(row)
        shaped, blank = self._shaped, self._blank
        written = (encode(shaped(*values)) for values in zip(*columns, strict=True))
        return [row if row != b"{}" else blank for row in written]

    def _columns_of(self, rows: Sequence[Mapping[str, Any]]) -> Iterable[Sequence[Any]]:
        try:
            return zip(*map(self._values_of, rows), strict=True)
        except KeyError:  # a row has not all properties
            return ([row.get(source) for row in rows] for source in self._sources)

    def _note_unknown(self, row: Mapping[str, Any]) -> None:
        news = row.keys() - self._known
        self._known |= news
        self.unknown |= {name for name in news if not name.startswith(METADATA)}

    def _cut_string(self, value: Any) -> str:
        text = text_of(value)
        if length_of(text) <= LIMITS.characters_per_string:
            return text
        self.truncated += 1
        cut = text.encode("utf-16-le")[: 2 * LIMITS.characters_per_string]
        return cut.decode("utf-16-le", errors="ignore")  # half of a surrogate pair at the end is left out


def _shape(names: Sequence[str]) -> Callable[..., Any]:
    """A function from the values of a row to what JSON writes as an object of these names, without those that are None."""
    fields = [(f"value_{number}", Any, None) for number in range(len(names))]
    given = {field: name for (field, _, _), name in zip(fields, names, strict=True)}
    try:
        return defstruct("Row", fields, rename=given, omit_defaults=True, gc=False)
    except ValueError:  # a name has a character that JSON writes otherwise
        return lambda *values: {name: value for name, value in zip(names, values, strict=True) if value is not None}


def key_of(row: Mapping[str, Any], keys: Sequence[str]) -> str:
    """The key as JSON text; numbers that are equal give the same text."""
    return encode([value if type(value := row[name]) is str else _plain(value) for name in keys]).decode()


def key_in_ledger(table: Table, key: str) -> str | None:
    """The key that `key_of` made, as the ledger writes it; None where the table's rows have no key."""
    if not table.keys:
        return None
    return key_text(dict(zip(table.keys, decode(key), strict=True)), sorted(table.keys))


def version_of(row: Mapping[str, Any]) -> str | None:
    """The row's version in a form that sorts by time; None where it has none that can be read."""
    parts = utc(row.get(ROW_VERSION))
    if parts is None:
        return None
    day, clock, fraction = parts
    return f"{day}T{clock}.{fraction.ljust(9, '0')}"


def _plain(value: Any) -> Any:
    """A key's value such that 1, 1.0 and 1.00 are the same."""
    if not isinstance(value, Decimal) or abs(value.adjusted()) > _KEY_DIGITS:
        return value
    digits = format(value, "f")
    return Decimal(digits.rstrip("0").rstrip(".") if "." in digits else digits)
