"""Deletes out of IFS Cloud's history log, for streams that are read by a timestamp: where the tenant logs them.

``HistoryLogHandling.svc/HistoryLogOverviewSet`` has an entry for each operation on a record of a logical unit, as far as its
administrator switched that on (History Log Configuration): ``LuName``, ``TimeStamp``, ``HistoryType`` and the record's key as
``COLUMN=VALUE^COLUMN=VALUE^``. The names are known from one public client; which values ``HistoryType`` has is not public.

An entry is no proof: the key may have come back, or the entry may be of a row that the stream never showed. So a row counts as
gone if its delete is logged, the destination has it, and the server doesn't. And an empty log is no proof that nothing was
deleted: the log counts only where it shows a delete of the same logical unit from before the last look, so that it was kept all
the time since then.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal, InvalidOperation
from typing import TYPE_CHECKING, Any

from ifs_bi_core.errors import ContractBrokenError, IfsBiError

from tap_ifs_cloud.entities import Entity
from tap_ifs_cloud.key_filter import key_filters
from tap_ifs_cloud.odata import all_of, any_equal, literal
from tap_ifs_cloud.outcomes import RefusedError
from tap_ifs_cloud.window import start_of

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from tap_ifs_cloud.delivered import Line
    from tap_ifs_cloud.metadata import Property
    from tap_ifs_cloud.reading import Reading
    from tap_ifs_cloud.source import Source

HISTORY_LOG = Entity(
    "history_log",
    "HistoryLogHandling",
    "HistoryLogOverviewSet",
    key=("LogId",),
    select=("LogId", "LuName", "TimeStamp", "HistoryType", "Keys"),
    replication="full",
    sure="claimed",
)

DELETES = ("Delete", "Deleted", "DELETE", "Remove", "Removed", "3")
"""What a ``HistoryType`` may say of a delete; of an enumeration those that it has."""

_LATE_SECONDS = 7_200  # a wall clock that nobody named may have been moved back meanwhile
_MOST = 20_000  # keys; where more were deleted, a look at all keys is no more work
_COLUMN = re.compile(r"(?<=[a-z0-9])(?=[A-Z])")
_TIME = re.compile(r"(\d{4}-\d\d-\d\d)[-T ](\d\d)[.:](\d\d)[.:](\d\d)Z?")


class LogUnusableError(IfsBiError):
    """The history log does not say which rows of a stream are gone."""


@dataclass(frozen=True)
class LogSource:
    """The tenant's history log.

    Attributes:
        source: its entity set.
        is_delete: the filter for entries of deletes.
    """

    source: Source
    is_delete: str

    @classmethod
    def of(cls, source: Source, enums: Mapping[str, Sequence[str]]) -> LogSource:
        """The log as the tenant has it.

        Args:
            source: joined with ``$metadata``.
            enums: members of each enum of its service.

        Raises:
            ContractBrokenError: none of the kinds of entries is known for a delete.
        """
        kind = source.properties["HistoryType"]
        members = enums.get(kind.type, DELETES)
        known = [name for name in members if name in DELETES]
        if not known:
            raise ContractBrokenError(
                f"{HISTORY_LOG.where}: none of the kinds of entries ({', '.join(members)}) is known for a delete."
            )
        return cls(source, f"({any_equal(known, kind)})")


class HistoryLog:
    """The history log, as far as it is about one stream.

    Args:
        log: the tenant's.
        reading: of the stream.
        position: where the last run ended: ``at`` and ``unit``, as `position` gave it; empty for none.
    """

    def __init__(self, log: LogSource, reading: Reading, position: Mapping[str, str]) -> None:
        self._log = log
        self._reading = reading
        self._entries = reading.beside(log.source)
        self._since: str | None = position.get("at")
        self._unit: str | None = reading.source.entity.logical_unit or position.get("unit")

    def position(self) -> dict[str, str]:
        """Where the log ends now, for the next run; to be asked before the set is read.

        Raises:
            LogUnusableError: the log is empty, or may not be read.
        """
        order = (self._log.source.properties["LogId"],)
        try:
            newest = self._entries.first("", order, descending=True)
        except ContractBrokenError as error:
            raise LogUnusableError(str(error)) from None
        if newest is None or not newest.get("TimeStamp"):
            raise LogUnusableError(f"{HISTORY_LOG.where} is empty. {self._how_to()}")
        if not self._unit:
            row = self._reading.first(self._reading.scope, ())
            self._unit = row.get("luname") if row else None
        return {"at": newest["TimeStamp"], **({"unit": self._unit} if self._unit else {})}

    def gone(self, line: Line) -> list[bytes]:
        """The keys of rows that the destination has, that were deleted since the last look, and that the server doesn't have.

        Raises:
            LogUnusableError: the log doesn't cover the time since the last look, or its keys can't be read.
        """
        if not self._unit:
            raise LogUnusableError(
                f"No row of {self._reading.name} says its logical unit (luname). Name it with `logical_unit`."
            )
        if not self._since:
            raise LogUnusableError(f"The last run did not read {HISTORY_LOG.where}.")
        try:
            keys = self._deleted(self._since, line)
        except ContractBrokenError as error:
            raise LogUnusableError(str(error)) from None
        return sorted(self._not_there(keys))

    def _lookback(self) -> float:
        named = float(self._reading.config["lookback_seconds"])
        return named if self._reading.zone else named + _LATE_SECONDS

    def _deleted(self, since: str, line: Line) -> set[bytes]:
        """Keys that the destination has and of which the log has a delete since then, or shortly before."""
        properties = self._log.source.properties
        unit, stamp = properties["LuName"], properties["TimeStamp"]
        deletes = all_of(f"LuName eq {literal(self._unit, unit)}", self._log.is_delete)
        if self._entries.first(all_of(deletes, f"TimeStamp le {literal(since, stamp)}"), ()) is None:
            raise LogUnusableError(
                f"{HISTORY_LOG.where} has no delete of {self._unit} from before the last look. {self._how_to()}"
            )
        found: set[bytes] = set()
        moment = literal(start_of(since, self._lookback(), self._reading.zone), stamp)
        names = [prop.name for prop in (stamp, *self._log.source.key, properties["Keys"])]
        order = (stamp, *self._log.source.key)
        for rows in self._entries.pages(order, all_of(deletes, f"TimeStamp ge {moment}"), select=names):
            keys = [self._key(row["Keys"]) for row in rows]
            found.update(key for key in keys if line.holds(key))
            if len(found) > _MOST:
                raise LogUnusableError(f"More than {_MOST:,} rows of {self._unit} were deleted.")
        return found

    def _key(self, text: str | None) -> bytes:
        key = self._reading.source.key
        values = key_values(text or "", key)
        if values is None:
            names = ", ".join(prop.name for prop in key)
            raise LogUnusableError(
                f"{HISTORY_LOG.where} writes keys of {self._unit} as {text!r}, and its key is {names}."
            )
        return self._reading.keys.of_row(values)

    def _not_there(self, keys: set[bytes]) -> set[bytes]:
        """Those of some keys that the server has no row of."""
        reading = self._reading
        names = [prop.name for prop in reading.source.key]
        named = ((key, reading.keys.values(key)) for key in sorted(keys))
        gone = set(keys)
        try:
            for some, question in key_filters(named, reading.source.key):
                for rows in reading.pages(reading.source.key, all_of(reading.scope, question), select=names):
                    gone.difference_update(map(reading.keys.of_row, rows))
                    if gone.isdisjoint(some):
                        break
        except RefusedError as error:
            raise LogUnusableError(str(error)) from None
        return gone

    def _how_to(self) -> str:
        unit = self._unit or "the stream's logical unit"
        return (
            f"Switch on deletes of {unit} under History Log Configuration in IFS Cloud; the log counts once it has shown one "
            f"before a look at the keys."
        )


def key_values(text: str, key: Sequence[Property]) -> dict[str, Any] | None:
    """The values of a key as the log writes it, in the form of the server's rows; None where it is not of this key.

    Args:
        text: ``LINE_NO=1^ORDER_NO=A^``; a value may hold both signs.
        key: the properties; ``OrderNo`` is the column ``ORDER_NO``.
    """
    columns = {_COLUMN.sub("_", prop.name).upper(): prop for prop in key}
    pattern = "|".join(map(re.escape, sorted(columns, key=len, reverse=True)))
    starts = list(re.finditer(rf"(?:^|(?<=\^))({pattern})=", text))
    if sorted(match[1] for match in starts) != sorted(columns) or not text.endswith("^"):
        return None
    values = {}
    for match, following in zip(starts, [*starts[1:], None], strict=True):
        prop = columns[match[1]]
        value = _value(text[match.end() : following.start() - 1 if following else -1], prop)
        if value is None:
            return None
        values[prop.name] = value
    return values


def _value(text: str, prop: Property) -> Any:
    """A value of the log; None where it isn't of the type, or may be written otherwise than in a row (enumerations)."""
    if prop.type == "Edm.String":
        return text
    try:
        if prop.type.startswith(("Edm.Decimal", "Edm.Int", "Edm.Byte", "Edm.SByte")):
            return Decimal(text)
        if prop.type == "Edm.Date":
            return date.fromisoformat(text[:10]).isoformat()
        if prop.type == "Edm.DateTimeOffset" and (match := _TIME.fullmatch(text)):
            moment = f"{match[1]}T{match[2]}:{match[3]}:{match[4]}Z"
            return datetime.fromisoformat(moment) and moment
    except (ValueError, InvalidOperation):
        return None
    return None
