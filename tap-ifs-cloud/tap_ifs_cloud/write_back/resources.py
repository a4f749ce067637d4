"""What an operation is about: an entity set, the URLs of its records, and their values compared and written: pure."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import quote

from ifs_bi_core.errors import ConfigError, ContractBrokenError, RowRejectedError
from ifs_bi_core.redaction import shown
from ifs_bi_core.singer.lines import encode

from tap_ifs_cloud.entities import Entity
from tap_ifs_cloud.odata import NUMBERS, WHOLE_NUMBERS, instant, limited, literal

if TYPE_CHECKING:
    from collections.abc import Mapping

    from tap_ifs_cloud.metadata import Metadata, Property

_SHOWN = 80  # characters of a name that an error repeats
_ACTION = re.compile(r"\w+(\.\w+)*")
_NUMBER = re.compile(r"-?\d+(\.\d+)?([eE][+-]?\d+)?", re.ASCII)
_ZONED = re.compile(r"(Z|[+-]\d\d:\d\d)$")
_AS_TEXT: Final = frozenset({"Edm.Decimal", "Edm.Int64"})
"""What ``IEEE754Compatible=true`` writes as text (OData JSON format 4.0, §7.1)."""

_PARTS_OF_A_SET, _PARTS_OF_A_PLACE = 2, 4


def entity_named(name: str, known: Mapping[str, Entity]) -> Entity:
    """The entity that an operation names: a stream of the catalogue, or a set by its path.

    Raises:
        ConfigError: it is neither.
    """
    if name in known:
        return known[name]
    parts = name.split("/")
    if len(parts) == _PARTS_OF_A_SET and all(parts):
        projection, entity_set = parts
        return Entity(name, projection.removesuffix(".svc"), entity_set)
    if len(parts) == _PARTS_OF_A_PLACE and all(parts):
        endpoint, service, projection, entity_set = parts
        return Entity(name, projection.removesuffix(".svc"), entity_set, endpoint, service)
    raise ConfigError(
        f"There is no entity {name!r}. Write a stream's name, Projection/EntitySet, or "
        f"endpoint/service/Projection/EntitySet such as int/entity/AccountEntity/AccountSet. Streams are {', '.join(known)}."
    )


@dataclass(frozen=True)
class Resource:
    """An entity set that operations write to.

    Attributes:
        name: for errors.
        url: of the collection.
        entity_type: its qualified name, which the names of bound actions begin with.
        key: the properties of the key.
        properties: all of them, by name.
    """

    name: str
    url: str
    entity_type: str
    key: tuple[Property, ...]
    properties: Mapping[str, Property]

    def record_url(self, key: Mapping[str, Any]) -> str:
        """``…/PurchaseOrderSet(OrderNo='10023')``.

        Raises:
            RowRejectedError: the key has other properties, or a value is not of its property's type.
        """
        names = [prop.name for prop in self.key]
        if sorted(names) != sorted(key):
            raise RowRejectedError(f"The key of {self.name} is {', '.join(names)}; {', '.join(key)} was given.")
        values = {prop: self.value(prop.name, key[prop.name]) for prop in self.key}
        try:
            parts = [f"{prop.name}={quote(literal(value, prop), safe='')}" for prop, value in values.items()]
        except (ContractBrokenError, UnicodeEncodeError) as error:
            raise RowRejectedError(f"{self.name}: the key can't be written in an address: {error}") from None
        return f"{self.url}({','.join(parts)})"

    def action_url(self, key: Mapping[str, Any], action: str) -> str:
        """``…/PurchaseOrderSet(OrderNo='10023')/IfsApp.PurchaseOrderHandling.PurchaseOrder_Release``."""
        if not _ACTION.fullmatch(action):
            raise RowRejectedError(f"{self.name}: {shown(repr(action), _SHOWN)} is no name of an action.")
        name = action if "." in action else f"{self.entity_type}_{action}"
        return f"{self.record_url(key)}/{quote(name)}"

    def known_key(self, values: Mapping[str, Any]) -> dict[str, Any] | None:
        """The key among values or in a row; None where a part of it is missing, which IFS Cloud makes then."""
        found = {prop.name: values.get(prop.name) for prop in self.key}
        return None if None in found.values() else found

    def checked(self, values: Mapping[str, Any]) -> dict[str, Any]:
        """Values in the form in which they are compared and written, by property.

        Raises:
            RowRejectedError: there is no such property, or a value is not of its property's type.
        """
        return {name: self.value(name, value) for name, value in values.items()}

    def value(self, name: str, value: Any) -> Any:
        """One value: decimals as `Decimal`, timestamps in UTC, everything else as it was written.

        Raises:
            RowRejectedError: there is no such property, or the value is not of its type.
        """
        prop = self.properties.get(name)
        if prop is None:
            raise RowRejectedError(
                f"{self.name} has no property {name}. It has {', '.join(self.properties)}. `ifs-bi entities` shows them."
            )
        try:
            return _converted(value, prop)
        except (ValueError, TypeError) as error:
            raise RowRejectedError(f"{self.name}: the value of {name} is no {prop.type}: {error}.") from None

    def differing(self, values: Mapping[str, Any], row: Mapping[str, Any]) -> list[str]:
        """The names of those values (of `checked`) that a row as IFS Cloud sends it does not hold."""
        return [name for name, value in values.items() if not self._holds(name, value, row)]

    def _holds(self, name: str, value: Any, row: Mapping[str, Any]) -> bool:
        if name not in row:
            return False
        try:
            held = self.value(name, row[name])
        except RowRejectedError:
            return False
        return held == value or {held, value} == {None, ""}  # Oracle keeps an empty text as null

    def body(self, values: Mapping[str, Any], *, exact: bool) -> bytes:
        """Checked values as JSON with every digit; ``exact``: as ``IEEE754Compatible=true`` wants numbers."""
        written = {
            name: f"{value:f}" if exact and value is not None and self.properties[name].type in _AS_TEXT else value
            for name, value in values.items()
        }
        return encode(written)


def resource_of(entity: Entity, service: str, metadata: Metadata) -> Resource:
    """The entity joined with what the tenant has.

    Args:
        entity: of the catalogue or of the operation.
        service: its service's address.
        metadata: of that service.

    Raises:
        RowRejectedError: the service has no such set, the set has no key, or its records carry no ETag.
    """
    entity_type = metadata.entity_sets.get(entity.entity_set)
    if entity_type is None:
        raise RowRejectedError(
            f"{entity.projection} has no entity set {entity.entity_set}. It has {', '.join(metadata.entity_sets) or 'none'}."
        )
    names = entity_type.key or entity.key
    unknown = [name for name in names if name not in entity_type.properties]
    if not names or unknown:
        raise RowRejectedError(f"{entity.where} declares no key, so no record of it can be named.")
    if not entity.has_etag:
        raise RowRejectedError(f"{entity.where} is a list of values: IFS Cloud lets nobody write to it there.")
    return Resource(
        name=entity.name,
        url=f"{service}/{quote(entity.entity_set)}",
        entity_type=entity_type.name,
        key=tuple(entity_type.properties[name] for name in names),
        properties=entity_type.properties,
    )


def _converted(value: Any, prop: Property) -> Any:
    if value is None:
        return None
    if prop.is_collection:
        raise TypeError("a list can't be written")
    if prop.type in NUMBERS:
        number = _number(value)
        if prop.type in WHOLE_NUMBERS and number != number.to_integral_value():
            raise ValueError("not a whole number")
        return number
    if prop.type == "Edm.Boolean":
        if isinstance(value, bool) or value in {"true", "false"}:
            return value in {True, "true"}
        raise ValueError("write true or false")
    if not isinstance(value, str):
        raise TypeError("write it as a text")
    if prop.type == "Edm.DateTimeOffset":
        return _instant(value)
    if prop.type == "Edm.Date":
        return _date(value)
    return value


def _instant(text: str) -> str:
    if not _ZONED.search(text):
        raise ValueError("end it with Z or an offset")
    try:
        return instant(text)
    except ValueError:  # whose message repeats the value, which may be nobody's business
        raise ValueError("write YYYY-MM-DDTHH:MM:SSZ") from None


def _date(text: str) -> str:
    try:
        return date.fromisoformat(text).isoformat()
    except ValueError:
        raise ValueError("write YYYY-MM-DD") from None


def _number(value: Any) -> Decimal:
    if isinstance(value, bool) or not isinstance(value, int | Decimal | str):
        raise TypeError("no number")
    if isinstance(value, str) and not _NUMBER.fullmatch(value):
        raise ValueError("no number")
    number = Decimal(value)
    return limited(number)
