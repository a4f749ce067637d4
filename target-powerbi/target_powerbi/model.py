"""The shipped model of the IFS streams: facts that their SCHEMA does not tell. No I/O.

How numbers are shown and which of them may be added up, what is only technical, which stream's rows belong to which, and
the figures that people ask for. Names are those of the streams and properties of tap-ifs-cloud; `target_powerbi.measures` and
`target_powerbi.relationships` turn them into what Power BI takes, as far as a dataset has them.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from ifs_bi_core.singer.sinks import DELETED_AT, ROW_VERSION

from target_powerbi.choices import NUMBERS
from target_powerbi.columns import is_day

if TYPE_CHECKING:
    from collections.abc import Mapping

    from target_powerbi.choices import DataType, SummarizeBy

STREAMS = frozenset(
    {
        "account_attribute_connections",
        "account_attribute_values",
        "account_attributes",
        "account_groups",
        "account_structure_items",
        "account_structures",
        "code_part_values",
        "code_parts",
        "companies",
        "currencies",
        "customer_order_lines",
        "customer_orders",
        "customers",
        "gl_accounts",
        "gl_voucher_rows",
        "journal_entries",
        "ledger_items",
        "payments",
        "purchase_order_lines",
        "purchase_orders",
        "sites",
        "supplier_invoice_postings",
        "supplier_invoices",
        "suppliers",
        "vouchers",
    }
)
_ETAG = "_ifs_etag"

TYPES: Mapping[tuple[str, str], DataType] = {
    ("customer_order_lines", "Cost"): "Double",  # a quotient with more digits than Power BI keeps: rounded, on purpose
    ("gl_voucher_rows", "PostingCombinationId"): "String",  # an identifier beyond 2^53, of no declared scale
    ("journal_entries", "PostingCombinationId"): "String",
}
"""Stream and property → the type that is right where the SCHEMA alone leads to another one, or to refused rows."""

_NUMBERS: tuple[tuple[re.Pattern[str], str, SummarizeBy], ...] = (
    (re.compile("(?:Rate|Factor)(?![a-z])"), "#,0.0000", "none"),
    (re.compile("(?:Price|Cost|Limit|Discount|Percent)(?![a-z])"), "#,0.00", "none"),
    (re.compile("(?:Amount|Amt|Qty|Quantity)(?![a-z])"), "#,0.00", "sum"),
    (re.compile(""), "0", "none"),  # a number, a code, a year
)
"""Words in a property's name → how its numbers are shown, and whether they may be added up; the first that fits."""

PROPERTY = re.compile(r"\{(\w+)\}")
"""A property in the DAX of the model."""

_TECHNICAL = frozenset({_ETAG, "Rowkey", "Rowversion"})


@dataclass(frozen=True)
class ColumnFacts:
    """What the model says of one column; None and False: nothing."""

    format: str | None = None
    summarize_by: SummarizeBy | None = None
    hidden: bool = False


@dataclass(frozen=True)
class Among:
    """Rows of a stream, to which those of another one belong.

    Attributes:
        stream: theirs.
        on: their property and the other stream's of the same meaning; in order, the whole key of theirs.
        where: what has to be true of them, in DAX with ``{Property}`` for a column.
    """

    stream: str
    on: tuple[tuple[str, str], ...]
    where: str


@dataclass(frozen=True)
class Figure:
    """A sum that people ask for.

    Attributes:
        name: of the measure.
        stream: whose rows it adds up.
        amount: what one row counts, in DAX with ``{Property}`` for a column.
        where: what has to be true of a row, each in DAX.
        among: what has to be true of the row that it belongs to.
        description: what counts, in words.
    """

    name: str
    stream: str
    amount: str
    description: str
    where: tuple[str, ...] = ()
    among: Among | None = None
    format: str = "#,0.00"


FIGURES: tuple[Figure, ...] = (
    Figure(
        "Open purchase orders",
        "purchase_order_lines",
        "{NetAmtCurr}",
        "Net amount of the order lines that are neither closed nor cancelled, of orders that are neither closed, cancelled nor "
        "only planned, in the currency of the order: show it by CurrencyCode.",
        ('NOT ({Objstate} IN {"Closed", "Cancelled"})',),
        Among("purchase_orders", (("OrderNo", "OrderNo"),), 'NOT ({Objstate} IN {"Closed", "Cancelled", "Planned"})'),
    ),
    Figure(
        "Outstanding supplier invoices",
        "ledger_items",
        "{FullCurrAmount} - {ClearedCurrAmount}",
        "What supplier invoices are worth less what was paid of them, in the currency of the invoice: show it by Currency.",
        ('{PartyType} = "Supplier"',),
    ),
    Figure(
        "Month-to-date spend",
        "gl_voucher_rows",
        "{Amount}",
        "General ledger rows on cost accounts with a voucher date in this month up to today (UTC), in the currency of the "
        "company: show it by Company. Vouchers in hold do not count.",
        ("{VoucherDate} >= DATE(YEAR(TODAY()), MONTH(TODAY()), 1)", "{VoucherDate} < TODAY() + 1"),
        Among("gl_accounts", (("Company", "Company"), ("Account", "Account")), '{AccntType} = "Cost"'),
    ),
)

RELATIONSHIPS: tuple[tuple[str, str, str], ...] = (
    ("purchase_order_lines", "OrderNo", "purchase_orders"),
    ("customer_order_lines", "OrderNo", "customer_orders"),
    ("purchase_orders", "VendorNo", "suppliers"),
    ("supplier_invoices", "Identity", "suppliers"),
    ("ledger_items", "Identity", "suppliers"),
    ("payments", "Identity", "suppliers"),
    ("customer_orders", "CustomerNo", "customers"),
    ("purchase_orders", "Contract", "sites"),
    ("customer_orders", "Contract", "sites"),
    ("purchase_orders", "Company", "companies"),
    ("customer_orders", "Company", "companies"),
    ("supplier_invoices", "Company", "companies"),
    ("supplier_invoice_postings", "Company", "companies"),
    ("ledger_items", "Company", "companies"),
    ("payments", "Company", "companies"),
    ("gl_voucher_rows", "Company", "companies"),
    ("vouchers", "Company", "companies"),
    ("journal_entries", "Company", "companies"),
)
"""Stream and property → the stream whose only key that is; the more telling ones first.

There are none to accounts, cost centres, postings and voucher rows: their keys have several columns, and a relationship has one.
What a figure needs of them it gets by `Among`. There is one way alone from each stream to each other: Power BI refuses a second.
"""


def needed_of(stream: str) -> frozenset[str]:
    """The properties of a stream that figures and relationships need."""
    used = [text for figure in FIGURES if figure.stream == stream for text in (figure.amount, *figure.where)] + [
        figure.among.where for figure in FIGURES if figure.among and figure.among.stream == stream
    ]
    joined = [
        theirs if figure.among.stream == stream else ours
        for figure in FIGURES
        if figure.among and stream in {figure.among.stream, figure.stream}
        for theirs, ours in figure.among.on
    ]
    related = [prop for origin, prop, _ in RELATIONSHIPS if origin == stream]
    return frozenset([name for text in used for name in PROPERTY.findall(text)] + joined + related)


def facts_of(
    stream: str, properties: Mapping[str, Any], prop: str, kind: DataType, keys: frozenset[str], *, versions: bool
) -> ColumnFacts:
    """What the model says of a property's column; nothing where the stream is none of IFS Cloud.

    Args:
        stream: its stream.
        properties: of the stream.
        prop: which one.
        kind: its data type.
        keys: properties that tell the stream's rows apart.
        versions: the table has every version of a row, so that people want to see which one a row is.
    """
    if stream not in STREAMS and _ETAG not in properties:
        return ColumnFacts()
    hidden = prop in _TECHNICAL or (prop.startswith("_sdc_") and prop != DELETED_AT)
    hidden = hidden or (prop == ROW_VERSION and not versions)
    if kind == "DateTime":
        return ColumnFacts("Short Date" if is_day(properties[prop]) else "General Date", None, hidden)
    if kind in NUMBERS:
        if prop in keys:
            return ColumnFacts("0", "none", hidden)
        return ColumnFacts(*_of_number(prop), hidden)
    return ColumnFacts(hidden=hidden)


def _of_number(prop: str) -> tuple[str, SummarizeBy]:
    return next((shown, summed) for pattern, shown, summed in _NUMBERS if pattern.search(prop))
