"""The records of a whole page at once: columns of values, from which RECORD lines are written without a `dict` for each row.

What comes out is, byte for byte, what `tap_ifs_cloud.rows.RowReader` and the SDK's way of writing its records give. A page with a
row that is out of the ordinary has no such columns: its rows are then read one by one, and if one is wrong, that says so.
"""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass
from itertools import repeat
from typing import TYPE_CHECKING, Any, TypeAlias, cast

import msgspec
from ifs_bi_core.singer.lines import decode, encode, encode_lines
from msgspec import UNSET, Raw, UnsetType

from tap_ifs_cloud.odata import row_version
from tap_ifs_cloud.record_values import RowVersions, fixed_moments, numbers, numbers_of_texts
from tap_ifs_cloud.rows import Kind, converter, kind_of
from tap_ifs_cloud.schema import ETAG, ROW_VERSION
from tap_ifs_cloud.wire_rows import PageDecoder, plain, row_type

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
    from datetime import datetime

    from tap_ifs_cloud.source import Source
    from tap_ifs_cloud.time_zone import SourceZone

_SLICE = 500  # rows: their values stay in the processor's cache on the way from column to column

Column: TypeAlias = "Sequence[Any]"


class _RecordLine(msgspec.Struct, tag="RECORD", tag_field="type", gc=False):
    """A RECORD message, in the order in which the SDK writes its members."""

    stream: str
    record: msgspec.Struct
    version: int | UnsetType
    time_extracted: Raw


class RecordPages:
    """Makes the records of one source's pages.

    Args:
        source: the entity set; one without expanded references and stages.
        left_out: properties that a record does not carry.
        zone: whose wall clock the server marks "Z".
    """

    def __init__(self, source: Source, left_out: Collection[str] = (), zone: SourceZone | None = None) -> None:
        modified = source.modified.name if source.modified else None
        key = [prop.name for prop in source.key]
        rows = row_type(source.properties, {*key, *([modified] if modified else [])})
        self.decode = PageDecoder(rows)
        self._rows = rows
        self._converters: dict[str, Callable[[Any], Any] | None] = {
            name: converter(prop, zone, has_fixed_width=name == modified) for name, prop in source.properties.items()
        }
        self._kinds: dict[str, Kind] = {name: kind_of(prop) for name, prop in source.properties.items()}
        self._fixed = modified if modified and self._kinds[modified] is Kind.MOMENT and not zone else None
        self._as_they_came = {Kind.TEXT, Kind.BOOLEAN, Kind.OTHER, *(() if zone else (Kind.MOMENT,))}
        self._names = [name for name in (*source.properties, ETAG, ROW_VERSION) if name not in left_out]
        self._record = msgspec.defstruct(
            "Record",
            [(f"value{place}", Any) for place in range(len(self._names))],
            rename={f"value{place}": name for place, name in enumerate(self._names)},
            gc=False,
        )

    def page(self, rows: Sequence[Any]) -> RecordPage | None:
        """The records of a page; None where they have to be made one by one."""
        if not rows or not isinstance(rows[0], self._rows):
            return None
        try:
            slices = [self._slice(rows[first : first + _SLICE]) for first in range(0, len(rows), _SLICE)]
        except (ValueError, TypeError, ArithmeticError):
            return None
        return RecordPage(rows, slices, self._names, self._record)

    def _slice(self, rows: Sequence[Any]) -> _Slice:
        *came, etags = zip(*map(msgspec.structs.astuple, rows), strict=True)
        columns = {name: self._column(name, values) for name, values in zip(self._kinds, came, strict=True)}
        versions = RowVersions.of(etags)
        if versions:
            columns[ETAG], columns[ROW_VERSION] = etags, versions.moments
        else:
            columns[ETAG] = [UNSET if etag is None else etag for etag in etags]
            columns[ROW_VERSION] = [UNSET if etag is UNSET else row_version(etag) for etag in columns[ETAG]]
        return _Slice(len(rows), columns, versions)

    def _column(self, name: str, values: Column) -> Column:
        kind = self._kinds[name]
        made: Column | None
        if name == self._fixed:
            made = fixed_moments(values)
        elif kind in self._as_they_came:
            return values
        elif kind in {Kind.DECIMAL, Kind.INTEGER}:
            many = numbers if type(values[0]) is Raw else numbers_of_texts
            made = many(values, whole=kind is Kind.INTEGER)
        else:
            made = None
        return made or [self._value(name, value) for value in values]

    def _value(self, name: str, value: Any) -> Any:
        value, convert = plain(value), self._converters[name]
        return value if value is None or value is UNSET or convert is None else convert(value)


@dataclass(frozen=True)
class _Slice:
    """Some records: how many, the values of each property of theirs, and what the ETags say where all have one with a time."""

    count: int
    columns: Mapping[str, Column]
    versions: RowVersions | None


class RecordPage:
    """The records of a page.

    Args:
        rows: as the server sent them.
        slices: the records.
        names: the properties that a record carries, in order.
        record: the class of a record, with a field for each name.

    Attributes:
        rows: the same.
    """

    def __init__(
        self, rows: Sequence[Any], slices: Sequence[_Slice], names: Sequence[str], record: type[msgspec.Struct]
    ) -> None:
        self.rows = rows
        self._slices = slices
        self._names = names
        self._record = record

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
        return [value for part in self._slices for value in _values(part.columns[name])]

    def lines(self, stream: str, version: int | None, at: datetime, begin: int, end: int) -> Iterator[bytes]:
        """RECORD lines, some at a time.

        Args:
            stream: its name.
            version: of the stream, if it has one.
            at: when the records were extracted.
            begin: the first record.
            end: the one behind the last.
        """
        moment = Raw(encode(at))
        told: int | UnsetType = UNSET if version is None else version
        before = 0
        for part in self._slices:
            first, last = max(0, begin - before), min(part.count, end - before)
            before += part.count
            if first < last:
                columns = (part.columns[name] for name in self._names)
                records = map(self._record, *(values[first:last] for values in columns))
                yield encode_lines(map(_RecordLine, repeat(stream), records, repeat(told), repeat(moment)))


def _values(values: Column) -> Column:
    if type(values[0]) is Raw:
        with suppress(TypeError):  # one is of another form
            return cast("Column", decode(b"[" + b",".join(values) + b"]"))
    return [None if value is UNSET else plain(value) for value in values]
