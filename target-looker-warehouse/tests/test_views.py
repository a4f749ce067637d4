"""The views of a warehouse as runs make and keep them: what is in them, and whose they are."""

from datetime import UTC, date, datetime, timedelta
from decimal import Decimal

import pytest
from ifs_bi_core.columnar.columns import Kind
from singer_lines import INTEGER, MONEY, STRING
from target_looker_warehouse.views.catalogue import VIEWS
from view_rows import all_streams, lines

ORDER = {"OrderNo": "1", "Company": "10"}
LINE = {"OrderNo": "1", "NetAmtCurr": 10.25}


def seen(box, view, *columns):
    """The rows of a view in the order of their text."""
    names = ", ".join(f'"{column}"' for column in columns)
    return sorted(box.query(f"SELECT {names} FROM {box.place(view)}"), key=repr)


def standing(box):
    """The names of the views that there are."""
    return {view.name for view in VIEWS if box.types(view.name)}


def item(name, above, kind="Node", **more):
    return {"StructureItem": name, "ItemAbove": above, "StructureItemType": kind, "Description": name.lower(), **more}


def tree(*items):
    return [*lines("account_structures", {}), *lines("account_structure_items", *items)]


def test_every_view_has_the_columns_that_the_catalogue_tells(box):
    box.feed(*all_streams())
    for view in VIEWS:
        types = box.types(view.name)
        assert list(types) == [column.name for column in view.columns], view.name
        for column in view.columns:
            kind = box.dialect.column_type(types[column.name])
            if column.kind is Kind.DECIMAL and kind is None:
                assert types[column.name] == "numeric"  # of PostgreSQL: a sum has as many digits as it takes
            elif column.kind is not Kind.INTEGER:  # a small one is an integer too
                assert kind is not None
                assert kind.kind is column.kind, column


def test_a_view_is_left_out_until_all_its_tables_stand(box, caplog):
    caplog.set_level("INFO", "target-looker-warehouse")
    box.feed(*lines("purchase_order_lines", LINE))
    assert standing(box) == set()
    assert "The view open_purchase_orders is left out: there is no table 'purchase_orders'" in caplog.text
    box.feed(*lines("purchase_orders", ORDER))
    assert standing(box) == {"open_purchase_orders"}
    assert seen(box, "open_purchase_orders", "OrderNo", "SupplierName", "OpenAmount") == [("1", None, Decimal("10.25"))]


def test_a_table_that_only_names_things_adds_its_names_when_it_comes(box):
    box.feed(*lines("purchase_order_lines", LINE), *lines("purchase_orders", ORDER))
    box.feed(*lines("suppliers", {"SupplierId": "V1", "Name": "Åkerlund"}))
    assert seen(box, "open_purchase_orders", "SupplierName") == [("Åkerlund",)]


def test_a_row_that_is_marked_as_deleted_never_counts(box):
    gone = {"OrderNo": "2", "_sdc_deleted_at": "2026-11-01T00:00:00Z"}
    box.feed(
        *lines("purchase_order_lines", LINE, {"OrderNo": "2", "NetAmtCurr": 1}), *lines("purchase_orders", ORDER, gone)
    )
    assert seen(box, "open_purchase_orders", "OrderNo") == [("1",)]


def test_what_is_closed_cancelled_or_only_planned_is_not_open(box):
    orders = [
        {"OrderNo": str(number), "Objstate": state} for number, state in enumerate(["Released", "Closed", "Planned"])
    ]
    states = ["Released", "Closed", "Cancelled", "Planned"]
    rows = [
        {"OrderNo": str(number), "LineNo": str(line), "Objstate": state, "NetAmtCurr": 1}
        for number in range(3)
        for line, state in enumerate(states)
    ]
    box.feed(*lines("purchase_orders", *orders), *lines("purchase_order_lines", *rows))
    assert seen(box, "open_purchase_orders", "OrderNo", "LineNo") == [("0", "0"), ("0", "3")]


def test_a_view_or_table_of_somebody_else_stays_as_it_is(box, caplog):
    box.feed(*lines("suppliers", {"SupplierId": "V1", "Name": "Åkerlund"}))
    box.run(f"CREATE VIEW {box.place('open_purchase_orders')} AS SELECT 1 AS mine")
    box.run(f"CREATE TABLE {box.place('cost_dimensions')} (mine INTEGER)")
    for _ in range(2):
        box.feed(*all_streams())
        assert list(box.types("open_purchase_orders")) == list(box.types("cost_dimensions")) == ["mine"]
    assert (
        "There is a view or table 'open_purchase_orders' that this target did not make. It stays as it is"
        in caplog.text
    )
    box.run(f"DROP VIEW {box.place('open_purchase_orders')}")
    box.feed(*all_streams())
    assert "OpenAmount" in box.types("open_purchase_orders")


def test_no_view_is_made_where_none_is_wanted_or_rows_stand_more_than_once(box):
    box.feed(*all_streams(), views=False)
    box.feed(*all_streams(), load_method="append-only")
    assert standing(box) == set()


def test_a_run_that_changes_no_table_leaves_the_views_alone(box):
    box.feed(*all_streams())
    box.run(f"DROP VIEW {box.place('cost_dimensions')}")
    box.feed(*all_streams(), *lines("suppliers", {"SupplierId": "V1"}))
    assert not box.types("cost_dimensions")
    box.feed(*lines("code_parts", without=("CodeName",)), *lines("code_parts", Another=STRING))
    assert not box.types("cost_dimensions")


def test_an_overwritten_table_shows_its_new_rows(box):
    box.feed(*lines("purchase_orders", ORDER), *lines("purchase_order_lines", LINE), load_method="overwrite")
    box.feed(*lines("purchase_order_lines", LINE | {"NetAmtCurr": 7}), load_method="overwrite")
    assert seen(box, "open_purchase_orders", "OpenAmount") == [(Decimal("7.00"),)]


def test_a_column_under_a_view_is_widened_and_every_digit_can_be_seen(box):
    narrow = MONEY | {"precision": 6}
    box.feed(*lines("purchase_orders", ORDER), *lines("purchase_order_lines", LINE, NetAmtCurr=narrow))
    big = {"OrderNo": "1", "LineNo": "2", "NetAmtCurr": 123456789012.34}
    box.feed(*lines("purchase_order_lines", big))
    assert [amount for (amount,) in seen(box, "open_purchase_orders", "OpenAmount")] == [
        Decimal("10.25"),
        Decimal("123456789012.34"),
    ]


def test_a_property_that_is_new_to_a_table_is_new_to_its_view(box):
    box.feed(*lines("purchase_orders", ORDER), *lines("purchase_order_lines", LINE, without=("NetAmtBase",)))
    assert seen(box, "open_purchase_orders", "OpenAmountBase") == [(None,)]
    box.feed(*lines("purchase_order_lines", LINE | {"NetAmtBase": 99.5}))
    assert seen(box, "open_purchase_orders", "OpenAmountBase") == [(Decimal("99.50"),)]


def test_values_that_are_spread_over_two_columns_come_together(box):
    narrow = {"type": ["integer", "null"]}
    box.feed(*lines("gl_voucher_rows", {"CodeB": 7, "Amount": 1}, CodeB=narrow), *lines("gl_accounts", {}))
    box.feed(*lines("gl_voucher_rows", {"RowNo": 2, "CodeB": "A7", "Amount": 2}))
    assert [name for name in box.types("gl_voucher_rows") if name.startswith("CodeB")] == ["CodeB", "CodeB_v2"]
    assert seen(box, "spend_by_cost_centre", "CostCentre", "Amount") == [
        ("7", Decimal("1.00")),
        ("A7", Decimal("2.00")),
    ]


def test_an_amount_that_is_a_text_is_not_added_up(box, caplog):
    caplog.set_level("INFO", "target-looker-warehouse")
    box.feed(*lines("purchase_orders", ORDER), *lines("purchase_order_lines", {"OrderNo": "1"}, NetAmtCurr=STRING))
    assert "open_purchase_orders" not in standing(box)
    assert "there is no column \"NetAmtCurr\" of table 'purchase_order_lines' that holds DECIMAL values" in caplog.text


def test_names_are_in_the_case_that_the_settings_ask_for(box):
    box.feed(*lines("purchase_orders", ORDER), *lines("purchase_order_lines", LINE), identifier_case="upper")
    assert "OPENAMOUNT" in box.types("OPEN_PURCHASE_ORDERS")
    assert seen(box, "OPEN_PURCHASE_ORDERS", "ORDERNO", "OPENAMOUNT") == [("1", Decimal("10.25"))]


def test_an_account_is_below_all_that_is_above_it_and_the_lowest_node_fills_the_levels_below(box):
    box.feed(
        *tree(
            item("TOP", None),
            item("MIDDLE", "TOP"),
            item("1000", "MIDDLE", "CodePartValue"),
            item("2000", "TOP", "CodePartValue"),
            item("3000", None, "CodePartValue"),
        ),
        *lines("gl_accounts", {"Account": "1000", "Description": "Cash"}),
    )
    above = seen(box, "gl_account_closure", "Account", "AncestorNode", "AncestorDescription", "Distance")
    assert above == [
        ("1000", "1000", "Cash", 0),
        ("1000", "MIDDLE", "middle", 1),
        ("1000", "TOP", "top", 2),
        ("2000", "2000", "2000", 0),
        ("2000", "TOP", "top", 1),
        ("3000", "3000", "3000", 0),
    ]
    levels = ["Account", "AccountDescription", "Level1", "Level2", "Level3Description", "Level10", "Depth"]
    assert seen(box, "gl_account_levels", *levels) == [
        ("1000", "Cash", "TOP", "MIDDLE", "middle", "MIDDLE", 2),
        ("2000", "2000", "TOP", "TOP", "top", "TOP", 1),
        ("3000", "3000", "3000", "3000", "3000", "3000", 0),
    ]


def test_a_hierarchy_deeper_than_ten_keeps_its_ten_levels_from_the_top(box):
    names = [f"N{number:02}" for number in range(1, 13)]
    nodes = [item(name, above) for name, above in zip(names, [None, *names], strict=False)]
    box.feed(*tree(*nodes, item("1000", "N12", "CodePartValue")))
    assert seen(box, "gl_account_levels", "Level1", "Level10", "Depth") == [("N01", "N10", 12)]
    assert len(seen(box, "gl_account_closure", "AncestorNode")) == 13


def test_the_same_names_in_two_companies_and_two_structures_are_different_nodes(box):
    places = [("10", "S"), ("10", "T"), ("20", "S")]
    rows = [
        item(name, above, kind, Company=company, StructureId=structure, Description=f"{company} {structure}")
        for company, structure in places
        for name, above, kind in [("TOP", None, "Node"), ("1000", "TOP", "CodePartValue")]
    ]
    heads = [{"Company": company, "StructureId": structure} for company, structure in places]
    box.feed(*lines("account_structures", *heads), *lines("account_structure_items", *rows))
    found = seen(box, "gl_account_levels", "Company", "StructureId", "Level1Description")
    assert found == [("10", "S", "10 S"), ("10", "T", "10 T"), ("20", "S", "20 S")]


def test_a_structure_of_cost_centres_is_no_structure_of_accounts(box):
    box.feed(
        *lines("account_structures", {"CodePart": "B"}),
        *lines("account_structure_items", item("100", None, "CodePartValue")),
    )
    assert seen(box, "gl_account_closure", "Account") == []


def test_an_invoice_is_in_the_bucket_of_the_days_since_it_was_due(box):
    today = datetime.now(UTC).date()
    days = [-1, 0, 1, 30, 31, 60, 61, 90, 91, 4000]
    items = [
        {"LedgerItemId": str(late), "FullCurrAmount": 5, "DueDate": (today - timedelta(late)).isoformat()}
        for late in days
    ]
    paid = {"LedgerItemId": "paid", "FullCurrAmount": 5, "ClearedCurrAmount": 5, "DueDate": "2026-01-01"}
    box.feed(*lines("ledger_items", *items, paid, paid | {"PartyType": "Customer", "ClearedCurrAmount": 0}))
    view = box.place("outstanding_supplier_invoices")
    found = box.query(f'SELECT "DueDate", "DaysOverdue", "AgeingBucket", CURRENT_DATE FROM {view}')
    assert len(found) == len(days)
    for due, late, bucket, now in found:
        assert (late, bucket) == (max(0, (now - due).days), bucket_of((now - due).days))


def bucket_of(late):
    for most, bucket in [(0, "not due"), (30, "1-30"), (60, "31-60"), (90, "61-90")]:
        if late <= most:
            return bucket
    return "over 90"


def test_an_invoice_has_its_own_number_or_else_its_ledger_item_s(box):
    items = [
        {
            "LedgerItemId": name,
            "InvoiceId": number,
            "FullCurrAmount": 9.5,
            "ClearedCurrAmount": 4.25,
            "DueDate": "2026-01-01",
        }
        for name, number in [("A", 1), ("B", 2)]
    ]
    box.feed(*lines("ledger_items", *items), *lines("supplier_invoices", {"InvoiceId": 1, "InvoiceNo": "RE 1"}))
    found = seen(box, "outstanding_supplier_invoices", "InvoiceNo", "OpenAmount", "OpenAmountBase")
    assert found == [("B", Decimal("5.25"), None), ("RE 1", Decimal("5.25"), None)]


def test_a_voucher_row_that_is_in_both_stages_is_in_the_general_ledger(box):
    box.feed(
        *lines("gl_voucher_rows", {"RowNo": 1, "Amount": 1}, {"RowNo": 2, "Amount": 2}),
        *lines("vouchers", {"RowNo": 2, "Amount": 2}, {"RowNo": 3, "Amount": 3}),
    )
    found = seen(box, "all_journal_entries", "RowNo", "Stage", "Amount")
    assert [(row, stage, str(amount)) for row, stage, amount in found] == [
        (1, "general_ledger", "1.00"),
        (2, "general_ledger", "2.00"),
        (3, "hold", "3.00"),
    ]


def test_the_stream_of_journal_entries_goes_before_its_stages(box):
    box.feed(*lines("gl_voucher_rows", {"Amount": 1}), *lines("vouchers", {"RowNo": 2, "Amount": 2}))
    box.feed(*lines("journal_entries", {"RowNo": 9, "stage": "hold", "Amount": 9}))
    assert seen(box, "all_journal_entries", "RowNo", "Stage") == [(9, "hold")]


def test_spend_is_what_the_general_ledger_has_on_cost_accounts(box):
    box.feed(
        *lines(
            "gl_accounts", {}, {"Account": "3010", "AccntType": "Revenues"}, {"Company": "20", "AccntType": "Assets"}
        ),
        *lines(
            "gl_voucher_rows",
            {"RowNo": 1, "CodeB": "100", "Amount": 0.1},
            {"RowNo": 2, "CodeB": "100", "Amount": 0.2},
            {"RowNo": 3, "Amount": 5},
            {"RowNo": 4, "CodeB": "100", "Account": "3010", "Amount": 7},
            {"Company": "20", "Amount": 11},
        ),
        *lines("code_part_values", {"CodePart": "B", "CodePartValue": "100", "Description": "Plant"}),
        *lines("companies", {"CurrencyCode": "SEK"}),
    )
    found = seen(box, "spend_by_cost_centre", "CostCentre", "CostCentreName", "VoucherDate", "CurrencyCode", "Amount")
    assert found == [
        ("", None, date(2026, 11, 1), "SEK", Decimal("5.00")),
        ("100", "Plant", date(2026, 11, 1), "SEK", Decimal("0.30")),
    ]


def test_who_may_read_a_view_may_read_it_after_a_column_was_widened(postgres_box, postgres):
    box, narrow = postgres_box, MONEY | {"precision": 6}
    box.feed(*lines("purchase_orders", ORDER), *lines("purchase_order_lines", LINE, NetAmtCurr=narrow))
    with postgres.admin() as admin:
        admin.execute('DROP ROLE IF EXISTS "Looker reads"')
        admin.execute('CREATE ROLE "Looker reads"')
    box.run('GRANT SELECT ON open_purchase_orders TO "Looker reads", PUBLIC')
    box.feed(*lines("purchase_order_lines"))
    allowed = box.query("SELECT has_table_privilege('Looker reads', 'open_purchase_orders', 'SELECT')")
    assert allowed == [(True,)]
    assert box.types("open_purchase_orders")["OpenAmount"] == "numeric(38,2)"


@pytest.mark.parametrize("spelled", ["integer", "string"])
def test_a_year_is_a_whole_number_however_it_was_announced(duckdb_box, spelled):
    year = MONEY if spelled == "integer" else INTEGER
    duckdb_box.feed(*lines("gl_voucher_rows", {"Amount": 1}, AccountingYear=year), *lines("gl_accounts", {}))
    assert seen(duckdb_box, "spend_by_cost_centre", "AccountingYear") == [(2026,)]
