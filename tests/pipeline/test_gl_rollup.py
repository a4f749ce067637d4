"""A roll-up in the warehouse equals the one at the source: along account groups, structures, cost centres and attributes."""

import pytest
from ifs_bi_sandbox.data import rollups
from ifs_bi_sandbox.data.changes import a_day_of_business, apply

STREAMS = [
    "gl_accounts",
    "account_groups",
    "account_attributes",
    "account_attribute_values",
    "account_attribute_connections",
    "account_structures",
    "account_structure_items",
    "code_parts",
    "code_part_values",
    "gl_voucher_rows",
    "journal_entries",
]

LEDGER = """
    SELECT "Company", "Account", "CodeB", "Amount" FROM {ledger} WHERE "_sdc_deleted_at" IS NULL
"""
LEDGERS = ("gl_voucher_rows", "(SELECT * FROM journal_entries WHERE stage = 'general_ledger')")

ACCOUNT_GROUPS = """
    WITH RECURSIVE ledger AS ({ledger}), below("Company", top, node) AS (
        SELECT "Company", "AccntGroup", "AccntGroup" FROM account_groups
        UNION ALL
        SELECT g."Company", b.top, g."AccntGroup" FROM below b
        JOIN account_groups g ON g."Company" = b."Company" AND g."ParentGroup" = b.node)
    SELECT b."Company", b.top, coalesce(sum(l."Amount"), 0) FROM below b
    LEFT JOIN gl_accounts a ON a."Company" = b."Company" AND a."AccntGroup" = b.node
    LEFT JOIN ledger l ON l."Company" = a."Company" AND l."Account" = a."Account"
    GROUP BY ALL
"""
STRUCTURES = """
    WITH RECURSIVE ledger AS ({ledger}), below("Company", structure, top, node, kind) AS (
        SELECT "Company", "StructureId", "StructureItem", "StructureItem", "StructureItemType" FROM account_structure_items
        UNION ALL
        SELECT i."Company", i."StructureId", b.top, i."StructureItem", i."StructureItemType" FROM below b
        JOIN account_structure_items i
        ON i."Company" = b."Company" AND i."StructureId" = b.structure AND i."ItemAbove" = b.node)
    SELECT b."Company", b.structure, b.top, coalesce(sum(l."Amount"), 0) FROM below b
    JOIN account_structures s ON s."Company" = b."Company" AND s."StructureId" = b.structure
    LEFT JOIN ledger l ON b.kind = 'CodePartValue' AND l."Company" = b."Company"
    AND b.node = CASE s."CodePart" WHEN 'A' THEN l."Account" WHEN 'B' THEN l."CodeB" END
    GROUP BY ALL
"""
COST_CENTRES = """
    WITH RECURSIVE ledger AS ({ledger}), centres AS (SELECT * FROM code_part_values WHERE "CodePart" = 'B'),
    below("Company", top, node) AS (
        SELECT "Company", "CodePartValue", "CodePartValue" FROM centres
        UNION ALL
        SELECT c."Company", b.top, c."CodePartValue" FROM below b
        JOIN centres c ON c."Company" = b."Company" AND c."ParentValue" = b.node)
    SELECT b."Company", b.top, coalesce(sum(l."Amount"), 0) FROM below b
    LEFT JOIN ledger l ON l."Company" = b."Company" AND l."CodeB" = b.node
    GROUP BY ALL
"""
ATTRIBUTES = """
    WITH ledger AS ({ledger})
    SELECT c."Company", c."Attribute", c."AttributeValue", coalesce(sum(l."Amount"), 0)
    FROM account_attribute_connections c
    JOIN account_attribute_values v USING ("Company", "Attribute", "AttributeValue")
    JOIN account_attributes a USING ("Company", "Attribute")
    LEFT JOIN ledger l ON a."CodePart" = 'A' AND l."Company" = c."Company" AND l."Account" = c."CodePartValue"
    GROUP BY ALL
"""
ROLLUPS = {
    "account groups": (ACCOUNT_GROUPS, rollups.account_group_balances),
    "structures": (STRUCTURES, rollups.structure_balances),
    "cost centres": (COST_CENTRES, rollups.cost_centre_balances),
    "attributes": (ATTRIBUTES, rollups.attribute_balances),
}


@pytest.mark.parametrize("ledger", LEDGERS, ids=["general ledger", "journal entries"])
def test_every_rollup_equals_the_source_s_before_and_after_a_day_of_business(pipeline, query, ledger):
    pipeline.tap_settings["streams"] = STREAMS
    before = None
    for seed in (1, 2):
        pipeline.pump()
        database = pipeline.box.world.database
        expected = {name: compute(database) for name, (_, compute) in ROLLUPS.items()}
        for name, (sql, _) in ROLLUPS.items():
            found = query(sql.format(ledger=LEDGER.format(ledger=ledger)))
            assert {tuple(key): amount for *key, amount in found} == expected[name], name
        assert expected != before
        before = expected
        a_day_of_business(database, seed)


def test_a_hierarchy_that_is_rearranged_at_the_source_is_rearranged_in_the_warehouse(pipeline, query):
    pipeline.tap_settings["streams"] = STREAMS
    pipeline.pump()
    database = pipeline.box.world.database
    change = {
        "action": "update",
        "table": "accounting_structure_item",
        "key": {"Company": "10", "StructureId": "MGMT", "StructureItem": "COST"},
        "values": {"ItemAbove": "RESULT", "LevelNo": 2},
    }
    apply(database, change)
    pipeline.pump()
    found = query(STRUCTURES.format(ledger=LEDGER.format(ledger="gl_voucher_rows")))
    balances = {tuple(key): amount for *key, amount in found}
    assert balances == rollups.structure_balances(database)
    assert balances["10", "MGMT", "OPERATING"] == balances["10", "MGMT", "GROSS MARGIN"]


def test_values_of_all_code_parts_come_with_their_validity_and_their_parents(pipeline, query):
    pipeline.tap_settings["streams"] = STREAMS
    pipeline.pump()
    letters = query('SELECT DISTINCT "CodePart" FROM code_part_values ORDER BY 1')
    assert [letter for (letter,) in letters] == list("BCDEFGHIJ")
    assert query('SELECT min("CodePart"), max("CodePart"), count(*) FROM code_parts') == [("A", "J", 20)]
    ((valid, rows, of_type),) = query(
        'SELECT count(*) FILTER ("ValidFrom" < "ValidUntil"), count(*), any_value(typeof("ValidFrom")) FROM code_part_values'
    )
    assert valid == rows > 0
    assert of_type == "DATE"
