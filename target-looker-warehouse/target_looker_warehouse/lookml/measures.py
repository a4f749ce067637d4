"""The measures of a view: how many rows, and sums of what may be added up. Pure.

Amounts of several currencies are never added into one figure: a measure brings the field that tells them apart into the query
(``required_fields``: docs.cloud.google.com/looker/docs/reference/param-field-required-fields), and shows the currency behind the
number. An amount of which no field tells the currency gets no measure.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from target_looker_warehouse.lookml.facts import (
    BOOK_CURRENCY,
    COMPANY,
    CURRENCY_ELSEWHERE,
    DETAIL_FIELDS,
    DOCUMENT_CURRENCY,
    FORMATS,
    UNIT,
    Currency,
    Number,
    currency_of,
    number_of,
    telling,
)
from target_looker_warehouse.lookml.fields import COUNT
from target_looker_warehouse.lookml.naming import digest, label, plain

if TYPE_CHECKING:
    from collections.abc import Mapping

    from target_looker_warehouse.lookml.fields import Field, Fields
    from target_looker_warehouse.lookml.relations import Relation

DETAIL = "detail"
"""The set of fields that a figure is made of when somebody looks behind it."""

_SHORT = {
    Currency.DOCUMENT: "document currency",
    Currency.COMPANY: "accounting currency",
    Currency.PARALLEL: "parallel currency",
}
_CURRENCY_WORDS = re.compile(r"ThirdCurrency|Parallel|Curr(?:ency)?(?![a-z])|(?:Dom|Base)(?![a-z])")


def sums(relation: Relation, all_fields: Mapping[str, Fields]) -> dict[str, dict[str, Any]]:
    """The sums of a view, by the property that each adds up.

    Args:
        relation: what the view is made of.
        all_fields: of all views of the project, by stream or SQL view.
    """
    fields = all_fields[relation.name]
    made: dict[str, dict[str, Any]] = {}
    for field in fields:
        prop, number = field.column.source, number_of(field.column.source)
        if field.is_number and prop not in relation.key and number in {Number.AMOUNT, Number.QUANTITY}:
            found = _amount(field, relation, all_fields) if number is Number.AMOUNT else _quantity(field, fields)
            if found is not None:
                made[prop] = {**_sum(field, fields, number), **found}
    return made


def count(fields: Fields) -> dict[str, Any]:
    """The measure that counts rows."""
    return {
        "name": COUNT,
        "type": "count",
        "label": fields.label("Number of rows", "Number of rows here", "Number of rows (count)"),
        "description": "How many rows there are.",
        "drill_fields": [f"{DETAIL}*"],
    }


def detail(relation: Relation, fields: Fields) -> list[str]:
    """The fields that a row is shown by: its key, and what tells most."""
    keys = [found for prop in relation.key if (found := fields.of(prop))]
    places = [(place, field) for field in fields if (place := telling(field.column.source)) is not None]
    others = [field for _, field in sorted(places, key=lambda one: one[0]) if field not in keys]
    return [field.shown for field in ([*keys, *others] or list(fields))[:DETAIL_FIELDS]]


def _sum(field: Field, fields: Fields, number: Number) -> dict[str, Any]:
    prop = field.column.source
    names = (f"sum_of_{field.name}", f"sum_of_{field.name}_{digest(prop)}")
    return {
        "name": fields.taken.take(names) or names[-1],
        "type": "sum",
        "value_format_name": FORMATS[number],
        "sql": f"${{{field.name}}}",
        "drill_fields": [f"{DETAIL}*"],
    }


def _amount(field: Field, relation: Relation, all_fields: Mapping[str, Fields]) -> dict[str, Any] | None:
    """What makes the sum of an amount right: it stands for one currency; None where no field tells which."""
    prop, fields = field.column.source, all_fields[relation.name]
    currency = currency_of(relation.name, prop)
    if currency is Currency.DOCUMENT:
        required = _document_currency(relation, all_fields)
        shown = {"html": _with(required or "")}
    else:
        books = fields.of(BOOK_CURRENCY.get(relation.name, ""))
        company = books or fields.first(*COMPANY)
        required = company.name if company else None
        shown = {"html": _with(required)} if books and required else {}
    if required is None:
        return None
    text = label(_CURRENCY_WORDS.sub("", prop)) if _CURRENCY_WORDS.sub("", prop) else field.label
    return {
        "label": fields.label(
            f"{text} ({_SHORT[currency]})", f"{text} ({_SHORT[currency]}, {plain(prop)})", f"{text} ({digest(prop)})"
        ),
        "description": (
            f"Sum of {plain(prop)} of {plain(relation.name)}, in {currency.value}: one figure for each "
            f"{'currency' if shown else 'company'}."
        ),
        "required_fields": [required],
        **shown,
    }


def _with(field: str) -> str:
    """The number with what it is of behind it."""
    return f"{{{{ rendered_value }}}} {{{{ {field}._value }}}}"


def _document_currency(relation: Relation, all_fields: Mapping[str, Fields]) -> str | None:
    """The field that tells the currency of a row's document."""
    if own := all_fields[relation.name].first(*DOCUMENT_CURRENCY):
        return own.name
    stream, prop = CURRENCY_ELSEWHERE.get(relation.name, ("", ""))
    other = all_fields[stream].of(prop) if stream in all_fields else None
    return f"{stream}.{other.name}" if other else None


def _quantity(field: Field, fields: Fields) -> dict[str, Any]:
    prop, unit = field.column.source, fields.first(*UNIT)
    each = ": one figure for each unit of measure." if unit else "."
    made: dict[str, Any] = {
        "label": fields.label(f"Total {field.label.lower()}", f"Total {field.label.lower()} ({plain(prop)})"),
        "description": f"Sum of {plain(prop)}{each}",
    }
    if unit:
        made["required_fields"] = [unit.name]
        made["html"] = _with(unit.name)
    return made
