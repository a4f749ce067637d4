"""The views in the warehouse show what the source shows: balances along hierarchies, and the three figures, to the cent."""

from decimal import Decimal

import pytest
from ifs_bi_sandbox.data import figures, rollups
from ifs_bi_sandbox.data.changes import a_day_of_business, apply
from ifs_bi_sandbox.data.projections import entity_set
from ifs_bi_sandbox.servers import Sandbox
from pipeline.commands import Pipeline
from pipeline.source import named, source_rows
from target_looker_warehouse.views.catalogue import KINDS, VIEWS

STREAMS = sorted({stream for view in VIEWS for stream in view.streams})
HIERARCHIES = [
    *STREAMS,
    "account_groups",
    "account_attributes",
    "account_attribute_values",
    "account_attribute_connections",
]

LEDGER = """
    SELECT "Company", "Account", "CodeB", "Amount" FROM all_journal_entries WHERE "Stage" = 'general_ledger'
"""
STRUCTURES = """
    SELECT c."Company", c."StructureId", c."AncestorNode", coalesce(sum(l."Amount"), 0) FROM gl_account_closure c
    LEFT JOIN ({ledger}) l ON l."Company" = c."Company" AND l."Account" = c."Account"
    GROUP BY 1, 2, 3
"""
ACCOUNT_GROUPS = """
    WITH RECURSIVE ledger AS ({ledger}), below("Company", top, node) AS (
        SELECT "Company", "AccntGroup", "AccntGroup" FROM account_groups
        UNION ALL
        SELECT g."Company", b.top, g."AccntGroup" FROM below b
        JOIN account_groups g ON g."Company" = b."Company" AND g."ParentGroup" = b.node)
    SELECT b."Company", b.top, coalesce(sum(l."Amount"), 0) FROM below b
    LEFT JOIN gl_accounts a ON a."Company" = b."Company" AND a."AccntGroup" = b.node
    LEFT JOIN ledger l ON l."Company" = a."Company" AND l."Account" = a."Account"
    GROUP BY 1, 2
"""
COST_CENTRES = """
    WITH RECURSIVE ledger AS ({ledger}), centres AS (SELECT * FROM cost_dimensions WHERE "CodePart" = 'B'),
    below("Company", top, node) AS (
        SELECT "Company", "CodePartValue", "CodePartValue" FROM centres
        UNION ALL
        SELECT c."Company", b.top, c."CodePartValue" FROM below b
        JOIN centres c ON c."Company" = b."Company" AND c."ParentValue" = b.node)
    SELECT b."Company", b.top, coalesce(sum(l."Amount"), 0) FROM below b
    LEFT JOIN ledger l ON l."Company" = b."Company" AND l."CodeB" = b.node
    GROUP BY 1, 2
"""
ATTRIBUTES = """
    WITH ledger AS ({ledger})
    SELECT c."Company", c."Attribute", c."AttributeValue", coalesce(sum(l."Amount"), 0)
    FROM account_attribute_connections c
    JOIN account_attribute_values v USING ("Company", "Attribute", "AttributeValue")
    JOIN account_attributes a USING ("Company", "Attribute")
    LEFT JOIN ledger l ON a."CodePart" = 'A' AND l."Company" = c."Company" AND l."Account" = c."CodePartValue"
    GROUP BY 1, 2, 3
"""
FIGURES = {
    "open_purchase_orders": """
        SELECT "SupplierNo", coalesce("SupplierName", ''), "CurrencyCode", sum("OpenAmount")
        FROM open_purchase_orders GROUP BY 1, 2, 3
    """,
    "outstanding_supplier_invoices": """
        SELECT substr(CAST("DueDate" AS VARCHAR(10)), 1, 7), "CurrencyCode", sum("OpenAmount")
        FROM outstanding_supplier_invoices GROUP BY 1, 2
    """,
    "month_to_date_spend": """
        SELECT "Company", "CostCentre", coalesce("CostCentreName", ''), sum("Amount")
        FROM spend_by_cost_centre
        WHERE "VoucherDate" BETWEEN date_trunc('month', DATE '{today}') AND DATE '{today}' GROUP BY 1, 2, 3
    """,
}


def account_structure_balances(database):
    """Those of the structures that accounts are arranged in; others arrange cost centres."""
    of_accounts = {key for key, row in source_rows(database, "account_structures").items() if row["CodePart"] == "A"}
    return {key: amount for key, amount in rollups.structure_balances(database).items() if key[:2] in of_accounts}


ROLLUPS = {
    "structures": (STRUCTURES, account_structure_balances),
    "account groups": (ACCOUNT_GROUPS, rollups.account_group_balances),
    "cost centres": (COST_CENTRES, rollups.cost_centre_balances),
    "attributes": (ATTRIBUTES, rollups.attribute_balances),
}


def balances(found):
    return {tuple(key): amount for *key, amount in found}


def assert_that_views_show_what_the_source_shows(database, ask):
    """Compare every roll-up and figure; returns what the figures are."""
    for name, (sql, compute) in ROLLUPS.items():
        assert balances(ask(sql.format(ledger=LEDGER))) == compute(database), name
    report = figures.report(database)
    for name, sql in FIGURES.items():
        assert balances(ask(sql.format(today=report["today"]))) == balances(report[name]), name
        assert report[name]
    invoices = source_rows(database, "ledger_items").values()
    owed = [i for i in invoices if i["PartyType"] == "Supplier" and i["FullCurrAmount"] != i["ClearedCurrAmount"]]
    in_base = sum((i["FullDomAmount"] - i["ClearedDomAmount"] for i in owed), Decimal())
    assert ask('SELECT sum("OpenAmountBase"), count(*) FROM outstanding_supplier_invoices') == [(in_base, len(owed))]
    waiting, posted = source_rows(database, "vouchers"), source_rows(database, "gl_voucher_rows")
    stages = ask('SELECT "Stage", count(*), sum("Amount") FROM all_journal_entries GROUP BY 1 ORDER BY 1')
    assert stages == [
        (stage, len(rows), sum((row["Amount"] for row in rows.values()), Decimal()))
        for stage, rows in [("general_ledger", posted), ("hold", waiting)]
        if rows
    ]
    return report


@pytest.fixture
def ledger(pipeline):
    """The pipeline with all that views read and hierarchies are made of."""
    pipeline.tap_settings["streams"] = HIERARCHIES
    return pipeline


def test_views_show_what_the_source_shows_before_and_after_a_day_of_business(ledger, query):
    reports = []
    for seed in (1, 2):
        ledger.pump()
        reports.append(assert_that_views_show_what_the_source_shows(ledger.box.world.database, query))
        a_day_of_business(ledger.box.world.database, seed)
    assert reports[0] != reports[1]


def test_views_in_postgresql_show_what_the_source_shows(tmp_path, postgres_url):
    import psycopg  # noqa: PLC0415 - the other tests of this file do without

    with Sandbox(scale=400, seed=5) as box:
        pipeline = Pipeline(box, tmp_path)
        pipeline.tap_settings["streams"] = HIERARCHIES
        pipeline.warehouse_settings["warehouse_url"] = postgres_url
        for seed in (1, 2):
            pipeline.pump()
            with psycopg.connect(postgres_url) as connection:
                assert_that_views_show_what_the_source_shows(
                    box.world.database, lambda sql: connection.execute(sql).fetchall()
                )
            a_day_of_business(box.world.database, seed)


def test_a_hierarchy_that_is_rearranged_at_the_source_is_rearranged_in_the_warehouse(ledger, query):
    ledger.pump()
    database = ledger.box.world.database
    change = {
        "action": "update",
        "table": "accounting_structure_item",
        "key": {"Company": "10", "StructureId": "MGMT", "StructureItem": "COST"},
        "values": {"ItemAbove": "RESULT", "LevelNo": 2},
    }
    apply(database, change)
    ledger.pump()
    found = balances(query(STRUCTURES.format(ledger=LEDGER)))
    assert found == account_structure_balances(database)
    assert found["10", "MGMT", "OPERATING"] == found["10", "MGMT", "GROSS MARGIN"]


def test_levels_hold_every_account_once_below_the_top_and_dimensions_every_other_value_with_name_and_validity(
    ledger, query
):
    ledger.pump()
    levels = query('SELECT "Company", "StructureId", "Account", "Depth", "Level1" FROM gl_account_levels')
    closure = query(
        'SELECT "Company", "StructureId", "Account", max("Distance"), arg_max("AncestorNode", "Distance") '
        "FROM gl_account_closure GROUP BY 1, 2, 3"
    )
    assert sorted(levels) == sorted(closure)
    assert {depth for *_, depth, _ in levels} == {2, 3, 4}

    assert query('SELECT DISTINCT "CodePart" FROM cost_dimensions ORDER BY 1') == [(letter,) for letter in "BCDEFGHIJ"]
    valid = query(
        'SELECT count(*) FILTER ("ValidFrom" < "ValidUntil"), count("CodePartName"), count(*) FROM cost_dimensions'
    )
    rows = len(source_rows(ledger.box.world.database, "code_part_values"))
    assert valid == [(rows, rows, rows)]


def test_what_views_read_is_what_ifs_cloud_has():
    for view in VIEWS:
        for source in (source for definition in view.definitions for source in definition.sources):
            entity = named(source.stream)
            sets = [entity_set(e.projection, e.entity_set) for e in map(named, dict(entity.stages).values())]
            sets = sets or [entity_set(entity.projection, entity.entity_set)]
            has = {prop.name: prop.type for each in sets for prop in each.properties} | {
                "Objstate": "Enum",
                "stage": "Enum",
            }
            assert {*source.needs, *source.may_lack} <= has.keys(), (view.name, source.stream)
            numbers = {name for name, kind in has.items() if kind == "Decimal"} & {*source.needs, *source.may_lack}
            assert {KINDS[name] for name in numbers} <= {"BIGINT", "DECIMAL"}
