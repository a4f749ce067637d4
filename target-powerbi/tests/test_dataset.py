"""The dataset is found or made, and checked before the first row."""

from __future__ import annotations

import contextlib
from dataclasses import replace

import pytest
from ifs_bi_core.errors import AuthError, ConfigError, ContractBrokenError, OutcomeUnknownError
from ifs_bi_sandbox.powerbi.definitions import read_dataset
from target_powerbi.kept import Kept

WIDER = {"OrderNo": {"type": "string"}, "Amount": {"type": "number", "multipleOf": 0.01}, "Extra": {"type": "integer"}}
NARROW = {name: WIDER[name] for name in ("OrderNo", "Amount")}


def existing(pipe, name="Purchasing", number=1, properties=("OrderNo", "Amount"), table="orders", *, push=True):
    """A dataset that somebody else made."""
    types = {"OrderNo": "String", "Amount": "Decimal", "Extra": "Int64", "_ifs_batch": "String"}
    columns = [{"name": column, "dataType": types[column]} for column in properties]
    document = {"name": name, "tables": [{"name": table, "columns": columns}]}
    dataset = read_dataset(document, id=f"{number:08}-0000-0000-0000-000000000000", created="", retention="None")
    dataset.push = push
    pipe.world.powerbi[dataset.id] = dataset
    return dataset


def test_an_existing_empty_dataset_is_found_by_its_name_and_told_its_columns(pipe):
    dataset = existing(pipe, properties=("OrderNo",))
    pipe.feed(pipe.schema(properties=NARROW), pipe.order(1))
    assert pipe.calls()[:5] == [
        "GET datasets",
        f"GET datasets/{dataset.id}/tables",
        f"POST datasets/{dataset.id}/executeQueries",
        f"PUT datasets/{dataset.id}/tables/orders",
        f"POST datasets/{dataset.id}/tables/orders/rows",
    ]
    assert pipe.amounts() == {"1": 1}


def test_a_dataset_is_found_by_its_id(pipe):
    dataset = existing(pipe)
    existing(pipe, number=2)
    pipe.feed(pipe.schema(properties=NARROW), pipe.order(1), dataset_name=None, dataset_id=dataset.id)
    assert len(dataset.tables["orders"].rows) == 1


def test_two_datasets_of_one_name_are_listed_and_nothing_is_sent(pipe):
    one, other = existing(pipe), existing(pipe, number=2)
    with pytest.raises(ConfigError, match=f"2 datasets called 'Purchasing': {one.id}, {other.id}. Set dataset_id"):
        pipe.feed(pipe.schema(), pipe.order(1))
    assert pipe.calls() == ["GET datasets"]


def test_a_dataset_that_was_not_made_for_pushing_is_refused(pipe):
    existing(pipe, push=False)
    with pytest.raises(ConfigError, match="was not made for pushing"):
        pipe.feed(pipe.schema(), pipe.order(1))


def test_an_id_that_is_not_there_is_refused(pipe):
    with pytest.raises(ConfigError, match=r"PowerBIEntityNotFound.*Check dataset_id and workspace_id"):
        pipe.feed(pipe.schema(), dataset_name=None, dataset_id="00000000-0000-0000-0000-000000000000")


def test_a_workspace_without_access_is_refused(pipe):
    with pytest.raises(ConfigError, match="Add the service principal to the workspace"):
        pipe.feed(pipe.schema(), workspace_id="00000000-0000-0000-0000-000000000000")


def test_an_address_that_is_not_power_bi_is_refused(pipe):
    with pytest.raises(ConfigError, match="Check api_url"):
        pipe.feed(pipe.schema(), api_url=pipe.box.login_url)
    for answer in ("<html>Welcome</html>", "{}"):
        pipe.fault("status", status=200, message=answer)
        with pytest.raises(ConfigError, match="Check api_url"):
            pipe.feed(pipe.schema())


def test_an_absent_dataset_is_not_made_where_the_schema_is_not_managed(pipe):
    with pytest.raises(ConfigError, match="has no dataset 'Purchasing', and manage_schema is off"):
        pipe.feed(pipe.schema(), manage_schema=False)


def test_after_the_retirement_the_sentence_says_so(pipe):
    pipe.world.switches.creation_retired = True
    with pytest.raises(ConfigError, match="Microsoft no longer creates push datasets here"):
        pipe.feed(pipe.schema(), pipe.order(1), pipe.state(1))
    assert pipe.out == ""


def test_a_table_that_the_dataset_lacks_is_named_with_two_ways_out(pipe):
    existing(pipe, table="lines")
    with pytest.raises(ContractBrokenError) as refused:
        pipe.feed(pipe.schema(), pipe.order(1))
    assert "has no table 'orders' (stream orders)" in str(refused.value)
    assert "Either set another dataset_name, which makes a new dataset with all tables, or leave the stream out" in str(
        refused.value
    )


def test_rows_that_nothing_is_known_of_are_never_joined_by_others(pipe):
    pipe.feed(pipe.schema(), pipe.order(1))
    pipe.kept_file().unlink()
    with pytest.raises(
        ContractBrokenError, match=r"holds 1 rows that this target has no record of in .*full refresh and "
    ):
        pipe.feed(pipe.schema(), pipe.order(1), pipe.order(2))
    assert pipe.amounts().keys() == {"1"}
    pipe.fault("status", status=401, path="*/executeQueries", times=None)
    with pytest.raises(ContractBrokenError, match="may hold rows"):
        pipe.feed(pipe.schema(), pipe.order(1))
    pipe.world.faults.clear()
    pipe.feed(pipe.schema(), pipe.order(2), replace_unknown_rows=True)
    assert pipe.amounts().keys() == {"2"}
    pipe.feed(pipe.schema(), pipe.order(3))
    assert pipe.amounts().keys() == {"2", "3"}


def test_a_new_column_is_told_and_rows_stay(pipe):
    pipe.feed(pipe.schema(properties=NARROW), pipe.order(1))
    pipe.feed(pipe.schema(properties=WIDER), pipe.order(2, Extra=7))
    assert pipe.rows() == [{"OrderNo": "1", "Amount": 1}, {"OrderNo": "2", "Amount": 1, "Extra": 7}]
    assert len(pipe.calls("PUT")) == 1
    pipe.feed(pipe.schema(properties=WIDER), pipe.order(3))
    assert not pipe.calls("PUT")


def test_a_new_column_is_refused_where_the_schema_is_not_managed(pipe):
    pipe.feed(pipe.schema(properties=NARROW), pipe.order(1))
    with pytest.raises(ContractBrokenError, match="has no column Extra, and manage_schema is off"):
        pipe.feed(pipe.schema(properties=WIDER), manage_schema=False)


def test_a_changed_measure_or_format_is_told(pipe):
    pipe.feed(pipe.schema(), pipe.order(1))
    pipe.feed(pipe.schema(), tables={"orders": {"measures": {"Total": "SUM(orders[Amount])"}}})
    assert pipe.dataset().tables["orders"].measures.keys() == {"Total"}
    assert pipe.amounts() == {"1": 1}


def test_a_type_that_changed_and_a_column_that_is_gone_stop_the_run_with_a_table(pipe):
    pipe.feed(pipe.schema(properties=WIDER), pipe.order(1))
    with pytest.raises(ContractBrokenError) as refused:
        pipe.feed(pipe.schema(properties={"OrderNo": {"type": "integer"}, "Amount": WIDER["Amount"]}))
    assert (
        "no longer fits table 'orders' of dataset 'Purchasing', and Power BI can't change or drop a column that holds rows:\n"
        "  column   in Power BI  in the SCHEMA\n  OrderNo  String       Int64\n  Extra    Int64        gone\n"
    ) in str(refused.value)
    assert pipe.calls() == ["GET datasets", f"GET datasets/{pipe.dataset().id}/tables"]


def test_a_type_that_changed_is_refused_while_the_dataset_is_absent_too(pipe):
    with pytest.raises(ContractBrokenError, match="no longer fits"):
        pipe.feed(pipe.schema(), pipe.order(1), pipe.schema(properties={"OrderNo": {"type": "integer"}}))


def test_another_key_or_table_name_is_refused(pipe):
    pipe.feed(pipe.schema(), pipe.order(1))
    with pytest.raises(ContractBrokenError, match="kept under the key OrderNo, and now it has the key OrderNo, Lines"):
        pipe.feed(pipe.schema(keys=("OrderNo", "Lines")))
    pipe.world.powerbi[pipe.dataset().id].tables["Others"] = pipe.dataset().tables["orders"]
    with pytest.raises(ContractBrokenError, match="kept under table 'orders', and now it has table 'Others'"):
        pipe.feed(pipe.schema(), tables={"orders": {"table": "Others"}})


def test_two_streams_of_one_table_are_refused(pipe):
    with pytest.raises(ConfigError, match="streams orders and lines would both go to table 'Orders'"):
        pipe.feed(pipe.schema(), pipe.schema("lines"), tables={"lines": {"table": "Orders"}})


def test_more_tables_than_a_dataset_may_have_are_refused(pipe):
    with pytest.raises(ConfigError, match="76 streams are 76 tables, and a push dataset has at most 75"):
        pipe.feed(*(pipe.schema(f"s{number}") for number in range(76)))


def test_a_dataset_that_somebody_deleted_is_made_again_from_the_kept_rows(pipe):
    pipe.feed(pipe.schema(), pipe.order(1), pipe.schema("lines"), pipe.record({"OrderNo": "7"}, "lines"))
    pipe.world.powerbi.clear()
    pipe.feed(pipe.schema(), pipe.order(2))
    assert pipe.amounts().keys() == {"1", "2"}
    assert pipe.rows("lines") == [{"OrderNo": "7"}]


def test_a_dataset_that_was_made_anew_by_hand_is_told_and_filled(pipe):
    pipe.feed(pipe.schema(properties=NARROW), pipe.order(1))
    pipe.world.powerbi.clear()
    existing(pipe, number=9, properties=("OrderNo",))
    pipe.feed(pipe.schema(properties=NARROW), pipe.order(2))
    assert pipe.amounts() == {"1": 1, "2": 1}


def test_a_dataset_that_was_made_anew_without_a_table_is_refused(pipe):
    pipe.feed(pipe.schema(), pipe.order(1), pipe.schema("lines"), pipe.record({"OrderNo": "7"}, "lines"))
    pipe.world.powerbi.clear()
    existing(pipe, number=9)
    with pytest.raises(ContractBrokenError, match=r"has no table 'lines' \(stream lines\)"):
        pipe.feed(pipe.schema(properties=NARROW), pipe.order(2))


def test_a_renamed_dataset_is_known_by_its_id(pipe, caplog):
    pipe.feed(pipe.schema(), pipe.order(1))
    pipe.dataset().name = "Procurement"
    pipe.feed(pipe.schema(), pipe.order(2))
    assert pipe.amounts().keys() == {"1", "2"}
    assert "The dataset 'Purchasing' is now called 'Procurement' in Power BI." in caplog.text


def test_a_creation_whose_answer_is_lost_makes_one_dataset(pipe):
    pipe.fault("reset", method="POST", path="*/datasets", after=True)
    pipe.feed(pipe.schema(), pipe.order(1), pipe.state(1))
    assert pipe.amounts() == {"1": 1}


def test_a_creation_that_nobody_knows_of_is_settled_by_the_next_run(pipe):
    pipe.fault("reset", method="POST", path="*/datasets", after=True)
    pipe.fault("status", method="GET", path="*/datasets", status=403, skip=1)
    with pytest.raises(AuthError, match="answered 403"):
        pipe.feed(pipe.schema(), pipe.order(1), pipe.state(1))
    pipe.feed(pipe.schema(), pipe.order(1), pipe.state(1))
    assert pipe.amounts() == {"1": 1}
    assert not pipe.calls("POST", "/datasets")


def test_a_creation_that_did_not_happen_is_done_by_the_next_run(pipe):
    pipe.fault("status", method="POST", path="*/datasets", status=500)
    with pytest.raises(OutcomeUnknownError, match=r"No dataset of that name is there yet\. Run again"):
        pipe.feed(pipe.schema(), pipe.order(1), pipe.state(1))
    pipe.feed(pipe.schema(), pipe.order(1), pipe.state(1))
    assert pipe.amounts() == {"1": 1}


def test_rows_gathered_by_a_run_that_ended_early_do_not_stay(pipe):
    pipe.fault("status", method="POST", path="*/datasets", status=400, code="BadRequest")
    with pytest.raises(ContractBrokenError, match="BadRequest"):
        pipe.feed(pipe.schema(), pipe.order(1))
    pipe.feed(pipe.schema(), pipe.order(2))
    assert pipe.amounts().keys() == {"2"}


def test_the_column_of_requests_is_told_at_the_first_start_to_tables_that_an_earlier_version_made(pipe):
    pipe.feed(pipe.schema(), pipe.order(1))
    with contextlib.closing(Kept(pipe.kept_file())) as kept:
        table = kept.tables()["orders"].table
        kept.define(replace(table, technical=()), defined=True)
    pipe.dataset().tables["orders"].columns.pop("_ifs_batch")
    pipe.feed(pipe.schema(), pipe.order(1), pipe.order(2))
    assert len(pipe.calls("PUT")) == 1
    assert list(pipe.dataset().tables["orders"].columns)[-1] == "_ifs_batch"
    assert len(pipe.calls("POST", "/rows")) == 1
    assert pipe.amounts().keys() == {"1", "2"}


def test_a_missing_column_is_left_out_where_that_is_wanted(pipe, caplog):
    pipe.feed(pipe.schema(properties=NARROW), pipe.order(1))
    for number in (2, 3):
        caplog.clear()
        pipe.feed(pipe.schema(properties=WIDER), pipe.order(number, Extra=7), on_missing_column="drop")
        assert not pipe.calls("PUT")
        assert "table 'orders' has no column Extra, and on_missing_column is drop: left out" in caplog.text
    assert pipe.rows() == [{"OrderNo": str(number), "Amount": 1} for number in (1, 2, 3)]
    pipe.feed(pipe.schema(properties=WIDER), pipe.order(2, Extra=7))
    assert pipe.rows()[1] == {"OrderNo": "2", "Amount": 1, "Extra": 7}


def test_a_missing_column_stops_the_run_where_that_is_wanted(pipe):
    pipe.feed(pipe.schema(properties=NARROW), pipe.order(1))
    with pytest.raises(
        ContractBrokenError, match=r"has no column Extra, and on_missing_column is fail\. Set on_missing"
    ):
        pipe.feed(pipe.schema(properties=WIDER), pipe.order(2, Extra=7), on_missing_column="fail")
    assert pipe.amounts().keys() == {"1"}
    pipe.feed(pipe.schema(properties=NARROW), pipe.order(2), on_missing_column="fail")
    assert pipe.amounts().keys() == {"1", "2"}


@pytest.mark.parametrize("policy", ["fail", "drop"])
def test_what_is_new_before_the_dataset_is_made_is_missing_nowhere(pipe, policy):
    pipe.feed(
        pipe.schema(properties=NARROW),
        pipe.order(1),
        pipe.schema(properties=WIDER),
        pipe.order(2, Extra=7),
        on_missing_column=policy,
    )
    assert pipe.rows()[1] == {"OrderNo": "2", "Amount": 1, "Extra": 7}


def test_a_table_that_others_made_is_asked_for_its_columns_where_it_may_not_be_defined(pipe, caplog):
    existing(pipe, properties=("OrderNo", "Amount", "_ifs_batch"))
    with pytest.raises(ContractBrokenError, match="has no column Extra, and manage_schema is off"):
        pipe.feed(pipe.schema(properties=WIDER), pipe.order(1), manage_schema=False)
    pipe.feed(pipe.schema(properties=WIDER), pipe.order(1, Extra=7), manage_schema=False, on_missing_column="drop")
    assert "has no column Extra, and on_missing_column is drop" in caplog.text
    assert pipe.amounts() == {"1": 1}
    assert not pipe.calls("PUT")


def test_a_table_without_the_column_of_requests_gets_rows_all_the_same(pipe):
    existing(pipe)
    pipe.feed(pipe.schema(properties=NARROW), pipe.order(1), manage_schema=False)
    pipe.feed(pipe.schema(properties=NARROW), pipe.order(2), manage_schema=False)
    assert pipe.amounts() == {"1": 1, "2": 1}
    assert not pipe.calls("PUT")


def test_where_no_queries_are_answered_the_columns_are_taken_to_be_there(pipe, caplog):
    existing(pipe, properties=("OrderNo", "Amount", "_ifs_batch"))
    pipe.fault("status", status=401, path="*/executeQueries", times=None)
    pipe.feed(pipe.schema(properties=NARROW), pipe.order(1), manage_schema=False, replace_unknown_rows=True)
    assert "Power BI does not tell which columns table 'orders' has; it is taken to have all of them" in caplog.text
    assert pipe.amounts() == {"1": 1}


def test_where_the_kept_file_is_lost_a_row_shows_what_the_table_has(pipe):
    pipe.feed(pipe.schema(properties=WIDER), pipe.order(1, Extra=7))
    pipe.kept_file().unlink()
    other = {"OrderNo": {"type": "integer"}, "Amount": WIDER["Amount"], "More": {"type": "string"}}
    with pytest.raises(ContractBrokenError) as refused:
        pipe.feed(pipe.schema(properties=other), replace_unknown_rows=True)
    assert (
        "  column   in Power BI  in the SCHEMA\n  OrderNo  text         Int64\n  Extra    some type    gone\n"
    ) in str(refused.value)
    assert not pipe.calls("PUT")
    pipe.feed(pipe.schema(properties=WIDER), pipe.order(2), replace_unknown_rows=True)
    assert pipe.amounts() == {"2": 1}


def test_two_streams_with_one_measure_are_refused(pipe):
    measures = {"measures": {"Total": "1"}}
    with pytest.raises(ConfigError, match="streams orders and lines both have a measure 'Total'"):
        pipe.feed(pipe.schema(), pipe.schema("lines"), tables={"orders": measures, "lines": measures})


def test_relationships_of_the_setting_are_made_with_the_dataset(pipe):
    lines = {"LineNo": {"type": "integer"}, "Order": {"type": "string"}}
    tables = {
        "orders": {"table": "Orders", "columns": {"OrderNo": {"name": "Order no"}}},
        "lines": {"relationships": {"Order": "orders"}},
    }
    pipe.feed(pipe.schema(), pipe.order(1), pipe.schema("lines", lines, ("LineNo",)), tables=tables)
    assert pipe.dataset().relationships == [
        {
            "name": "relationship_1",
            "fromTable": "lines",
            "fromColumn": "Order",
            "toTable": "Orders",
            "toColumn": "Order no",
            "crossFilteringBehavior": "OneDirection",
        }
    ]


def test_a_relationship_that_can_not_be_stops_before_the_dataset_is_made(pipe):
    with pytest.raises(ConfigError, match=r"tables\.orders\.relationships\.Lines: there is no stream lines in this"):
        pipe.feed(pipe.schema(), pipe.order(1), tables={"orders": {"relationships": {"Lines": "lines"}}})
    assert not pipe.world.powerbi
