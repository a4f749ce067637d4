"""The three figures of the report, computed from the source row by row: what every copy of the data has to agree with.

Each definition stands in words, in terms of the exposed columns, so that it can be repeated in any query language.
Amounts are exact; nothing is rounded.
"""

from __future__ import annotations

from collections import defaultdict
from contextlib import closing
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from ifs_bi_sandbox.data import clock
from ifs_bi_sandbox.data.tables import connect

if TYPE_CHECKING:
    from collections.abc import Iterator
    from datetime import date
    from pathlib import Path

LINE_DONE = frozenset({"Closed", "Cancelled"})
ORDER_NOT_OPEN = frozenset({"Closed", "Cancelled", "Planned"})

OpenOrders = tuple[str, str, str, Decimal]  # supplier, its name, currency, amount
Outstanding = tuple[str, str, Decimal]  # month, currency, amount
Spend = tuple[str, str, str, Decimal]  # company, cost centre, its description, amount


def open_purchase_orders(database: Path) -> list[OpenOrders]:
    """What is ordered and not yet closed, by supplier and currency.

    The sum of NetAmtCurr of the purchase order lines whose Objstate is neither Closed nor Cancelled, and whose order
    (by OrderNo) has an Objstate other than Closed, Cancelled and Planned; grouped by the order's VendorNo, the Name of
    the supplier with that SupplierId (empty when there is none) and the line's CurrencyCode. Sorted by these three.
    """
    with closing(connect(database)) as connection:
        names = dict(connection.execute('SELECT "SupplierId", "Name" FROM "supplier_info"'))
        orders = {
            number: supplier
            for number, supplier, state in connection.execute(
                'SELECT "OrderNo", "VendorNo", "Objstate" FROM "purchase_order"'
            )
            if state not in ORDER_NOT_OPEN
        }
        sums: defaultdict[tuple[str, str, str], Decimal] = defaultdict(Decimal)
        for number, state, currency, net in connection.execute(
            'SELECT "OrderNo", "Objstate", "CurrencyCode", "NetAmtCurr" FROM "purchase_order_line"'
        ):
            if state not in LINE_DONE and number in orders:
                supplier = orders[number]
                sums[supplier, names.get(supplier, ""), currency] += Decimal(net)
    return [(*group, amount) for group, amount in sorted(sums.items())]


def outstanding_supplier_invoices(database: Path) -> list[Outstanding]:
    """What the group owes its suppliers, by the month it is due in and currency.

    The sum of FullCurrAmount less ClearedCurrAmount of the ledger items whose PartyType is Supplier and where the
    difference isn't zero; grouped by the first seven characters of DueDate (YYYY-MM) and Currency. Sorted by these two.
    """
    sums: defaultdict[tuple[str, str], Decimal] = defaultdict(Decimal)
    with closing(connect(database)) as connection:
        for party, due, currency, full, cleared in connection.execute(
            'SELECT "PartyType", "DueDate", "Currency", "FullCurrAmount", "ClearedCurrAmount" FROM "ledger_item"'
        ):
            rest = Decimal(full) - Decimal(cleared)
            if party == "Supplier" and rest:
                sums[due[:7], currency] += rest
    return [(*group, amount) for group, amount in sorted(sums.items())]


def month_to_date_spend(database: Path, today: date) -> list[Spend]:
    """What this month has cost so far, by company and cost centre, in the company's currency.

    The sum of Amount of the general ledger rows whose VoucherDate is from the first day of the month of ``today`` to
    ``today``, on accounts (by Company and Account) whose AccntType is Cost; grouped by Company, CodeB and the Description
    of the code part value with that Company, CodePart B and CodePartValue CodeB (the last two empty when there is none).
    Sorted by these three. Vouchers in hold don't count.
    """
    with closing(connect(database)) as connection:
        costs = {
            (company, account)
            for company, account, kind in connection.execute('SELECT "Company", "Account", "AccntType" FROM "account"')
            if kind == "Cost"
        }
        centres = {
            (company, value): description
            for company, part, value, description in connection.execute(
                'SELECT "Company", "CodePart", "CodePartValue", "Description" FROM "accounting_code_part_value"'
            )
            if part == "B"
        }
        sums: defaultdict[tuple[str, str, str], Decimal] = defaultdict(Decimal)
        for company, account, centre, amount in _ledger_rows(connection.cursor(), today):
            if (company, account) in costs:
                sums[company, centre or "", centres.get((company, centre), "")] += Decimal(amount)
    return [(*group, amount) for group, amount in sorted(sums.items())]


def report(database: Path) -> dict[str, Any]:
    """The three figures, and the business day they are of."""
    with closing(connect(database)) as connection:
        today = clock.today(connection)
    return {
        "today": today.isoformat(),
        "open_purchase_orders": open_purchase_orders(database),
        "outstanding_supplier_invoices": outstanding_supplier_invoices(database),
        "month_to_date_spend": month_to_date_spend(database, today),
    }


def _ledger_rows(cursor: Any, today: date) -> Iterator[tuple[str, str, str, str]]:
    rows: Iterator[tuple[str, str, str, str]] = cursor.execute(
        'SELECT "Company", "Account", "CodeB", "Amount" FROM "gen_led_voucher_row" WHERE "VoucherDate" BETWEEN ? AND ?',
        (today.replace(day=1).isoformat(), today.isoformat()),
    )
    return rows
