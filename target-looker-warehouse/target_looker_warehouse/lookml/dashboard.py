"""The dashboard: open purchase orders by supplier, outstanding supplier invoices by age, this month's spend by cost centre. Pure.

Dashboards are YAML, of which JSON values are a part (docs.cloud.google.com/looker/docs/reference/param-lookml-dashboard).
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping

    from target_looker_warehouse.lookml.views import View

_WIDTH, _HEIGHT = 12, 9
_COLUMNS = 24
_ROWS = 50


@dataclass(frozen=True, slots=True)
class Tile:
    """A picture of the dashboard; columns are named by property.

    Attributes:
        title: what stands above it.
        relation: the stream or SQL view whose explore it asks.
        kind: Looker's name of the visualization.
        by: what the amount is broken down by; the currency is the last one.
        amount: what is added up.
        where: property and Looker filter expression.
        pivots: whether there is a series for each currency.
        note: what people read when they ask what it is.
    """

    title: str
    relation: str
    kind: str
    by: tuple[str, ...]
    amount: str
    note: str
    where: tuple[tuple[str, str], ...] = ()
    pivots: bool = True


TILES = (
    Tile(
        "Open purchase orders by supplier",
        "open_purchase_orders",
        "looker_bar",
        ("SupplierName", "CurrencyCode"),
        "OpenAmount",
        "Order lines that are neither closed nor cancelled, of orders that are neither of these nor only planned.",
    ),
    Tile(
        "Outstanding supplier invoices by days overdue",
        "outstanding_supplier_invoices",
        "looker_column",
        ("AgeingBucket", "CurrencyCode"),
        "OpenAmount",
        "What supplier invoices are worth less what was paid of them, by days since they were due.",
    ),
    Tile(
        "Month-to-date spend by cost centre",
        "spend_by_cost_centre",
        "looker_bar",
        ("CostCentre", "CostCentreName", "CurrencyCode"),
        "Amount",
        "General ledger rows on cost accounts with a voucher date from the first of this month to now; no vouchers in hold.",
        where=(("VoucherDate", "this month to second"),),
    ),
    Tile(
        "Outstanding supplier invoices by supplier",
        "outstanding_supplier_invoices",
        "looker_grid",
        ("SupplierNo", "SupplierName", "AgeingBucket", "CurrencyCode"),
        "OpenAmount",
        "What supplier invoices are worth less what was paid of them, with the oldest first to be seen by their bucket.",
        pivots=False,
    ),
)


def elements(views: Mapping[str, View], model: str) -> list[dict[str, Any]]:
    """The tiles whose views are there, each as the dashboard takes it."""
    made: list[dict[str, Any]] = []
    for tile in TILES:
        view = views.get(tile.relation)
        if view is not None and (element := _element(tile, view)) is not None:
            place = {
                "row": len(made) * _WIDTH // _COLUMNS * _HEIGHT,
                "col": len(made) * _WIDTH % _COLUMNS,
                "width": _WIDTH,
                "height": _HEIGHT,
            }
            made.append({"name": tile.title, "title": tile.title, "model": model, **element, **place})
    return made


def _element(tile: Tile, view: View) -> dict[str, Any] | None:
    fields = [view.fields.of(prop) for prop in tile.by]
    filters = {prop: view.fields.of(prop) for prop, _ in tile.where}
    if None in fields or None in filters.values() or tile.amount not in view.sums:
        return None
    name = view.relation.view
    shown = [f"{name}.{field.shown}" for field in fields if field]
    amount = f"{name}.{view.sums[tile.amount]}"
    made: dict[str, Any] = {"explore": name, "type": tile.kind, "fields": [*shown, amount]}
    if tile.pivots:
        made["pivots"] = [shown[-1]]
    if tile.where:
        made["filters"] = {f"{name}.{field.shown}": dict(tile.where)[prop] for prop, field in filters.items() if field}
    return made | {
        "sorts": [*([shown[-1]] if tile.pivots else []), f"{amount} desc{' 0' if tile.pivots else ''}"],
        "limit": _ROWS,
        "note_text": tile.note,
        "note_state": "collapsed",
        "note_display": "hover",
    }


def dashboard_yaml(name: str, title: str, made: list[dict[str, Any]]) -> str:
    """A dashboard with these elements."""
    head = {
        "dashboard": name,
        "title": title,
        "layout": "newspaper",
        "preferred_viewer": "dashboards-next",
        "description": "Purchase orders, supplier invoices and spend of IFS Cloud, as the last load left them.",
    }
    lines = _item(head, "")
    lines.append("  elements:")
    for element in made:
        lines += _item(element, "  ")
    return "\n".join(lines) + "\n"


def _item(facts: dict[str, Any], indent: str) -> list[str]:
    """One item of a list, with a line for each fact."""
    lines = [f"  {key}: {json.dumps(value, ensure_ascii=False)}" for key, value in facts.items()]
    return [indent + line for line in ("- " + lines[0][2:], *lines[1:])]
