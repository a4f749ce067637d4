"""The records of a whole page at once: lines, written without a `dict` for each row.

A record is a copy of its row in which some values are replaced; those of one property are made together. What comes out is, byte
for byte, what `tap_ifs_cloud.rows.RowReader` and the SDK's way of writing its records give. A page with a row that is out of the
ordinary is not written this way: its rows are then read one by one, and if one is wrong, that says so.
"""

from __future__ import annotations

from collections import deque
from contextlib import suppress
from dataclasses import dataclass
from itertools import chain, repeat
from operator import attrgetter
from typing import TYPE_CHECKING, Any, NamedTuple, TypeAlias, cast

import msgspec
from ifs_bi_core.singer.lines import decode, encode_lines
from msgspec import UNSET, Raw

from tap_ifs_cloud.odata import ETAG_MEMBER, row_version
from tap_ifs_cloud.record_values import RowVersions, fixed_moments, numbers, numbers_of_texts
from tap_ifs_cloud.rows import Kind, converter, kind_of
from tap_ifs_cloud.schema import ETAG, ROW_VERSION
from tap_ifs_cloud.wire_rows import ETAG_FIELD, ROW_VERSION_FIELD, PageDecoder, plain, row_type

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence

    from tap_ifs_cloud.source import Source
    from tap_ifs_cloud.time_zone import SourceZone
    from tap_ifs_cloud.wire_rows import WireRow

_SLICE = 500  # rows: their values stay in the processor's cache on the way from column to column

_COPY = cast("Callable[[WireRow], WireRow]", msgspec.Struct.__copy__)  # type: ignore[attr-defined]  # copy.copy() asks first

Column: TypeAlias = "Sequence[Any]"


class _Numbers(NamedTuple):
    """Properties whose numbers are made those of records together.

    Attributes:
        names: of the properties.
        values: gives theirs of a row.
        whole: whether they have to be integers.
    """

    names: Sequence[str]
    values: Callable[[Any], tuple[Any, ...]]
    whole: bool


class RecordPages:
    """Makes the records of one source's pages.

    Args:
        source: the entity set; one without expanded references and stages.
        left_out: properties that a record does not carry.
        zone: whose wall clock the server marks "Z".
    """

    def __init__(self, source: Source, left_out: Collection[str] = (), zone: SourceZone | None = None) -> None:
        modified = source.modified.name if source.modified else None
        plain_ones = {*(prop.name for prop in source.key), *([modified] if modified else [])}
        self._rows = row_type(source.properties, plain_ones)
        self.decode = PageDecoder(self._rows)
        self._converters: dict[str, Callable[[Any], Any] | None] = {
            name: converter(prop, zone, has_fixed_width=name == modified) for name, prop in source.properties.items()
        }
        self._kinds: dict[str, Kind] = {name: kind_of(prop) for name, prop in source.properties.items()}
        self._fixed = modified if modified and self._kinds[modified] is Kind.MOMENT and not zone else None
        as_they_came = {Kind.TEXT, Kind.BOOLEAN, Kind.OTHER, *(() if zone else (Kind.MOMENT,))}
        self._numbers = [
            _Numbers(names, _getter(map(self._rows.fields_by_name.__getitem__, names)), kind is Kind.INTEGER)
            for kind in (Kind.DECIMAL, Kind.INTEGER)
            if (names := [name for name, own in self._kinds.items() if own is kind and name not in plain_ones])
        ]
        together = {name for numbers_ in self._numbers for name in numbers_.names}
        self._alone = [
            name
            for name, kind in self._kinds.items()
            if name not in together and (name == self._fixed or kind not in as_they_came)
        ]
        fields = {**self._rows.fields_by_name, ETAG: ETAG_FIELD, ROW_VERSION: ROW_VERSION_FIELD}
        self._fields = {name: field for name, field in fields.items() if name not in left_out}
        self._empty = [fields[ETAG_MEMBER], *(fields[name] for name in left_out if name in fields)]

    def page(self, rows: Sequence[Any]) -> RecordPage | None:
        """The records of a page; None where they have to be made one by one."""
        if not rows or not isinstance(rows[0], self._rows):
            return None
        try:
            slices = [self._slice(rows[first : first + _SLICE]) for first in range(0, len(rows), _SLICE)]
        except (ValueError, TypeError, ArithmeticError):
            return None
        return RecordPage(rows, slices, self._fields, self._empty)

    def _slice(self, rows: Sequence[WireRow]) -> _Slice:
        columns: dict[str, Column] = {}
        for group in self._numbers:
            count = len(group.names)
            values = list(chain.from_iterable(map(group.values, rows)))
            made = numbers(values, whole=group.whole)
            for place, name in enumerate(group.names):
                columns[name] = made[place::count] if made else self._column(name, values[place::count])
        for name in self._alone:
            columns[name] = self._column(name, _of(rows, self._rows.fields_by_name[name]))
        etags = _of(rows, self._rows.fields_by_name[ETAG_MEMBER])
        versions = RowVersions.of(etags)
        if versions:
            columns[ETAG], columns[ROW_VERSION] = etags, versions.moments
        else:
            columns[ETAG] = [UNSET if etag is None else etag for etag in etags]
            columns[ROW_VERSION] = [UNSET if etag is UNSET else row_version(etag) for etag in columns[ETAG]]
        return _Slice(rows, columns, versions)

    def _column(self, name: str, values: Column) -> Column:
        made: Column | None = None
        if name == self._fixed:
            made = fixed_moments(values)
        elif self._kinds[name] in {Kind.DECIMAL, Kind.INTEGER}:
            many = numbers if type(values[0]) is Raw else numbers_of_texts
            made = many(values, whole=self._kinds[name] is Kind.INTEGER)
        return made or [self._value(name, value) for value in values]

    def _value(self, name: str, value: Any) -> Any:
        value, convert = plain(value), self._converters[name]
        return value if value is None or value is UNSET or convert is None else convert(value)


@dataclass(frozen=True)
class _Slice:
    """Some rows, what their records hold in place of their values, and what the ETags say where all have one with a time."""

    rows: Sequence[WireRow]
    columns: Mapping[str, Column]
    versions: RowVersions | None


class RecordPage:
    """The records of a page.

    Args:
        rows: as the server sent them.
        slices: the same in parts, with the values of their records that differ.
        fields: of the properties that a record carries, where a row has them, by name.
        empty: the other fields.

    Attributes:
        rows: the same.
    """

    def __init__(
        self, rows: Sequence[Any], slices: Sequence[_Slice], fields: Mapping[str, str], empty: Sequence[str]
    ) -> None:
        self.rows = rows
        self._slices = slices
        self._fields = fields
        self._empty = empty

    def __len__(self) -> int:
        """How many records."""
        return len(self.rows)

    @property
    def versions(self) -> list[int] | None:
        """When each row last changed, as `tap_ifs_cloud.versions.version_of` says it; None where an ETag doesn't hold that."""
        versions: list[int] = []
        for part in self._slices:
            if part.versions is None:
                return None
            versions += part.versions.seconds
        return versions

    def values(self, name: str) -> Column:
        """What the records hold of one property; numbers that are not integers as `Decimal`, absent values as None."""
        found: list[Any] = []
        for part in self._slices:
            values = part.columns.get(name)
            found += _values(_of(part.rows, part.rows[0].fields_by_name[name]) if values is None else values)
        return found

    def records(self, begin: int, end: int) -> Iterator[tuple[bytes, int]]:
        """The records as JSON, each with an end of line, some at a time, and how many.

        Args:
            begin: the first record.
            end: the one behind the last.
        """
        before = 0
        for part in self._slices:
            first, last = max(0, begin - before), min(len(part.rows), end - before)
            before += len(part.rows)
            if first < last:
                rows = part.rows[first:last]
                records = list(map(_COPY, rows))
                for name, values in part.columns.items():
                    if name in self._fields:
                        _put(records, self._fields[name], values[first:last])
                for field in self._empty:
                    _put(records, field, repeat(UNSET))
                yield encode_lines(records), len(records)


def _of(rows: Sequence[WireRow], field: str) -> list[Any]:
    return list(map(attrgetter(field), rows))


def _put(records: Sequence[WireRow], field: str, values: Iterable[Any]) -> None:
    deque(map(setattr, records, repeat(field), values), maxlen=0)


def _getter(fields: Iterable[str]) -> Callable[[Any], tuple[Any, ...]]:
    """What gives the values of some fields of a row, also of a single one, as a tuple."""
    names = tuple(fields)
    get = attrgetter(*names)
    return get if len(names) > 1 else lambda row: (get(row),)


def _values(values: Column) -> Column:
    if type(values[0]) is Raw:
        with suppress(TypeError):  # one is of another form
            return cast("Column", decode(b"[" + b",".join(values) + b"]"))
    return [None if value is UNSET else plain(value) for value in values]
