"""From a Singer row to the row that Power BI gets. No I/O.

A null is left out of the row: Power BI leaves the column blank.
"""

from __future__ import annotations

from decimal import Decimal
from typing import TYPE_CHECKING, Any

from ifs_bi_core.singer.lines import encode
from ifs_bi_core.singer.sinks import ROW_VERSION

from target_powerbi.limits import LIMITS
from target_powerbi.tables import METADATA
from target_powerbi.values import UnfitValueError, converter, length_of, text_of, utc

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from target_powerbi.tables import Table

_SHORT = LIMITS.characters_per_string // 2  # characters; each has at most two units
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
        self._columns = tuple(
            (
                column.property,
                column.name,
                _SHORT if column.type == "String" else -1,
                self._cut_string if truncate_strings and column.type == "String" else converter(column, table.stream),
            )
            for column in table.columns
        )
        self._known = frozenset(known).union(column.property for column in table.columns)

    def write(self, row: Mapping[str, Any]) -> bytes:
        """One row.

        Raises:
            UnfitValueError: with the reason, for a person.
        """
        written: dict[str, Any] = {}
        value_of = row.get
        for source, name, short, convert in self._columns:
            value = value_of(source)
            if value is None:
                continue
            if type(value) is str and len(value) <= short:
                written[name] = value
                continue
            try:
                written[name] = convert(value)
            except UnfitValueError as reason:
                raise UnfitValueError(f"{source} {reason}") from None
        if not written:  # no column at all would be no row
            written = {self._columns[0][1]: None}
        if not row.keys() <= self._known:
            news = row.keys() - self._known
            self._known |= news
            self.unknown |= {name for name in news if not name.startswith(METADATA)}
        return encode(written)

    def _cut_string(self, value: Any) -> str:
        text = text_of(value)
        if length_of(text) <= LIMITS.characters_per_string:
            return text
        self.truncated += 1
        cut = text.encode("utf-16-le")[: 2 * LIMITS.characters_per_string]
        return cut.decode("utf-16-le", errors="ignore")  # half of a surrogate pair at the end is left out


def key_of(row: Mapping[str, Any], keys: Sequence[str]) -> str:
    """The key as JSON text; numbers that are equal give the same text."""
    return encode([_plain(row[name]) for name in keys]).decode()


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
