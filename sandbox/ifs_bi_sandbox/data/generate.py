"""Makes a company group's data: two legal entities, fourteen months of business, the same for the same seed."""

from __future__ import annotations

from contextlib import closing
from dataclasses import dataclass
from datetime import date
from typing import TYPE_CHECKING

from ifs_bi_sandbox.data import clock
from ifs_bi_sandbox.data.business import chart, group, partners, structures
from ifs_bi_sandbox.data.business.books import Books
from ifs_bi_sandbox.data.business.dice import Dice, days
from ifs_bi_sandbox.data.business.history import History
from ifs_bi_sandbox.data.loader import Loader
from ifs_bi_sandbox.data.tables import connect, create_indexes, create_tables

if TYPE_CHECKING:
    import sqlite3
    from pathlib import Path

SMALLEST, LARGEST = 300, 1_000_000
SPAN = 425  # days of business before today: fourteen months
FIRST_NUMBERS = {
    "purchase order": 1_000_000,
    "customer order": 2_000_000,
    **{f"invoice {company.code}": 100_000 for company in group.COMPANIES},
}

# Rows that one purchase order and one customer order leave behind on average, with all that follows from them.
ROWS_PER_PURCHASE = 16.0
ROWS_PER_SALE = 11.6
PURCHASES = 0.66  # their share of the rows


@dataclass(frozen=True)
class Size:
    """How many of everything there are at a given scale."""

    suppliers: int
    customers: int
    cost_centres: int
    projects: int
    months: int  # with salaries and rent

    @classmethod
    def of(cls, scale: int) -> Size:
        """A larger group has more of everything, up to what one group has."""
        return cls(
            suppliers=max(9, min(4000, scale // 120)),
            customers=max(6, min(3000, scale // 200)),
            cost_centres=4 + min(36, scale // 1000),
            projects=1 + min(99, scale // 2000),
            months=min(14, 1 + scale // 1000),
        )


def generate(database: Path, *, scale: int = 2000, seed: int = 1, today: date = date(2026, 11, 20)) -> None:
    """Write a database with roughly ``scale`` rows, attributes and structures not counted; the same bytes for the same numbers.

    Every sum that has to agree does: orders with their lines, invoices with their postings, vouchers with zero, ledger
    items with their payments. The file appears when it is complete. Raises ValueError for a scale outside 300 … 1,000,000
    and FileExistsError when there is a file with content already.
    """
    if not SMALLEST <= scale <= LARGEST:
        raise ValueError(f"scale is {scale}; it must be from {SMALLEST} to {LARGEST}")
    if database.exists() and database.stat().st_size:
        raise FileExistsError(f"{database} exists; delete it or choose another file")
    partial = database.with_name(f"{database.name}.partial")
    partial.unlink(missing_ok=True)
    try:
        with closing(connect(partial)) as connection:
            # Nobody else reads the file yet, and a half-written one is thrown away: no journal is needed.
            connection.execute("PRAGMA journal_mode=OFF")
            connection.execute("PRAGMA synchronous=OFF")
            connection.execute("BEGIN")
            create_tables(connection)
            _fill(connection, scale, seed, today)
            create_indexes(connection)
            connection.execute("COMMIT")
            connection.execute("ANALYZE")
            connection.execute("PRAGMA journal_mode=WAL")
        partial.replace(database)
    finally:
        partial.unlink(missing_ok=True)


def _fill(connection: sqlite3.Connection, scale: int, seed: int, today: date) -> None:
    loader = Loader(connection)
    last = dict(FIRST_NUMBERS)

    def number(series: str) -> int:
        last[series] = last.get(series, 0) + 1
        return last[series]

    dice, size = Dice(f"{seed}"), Size.of(scale)
    values = chart.codes(size.cost_centres, size.projects)
    start = today - days(SPAN)
    before = f"{(start - days(1)).isoformat()}T12:00:00"  # the last change of what stood before all business
    for table, row in group.group_rows(values, _firsts(start, today, 3)):
        loader.write(table, row, before)
    suppliers = partners.suppliers(size.suppliers, dice)
    for supplier in suppliers:
        loader.write("supplier_info", partners.supplier_row(supplier, dice), before)
    customers = partners.customers(size.customers, dice)
    for customer in customers:
        loader.write("customer_info", partners.customer_row(customer, dice), before)

    history = History(Books(loader.write, number, today), dice, values, start)
    for month in _firsts(start, today, 1)[-size.months :]:
        history.month_voucher(month)
    left = scale - loader.rows
    for company in group.COMPANIES:  # trees for reports, which are the same at every scale, beside the rows of business
        for rows in (structures.attribute_rows(company), structures.structure_rows(company, values)):
            for table, row in rows:
                loader.write(table, row, before)
    history.purchases(max(5, round(left * PURCHASES / ROWS_PER_PURCHASE)), suppliers)
    history.sales(max(3, round(left * (1 - PURCHASES) / ROWS_PER_SALE)), customers)
    loader.flush()
    clock.start(connection, today, last)


def _firsts(start: date, end: date, step: int) -> list[date]:
    """The first days of the months (``step`` 1) or quarters (3) from the one of ``start`` to the one of ``end``."""
    first, last = (day.year * 12 + day.month - 1 for day in (start, end))
    return [date(month // 12, month % 12 + 1, 1) for month in range(first - first % step, last + 1, step)]
