"""From a row as IFS Cloud sends it to a record as Singer carries it, with every digit in place."""

from __future__ import annotations

from decimal import Decimal, InvalidOperation
from enum import Enum, auto
from typing import TYPE_CHECKING, Any

from ifs_bi_core.errors import ContractBrokenError
from ifs_bi_core.redaction import shown

from tap_ifs_cloud.odata import ETAG_MEMBER, NUMBERS, fixed_width, limited, row_version
from tap_ifs_cloud.schema import ETAG, ROW_VERSION, is_integer

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from tap_ifs_cloud.metadata import Property
    from tap_ifs_cloud.time_zone import SourceZone


_SHOWN = 300  # characters of a value that an error repeats


class UndeclaredValueError(ContractBrokenError):
    """A value is not of the type that ``$metadata`` gives it. It may have been given another one since that was read."""


class RowReader:
    """Turns the rows of one entity set into records.

    Args:
        stream: for errors.
        properties: what a record carries, by name.
        expanded: the same for each expanded reference.
        modified: the replication key; its timestamps are written with a fixed width, so that bookmarks compare as text.
        zone: whose wall clock the server marks "Z"; timestamps are written as the instants they name. None: as they come.
    """

    def __init__(
        self,
        stream: str,
        properties: Mapping[str, Property],
        expanded: Mapping[str, Mapping[str, Property]],
        modified: str | None,
        zone: SourceZone | None = None,
    ) -> None:
        self._stream = stream
        self._names = tuple(properties)
        self._converters = _converters(properties, zone)
        fixed = converter(properties[modified], zone, has_fixed_width=True) if modified else None
        if modified and fixed:
            self._converters[modified] = fixed
        self._expanded = {name: (frozenset(inner), _converters(inner, zone)) for name, inner in expanded.items()}

    def record(self, row: Mapping[str, Any]) -> dict[str, Any]:
        """One record: the catalogue's properties that the row has, and the row version from its ETag.

        Raises:
            ContractBrokenError: a value is not of the type that ``$metadata`` gives it.
        """
        record = {name: row[name] for name in self._names if name in row}
        self._convert(record, self._converters)
        for name, (names, converters) in self._expanded.items():
            inner = row.get(name)
            if inner is not None:
                inner = {key: value for key, value in inner.items() if key in names}
                self._convert(inner, converters)
            record[name] = inner
        etag = row.get(ETAG_MEMBER)
        if etag is not None:
            record[ETAG] = etag
            record[ROW_VERSION] = row_version(etag)
        return record

    def _convert(self, record: dict[str, Any], converters: Mapping[str, Callable[[Any], Any]]) -> None:
        for name, convert in converters.items():
            value = record.get(name)
            if value is not None:
                try:
                    record[name] = convert(value)
                except (ValueError, TypeError, InvalidOperation) as error:
                    raise UndeclaredValueError(
                        f"{self._stream}: property {name} holds {shown(repr(value), _SHOWN)}, which is not what $metadata says "
                        f"({error}). Leave the property out with `select`, or tell the tenant's administrator."
                    ) from None


class Kind(Enum):
    """How a property's JSON form becomes the record's form."""

    DECIMAL = auto()
    INTEGER = auto()
    BOOLEAN = auto()
    TRUTH = auto()
    """A text that says ``TRUE`` or ``FALSE``."""
    MOMENT = auto()
    """A timestamp, which a zone may move."""
    TEXT = auto()
    OTHER = auto()
    """A collection or a structure: as it came."""


_TEXTS = frozenset(
    {"Edm.String", "Edm.Date", "Edm.DateTimeOffset", "Edm.TimeOfDay", "Edm.Guid", "Edm.Duration", "Edm.Binary"}
)


def decimal(value: Any) -> Decimal:
    """A finite decimal from its text (IEEE754Compatible) or its number, digit for digit."""
    number = Decimal(value) if isinstance(value, str | int) else value
    if isinstance(value, bool) or not isinstance(number, Decimal) or not number.is_finite():
        raise ValueError("no finite decimal")
    return limited(number)


def integer(value: Any) -> int:
    """A whole number from its text or its number."""
    number = decimal(value)
    if number != number.to_integral_value():
        raise ValueError("not a whole number")
    return int(number)


def text(value: Any) -> str:
    """A string; anything else is refused."""
    if not isinstance(value, str):
        raise TypeError("no text")
    return value


def boolean(value: Any) -> bool:
    """A boolean; anything else is refused."""
    if not isinstance(value, bool):
        raise TypeError("no boolean")
    return value


def collection(value: Any) -> list[Any]:
    """A list; anything else is refused."""
    if not isinstance(value, list):
        raise TypeError("no collection")
    return value


def structure(value: Any) -> dict[str, Any]:
    """An object; anything else is refused."""
    if not isinstance(value, dict):
        raise TypeError("no structure")
    return value


_TRUTH = {"TRUE": True, "FALSE": False}


def truth(value: Any) -> bool:
    """What ``TRUE`` or ``FALSE`` says, in capitals or not; anything else is refused."""
    said = _TRUTH.get(value.upper()) if isinstance(value, str) else None
    if said is None:
        raise ValueError("neither TRUE nor FALSE")
    return said


def kind_of(prop: Property) -> Kind:
    """How values of a property become those of records."""
    if prop.is_collection:
        return Kind.OTHER
    if prop.says_boolean:
        return Kind.TRUTH
    if is_integer(prop):
        return Kind.INTEGER
    if prop.type in NUMBERS:
        return Kind.DECIMAL
    if prop.type == "Edm.Boolean":
        return Kind.BOOLEAN
    if prop.type == "Edm.DateTimeOffset":
        return Kind.MOMENT
    return Kind.TEXT if prop.type in _TEXTS or prop.is_enum else Kind.OTHER


def converter(
    prop: Property, zone: SourceZone | None = None, *, has_fixed_width: bool = False
) -> Callable[[Any], Any] | None:
    """What makes the record's form of a value that is not null; None where it is that already.

    Args:
        prop: the property.
        zone: whose wall clock the server marks "Z".
        has_fixed_width: whether its timestamps are written with a fixed width.
    """
    kind = kind_of(prop)
    if kind is Kind.MOMENT and has_fixed_width:
        return (lambda value: fixed_width(zone.instant(value))) if zone else fixed_width
    if kind is Kind.MOMENT and zone:
        return zone.instant
    if kind is Kind.OTHER:
        return collection if prop.is_collection else structure
    return _CONVERTERS[kind]


_CONVERTERS: dict[Kind, Callable[[Any], Any]] = {
    Kind.DECIMAL: decimal,
    Kind.INTEGER: integer,
    Kind.BOOLEAN: boolean,
    Kind.TRUTH: truth,
    Kind.MOMENT: text,
    Kind.TEXT: text,
}


def _converters(properties: Mapping[str, Property], zone: SourceZone | None = None) -> dict[str, Callable[[Any], Any]]:
    """A converter for each property whose JSON form is not already the record's form."""
    made = {name: converter(prop, zone) for name, prop in properties.items()}
    return {name: convert for name, convert in made.items() if convert}
