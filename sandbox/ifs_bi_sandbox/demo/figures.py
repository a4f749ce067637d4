"""The report's three figures in SQL, twice: over the views that the warehouse has of them, and over tables named like streams.

The definitions in words, and the values to expect, are those of `ifs_bi_sandbox.data.figures`. Amounts are exact throughout.
What a view counts is for the warehouse's target to say; the statements over tables say it once more, for a place without views.
"""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from ifs_bi_sandbox.demo.errors import DemoError

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import date

    from duckdb import DuckDBPyConnection

Groups = dict[tuple[str, ...], Decimal]  # amount by what it is grouped by, sorted by that
Report = dict[str, Groups]  # groups by the figure's name


@dataclass(frozen=True)
class Figure:
    """One figure of the report.

    Attributes:
        name: the key under which `ifs_bi_sandbox.data.figures.report` has it.
        title: what it shows.
        definition: what counts, in words.
        columns: what it is grouped by; the last column of the query is the amount.
        unit: place of the column in which amounts have to be alike to be comparable, and to be added up: the currency, or
            the company, which keeps its books in one.
        view: the warehouse's view of it.
        over_view: SQL over that view, with the parameter ``$today`` where it depends on the day.
        over_tables: the same over the streams' tables.
    """

    name: str
    title: str
    definition: str
    columns: tuple[str, ...]
    unit: int
    view: str
    over_view: str
    over_tables: str

    @property
    def subject(self) -> str:
        """The title without what it is grouped by."""
        return self.title.partition(" by ")[0]


OPEN_ORDERS = Figure(
    name="open_purchase_orders",
    title="Open purchase orders by supplier",
    definition="Net amount of the order lines that are neither closed nor cancelled, of orders that are neither closed, "
    "cancelled nor only planned.",
    columns=("Supplier", "Name", "Currency"),
    unit=2,
    view="open_purchase_orders",
    over_view="""
        SELECT "SupplierNo", coalesce("SupplierName", ''), "CurrencyCode", sum("OpenAmount")
        FROM open_purchase_orders
        GROUP BY ALL
    """,
    over_tables="""
        SELECT orders."VendorNo", coalesce(suppliers."Name", ''), lines."CurrencyCode", sum(lines."NetAmtCurr")
        FROM purchase_order_lines AS lines
        JOIN purchase_orders AS orders USING ("OrderNo")
        LEFT JOIN suppliers ON suppliers."SupplierId" = orders."VendorNo"
        WHERE lines."Objstate" NOT IN ('Closed', 'Cancelled')
          AND orders."Objstate" NOT IN ('Closed', 'Cancelled', 'Planned')
        GROUP BY ALL
    """,
)

OUTSTANDING = Figure(
    name="outstanding_supplier_invoices",
    title="Outstanding supplier invoices by due month",
    definition="What supplier invoices are worth less what was paid of them, by the month in which they are due.",
    columns=("Due", "Currency"),
    unit=1,
    view="outstanding_supplier_invoices",
    over_view="""
        SELECT strftime("DueDate", '%Y-%m'), "CurrencyCode", sum("OpenAmount")
        FROM outstanding_supplier_invoices
        GROUP BY ALL
    """,
    over_tables="""
        SELECT strftime(CAST("DueDate" AS DATE), '%Y-%m'), "Currency", sum("FullCurrAmount" - "ClearedCurrAmount")
        FROM ledger_items
        WHERE "PartyType" = 'Supplier'
          AND "FullCurrAmount" <> "ClearedCurrAmount"
        GROUP BY ALL
    """,
)

SPEND = Figure(
    name="month_to_date_spend",
    title="Month-to-date spend by cost centre",
    definition="General ledger rows on cost accounts with a voucher date in this month up to today, in each company's own "
    "currency. Vouchers in hold do not count.",
    columns=("Company", "Cost centre", "Description"),
    unit=0,
    view="spend_by_cost_centre",
    over_view="""
        SELECT "Company", "CostCentre", coalesce("CostCentreName", ''), sum("Amount")
        FROM spend_by_cost_centre
        WHERE "VoucherDate" BETWEEN date_trunc('month', CAST($today AS DATE)) AND CAST($today AS DATE)
        GROUP BY ALL
    """,
    over_tables="""
        SELECT ledger."Company", coalesce(ledger."CodeB", ''), coalesce(centres."Description", ''), sum(ledger."Amount")
        FROM gl_voucher_rows AS ledger
        JOIN gl_accounts AS accounts USING ("Company", "Account")
        LEFT JOIN code_part_values AS centres
          ON centres."Company" = ledger."Company" AND centres."CodePart" = 'B' AND centres."CodePartValue" = ledger."CodeB"
        WHERE accounts."AccntType" = 'Cost'
          AND CAST(ledger."VoucherDate" AS DATE) BETWEEN date_trunc('month', CAST($today AS DATE)) AND CAST($today AS DATE)
        GROUP BY ALL
    """,
)

FIGURES = (OPEN_ORDERS, OUTSTANDING, SPEND)


@dataclass(frozen=True)
class Company:
    """A legal entity as the report names it, and the currency of its books."""

    code: str
    name: str
    currency: str


@dataclass(frozen=True)
class Difference:
    """A group whose amount isn't what the source says; None: the group isn't there at all."""

    figure: str
    group: tuple[str, ...]
    expected: Decimal | None
    found: Decimal | None


def report_of_tables(tables: DuckDBPyConnection, today: date) -> Report:
    """The three figures from a connection in which the streams' tables can be read by their names.

    Raises:
        DemoError: amounts lie in a column that can't hold them exactly.
    """
    return _report(tables, {figure: figure.over_tables for figure in FIGURES}, today)


def report_of_views(views: DuckDBPyConnection, today: date) -> Report:
    """The three figures from a connection in which the warehouse's views can be read by their names.

    Raises:
        DemoError: amounts lie in a column that can't hold them exactly.
    """
    return _report(views, {figure: figure.over_view for figure in FIGURES}, today)


def _report(connection: DuckDBPyConnection, queries: Mapping[Figure, str], today: date) -> Report:
    report = {}
    for figure, query in queries.items():
        parameters = {"today": today} if "$today" in query else {}
        rows = connection.execute(query, parameters).fetchall()
        if not all(isinstance(amount, Decimal) for *_, amount in rows):
            raise DemoError(f"{figure.title}: the amounts are no exact decimals there")
        report[figure.name] = _sorted({tuple(group): amount for *group, amount in rows})
    return report


def report_of_source(known: Mapping[str, Any]) -> Report:
    """The three figures as `ifs_bi_sandbox.data.figures.report` gives them."""
    return {
        figure.name: _sorted({tuple(group): Decimal(amount) for *group, amount in known[figure.name]})
        for figure in FIGURES
    }


def companies(tables: DuckDBPyConnection) -> dict[str, Company]:
    """The legal entities by their code."""
    rows = tables.execute('SELECT "Company", "Name", "CurrencyCode" FROM companies ORDER BY ALL').fetchall()
    return {code: Company(code, name, currency or "") for code, name, currency in rows}


def differences(expected: Report, found: Report) -> list[Difference]:
    """Every group whose amount differs by anything at all."""
    return [
        Difference(figure.title, group, wanted.get(group), given.get(group))
        for figure in FIGURES
        for wanted, given in [(expected[figure.name], found[figure.name])]
        for group in sorted(wanted.keys() | given.keys())
        if wanted.get(group) != given.get(group)
    ]


def units(figure: Figure, groups: Groups) -> dict[str, Groups]:
    """The groups apart by what makes their amounts comparable: by currency, or by company."""
    apart: dict[str, Groups] = {}
    for group, amount in groups.items():
        apart.setdefault(group[figure.unit], {})[group] = amount
    return dict(sorted(apart.items()))


def _sorted(groups: Groups) -> Groups:
    return dict(sorted(groups.items()))
