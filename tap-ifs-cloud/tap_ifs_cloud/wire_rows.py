"""Rows as they come, decoded into a type of their entity set: a fraction of the work and room that a `dict` takes.

A row answers to ``row[name]``, ``row.get(name)`` and ``name in row`` as the `dict` of the same JSON does, for the members that
are read; what else the server sends is not kept. Numbers by which nobody goes from page to page stay the text that they came as
until somebody asks for them.
"""

from __future__ import annotations

from decimal import Decimal
from typing import TYPE_CHECKING, Any, ClassVar, cast

import msgspec
from ifs_bi_core.http.message import UNREADABLE
from msgspec import UNSET, Raw, UnsetType

from tap_ifs_cloud.odata import ETAG_MEMBER
from tap_ifs_cloud.rows import Kind, kind_of
from tap_ifs_cloud.schema import ETAG, ROW_VERSION

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping, Sequence

    from tap_ifs_cloud.metadata import Property

_VALUE = msgspec.json.Decoder(float_hook=Decimal).decode
_TYPES: dict[Kind, Any] = {
    Kind.DECIMAL: Raw | UnsetType,
    Kind.INTEGER: Raw | UnsetType,
    Kind.BOOLEAN: bool | None | UnsetType,
    Kind.TRUTH: str | None | UnsetType,
    Kind.MOMENT: str | None | UnsetType,
    Kind.TEXT: str | None | UnsetType,
}


ETAG_FIELD, ROW_VERSION_FIELD = "own_etag", "own_row_version"
"""Where a copy of a row, made its record, holds `tap_ifs_cloud.schema.ETAG` and `ROW_VERSION`; a row that came has neither."""


class WireRow(msgspec.Struct, gc=False):
    """A row of one entity set; `row_type` makes the class of a set."""

    fields_by_name: ClassVar[dict[str, str]] = {}
    """Where each member lies."""

    def __getitem__(self, name: str) -> Any:
        """The value of a member.

        Raises:
            KeyError: the row has none of that name.
        """
        value = getattr(self, self.fields_by_name[name])
        if value is UNSET:
            raise KeyError(name)
        return plain(value)

    def __contains__(self, name: str) -> bool:
        """Whether the row has a member, be it null."""
        field = self.fields_by_name.get(name)
        return field is not None and getattr(self, field) is not UNSET

    def get(self, name: str, default: Any = None) -> Any:
        """The value of a member, or ``default``."""
        return self[name] if name in self else default  # noqa: SIM401 - this is it


def plain(value: Any) -> Any:
    """A value as a `dict` of the row would hold it."""
    return _VALUE(value) if isinstance(value, Raw) else value


def _type_of(prop: Property, kind: Kind) -> Any:
    if kind is Kind.OTHER:
        return (list[Any] if prop.is_collection else dict[str, Any]) | None | UnsetType
    return _TYPES[kind]


def row_type(properties: Mapping[str, Property], plain_ones: Collection[str]) -> type[WireRow]:
    """The class of the rows of one set.

    Args:
        properties: what is read, by name; rows keep their order.
        plain_ones: names of those whose numbers are to be values at once, since rows are compared by them.
    """
    fields: list[tuple[str, Any, Any]] = []
    names: dict[str, str] = {}
    for place, (name, prop) in enumerate(properties.items()):
        kind = kind_of(prop)
        is_plain = name in plain_ones and kind in {Kind.DECIMAL, Kind.INTEGER}
        fields.append((f"value{place}", Any if is_plain else _type_of(prop, kind), UNSET))
        names[name] = f"value{place}"
    fields.append(("etag", str | None | UnsetType, UNSET))
    names[ETAG_MEMBER] = "etag"
    fields += [(ETAG_FIELD, Any, UNSET), (ROW_VERSION_FIELD, Any, UNSET)]
    made = msgspec.defstruct(
        "Row",
        fields,
        bases=(WireRow,),
        namespace={"fields_by_name": names},
        rename={field: name for name, field in names.items()} | {ETAG_FIELD: ETAG, ROW_VERSION_FIELD: ROW_VERSION},
        gc=False,
    )
    return cast("type[WireRow]", made)


class PageDecoder:
    """Decodes the pages of one entity set.

    Args:
        rows: the class of its rows.
    """

    def __init__(self, rows: type[WireRow]) -> None:
        answer = msgspec.defstruct(
            "Answer",
            [("value", list[rows]), ("link", Any, None), ("count", Any, None)],  # type: ignore[valid-type]
            rename={"link": "@odata.nextLink", "count": "@odata.count"},
        )
        self._decode = msgspec.json.Decoder(answer, float_hook=Decimal).decode

    def __call__(self, body: bytes) -> dict[str, Any] | None:
        """An answer whose rows have their type; None where one can't have it, so that it has to be read in the ordinary way."""
        try:
            if not body.isascii():
                body.decode()  # also what is not kept has to be a text
            answer: Any = self._decode(body)
        except UNREADABLE:
            return None
        return {"value": answer.value, "@odata.nextLink": answer.link, "@odata.count": answer.count}


def column(rows: Sequence[Any], name: str) -> list[Any]:
    """The values of one member in all rows of a page, None where there is none."""
    if rows and isinstance(rows[0], WireRow):
        field = rows[0].fields_by_name.get(name)
        values = [getattr(row, field) for row in rows] if field else [None] * len(rows)
        if set(map(type, values)) <= {str, int, Decimal}:
            return values
    return [row.get(name) for row in rows]
