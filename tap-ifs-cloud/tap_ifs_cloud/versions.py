"""What tells two states of a row apart, and what tells two rows apart: as few bytes as the key store can remember them by.

IFS Cloud's ETag holds the row's place in the database and the second of its last change (``tap_ifs_cloud.odata.row_version``).
The place may change without the row, so the second is what counts; an ETag of another form counts as a whole, and where a row has
none, a digest of all it holds takes its place.
"""

from __future__ import annotations

import base64
import binascii
import re
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import TYPE_CHECKING, Any, NamedTuple

import msgspec

from tap_ifs_cloud.rows import RowReader
from tap_ifs_cloud.window import digest

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

    from tap_ifs_cloud.metadata import Property
    from tap_ifs_cloud.record_pages import RecordPage
    from tap_ifs_cloud.time_zone import SourceZone

Version = int | str
"""``20251008171610`` where the ETag holds a time, else the ETag or a digest."""

_TIME = re.compile(rb":(\d{14})\"?$")
_PROVISIONAL = re.compile(r"(\d{14}):(\d+):([0-9a-f]+)")
_ENCODE = msgspec.json.Encoder(decimal_format="number").encode
_DECODE = msgspec.json.Decoder(list[Any], float_hook=Decimal).decode
_FARTHEST = timedelta(days=1)  # twelve hours of time zone, and as much for clocks that are wrong
_GRANULE = timedelta(seconds=2)  # the second of a change, and one for the way that the two clocks are read


def version_of(etag: str) -> Version:
    """The second of the row's last change, as 14 digits; the whole ETag where it holds none."""
    try:
        decoded = base64.b64decode(etag.removeprefix("W/").strip('"'), validate=True)
    except (binascii.Error, ValueError):
        return etag
    match = _TIME.search(decoded)
    return int(match.group(1)) if match else etag


class Keys:
    """The keys of one entity set, as short texts: the values in order, as JSON without brackets, times as the server writes them.

    Args:
        stream: for errors.
        key: the properties that identify a row.
        modified: the replication key, which the key may hold.
        zone: what the server's "Z" means; records carry the instants.
    """

    def __init__(
        self, stream: str, key: Sequence[Property], modified: str | None, zone: SourceZone | None = None
    ) -> None:
        self._names = tuple(prop.name for prop in key)
        self._zone = zone
        self._moments = frozenset(prop.name for prop in key if zone and prop.type == "Edm.DateTimeOffset")
        self._reader = RowReader(
            stream, {prop.name: prop for prop in key}, {}, modified if modified in self._names else None
        )

    def of_row(self, row: Mapping[str, Any]) -> bytes:
        """The key of a row as the server sent it.

        Raises:
            ContractBrokenError: a value is not of the type that ``$metadata`` gives it.
        """
        return self.of_record(self._reader.record({name: row.get(name) for name in self._names}))

    def of_delivered(self, row: Mapping[str, Any], record: Mapping[str, Any]) -> bytes:
        """The key of a row of which the record is known already."""
        return self.of_row(row) if self._moments else self.of_record(record)

    def of_page(self, page: RecordPage) -> list[bytes]:
        """The keys of the rows of a page."""
        if self._moments:
            return list(map(self.of_row, page.rows))
        columns = []
        for name in self._names:
            values = page.values(name)
            columns.append(list(map(_plain, values)) if Decimal in set(map(type, values)) else values)
        return [_ENCODE(values)[1:-1] for values in zip(*columns, strict=True)]

    def of_record(self, record: Mapping[str, Any]) -> bytes:
        """The key of a record whose times are the server's."""
        return _ENCODE([_plain(record[name]) for name in self._names])[1:-1]

    def values(self, key: bytes) -> dict[str, Any]:
        """The values of a key by name, as the server is asked for them."""
        return dict(zip(self._names, _DECODE(b"[" + key + b"]"), strict=True))

    def told(self, key: bytes) -> dict[str, Any]:
        """The values of a key by name, as a record carries them."""
        values = self.values(key)
        if self._zone:
            values |= {name: self._zone.instant(values[name]) for name in self._moments}
        return values


def _plain(value: Any) -> Any:
    """One form for each number, whether the server wrote ``1``, ``1.0`` or ``"1.00"``."""
    if not isinstance(value, Decimal):
        return value
    return int(value) if value == value.to_integral_value() else Decimal(f"{value:f}".rstrip("0"))


class SecondsOver:
    """Knows which seconds of the database's clock are over, so that no change can still carry them.

    A row can change twice within one second, and keeps its ETag then. A version is therefore final only once its second is over.
    What the database's clock shows is not known, nor its time zone; but it has passed every version that was read. So it shows at
    least the newest version, plus the time since that was read. And it is no more than a day behind ours, as no time zone is more
    than twelve hours behind UTC: a set that nobody changed of late has no row whose second may go on.

    Args:
        clock: the present, aware.
    """

    def __init__(self, clock: Callable[[], datetime]) -> None:
        self._clock = clock
        self._ahead: timedelta | None = None  # by how much the database's clock leads ours, at least

    def read(self, versions: Iterable[Version | None]) -> None:
        """Take note of versions that were just read."""
        newest = max((version for version in versions if isinstance(version, int)), default=None)
        moment = _moment(newest)
        if moment is not None:
            ahead = moment - self._clock()
            self._ahead = ahead if self._ahead is None else max(ahead, self._ahead)

    def border(self, asked_at: datetime | None = None) -> int:
        """Versions from here on may be those of a second that went on when rows were read: now, or since they were asked for."""
        if self._ahead is None:
            return 0
        try:
            return int(f"{(asked_at or self._clock()) + max(self._ahead, -_FARTHEST) - _GRANULE:%Y%m%d%H%M%S}")
        except OverflowError:
            return 0


class Provisional(NamedTuple):
    """What is remembered of a row whose second may have gone on when it was read: all of it counts when it is read again.

    Attributes:
        version: of the row.
        read_at: when it was read, in seconds since 1970.
        digest: of all it held.
    """

    version: int
    read_at: int
    digest: str

    @classmethod
    def of(cls, version: int, record: Mapping[str, Any], read_at: datetime) -> Provisional:
        """A row as it was just read."""
        return cls(version, int(read_at.timestamp()), digest(record))

    @classmethod
    def parsed(cls, text: Version | None) -> Provisional | None:
        """What `text` wrote; None where it is a version."""
        match = _PROVISIONAL.fullmatch(text) if isinstance(text, str) else None
        return cls(int(match[1]), int(match[2]), match[3]) if match else None

    @property
    def text(self) -> str:
        """The same as a key store keeps it."""
        return f"{self.version}:{self.read_at}:{self.digest}"

    def is_over(self, now: datetime) -> bool:
        """Whether the second of the version has ended since it was read."""
        return now.timestamp() - self.read_at > _GRANULE.total_seconds()


def _moment(version: int | None) -> datetime | None:
    if version is None:
        return None
    try:
        return datetime.strptime(f"{version:014d}", "%Y%m%d%H%M%S").replace(tzinfo=UTC)
    except ValueError:
        return None
