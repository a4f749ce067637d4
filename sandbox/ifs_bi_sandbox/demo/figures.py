"""The report's three figures in SQL, over tables named like streams: the same statements for every place that holds them.

The definitions in words, and the values to expect, are those of `ifs_bi_sandbox.data.figures`. Amounts are exact throughout.
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
        query: SQL, with the parameter ``$today`` where it depends on the day.
    """

    name: str
    title: str
    definition: str
    columns: tuple[str, ...]
    unit: int
    query: str

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
    query="""
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
    query="""
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
    query="""
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


def report_of(tables: DuckDBPyConnection, today: date) -> Report:
    """The three figures from a connection in which the streams' tables can be read by their names.

    Raises:
        DemoError: amounts lie in a column that can't hold them exactly.
    """
    report = {}
    for figure in FIGURES:
        parameters = {"today": today} if "$today" in figure.query else {}
        rows = tables.execute(figure.query, parameters).fetchall()
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
