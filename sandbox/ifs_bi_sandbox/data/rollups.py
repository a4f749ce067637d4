"""Balances rolled up along the hierarchies of the books, computed from the source row by row, as IFS Cloud's reports do it.

Each definition stands in words, in terms of the exposed columns, so that it can be repeated in any query language.
Amounts are exact and in the company's currency. Vouchers in hold don't count.
"""

from __future__ import annotations

from collections import defaultdict
from contextlib import closing
from decimal import Decimal
from typing import TYPE_CHECKING

from ifs_bi_sandbox.data.tables import connect

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Mapping
    from pathlib import Path

Balances = dict[tuple[str, ...], Decimal]


def account_group_balances(database: Path) -> Balances:
    """By company and account group: the sum of Amount of the general ledger rows of all accounts in it or in groups below it.

    An account is in its AccntGroup; a group is below its ParentGroup.
    """
    with closing(connect(database)) as connection:
        above = _above(connection, 'SELECT "Company", "AccntGroup", "ParentGroup" FROM "account_group"')
        accounts = _above(connection, 'SELECT "Company", "Account", "AccntGroup" FROM "account"')
        return _climbed(_sums(connection, "Account"), accounts, above)


def structure_balances(database: Path) -> Balances:
    """By company, structure and item: the sum of Amount of the general ledger rows of all code part values at or below it.

    An item of the type CodePartValue holds the rows that name it in the structure's code part (A is Account, B is CodeB); an
    item is below its ItemAbove.
    """
    found: Balances = {}
    with closing(connect(database)) as connection:
        structures = connection.execute('SELECT DISTINCT "StructureId", "CodePart" FROM "accounting_structure"')
        for structure, part in structures.fetchall():
            items = 'SELECT "Company", "StructureItem", "ItemAbove" FROM "accounting_structure_item" WHERE "StructureId" = ?'
            above = _above(connection, items, structure)
            sums = _sums(connection, "Account" if part == "A" else f"Code{part}")
            leaves = _above(connection, f"{items} AND \"StructureItemType\" = 'CodePartValue'", structure)
            for (company, item), amount in _climbed(sums, {leaf: leaf[1] for leaf in leaves}, above).items():
                found[company, structure, item] = amount
    return found


def cost_centre_balances(database: Path) -> Balances:
    """By company and cost centre: the sum of Amount of the general ledger rows with it, or a centre below it, as CodeB.

    Cost centres are the values of code part B; a value is below its ParentValue.
    """
    with closing(connect(database)) as connection:
        values = 'SELECT "Company", "CodePartValue", "ParentValue" FROM "accounting_code_part_value" WHERE "CodePart" = \'B\''
        above = _above(connection, values)
        return _climbed(_sums(connection, "CodeB"), {value: value[1] for value in above}, above)


def attribute_balances(database: Path) -> Balances:
    """By company, attribute and value: the sum of Amount of the general ledger rows of the accounts that have it."""
    found: defaultdict[tuple[str, ...], Decimal] = defaultdict(Decimal)
    with closing(connect(database)) as connection:
        sums = _sums(connection, "Account")
        connections = connection.execute(
            'SELECT "Company", "Attribute", "AttributeValue", "CodePartValue" FROM "accounting_attribute_con" '
            "WHERE \"CodePart\" = 'A'"
        )
        for company, attribute, value, account in connections:
            found[company, attribute, value] += sums.get((company, account), Decimal())
    return dict(found)


def _sums(connection: sqlite3.Connection, column: str) -> Balances:
    """By company and value of a column of the general ledger: the sum of Amount."""
    sums: defaultdict[tuple[str, ...], Decimal] = defaultdict(Decimal)
    rows = connection.execute(f'SELECT "Company", "{column}", "Amount" FROM "gen_led_voucher_row"')  # noqa: S608 - our own facts
    for company, value, amount in rows:
        sums[company, value] += Decimal(amount)
    return sums


def _above(connection: sqlite3.Connection, query: str, *values: str) -> dict[tuple[str, str], str | None]:
    """By company and name: the name above it."""
    return {(company, name): above for company, name, above in connection.execute(query, values)}


def _climbed(
    sums: Mapping[tuple[str, ...], Decimal],
    places: Mapping[tuple[str, str], str | None],
    above: Mapping[tuple[str, str], str | None],
) -> Balances:
    """By company and name: the sums at and below it; ``places`` says at which name a value's own sum begins to climb."""
    found: Balances = {key: Decimal() for key in above}
    for (company, value), place in places.items():
        amount = sums.get((company, value), Decimal())
        name = place
        while name is not None:
            found[company, name] += amount
            name = above[company, name]
    return found
