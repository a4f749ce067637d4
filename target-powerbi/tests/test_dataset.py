"""The dataset is found or made, and checked before the first row."""

from __future__ import annotations

import pytest
from ifs_bi_core.errors import AuthError, ConfigError, ContractBrokenError, OutcomeUnknownError
from ifs_bi_sandbox.powerbi.datasets import read_dataset

WIDER = {"OrderNo": {"type": "string"}, "Amount": {"type": "number", "multipleOf": 0.01}, "Extra": {"type": "integer"}}
NARROW = {name: WIDER[name] for name in ("OrderNo", "Amount")}


def existing(pipe, name="Purchasing", number=1, properties=("OrderNo", "Amount"), table="orders", *, push=True):
    """A dataset that somebody else made."""
    types = {"OrderNo": "String", "Amount": "Decimal", "Extra": "Int64"}
    columns = [{"name": column, "dataType": types[column]} for column in properties]
    document = {"name": name, "tables": [{"name": table, "columns": columns}]}
    dataset = read_dataset(document, id=f"{number:08}-0000-0000-0000-000000000000", created="", retention="None")
    dataset.push = push
    pipe.world.powerbi[dataset.id] = dataset
    return dataset


def test_an_existing_empty_dataset_is_found_by_its_name_and_told_its_columns(pipe):
    dataset = existing(pipe, properties=("OrderNo",))
    pipe.feed(pipe.schema(properties=NARROW), pipe.order(1))
    assert pipe.calls() == [
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
    assert not pipe.calls("POST", "executeQueries")


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
