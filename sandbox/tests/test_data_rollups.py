"""Balances climb every hierarchy: nothing is lost or counted twice on the way to the top."""

import sqlite3
from collections import defaultdict
from contextlib import closing
from decimal import Decimal

import pytest
from ifs_bi_sandbox.data import rollups
from ifs_bi_sandbox.data.business import chart, structures
from ifs_bi_sandbox.data.generate import generate


@pytest.fixture(scope="module")
def database(tmp_path_factory):
    path = tmp_path_factory.mktemp("rollups") / "group.db"
    generate(path, scale=2000, seed=7)
    return path


@pytest.fixture(scope="module")
def ledger(database):
    """Company, account, cost centre and amount of every row of the general ledger."""
    with closing(sqlite3.connect(database)) as connection:
        rows = connection.execute('SELECT "Company", "Account", "CodeB", "Amount" FROM "gen_led_voucher_row"')
        return [(company, account, centre, Decimal(amount)) for company, account, centre, amount in rows]


def total(ledger, accounts=None, centres=None):
    sums = defaultdict(Decimal)
    for company, account, centre, amount in ledger:
        if (accounts is None or account in accounts) and (centres is None or centre in centres):
            sums[company] += amount
    return sums


def test_account_groups_hold_what_their_accounts_hold(database, ledger):
    balances = rollups.account_group_balances(database)
    profit = {account for account, _, kind, _ in chart.ACCOUNTS if kind in {"Revenues", "Cost"}}
    for company in ("10", "20"):
        assert balances[company, "P&L"] == total(ledger, profit)[company] != 0
        assert balances[company, "BS"] + balances[company, "P&L"] == 0  # every voucher sums to zero


def test_a_structure_holds_at_its_top_what_its_leaves_hold(database, ledger):
    balances = rollups.structure_balances(database)
    leaves = {account for *_, accounts in structures.NODES for account in accounts}
    for company in ("10", "20"):
        assert balances[company, structures.MANAGEMENT, "RESULT"] == total(ledger, leaves)[company]
        assert balances[company, structures.MANAGEMENT, "REVENUE"] == total(ledger, {"3010", "3040"})[company] != 0
        parts = [balances[company, structures.MANAGEMENT, node] for node in ("REVENUE", "MATERIAL")]
        assert balances[company, structures.MANAGEMENT, "GROSS MARGIN"] == sum(parts)


def test_the_first_cost_centre_stands_above_all_others(database, ledger):
    balances = rollups.cost_centre_balances(database)
    organisation = rollups.structure_balances(database)
    for company in ("10", "20"):
        everywhere = total([row for row in ledger if row[2] is not None])[company]
        assert balances[company, "110"] == everywhere == organisation[company, structures.COST_CENTRES, "HEAD"] != 0
        assert balances[company, "120"] == total(ledger, centres={"120"})[company]


def test_attributes_part_the_accounts_that_have_them(database, ledger):
    balances = rollups.attribute_balances(database)
    for company in ("10", "20"):
        assert balances[company, "TAX", "BOX 48"] == total(ledger, {chart.TAX_IN})[company]
        assert balances[company, "NATURE", "OPERATING"] != 0


def test_every_item_hangs_on_a_node_of_its_structure(database):
    with closing(sqlite3.connect(database)) as connection:
        rows = connection.execute(
            'SELECT "Company", "StructureId", "StructureItem", "StructureItemType", "ItemAbove", "LevelNo" '
            'FROM "accounting_structure_item"'
        ).fetchall()
    level = {(company, structure, item): level for company, structure, item, kind, _, level in rows if kind == "Node"}
    for company, structure, _, _, above, depth in rows:
        assert depth == (1 if above is None else level[company, structure, above] + 1)
    assert {depth for *_, depth in rows} >= {1, 2, 3, 4, 5}
