"""What columns become in LookML: names, types, keys, sums."""

import duckdb
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from lookml_projects import DAY, INSTANT, LINES, MONEY, NUMBER, ORDERS, PURCHASING, TEXT, made, view, views_of
from target_looker_warehouse.dialects.bigquery import BIGQUERY
from target_looker_warehouse.dialects.snowflake import SNOWFLAKE
from target_looker_warehouse.lookml.naming import expressible, label, lookml_name
from target_looker_warehouse.lookml.schemas import Schema


@pytest.mark.parametrize(
    ("source", "name"),
    [
        ("NetAmtCurr", "net_amt_curr"),
        ("B2bOrderDb", "b2b_order_db"),
        ("Cf_BiRegion", "cf_bi_region"),
        ("_ifs_etag", "ifs_etag"),
        ("LastPeriodicWADate", "last_periodic_wa_date"),
        ("1st", "f_1st"),
        ("Zürich", "zurich"),
        ("名", "f_51a5d681"),
    ],
)
def test_a_name_is_in_lower_case_with_its_words_apart(source, name):
    assert lookml_name(source) == name


def test_a_label_spells_out_what_ifs_cloud_abbreviates():
    assert [label(name) for name in ("NetAmtCurr", "VoucherNo", "PayTermId", "VATCode")] == [
        "Net amount currency",
        "Voucher no.",
        "Pay term ID",
        "VAT code",
    ]


def test_a_name_that_looker_would_take_for_its_own_language_is_left_out_and_told():
    odd = Schema("odd", {"ok": TEXT, "a;;b": TEXT, "${c}": TEXT, "{{d}}": TEXT, "@{e}": TEXT}, ())
    project = made(odd)
    assert set(view("odd", odd)) == {"ok", "count"}
    assert len(project.left_out) == 4
    assert not expressible("{% if %}")


def test_a_single_key_is_the_primary_key_itself():
    fields = view("purchase_orders", ORDERS)
    assert fields["order_no"]["primary_key"] == "yes"
    assert "primary_key" not in fields


def test_a_stream_without_a_key_has_no_primary_key():
    fields = view("entries", Schema("entries", {"a": TEXT}, ()))
    assert not any("primary_key" in field for field in fields.values())


def test_a_date_stays_on_its_day_and_a_timestamp_moves_to_the_readers_zone():
    day = view("purchase_order_lines", LINES)["wanted_delivery_date"]
    instant = view("purchase_orders", ORDERS)["order"]
    assert (day["convert_tz"], day["datatype"]) == ("no", "date")
    assert ("time" in day["timeframes"], "time" in instant["timeframes"]) == (False, True)
    assert (instant.get("convert_tz"), instant["datatype"]) == (None, "timestamp")


def test_a_group_gives_way_to_a_dimension_of_the_same_name():
    fields = view("purchase_order_lines", LINES)
    assert fields["wanted_delivery_week"]["type"] == "number"
    assert "wanted_delivery" not in fields  # its week would have been the other one's name
    alone = view("due", Schema("due", {"WantedDeliveryDate": DAY}, ()))
    assert alone["wanted_delivery"]["type"] == "time"


def test_technical_columns_are_hidden():
    fields = view("purchase_orders", ORDERS)
    assert fields["ifs_etag"]["hidden"] == fields["sdc_deleted"]["hidden"] == "yes"
    assert "hidden" not in fields["vendor_no"]


def test_a_sum_brings_its_currency_into_the_query_and_shows_it():
    fields = view("purchase_order_lines", LINES)
    total = fields["sum_of_net_amt_curr"]
    assert (total["type"], total["sql"], total["required_fields"]) == ("sum", "${net_amt_curr}", ["currency_code"])
    assert total["html"] == "{{ rendered_value }} {{ currency_code._value }}"
    assert total["label"] == "Net amount (document currency)"
    assert fields["net_amt_curr"]["hidden"] == "yes"


def test_an_amount_in_the_currency_of_the_books_is_summed_by_company():
    base = view("purchase_order_lines", LINES)["sum_of_net_amt_base"]
    assert base["required_fields"] == ["contract"]  # lines have no company, and a site belongs to one
    books = Schema(
        "gl_voucher_rows", {"Company": TEXT, "CurrencyCode": TEXT, "Amount": MONEY, "CurrencyAmount": MONEY}, ()
    )
    fields = view("gl_voucher_rows", books)
    assert fields["sum_of_amount"]["required_fields"] == ["company"]
    assert fields["sum_of_currency_amount"]["required_fields"] == ["currency_code"]


def test_an_amount_of_an_unknown_currency_is_not_summed():
    fields = view("fees", Schema("fees", {"id": TEXT, "amount": MONEY}, ("id",)))
    assert set(fields) == {"id", "amount", "count"}
    assert "hidden" not in fields["amount"]


def test_the_currency_may_stand_in_the_row_that_a_row_belongs_to():
    lines = Schema(
        "customer_order_lines", {"OrderNo": TEXT, "LineNo": TEXT, "NetAmountCurr": MONEY}, ("OrderNo", "LineNo")
    )
    orders = Schema("customer_orders", {"OrderNo": TEXT, "CurrencyCode": TEXT}, ("OrderNo",))
    total = view("customer_order_lines", lines, orders)["sum_of_net_amount_curr"]
    assert total["required_fields"] == ["customer_orders.currency_code"]
    assert "sum_of_net_amount_curr" not in view("customer_order_lines", lines)


def test_quantities_are_summed_by_unit_and_prices_not_at_all():
    fields = view("purchase_order_lines", LINES)
    assert fields["sum_of_buy_qty_due"]["required_fields"] == ["buy_unit_meas"]
    assert "sum_of_buy_unit_price" not in fields
    assert fields["wanted_delivery_week"]["value_format_name"] == "id"


def test_names_are_those_of_the_warehouse_and_quoted_as_it_quotes():
    upper = views_of(made(*PURCHASING, dialect=SNOWFLAKE))["suppliers"]
    assert upper["sql_table_name"] == '"@{warehouse_schema}"."SUPPLIERS"'
    assert view("suppliers", *PURCHASING, dialect=SNOWFLAKE)["name"]["sql"] == '${TABLE}."NAME"'
    ticks = views_of(made(*PURCHASING, dialect=BIGQUERY))["suppliers"]
    assert ticks["sql_table_name"] == "`@{warehouse_schema}`.`suppliers`"


def test_two_properties_of_one_name_in_lookml_are_two_fields():
    fields = view("s", Schema("s", {"OrderNo": TEXT, "order_no": TEXT, "count": TEXT, "primary_key": TEXT}, ()))
    dimensions = [name for name, field in fields.items() if field["type"] == "string"]
    assert len(dimensions) == 4
    assert fields["count"]["type"] == "count"


VALUES = st.text(st.sampled_from("^01aé|'"), max_size=4)


@settings(max_examples=25, deadline=None)
@given(st.sets(st.tuples(VALUES, VALUES, st.integers(0, 3)), min_size=1, max_size=12))
def test_two_keys_never_make_one_primary_key(keys):
    schema = Schema("parts", {"a": TEXT, "b": TEXT, "n": NUMBER}, ("a", "b", "n"))
    sql = view("parts", schema)["primary_key"]["sql"].replace("${TABLE}", "parts")
    with duckdb.connect() as connection:
        connection.execute("CREATE TABLE parts (a VARCHAR, b VARCHAR, n DECIMAL(38, 18))")
        connection.executemany("INSERT INTO parts VALUES (?, ?, ?)", [list(key) for key in keys])
        assert connection.execute(f"SELECT count(DISTINCT {sql}) FROM parts").fetchone() == (len(keys),)


NAMES = st.text(st.characters(codec="utf-8", exclude_characters="\0"), min_size=1, max_size=12) | st.sampled_from(
    [
        "OrderDate",
        "Order",
        "order",
        "OrderWeek",
        "Amount",
        "Currency",
        "count",
        "sum_of_amount",
        "primary_key",
        "detail",
        '"',
        "a;;",
    ]
)
KINDS = st.sampled_from([TEXT, NUMBER, MONEY, DAY, INSTANT, {"type": "boolean"}, {"type": "object"}])
STREAMS = st.dictionaries(NAMES, st.dictionaries(NAMES, KINDS, min_size=1, max_size=6), min_size=1, max_size=3)


@settings(max_examples=40, deadline=None)
@given(STREAMS, st.randoms(use_true_random=False))
def test_any_streams_make_lookml_that_keeps_the_rules_in_whatever_order_they_come(streams, shuffled):
    schemas = [Schema(name, properties, (next(iter(properties)),)) for name, properties in streams.items()]
    expected = made(*schemas)  # raises if a rule is broken
    mixed = [Schema(name, dict(shuffled.sample(list(found.items()), len(found))), key) for name, found, key in schemas]
    if len({name.lower() for name in streams}) == len(streams) and not _alike(streams):
        assert made(*shuffled.sample(mixed, len(mixed))).files == expected.files


def _alike(streams):
    """Whether a warehouse would give names by the order in which they come."""
    return any(len({name.lower() for name in found}) < len(found) for found in streams.values())
