"""`append`: every version of a row is a row."""

from __future__ import annotations

import contextlib
import logging

import pytest
from ifs_bi_core.errors import IfsBiError
from target_powerbi.delivery import Delivery
from target_powerbi.target import TargetPowerBI


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


class Killed(BaseException):
    """The end of a process."""


@contextlib.contextmanager
def killed_when_its_state_leaves(monkeypatch, *, had_left):
    """The feeding inside ends in the moment in which its STATE leaves: just before it does, or just after."""

    def end(*_):
        raise Killed

    moment = (Delivery, "left") if had_left else (TargetPowerBI, "_write_state_message")
    with monkeypatch.context() as patched:
        patched.setattr(*moment, end)
        with pytest.raises(Killed):
            yield


@pytest.mark.parametrize("batch_size", [1, 2, 100])
@pytest.mark.parametrize("had_left", [False, True])
def test_versions_whose_state_was_about_to_leave_are_there_once(appending, monkeypatch, had_left, batch_size):
    appending.config["batch_size_rows"] = batch_size
    appending.feed(appending.schema(), appending.order(1, 1), appending.state("old"))
    news = [appending.order(1, 2), appending.order(2, 2), appending.order(1, 3), appending.order(2, 2)]
    said = [appending.schema(), *news, appending.state("new")]
    for _ in range(2):  # and once more in the run that would have mended it
        with killed_when_its_state_leaves(monkeypatch, had_left=had_left):
            appending.feed(*said)
    more = [*said[:-1], appending.order(1, 4), appending.state("new")]
    appending.feed(*more)
    assert [(row["OrderNo"], row["Amount"]) for row in appending.came()] == [
        *(("1", 1), ("1", 2), ("2", 2), ("1", 3), ("2", 2), ("1", 4))
    ]
    assert {state for push in appending.pushes() for state in push.rows} <= {"acknowledged", "outdated"}
    appending.feed(appending.schema(), appending.order(2, 2))  # the state had left: from here on it is one more
    assert len(appending.rows()) == 7


def test_versions_come_again_once_however_many_runs_bring_none_or_a_part_of_them_before(appending, monkeypatch):
    schema = appending.schema()
    appending.feed(schema, appending.order(1, 1), appending.state("old"))
    news = [appending.order(1, 2), appending.order(2, 2), appending.order(1, 3), appending.order(3, 2)]
    with killed_when_its_state_leaves(monkeypatch, had_left=False):
        appending.feed(schema, *news, appending.state("new"))
    appending.feed(schema, appending.state("old"))
    appending.feed(schema, news[1], appending.state("half"))
    with killed_when_its_state_leaves(monkeypatch, had_left=True):
        appending.feed(schema, news[2], appending.state("half"))
    appending.feed(schema, *news[2:], appending.state("new"))
    orders = [(row["OrderNo"], row["Amount"]) for row in appending.came()]
    assert orders == [("1", 1), ("1", 2), ("2", 2), ("1", 3), ("3", 2)]


def test_a_value_that_returns_is_a_version_though_its_row_was_expected_again(appending, monkeypatch):
    schema = appending.schema()
    appending.feed(schema, appending.order(1, 1), appending.state("old"))
    with killed_when_its_state_leaves(monkeypatch, had_left=True):
        appending.feed(schema, appending.order(1, 2), appending.order(2, 5), appending.state("new"))
    appending.feed(schema, appending.state("new"))
    appending.feed(schema, appending.order(1, 3), appending.order(1, 2), appending.state("newer"))
    appending.feed(schema, appending.order(2, 6), appending.state("newer"))
    appending.feed(schema, appending.order(2, 5), appending.state("newer"))
    amounts = [(row["OrderNo"], row["Amount"]) for row in appending.came()]
    assert amounts == [("1", 1), ("1", 2), ("2", 5), ("1", 3), ("1", 2), ("2", 6), ("2", 5)]


def test_of_two_versions_that_may_have_left_the_older_one_may_return(appending, monkeypatch):
    schema = appending.schema()
    appending.feed(schema, appending.order(1, 1), appending.state("old"))
    with killed_when_its_state_leaves(monkeypatch, had_left=True):
        appending.feed(schema, appending.order(1, 2), appending.order(1, 3), appending.state("new"))
    appending.feed(schema, appending.order(2, 9), appending.state("newer"))
    appending.feed(schema, appending.order(1, 2), appending.state("newest"))
    amounts = [(row["OrderNo"], row["Amount"]) for row in appending.came()]
    assert amounts == [("1", 1), ("1", 2), ("1", 3), ("2", 9), ("1", 2)]


def test_a_row_that_is_refused_beside_rows_that_come_again_is_the_only_one_that_is_refused(appending, monkeypatch):
    appending.feed(appending.schema(), appending.order(1), appending.state("old"))
    said = [appending.schema(), *(appending.order(number) for number in (2, 3, 4))]
    with killed_when_its_state_leaves(monkeypatch, had_left=False):
        appending.feed(*said, appending.state("new"))
    appending.fault("status", status=400, code="BadRequest", method="POST", path="*/rows", times=3)
    appending.feed(*said[:2], appending.order(9), *said[2:], appending.order(5), appending.state("new"))
    assert sorted(row["OrderNo"] for row in appending.rows()) == ["1", "2", "3", "4", "5"]
    assert [key for key, _ in appending.dead()] == ['{"OrderNo":"9"}']
