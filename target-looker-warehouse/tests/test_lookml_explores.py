"""Which views are joined and how, which caches a load renews, what the dashboard shows."""

import pytest
import yaml
from lookml_projects import MONEY, NUMBER, ORDERS, PURCHASING, SUPPLIERS, TEXT, explores_of, made, trees, views_of
from target_looker_warehouse.dialects.bigquery import BIGQUERY
from target_looker_warehouse.lookml.dashboard import TILES
from target_looker_warehouse.lookml.facts import AREAS
from target_looker_warehouse.lookml.references import REFERENCES
from target_looker_warehouse.lookml.schemas import Schema
from target_looker_warehouse.views.catalogue import VIEWS

STRUCTURES = (
    Schema("account_structures", {"Company": TEXT, "StructureId": TEXT, "CodePart": TEXT}, ("Company", "StructureId")),
    Schema(
        "account_structure_items",
        dict.fromkeys(
            ("Company", "StructureId", "StructureItem", "StructureItemType", "Description", "ItemAbove"), TEXT
        ),
        ("Company", "StructureId", "StructureItem"),
    ),
    Schema("gl_accounts", {"Company": TEXT, "Account": TEXT, "Description": TEXT}, ("Company", "Account")),
)
LEDGER = Schema(
    "gl_voucher_rows",
    {
        "Company": TEXT,
        "VoucherNo": NUMBER,
        "RowNo": NUMBER,
        "Account": TEXT,
        "CodeB": TEXT,
        "Amount": MONEY,
    },
    ("Company", "VoucherNo", "RowNo"),
)
VALUES = Schema(
    "code_part_values",
    {"Company": TEXT, "CodePart": TEXT, "CodePartValue": TEXT, "Description": TEXT},
    ("Company", "CodePart", "CodePartValue"),
)


def joins(explore, *schemas):
    return {join["name"]: join for join in explores_of(made(*schemas))[explore].get("joins", ())}


def test_an_order_belongs_to_a_supplier_and_a_line_to_both():
    found = joins("purchase_order_lines", *PURCHASING)
    assert list(found) == ["purchase_orders", "suppliers"]
    assert {(one["relationship"], one["type"]) for one in found.values()} == {("many_to_one", "left_outer")}
    assert found["suppliers"]["sql_on"] == "${purchase_order_lines.vendor_no} = ${suppliers.supplier_id}" or (
        found["suppliers"]["sql_on"] == "${purchase_orders.vendor_no} = ${suppliers.supplier_id}"
    )


def test_what_is_not_loaded_is_not_joined():
    assert joins("purchase_orders", ORDERS) == {}


@pytest.mark.parametrize(
    "suppliers",
    [
        Schema("suppliers", {"SupplierId": NUMBER, "Name": TEXT}, ("SupplierId",)),  # of another type
        Schema("suppliers", {"SupplierId": TEXT, "Site": TEXT}, ("SupplierId", "Site")),  # half a key
        Schema("suppliers", {"Id": TEXT}, ("Id",)),  # without the property
    ],
)
def test_a_join_that_would_not_be_to_one_row_is_left_out(suppliers):
    assert joins("purchase_orders", ORDERS, suppliers) == {}


def test_a_code_part_is_joined_under_its_own_name_with_its_letter():
    join = joins("gl_voucher_rows", LEDGER, VALUES)["code_part_b"]
    assert (join["from"], join["view_label"]) == ("code_part_values", "Code part B")
    assert join["sql_on"] == (
        "${gl_voucher_rows.company} = ${code_part_b.company} AND ${gl_voucher_rows.code_b} = ${code_part_b.code_part_value} "
        "AND ${code_part_b.code_part} = 'B'"
    )


def test_the_hierarchy_drills_from_each_level_to_the_next_and_at_last_to_the_account():
    levels = {one["name"]: one for one in views_of(made(*STRUCTURES))["gl_account_levels"]["dimensions"]}
    assert levels["level1"]["drill_fields"] == ["level2", "level2_description"]
    assert levels["level9_description"]["drill_fields"] == ["level10", "level10_description"]
    assert levels["level10"]["drill_fields"] == ["account", "account_description"]
    assert all(levels[f"level{number}"]["required_fields"] == ["structure_id"] for number in range(1, 11))


def test_accounts_may_stand_in_several_structures_and_so_their_levels_are_no_single_row():
    found = joins("gl_voucher_rows", LEDGER, *STRUCTURES)
    assert found["gl_account_levels"]["relationship"] == "many_to_many"
    assert found["gl_accounts"]["relationship"] == "many_to_one"


def test_rows_that_are_gone_at_the_source_do_not_count_and_names_stay():
    explore = explores_of(made(*PURCHASING))["purchase_orders"]
    assert explore["sql_always_where"] == "${purchase_orders.sdc_deleted_raw} IS NULL"
    assert not any("sdc_deleted" in join["sql_on"] for join in explore["joins"])


def test_a_datagroup_asks_for_loads_of_what_its_explores_show():
    model = trees(made(*PURCHASING))["ifs_cloud.model.lkml"]
    [group] = model["datagroups"]
    assert group["name"] == "purchasing_loads"
    assert group["sql_trigger"] == (
        'SELECT MAX("loaded_at") FROM "@{warehouse_schema}"."_ifs_loads" '
        "WHERE \"stream\" IN ('purchase_order_lines', 'purchase_orders', 'suppliers')"
    )
    ticks = trees(made(SUPPLIERS, dialect=BIGQUERY))["ifs_cloud.model.lkml"]["datagroups"][0]["sql_trigger"]
    assert ticks.startswith("SELECT MAX(`loaded_at`) FROM `@{warehouse_schema}`.`_ifs_loads` WHERE `stream`")


def test_a_stream_whose_name_would_break_a_literal_is_not_named():
    model = trees(made(Schema("o'hara", {"a": TEXT}, ("a",))))["ifs_cloud.model.lkml"]
    assert model["datagroups"][0]["sql_trigger"] == 'SELECT MAX("loaded_at") FROM "@{warehouse_schema}"."_ifs_loads"'


def test_the_dashboard_has_the_tiles_whose_views_are_there():
    project = made(*PURCHASING, model="erp")
    [dashboard] = yaml.safe_load(project.files["dashboards/_generated/erp.dashboard.lookml"])
    [tile] = dashboard["elements"]
    assert (tile["title"], tile["model"], tile["explore"]) == (
        "Open purchase orders by supplier",
        "erp",
        "open_purchase_orders",
    )
    assert tile["fields"][-1] == "open_purchase_orders.sum_of_open_amount"
    assert not any("dashboard" in path for path in made(SUPPLIERS).files)


def test_without_roll_up_views_there_are_none_in_lookml():
    assert "open_purchase_orders" in views_of(made(*PURCHASING))
    assert set(views_of(made(*PURCHASING, roll_ups=frozenset()))) == {stream.stream for stream in PURCHASING}


def test_facts_are_about_streams_and_views_that_have_an_area():
    named = {one for areas in AREAS.values() for one in areas}
    assert {name for one in REFERENCES for name in (one.origin, one.to)} <= named
    assert {view.name for view in VIEWS} <= named
    assert {tile.relation for tile in TILES} <= {view.name for view in VIEWS}
    assert sum(map(len, AREAS.values())) == len(named)
