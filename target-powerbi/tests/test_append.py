"""`append`: every version of a row is a row."""

from __future__ import annotations

import logging

import pytest
from ifs_bi_core.errors import IfsBiError


@pytest.fixture
def appending(pipe):
    pipe.config["write_mode"] = "append"
    return pipe


def test_every_version_and_every_deletion_is_a_row(appending):
    versioned = {
        "OrderNo": {"type": "string"},
        "Amount": {"type": "integer"},
        "_ifs_row_version": {"type": "string", "format": "date-time"},
    }
    schema = appending.schema(properties=versioned)
    appending.feed(schema, appending.order(1, 1, _ifs_row_version="2026-11-20T12:00:00.000000Z"))
    appending.feed(schema, appending.order(1, 2, _ifs_row_version="2026-11-20T13:00:00.000000Z"), appending.gone(1))
    assert [row.get("Amount") for row in appending.rows()] == [1, 2, None]
    assert [str(row.get("_sdc_deleted_at")) for row in appending.rows()][-1] == "2026-11-20 12:00:00"
    assert not appending.calls("DELETE")


def test_metadata_columns_are_added_where_they_are_asked_for(appending):
    appending.feed(appending.schema(), appending.order(1), add_record_metadata=True)
    (row,) = appending.rows()
    assert row["_sdc_received_at"]
    assert row["_sdc_sequence"] > 0


def test_a_full_refresh_takes_nothing_out_and_says_so_once(appending, caplog):
    appending.feed(appending.schema(), appending.order(1) | {"version": 1})
    with caplog.at_level(logging.INFO):
        appending.feed(
            appending.schema(), appending.activate(2), appending.order(2) | {"version": 2}, appending.activate(2)
        )
    assert len(appending.rows()) == 2
    assert caplog.text.count("orders: a full refresh takes no row out of the table") == 1


def test_a_lost_answer_doubles_no_row(appending):
    appending.feed(appending.schema(), appending.order(1))
    appending.fault("reset", method="POST", path="*/rows", after=True)
    appending.feed(appending.schema(), appending.order(2), appending.order(3))
    assert [row["OrderNo"] for row in appending.rows()] == ["1", "2", "3"]


def test_rows_of_a_run_whose_state_never_left_are_not_doubled_by_the_next(appending):
    first = [appending.schema(), appending.order(1), appending.order(2)]
    appending.feed(*first)
    for fault in ({"kind": "reset"}, {"kind": "reset", "after": True}, {"kind": "status", "status": 400}):
        appending.fault("status", status=403, method="POST", path="*/executeQueries", times=None)
        appending.fault(method="POST", path="*/rows", skip=1, times=None, **fault)
        with pytest.raises(IfsBiError):
            appending.feed(appending.schema(), appending.order(3), appending.order(4), batch_size_rows=1)
        appending.world.faults.clear()
    appending.feed(appending.schema(), appending.order(3), appending.order(4), batch_size_rows=1)
    assert [row["OrderNo"] for row in appending.rows()] == ["1", "2", "3", "4"]
    appending.feed(appending.schema(), appending.order(1, 7))
    assert not appending.calls("DELETE")
    assert len(appending.rows()) == 5
